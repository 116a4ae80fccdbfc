"""A clip and coders in, every coder's points out: rate and quality at each setting, measured once and kept.

BenchClip ── Coder ── Coded ─┬─ bytes ──────────────────┬─ point
                             └─ pictures ─ PictureJudge ─┘
"""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from headgan.benchmarks.bench_clip import BenchClip, Picture, read_bench_clip
from headgan.benchmarks.kept import Kept, file_state
from headgan.benchmarks.picture_judge import PictureJudge, measured_places
from headgan.benchmarks.rate_coder import PROJECT, Coded, Coder, Ladder
from headgan.models.metrics.face_embedding import FaceEmbedder
from headgan.models.metrics.perceptual import PerceptualMetric, load_perceptual_metric
from headgan.models.morphable import MorphableModel
from headgan.models.tracker import MediaPipeTracker
from headgan.proto.errors import HeadganError

_VERSION = 1
# A picture below this has nothing to do with the clip.
_BROKEN_DB = 8.0

# Of one setting: `variant`, `quality`, `first_bytes`, `later_kbps` and of it `reference_kbps`, `scores` by metric,
# `picture` that is kept.
Point = dict[str, Any]


@dataclass(frozen=True)
class Measuring:
    """How to measure.

    Attributes:
        seconds: how much of each clip.
        every: judge each so many-th frame.
        perceptual: of them, how many get a perceptual distance.
        jobs: how many coders run at a time.
        provider: what runs the networks.
    """

    seconds: float
    every: int
    perceptual: int
    jobs: int
    provider: str


class PointMeasurer:
    """Measures clips; what a folder keeps is not measured again."""

    def __init__(self, how: Measuring, folder: Path, model: MorphableModel) -> None:
        """Args: folder: where results are kept."""
        self._how, self._model = how, model
        self._kept = Kept(folder)
        # Networks and the clip that they look at are shared by all jobs.
        self._lock = Lock()
        self._clip: tuple[Path, BenchClip, PictureJudge] | None = None

    def measure(self, name: str, path: Path, coders: Sequence[Coder]) -> dict[str, list[Point]]:
        """By `name, mode` of each coder its points, in the order of its ladders.

        Raises:
            FaceError: the clip shows no face, or hardly any.
            HeadganError: a coder fails, or its pictures cannot be right.
        """
        with (
            tqdm(desc=f"coding {name}", unit="point", leave=False) as bar,
            ThreadPoolExecutor(self._how.jobs) as pool,
        ):
            found = pool.map(lambda coder: self._points(name, path, coder, bar.update), coders)
            return {title_of(coder): points for coder, points in zip(coders, found, strict=True)}

    def picture_path(self, point: Point) -> Path:
        """Where the middle picture of a point is kept, and the real one beside."""
        return self._kept.picture_path(point["picture"])

    def _points(self, name: str, path: Path, coder: Coder, done: Callable[[], object]) -> list[Point]:
        points = []
        for ladder in coder.ladders:
            for quality in ladder.qualities:
                points.append(self._point(name, path, coder, ladder, quality))
                done()
                if points[-1]["later_kbps"] > ladder.stop_kbps:
                    break
        return points

    def _point(self, name: str, path: Path, coder: Coder, ladder: Ladder, quality: float) -> Point:
        words = (name, coder.name, coder.mode, ladder.variant, f"{quality:g}")
        key = "_".join(re.sub(r"[^A-Za-z0-9.-]+", "-", word) for word in words)
        depends = {
            "version": _VERSION,
            "clip": file_state(path),
            "seconds": self._how.seconds,
            "every": self._how.every,
            "perceptual": self._how.perceptual,
            "coder": dict(coder.depends),
            "variant": ladder.variant,
            "quality": quality,
        }

        def measure() -> Point:
            with self._lock:
                clip, judge = self._see(path)
            coded = coder.code(clip, ladder.variant, quality, judge.places)
            with self._lock:
                scores = judge.judge(coded.pictures)
            _check(f"{path}: {title_of(coder)}, {ladder.variant} at {quality:g}", coded, scores)
            middle = judge.places[len(judge.places) // 2]
            both = np.hstack([clip.frames[middle].picture_rgb, coded.pictures[middle]])
            cv2.imwrite(str(self._kept.picture_path(key)), both[..., ::-1])
            return {
                "variant": ladder.variant,
                "quality": quality,
                "first_bytes": coded.first_bytes,
                "later_kbps": coded.later_kbps,
                "reference_kbps": coded.reference_kbps,
                "scores": scores,
                "picture": key,
            }

        return self._kept.get(key, depends, measure, with_picture=True)

    def _see(self, path: Path) -> tuple[BenchClip, PictureJudge]:
        if self._clip is None or self._clip[0] != path:
            clip = read_bench_clip(path, self._how.seconds, self._tracker, self._model)
            places = measured_places(clip, self._how.every)
            judge = PictureJudge(clip, places, self._embedder, self._perceptual, self._how.perceptual)
            self._clip = path, clip, judge
        return self._clip[1:]

    @cached_property
    def _tracker(self) -> MediaPipeTracker:
        return MediaPipeTracker()

    @cached_property
    def _embedder(self) -> FaceEmbedder:
        return FaceEmbedder(provider=self._how.provider)

    @cached_property
    def _perceptual(self) -> PerceptualMetric | None:
        return load_perceptual_metric() if self._how.perceptual else None


def title_of(coder: Coder) -> str:
    """Name and, of a classic codec, mode: no other coder has the same."""
    return coder.name if coder.mode == PROJECT else f"{coder.name}, {coder.mode}"


def picture_halves(path: Path) -> tuple[Picture, Picture]:
    """The real and the decoded picture of a point, uint8 [256, 256, 3].

    Raises:
        HeadganError: the file is damaged.
    """
    both = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if both is None:
        raise HeadganError(f"{path} is damaged; delete it and run the same again")
    real, decoded = np.split(np.ascontiguousarray(both[..., ::-1], np.uint8), 2, axis=1)
    return real, decoded


def _check(what: str, coded: Coded, scores: dict[str, float]) -> None:
    if coded.first_bytes <= 0 or not coded.later_bytes:
        raise HeadganError(
            f"{what}: {coded.first_bytes} bytes and {len(coded.later_bytes)} packets after them"
        )
    if not np.isfinite(list(scores.values())).all() or scores["psnr"] < _BROKEN_DB:
        raise HeadganError(f"{what}: {scores} are no scores")
