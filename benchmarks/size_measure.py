"""A clip with crops of 512 pixels in, how near to them each way of showing 512 pixels comes out.

frames ─┬─ memory of references at 256 ── drawn at 256 ─┬─ enlarged, bicubic
        │                                               └─ enlarged, Lanczos
        ├─ memory at 512, as many bytes a picture ───── drawn at 512
        ├─ memory at 512, as calls have it ──────────── drawn at 512
        └─ the camera's own picture at 256 ──────────── enlarged, bicubic: what no drawing at 256 is beyond
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.benchmarks.bench_clip import BenchClip, BenchFrame
from headgan.codec.memory import DEFAULT_CAPACITY
from headgan.models.detail import LARGE_SIZE, enlarged
from headgan.models.generator import Generator
from headgan.models.metrics.clip_memory import ClipMemory, MemorySettings, fill_memory
from headgan.models.metrics.perceptual import PerceptualMetric
from headgan.models.metrics.pictures import psnr
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.models.reconstruct import Reconstructor, ReferenceImage

Picture = NDArray[np.uint8]
# libvpx's quality at which a picture of 512 pixels takes the bytes of one of 256 at that of calls.
EQUAL_QUALITY = 46
BICUBIC, LANCZOS, EQUAL, CALL, CAMERA = (
    "256, bicubic",
    "256, Lanczos",
    "512, equal bytes",
    "512",
    "camera at 256, bicubic",
)
WAYS = (BICUBIC, LANCZOS, EQUAL, CALL, CAMERA)
SCORES = ("psnr", "st_lpips", "sharpness")
# Moments on the sheet, and the part of the picture that is shown at its full size: face and hair.
_SHOWN = 3
_WINDOW = (slice(48, 432), slice(64, 448))


@dataclass(frozen=True)
class SizeSettings:
    """What to compare.

    Attributes:
        frames: of a clip, evenly spread, that are compared.
        perceptual: of these, so many for the perceptual distance.
        kbps: kbit/s that filling the memories may cost.
        fused: from how many references a frame is drawn, at most.
    """

    frames: int
    perceptual: int
    kbps: float
    fused: int


def measure_size(
    clip: BenchClip,
    settings: SizeSettings,
    model: MorphableModel,
    generator: Generator,
    metric: PerceptualMetric | None,
) -> tuple[dict[str, Any], Picture]:
    """Scores of each way, bytes of each memory, times; and a row for the sheet, uint8 [H, W, 3]."""
    moments = list(clip.moments.items())
    ways = {
        way: _Way(
            clip, model, generator, MemorySettings(DEFAULT_CAPACITY, settings.kbps, settings.fused, *how)
        )
        for way, how in (
            (BICUBIC, (CROP_SIZE, None)),
            (EQUAL, (LARGE_SIZE, EQUAL_QUALITY)),
            (CALL, (LARGE_SIZE, None)),
        )
    }
    chosen = sorted(set(np.linspace(1, len(moments) - 1, settings.frames).astype(int).tolist()))
    judged = set(chosen[:: max(1, len(chosen) // max(1, settings.perceptual))][: settings.perceptual])
    shown = set(chosen[:: max(1, len(chosen) // _SHOWN)][:_SHOWN])
    scores: dict[str, dict[str, list[float]]] = {way: {score: [] for score in SCORES} for way in WAYS}
    tiles = []
    for at in tqdm(chosen, desc="drawing", unit="frame", leave=False):
        frame = clip.frames[moments[at][0]]
        pictures = _all_ways(ways, frame, at)
        real = frame.large_rgb
        if real is None:
            raise ValueError("the clip was read without its large crops")
        features = metric.features(real) if metric is not None and at in judged else None
        for way, picture in pictures.items():
            scores[way]["psnr"].append(psnr(real, picture))
            scores[way]["sharpness"].append(sharpness(picture) / max(sharpness(real), 1e-6))
            if metric is not None and features is not None:
                scores[way]["st_lpips"].append(metric.distance(features, metric.features(picture)))
        if at in shown:
            tiles.append(
                np.hstack([real[_WINDOW], *(pictures[way][_WINDOW] for way in (LANCZOS, EQUAL, CALL))])
            )
    means = {
        way: {score: float(np.mean(all_)) for score, all_ in of.items() if all_} for way, of in scores.items()
    }
    costs = {way: one.memory.costs() for way, one in ways.items()}
    times = {way: one.draw_ms() for way, one in ways.items()}
    report = {"crop_px": clip.crop_px, "frames": len(chosen), "ways": means, "costs": costs, "draw_ms": times}
    return report, np.vstack(tiles)


def sharpness(picture_rgb: Picture) -> float:
    """Mean length of the gradient of the picture's brightness."""
    grey = cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2GRAY)
    return float(np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)).mean())


class _Way:
    """A memory as a call fills it, and what draws from it; each drawing is timed."""

    def __init__(
        self, clip: BenchClip, model: MorphableModel, generator: Generator, settings: MemorySettings
    ) -> None:
        self.memory: ClipMemory = fill_memory(model, clip.identity, list(clip.moments.values()), settings)
        self._model, self._generator, self._size = model, generator, settings.size
        self._prepared: dict[int, Reconstructor] = {}
        self._times_ms: list[float] = []

    def draw(self, frame: BenchFrame, at: int) -> Picture:
        """The frame, which is the moment `at` of the clip, with the way's own size."""
        if frame.params is None:
            raise ValueError("a frame without a face is not drawn")
        best, *others = self._reconstructors(at)
        began = time.perf_counter()
        drawn = best.draw(frame.params, *others)
        self._times_ms.append(1000 * (time.perf_counter() - began))
        return drawn

    def draw_ms(self) -> float:
        """The shortest time that a frame took: much else may run on the machine."""
        return round(min(self._times_ms), 2)

    def _reconstructors(self, at: int) -> Iterator[Reconstructor]:
        for place in self.memory.used[at]:
            if place not in self._prepared:
                image: ReferenceImage = self.memory.references[place]
                self._prepared[place] = Reconstructor(self._model, self._generator, image, self._size)
            yield self._prepared[place]


def _all_ways(ways: dict[str, _Way], frame: BenchFrame, at: int) -> dict[str, Picture]:
    """Uint8 [512, 512, 3] by way."""
    small = ways[BICUBIC].draw(frame, at)
    lanczos = cv2.resize(small, (LARGE_SIZE, LARGE_SIZE), interpolation=cv2.INTER_LANCZOS4)
    return {
        BICUBIC: enlarged(small),
        LANCZOS: np.asarray(lanczos, np.uint8),
        EQUAL: ways[EQUAL].draw(frame, at),
        CALL: ways[CALL].draw(frame, at),
        CAMERA: enlarged(frame.picture_rgb),
    }
