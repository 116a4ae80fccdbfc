"""A clip and one of the classic codecs in, what the other side sees and what was sent out.

pictures ─ fewer, smaller ─ encoder ─ packets ─ bare units ─┬─ bytes
                                                            └─ decoder ─ larger, held ─ pictures
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import cv2
import numpy as np

from headgan.benchmarks.bare_units import bare_units, to_packet
from headgan.benchmarks.bench_clip import RATE_FPS, BenchClip, Picture
from headgan.benchmarks.classic_codecs import Encoder
from headgan.benchmarks.encode_here import Planes
from headgan.benchmarks.rate_coder import Coded, Ladder
from headgan.benchmarks.run_encoder import decode, encode
from headgan.models.pncc import CROP_SIZE
from headgan.proto.errors import HeadganError


@dataclass(frozen=True)
class Variant:
    """What the encoder is given of a clip.

    Attributes:
        size: side of its pictures.
        step: each so many-th frame of 25 a second; it is then shown as many times.
        stop_kbps: where more rate is better spent on other variants.
    """

    size: int
    step: int
    stop_kbps: float


# Fewer pictures pay at low rates, smaller ones at the very lowest only.
VARIANTS = {
    "256 at 25": Variant(CROP_SIZE, 1, 60.0),
    "256 at 12.5": Variant(CROP_SIZE, 2, 25.0),
    "128 at 25": Variant(CROP_SIZE // 2, 1, 10.0),
    "128 at 12.5": Variant(CROP_SIZE // 2, 2, 6.0),
}


class ClassicCoder:
    """See `Coder`."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.name, self.mode = encoder.name, encoder.mode
        qualities = tuple(float(quality) for quality in encoder.qualities)
        self.ladders = tuple(Ladder(name, qualities, variant.stop_kbps) for name, variant in VARIANTS.items())

    @property
    def depends(self) -> Mapping[str, Any]:
        """The encoder's settings."""
        settings = asdict(self._encoder)
        del settings["qualities"]
        return settings

    def code(self, clip: BenchClip, variant: str, quality: float, places: Collection[int]) -> Coded:
        """Encodes, and decodes what was counted; see `Coder`."""
        how = VARIANTS[variant]
        sent = clip.pictures[:: how.step]
        planes = [_planes(picture, how.size) for picture in sent]
        packets = encode(self._encoder, planes, Fraction(RATE_FPS, how.step), int(quality))
        standard = self._encoder.standard
        units = [bare_units(standard, packet) for packet in packets]
        seen = decode(standard, [to_packet(standard, packet) for packet in units])
        if len(seen) != len(sent) or seen[0].shape != (how.size, how.size, 3):
            raise HeadganError(
                f"{self.name}, {variant}: {len(seen)} pictures of {seen[0].shape if seen else 'no size'} "
                f"came of {len(sent)}"
            )
        first, *later = (sum(map(len, packet)) for packet in units)
        pictures = {place: _full_size(seen[place // how.step]) for place in places}
        return Coded(first, tuple(later), len(clip.frames), pictures)


def _planes(picture: Picture, size: int) -> Planes:
    """Uint8 [size * 3 / 2, size], I420."""
    if size != CROP_SIZE:
        picture = np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), np.uint8)


def _full_size(picture: Picture) -> Picture:
    if picture.shape[0] == CROP_SIZE:
        return picture
    larger = cv2.resize(picture, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_CUBIC)
    return np.asarray(larger, np.uint8)
