"""Pictures to send as references in, what a coder's other side sees of them, their bytes and times out.

still    each for itself: WebP, AVIF
chain    each predicted from those before it: VP9 as a call sends it, AV1
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ParamSpec, TypeVar

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.codec.picture_coder import PictureDecoder, PictureEncoder, chain_context, encode_next
from headgan.proto.errors import HeadganError

Picture = NDArray[np.uint8]
P = ParamSpec("P")
T = TypeVar("T")
_AVIF_SPEED = 6
# Low delay, a key frame at the start and none after it, one thread.
_AV1_OPTIONS = {"preset": "4", "svtav1-params": "pred-struct=1:lookahead=0:keyint=-1:scd=0:lp=1"}


@dataclass(frozen=True, eq=False)
class Coded:
    """One picture, there and back.

    Attributes:
        size_bytes: what was sent.
        picture_rgb: uint8 [256, 256, 3], what the other side sees.
        encode_ms: how long coding it took.
        decode_ms: how long the other side takes.
    """

    size_bytes: int
    picture_rgb: Picture
    encode_ms: float
    decode_ms: float


Coder = Callable[[Sequence[Picture], int], list[Coded]]


def code_webp(pictures: Sequence[Picture], quality: int) -> list[Coded]:
    """Each as a WebP picture; quality: 0 to 100 (best)."""
    return [_still(picture, ".webp", [cv2.IMWRITE_WEBP_QUALITY, quality]) for picture in pictures]


def code_avif(pictures: Sequence[Picture], quality: int) -> list[Coded]:
    """Each as an AVIF picture; quality: 0 to 100 (best)."""
    options = [cv2.IMWRITE_AVIF_QUALITY, quality, cv2.IMWRITE_AVIF_SPEED, _AVIF_SPEED]
    return [_still(picture, ".avif", options) for picture in pictures]


def code_vp9_chain(pictures: Sequence[Picture], quality: int) -> list[Coded]:
    """The chain of a call; quality: 0 (best) to 63."""
    encoder, decoder = PictureEncoder(quality), PictureDecoder()
    return [code_next(encoder, decoder, picture) for picture in pictures]


def code_next(encoder: PictureEncoder, decoder: PictureDecoder, picture: Picture) -> Coded:
    """The next picture of a VP9 chain.

    Raises:
        HeadganError: the decoder sees another picture than the encoder says.
    """
    coded, both_ms = timed(encoder.encode, picture)
    seen, decode_ms = timed(decoder.decode, coded.data)
    if not np.array_equal(seen, coded.picture_rgb):
        raise HeadganError("the two ends of a VP9 chain see different pictures")
    # The encoder decodes, too, to know what the other side sees.
    return Coded(len(coded.data), seen, max(0.0, both_ms - decode_ms), decode_ms)


def code_av1_chain(pictures: Sequence[Picture], quality: int) -> list[Coded]:
    """A chain by SVT-AV1; quality: 0 (best) to 63.

    Raises:
        HeadganError: the encoder holds a picture back, or the decoder does not see one picture for each.
    """
    # Its greeting goes past Python's stderr.
    os.environ.setdefault("SVT_LOG", "1")
    encoder = chain_context("libsvtav1", time_base=Fraction(1, 25), rate_fps=25)
    encoder.options = {**_AV1_OPTIONS, "crf": str(quality)}
    decoder = av.CodecContext.create("libdav1d", "r")
    decoder.thread_count = 1
    coded = []
    for number, picture in enumerate(pictures):
        data, encode_ms = timed(encode_next, encoder, picture, number)
        frames, decode_ms = timed(decoder.decode, av.Packet(data))
        if len(frames) != 1:
            raise HeadganError(f"AV1: {len(frames)} pictures came of the bytes of picture {number}")
        seen = cv2.cvtColor(frames[0].to_ndarray(format="yuv420p"), cv2.COLOR_YUV2RGB_I420)
        coded.append(Coded(len(data), np.asarray(seen, np.uint8), encode_ms, decode_ms))
    return coded


def has_av1() -> bool:
    """Whether this machine's PyAV has encoder and decoder for `code_av1_chain`."""
    return bool({"libsvtav1", "libdav1d"} <= av.codecs_available)


def timed(work: Callable[P, T], *args: P.args, **keywords: P.kwargs) -> tuple[T, float]:
    """What `work` makes of the arguments, and the milliseconds that it took."""
    start = time.perf_counter()
    result = work(*args, **keywords)
    return result, (time.perf_counter() - start) * 1000


def _still(picture: Picture, ending: str, options: list[int]) -> Coded:
    (_, data), encode_ms = timed(cv2.imencode, ending, picture[..., ::-1], options)
    seen, decode_ms = timed(cv2.imdecode, data, cv2.IMREAD_COLOR)
    if seen is None or seen.shape != picture.shape:
        raise HeadganError(f"a picture of {ending[1:]} does not come back")
    return Coded(len(data), np.ascontiguousarray(seen[..., ::-1], np.uint8), encode_ms, decode_ms)
