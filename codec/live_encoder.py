"""Pictures in, VP9 frames at a low rate out: the video that a call falls back on where no face can be drawn.

Each frame is predicted from those before it, as in picture_coder.py, whose `PictureDecoder` reads it; what differs is
that it is made in real time and for a rate, not for a quality.
"""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from headgan.codec.picture_coder import chain_context, encode_next

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
        time_base = Fraction(1, 1000)
        context = self._context = chain_context("libvpx-vp9", time_base=time_base, rate_fps=FRAMES_PER_SECOND)
        context.bit_rate = round(kbps * 1000)
        context.thread_count = 1
        rate = str(context.bit_rate)
        context.options = {**_OPTIONS, "minrate": rate, "maxrate": rate}
        self._pts_ms = -1

    def encode(self, picture_rgb: NDArray[np.uint8], pts_ms: float) -> bytes:
        """The next frame; picture_rgb: uint8 [256, 256, 3]; pts_ms: its time."""
        self._pts_ms = max(self._pts_ms + 1, round(pts_ms))
        return encode_next(self._context, picture_rgb, self._pts_ms)
