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
from headgan.proto.hello import PICTURE_PX

CHAIN_SIZE = PICTURE_PX
CHAIN_MEDIA_TYPE = "video/vp9"
# libvpx's constant quality, 0 to 63: 34 to 39 dB, after the person; see headgan-bench reference-coding.
QUALITY = 34
# For 512 x 512 pixels: 1.4 times the bytes of 256 x 256 at `QUALITY`. At 46 they are equal, and the picture is still
# 0.7 dB nearer to what the camera saw. On 15 clips, five pictures of each.
LARGE_QUALITY = 42
_MAX_BYTES = 256 * 1024
_OPTIONS = {
    "deadline": "good",
    "cpu-used": "1",
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
        picture_rgb: uint8 [size, size, 3], what the other side sees.
    """

    data: bytes
    picture_rgb: NDArray[np.uint8]


def chain_context(
    codec: str, *, time_base: Fraction, rate_fps: int, size: int = CHAIN_SIZE
) -> av.VideoCodecContext:
    """An encoder of pictures as a chain has them, its options not set yet."""
    context = av.CodecContext.create(codec, "w")
    context.width = context.height = size
    context.pix_fmt = "yuv420p"
    context.time_base, context.framerate = time_base, Fraction(rate_fps)
    return context


def encode_next(context: av.VideoCodecContext, picture_rgb: NDArray[np.uint8], pts: int) -> bytes:
    """What an encoder makes of its next picture, uint8 [size, size, 3]; pts: its time in the encoder's time base."""
    planes = cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2YUV_I420)
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.pts = pts
    return b"".join(bytes(packet) for packet in context.encode(frame))


class PictureEncoder:
    """Makes one chain. Not thread-safe."""

    def __init__(self, quality: int | None = None, size: int = CHAIN_SIZE) -> None:
        """Begins a chain.

        Args:
            quality: libvpx's, 0 (best) to 63; None for what suits the size.
            size: side of its pictures, 256 or 512.
        """
        if quality is None:
            quality = QUALITY if size == CHAIN_SIZE else LARGE_QUALITY
        self.size = size
        context = self._context = chain_context(
            "libvpx-vp9", time_base=Fraction(1, 25), rate_fps=25, size=size
        )
        context.thread_count = 1
        context.options = {**_OPTIONS, "crf": str(quality)}
        self._decoder = PictureDecoder(size)
        self._count = 0

    def encode(self, picture_rgb: NDArray[np.uint8]) -> CodedPicture:
        """The next frame of the chain; picture_rgb: uint8 [size, size, 3]."""
        if picture_rgb.shape != (self.size, self.size, 3):
            raise ValueError(
                f"reference: the picture is {picture_rgb.shape}, need {(self.size, self.size, 3)}"
            )
        data = encode_next(self._context, picture_rgb, self._count)
        self._count += 1
        return CodedPicture(data, self._decoder.decode(data))


class PictureDecoder:
    """Reads one chain. Not thread-safe."""

    def __init__(self, size: int = CHAIN_SIZE) -> None:
        """Args: size: side of its pictures."""
        self._size = size
        self._context = av.CodecContext.create("vp9", "r")
        self._context.thread_count = 1
        # Nothing larger is given memory.
        self._context.options = {"max_pixels": str(size * size)}

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """Uint8 [size, size, 3]: the next picture of the chain, from the network.

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
        if (frame.width, frame.height) != (self._size, self._size):
            raise WireError(f"reference: {frame.width}x{frame.height} pixels, need {self._size}x{self._size}")
        picture: NDArray[np.uint8] = cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2RGB_I420)
        return picture
