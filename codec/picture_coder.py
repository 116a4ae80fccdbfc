"""References in, a chain of VP9 frames out, each predicted from those before it; and the way back.

The first frame of a chain stands for itself, about 5 kB; a later one says only what differs, 1 to 2 kB. A frame can be
decoded only after all frames before it, in their order, so a chain goes over a channel that loses nothing. VP9's
decoder is exact to the bit, and the colours are converted in whole numbers: both ends hold the same picture.
"""

from dataclasses import dataclass
from fractions import Fraction

import av
import av.error
import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.proto.errors import WireError

CHAIN_SIZE = 256
CHAIN_MEDIA_TYPE = "video/vp9"
# libvpx's constant quality, 0 to 63: 34 to 39 dB, after the person; see headgan-bench reference-coding.
QUALITY = 34
_MAX_BYTES = 256 * 1024
_OPTIONS = {
    "deadline": "good",
    "cpu-used": "4",
    "lag-in-frames": "0",
    "auto-alt-ref": "0",
    "b": "0",
    "g": "99999",
}


@dataclass(frozen=True, eq=False)
class CodedPicture:
    """A frame of a chain.

    Attributes:
        data: its bytes.
        picture_rgb: uint8 [256, 256, 3], what the other side sees.
    """

    data: bytes
    picture_rgb: NDArray[np.uint8]


def chain_context(codec: str, *, time_base: Fraction, rate_fps: int) -> av.VideoCodecContext:
    """An encoder of pictures as a chain has them, its options not set yet."""
    context = av.CodecContext.create(codec, "w")
    context.width = context.height = CHAIN_SIZE
    context.pix_fmt = "yuv420p"
    context.time_base, context.framerate = time_base, Fraction(rate_fps)
    return context


def encode_next(context: av.VideoCodecContext, picture_rgb: NDArray[np.uint8], pts: int) -> bytes:
    """What an encoder makes of its next picture, uint8 [256, 256, 3]; pts: its time in the encoder's time base."""
    planes = cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2YUV_I420)
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.pts = pts
    return b"".join(bytes(packet) for packet in context.encode(frame))


class PictureEncoder:
    """Makes one chain. Not thread-safe."""

    def __init__(self, quality: int = QUALITY) -> None:
        """Args: quality: libvpx's, 0 (best) to 63."""
        context = self._context = chain_context("libvpx-vp9", time_base=Fraction(1, 25), rate_fps=25)
        context.thread_count = 1
        context.options = {**_OPTIONS, "crf": str(quality)}
        self._decoder = PictureDecoder()
        self._count = 0

    def encode(self, picture_rgb: NDArray[np.uint8]) -> CodedPicture:
        """The next frame of the chain; picture_rgb: uint8 [256, 256, 3]."""
        if picture_rgb.shape != (CHAIN_SIZE, CHAIN_SIZE, 3):
            raise ValueError(
                f"reference: the picture is {picture_rgb.shape}, need {(CHAIN_SIZE, CHAIN_SIZE, 3)}"
            )
        data = encode_next(self._context, picture_rgb, self._count)
        self._count += 1
        return CodedPicture(data, self._decoder.decode(data))


class PictureDecoder:
    """Reads one chain. Not thread-safe."""

    def __init__(self) -> None:
        self._context = av.CodecContext.create("vp9", "r")
        self._context.thread_count = 1
        # Nothing larger is given memory.
        self._context.options = {"max_pixels": str(CHAIN_SIZE * CHAIN_SIZE)}

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """Uint8 [256, 256, 3]: the next picture of the chain, from the network.

        Raises:
            WireError: the bytes are not its next frame; the chain is broken.
        """
        if not 0 < len(data) <= _MAX_BYTES:
            raise WireError(f"reference: {len(data)} bytes, must be 1..{_MAX_BYTES}")
        try:
            frames = self._context.decode(av.Packet(data))
        except (av.error.FFmpegError, ValueError) as exc:
            raise WireError("reference: not the next VP9 frame of its chain") from exc
        if len(frames) != 1 or frames[0].format.name != "yuv420p":
            raise WireError("reference: not one VP9 picture")
        frame = frames[0]
        if (frame.width, frame.height) != (CHAIN_SIZE, CHAIN_SIZE):
            raise WireError(f"reference: {frame.width}x{frame.height} pixels, need {CHAIN_SIZE}x{CHAIN_SIZE}")
        picture: NDArray[np.uint8] = cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2RGB_I420)
        return picture
