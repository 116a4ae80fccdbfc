"""Pictures in, VP9 frames at a low rate out: the video that a call falls back on where no face can be drawn.

Each frame is predicted from those before it, as in picture_coder.py, whose `PictureDecoder` reads it; what differs is
that it is made in real time and for a rate, not for a quality.
"""

from fractions import Fraction

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.codec.picture_coder import CHAIN_SIZE

# The rate is shared among so many frames a second; fewer are made where they turn out larger.
FRAMES_PER_SECOND = 8
_OPTIONS = {
    "deadline": "realtime",
    "cpu-used": "6",
    "lag-in-frames": "0",
    "auto-alt-ref": "0",
    "error-resilient": "0",
    "qmin": "16",
    "qmax": "60",
    "g": "99999",
}


class LiveEncoder:
    """Makes one chain of frames. Not thread-safe."""

    def __init__(self, kbps: float) -> None:
        """Args: kbps: kbit/s to spend on average."""
        context = self._context = av.CodecContext.create("libvpx-vp9", "w")
        context.width = context.height = CHAIN_SIZE
        context.pix_fmt = "yuv420p"
        context.time_base, context.framerate = Fraction(1, 1000), Fraction(FRAMES_PER_SECOND)
        context.bit_rate = round(kbps * 1000)
        context.thread_count = 1
        rate = str(context.bit_rate)
        context.options = {**_OPTIONS, "minrate": rate, "maxrate": rate}
        self._pts_ms = -1

    def encode(self, picture_rgb: NDArray[np.uint8], pts_ms: float) -> bytes:
        """The next frame; picture_rgb: uint8 [256, 256, 3]; pts_ms: its time."""
        planes = cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2YUV_I420)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        self._pts_ms = frame.pts = max(self._pts_ms + 1, round(pts_ms))
        return b"".join(bytes(packet) for packet in self._context.encode(frame))
