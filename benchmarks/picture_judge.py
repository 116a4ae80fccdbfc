"""A clip and decoded pictures of it in, how good they are out, by the metrics of `headgan evaluate`.

psnr        dB, high        mean over the pictures
ssim        -1 to 1, 1
perceptual  0 up, 0         ST-LPIPS on VGG16, of a few of them
csim        -1 to 1, 1      cosine of the faces' embeddings, both where the real face is
mouth       levels, 0       mean absolute difference around the real mouth
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headgan.benchmarks.bench_clip import BenchClip, Picture
from headgan.models.metrics.face_embedding import FaceEmbedder, cosine
from headgan.models.metrics.mouth_error import mouth_error
from headgan.models.metrics.perceptual import PerceptualMetric
from headgan.models.metrics.pictures import psnr
from headgan.models.metrics.ssim import ssim
from headgan.proto.errors import FaceError


@dataclass(frozen=True)
class Metric:
    """How a metric is read.

    Attributes:
        title: for a table or an axis.
        sign: 1 where more is better, -1 where less is.
        digits: after the point.
    """

    title: str
    sign: int
    digits: int


METRICS = {
    "perceptual": Metric("ST-LPIPS ↓", -1, 3),
    "psnr": Metric("PSNR, dB ↑", 1, 2),
    "ssim": Metric("SSIM ↑", 1, 3),
    "csim": Metric("CSIM ↑", 1, 3),
    "mouth": Metric("mouth error ↓", -1, 2),
}


def measured_places(clip: BenchClip, every: int) -> list[int]:
    """Each `every`-th frame, those without a face left out; the first, which is a key frame for all, is not among them.

    With an odd `every` they are even and odd in turn, so half the frame rate is seen in both its phases.

    Raises:
        FaceError: there are none.
    """
    places = [
        place
        for place in range((every + 1) // 2, len(clip.frames), every)
        if clip.frames[place].points is not None
    ]
    if not places:
        raise FaceError(f"no face in any of each {every} frames; give a smaller --every")
    return places


def perceptual_places(places: list[int], count: int) -> list[int]:
    """About `count` of the places, spread evenly, even and odd ones in turn where there are both."""
    chosen: list[int] = []
    for number, target in enumerate(np.linspace(places[0], places[-1], min(count, len(places)))):
        wanted = [place for place in places if place % 2 == number % 2] or places
        chosen.append(min(wanted, key=lambda place: abs(place - target)))
    return sorted(set(chosen))


class PictureJudge:
    """Judges pictures of one clip; the real ones are looked at once. Not thread-safe."""

    def __init__(
        self,
        clip: BenchClip,
        places: list[int],
        embedder: FaceEmbedder,
        perceptual: PerceptualMetric | None,
        perceptual_frames: int,
    ) -> None:
        """Args: places: of the frames to judge; perceptual: None leaves that distance out."""
        frames = {place: clip.frames[place] for place in places}
        self._real = {
            place: (frame.picture_rgb, frame.points)
            for place, frame in frames.items()
            if frame.points is not None
        }
        self.places = list(self._real)
        self._embedder, self._perceptual = embedder, perceptual
        self._perceptual_places = perceptual_places(places, perceptual_frames) if perceptual else []

    def judge(self, pictures: Mapping[int, Picture]) -> dict[str, float]:
        """Means by metric; pictures: uint8 [256, 256, 3] by place, for all places."""
        scores = [self._compare(place, pictures[place]) for place in self.places]
        means = {name: float(np.mean([score[name] for score in scores])) for name in scores[0]}
        if self._perceptual is not None and self._perceptual_places:
            metric = self._perceptual
            distances = [
                metric.distance(real, metric.features(pictures[place]))
                for place, real in self._real_features.items()
            ]
            means["perceptual"] = float(np.mean(distances))
        return means

    def _compare(self, place: int, picture: Picture) -> dict[str, float]:
        real, points = self._real[place]
        embedding = self._embedder.embed(picture, points)
        return {
            "psnr": psnr(real, picture),
            "ssim": ssim(real, picture),
            "csim": cosine(self._real_embeddings[place], embedding),
            "mouth": mouth_error(real, picture, points),
        }

    @cached_property
    def _real_embeddings(self) -> dict[int, NDArray[np.float32]]:
        return {place: self._embedder.embed(*seen) for place, seen in self._real.items()}

    @cached_property
    def _real_features(self) -> dict[int, Any]:
        if self._perceptual is None:
            return {}
        return {place: self._perceptual.features(self._real[place][0]) for place in self._perceptual_places}
