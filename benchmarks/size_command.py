"""`headgan-bench size`: clips with many pixels in, what `--size 512` shows beside enlarged pictures out."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from headgan.benchmarks.bench_clip import read_bench_clip
from headgan.benchmarks.kept import Kept, file_state, shipped_networks
from headgan.benchmarks.markdown import markdown_table
from headgan.benchmarks.report_files import make_folder, write_text
from headgan.benchmarks.size_measure import BICUBIC, CALL, EQUAL, SCORES, WAYS, SizeSettings, measure_size
from headgan.codec.reference_planner import DEFAULT_KBPS
from headgan.models.generator import OnnxGenerator
from headgan.models.machine import describe_run
from headgan.models.metrics.clip_frames import find_clips
from headgan.models.metrics.face_tools import FaceTools
from headgan.models.metrics.perceptual import load_perceptual_metric
from headgan.models.metrics.sheet import read_row
from headgan.models.runtime import PROVIDER_CHOICES
from headgan.proto.errors import FaceError, UsageError
from headgan.proto.options import argument, option, required
from headgan.receiver.choose_generator import MAX_FUSED


@dataclass(frozen=True)
class SizeOptions:
    """Options of `headgan-bench size`."""

    clips: tuple[Path, ...] = argument("clips, or folders of them", many=True)
    output: Path = required("folder for the report", flag="-o", metavar="DIR")
    min_crop: int = option(450, "leave out clips whose crop has fewer pixels a side", metavar="PX")
    seconds: float = option(8.0, "of each clip")
    frames: int = option(12, "compare so many frames of a clip", metavar="N")
    perceptual: int = option(3, "of them, frames for the perceptual distance; 0: none", metavar="N")
    kbps: float = option(DEFAULT_KBPS, "kbit/s that filling a memory may cost")
    fused: int = option(1, f"references to draw a frame from, 1 to {MAX_FUSED}", metavar="K")
    provider: str = option("auto", "what runs the networks", choices=PROVIDER_CHOICES)


def bench_size(options: SizeOptions) -> int:
    """Writes metrics.json, table.md, and for each clip NAME.png: real, enlarged, and 512 at equal and at more bytes."""
    _check(options)
    clips = find_clips(options.clips)
    make_folder(options.output)
    measured = _Measuring(options)
    results: dict[str, dict[str, Any]] = {}
    for name, path in tqdm(clips.items(), desc="clips", unit="clip"):
        result = measured.clip(name, path)
        if "ways" in result:
            results[name] = result
    if not results:
        raise UsageError(f"no clip has a face whose crop is {options.min_crop} pixels wide; give other clips")
    report = {
        "run": describe_run(),
        "settings": {key: value for key, value in asdict(options).items() if key not in ("clips", "output")},
        "clips": results,
        "mean": _mean(results),
    }
    text = size_table(report["mean"], results)
    write_text(options.output / "metrics.json", json.dumps(report, indent=2, allow_nan=False) + "\n")
    write_text(options.output / "table.md", text)
    measured.draw_sheet(list(results), options.output / "sheet.png")
    sys.stdout.write(text)
    return 0


def size_table(mean: Mapping[str, Mapping[str, float]], results: Mapping[str, Any]) -> str:
    """Markdown: the ways beside each other over all clips, and which clips these are."""
    heads = ["way", "PSNR, dB", "ST-LPIPS", "sharpness", "first picture, kB", "later, kB", "ms a frame"]
    rows = []
    for way in WAYS:
        of = mean[way]
        rows.append(
            [
                way,
                *(
                    f"{of[score]:.{digits}f}" if score in of else ""
                    for score, digits in zip(SCORES, (2, 4, 3), strict=True)
                ),
                *(
                    f"{of[key] / 1000:.1f}" if key in of else ""
                    for key in ("reference_bytes", "reference_bytes_later")
                ),
                f"{of['draw_ms']:.1f}" if "draw_ms" in of else "",
            ]
        )
    crops = ", ".join(f"{name} ({result['crop_px']:.0f})" for name, result in results.items())
    return (
        "\n".join([*markdown_table(heads, rows), "", f"Clips, and the pixels of their crops: {crops}"]) + "\n"
    )


def _mean(results: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Over the clips, for each way its scores, and for what is drawn bytes and time."""
    mean: dict[str, dict[str, float]] = {}
    for way in WAYS:
        columns: dict[str, list[float]] = {}
        for result in results.values():
            values = dict(result["ways"][way])
            if way in (BICUBIC, EQUAL, CALL):
                values |= {**result["costs"][way], "draw_ms": result["draw_ms"][way]}
            for key, value in values.items():
                columns.setdefault(key, []).append(value)
        mean[way] = {key: float(np.mean(values)) for key, values in columns.items()}
    return mean


class _Measuring:
    """Measures clips, and keeps what came of them."""

    def __init__(self, options: SizeOptions) -> None:
        self._options = options
        self._faces = FaceTools()
        self._kept = Kept(options.output / "clips")

    def clip(self, name: str, path: Path) -> dict[str, Any]:
        """The scores of a clip; only its `crop_px` where that is too small, or nothing without a face."""
        options = self._options
        settings = SizeSettings(options.frames, options.perceptual, options.kbps, options.fused)
        depends = {
            "clip": file_state(path),
            "settings": asdict(settings),
            "seconds": options.seconds,
            "min_crop": options.min_crop,
            "networks": shipped_networks(),
        }

        def measure() -> dict[str, Any]:
            try:
                clip = read_bench_clip(
                    path, options.seconds, self._faces.tracker, self._faces.model, is_large=True
                )
            except FaceError:
                return {}
            if clip.crop_px < options.min_crop or len(clip.moments) < 3:
                return {"crop_px": clip.crop_px}
            metric = load_perceptual_metric() if settings.perceptual else None
            result, row = measure_size(clip, settings, self._faces.model, self._generator, metric)
            cv2.imwrite(str(self._kept.picture_path(name)), row[..., ::-1])
            return result

        return self._kept.get(name, depends, measure)

    def draw_sheet(self, names: list[str], path: Path) -> None:
        """The first moment of each clip, real, enlarged, 512 at equal and at more bytes."""
        rows = [read_row(self._kept.picture_path(name)) for name in names]
        cv2.imwrite(str(path), np.vstack([row[: len(row) // 3] for row in rows])[..., ::-1])

    @cached_property
    def _generator(self) -> OnnxGenerator:
        return OnnxGenerator(provider=self._options.provider, in_halves=True)


def _check(options: SizeOptions) -> None:
    for name, lowest in (("min_crop", 32), ("frames", 3), ("perceptual", 0)):
        if getattr(options, name) < lowest:
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag} {getattr(options, name)}: give {lowest} or more")
    if not (0 < options.seconds <= 3600 and 0 < options.kbps < float("inf")):
        raise UsageError(f"--seconds {options.seconds:g} --kbps {options.kbps:g}: give more than 0")
    if not 1 <= options.fused <= MAX_FUSED:
        raise UsageError(f"--fused {options.fused}: give 1 to {MAX_FUSED}")
