"""`headgan-bench reference-coding`: clips in, the bytes of their references by way of coding, at equal quality, out."""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from headgan.benchmarks.figure import new_figure
from headgan.benchmarks.kept import Kept, file_state, shipped_networks
from headgan.benchmarks.reference_coders import (
    Coded,
    Coder,
    Picture,
    code_av1_chain,
    code_avif,
    code_vp9_chain,
    code_webp,
    has_av1,
)
from headgan.benchmarks.reference_report import ANCHOR, PARTS, Measured, draw_rates, summarise, table
from headgan.benchmarks.report_files import make_folder, write_text
from headgan.benchmarks.synthesised_coders import SynthesisedCoders
from headgan.codec.memory import DEFAULT_CAPACITY
from headgan.models.generator import OnnxGenerator
from headgan.models.machine import describe_run
from headgan.models.metrics.clip_frames import find_clips, see_clip
from headgan.models.metrics.clip_memory import MemorySettings, fill_memory
from headgan.models.metrics.face_tools import FaceTools
from headgan.models.metrics.pictures import psnr
from headgan.models.metrics.sheet import clip_row, draw_sheet, read_row
from headgan.models.runtime import PROVIDER_CHOICES
from headgan.proto.errors import FaceError, HeadganError, UsageError
from headgan.proto.options import argument, option, required

log = logging.getLogger(__name__)

_VP9_QUALITIES = (10, 16, 22, 28, 34, 40, 46, 52)
QUALITIES = {
    "WebP": (15, 40, 65, 80, 90, 96),
    "AVIF": (20, 35, 48, 60, 72, 84),
    ANCHOR: _VP9_QUALITIES,
    "AV1 chain": (8, 14, 21, 28, 35, 42, 49, 56),
    "residual": _VP9_QUALITIES,
    "residual, halved": _VP9_QUALITIES,
    "synthesised before": _VP9_QUALITIES,
    "chain with synthesised": _VP9_QUALITIES,
}
_CODERS: dict[str, Coder] = {
    "WebP": code_webp,
    "AVIF": code_avif,
    ANCHOR: code_vp9_chain,
    "AV1 chain": code_av1_chain,
}
# A decoded picture below this has nothing to do with what was coded.
_BROKEN_DB = 15.0
# Of a clip only the frames are wanted that a memory may choose from.
_NO_OTHERS = 1_000_000
_VERSION = 1


@dataclass(frozen=True)
class ReferenceCodingOptions:
    """Options of `headgan-bench reference-coding`."""

    clips: tuple[Path, ...] = argument("clips, or folders of them", many=True)
    output: Path = required("folder for the report", flag="-o", metavar="DIR")
    most: int = option(24, "references of a clip, those that are sent first", metavar="N")
    provider: str = option("auto", "what runs the networks", choices=PROVIDER_CHOICES)


def bench_reference_coding(options: ReferenceCodingOptions) -> int:
    """Writes reference_coding.json, reference_coding.md, reference_coding.png and sheet.png."""
    if options.most < 2:
        raise UsageError(f"--most {options.most}: give 2 or more")
    figure = new_figure("reference-coding", 11, 4.4)
    clips = find_clips(options.clips)
    kept = Kept(make_folder(options.output) / "clips")
    measurer = _Measurer(options)
    measured: dict[str, Measured] = {}
    for name, path in tqdm(clips.items(), desc="coding references", unit="clip"):
        depends = {
            "version": _VERSION,
            "clip": file_state(path),
            "most": options.most,
            "networks": shipped_networks(),
            "qualities": QUALITIES,
        }
        try:
            work = partial(measurer.measure, path, kept.picture_path(name))
            measured[name] = kept.get(name, depends, work, with_picture=True)
        except FaceError as error:
            log.warning("%s is left out: %s", name, error)
    if not measured:
        raise FaceError("no clip has two references; see the messages above")
    summary = {part: summarise(measured, skip) for part, skip in PARTS.items()}
    text = table(measured, summary)
    report = {"run": describe_run(), "most": options.most, "summary": summary, "clips": measured}
    write_text(options.output / "reference_coding.json", json.dumps(report, indent=2, allow_nan=False) + "\n")
    write_text(options.output / "reference_coding.md", text)
    draw_rates(figure, measured, options.output / "reference_coding.png")
    _draw_sheet(measured, kept, options.output / "sheet.png")
    sys.stdout.write(text)
    return 0


class _Measurer:
    """Codes the references of clips in every way."""

    def __init__(self, options: ReferenceCodingOptions) -> None:
        self._options = options
        self._faces = FaceTools()

    def measure(self, path: Path, picture_path: Path) -> dict[str, Any]:
        """Of one clip; writes a row of pictures: the last reference, and what comes of it at a middle quality.

        Raises:
            FaceError: a call over the clip would send one reference only.
        """
        seen = see_clip(path, _NO_OTHERS, self._faces.tracker, self._faces.model)
        memory = fill_memory(self._faces.model, seen.identity, seen.moments, MemorySettings(DEFAULT_CAPACITY))
        moments = memory.originals[: self._options.most]
        if len(moments) < 2:
            raise FaceError(f"{path}: a call sends its first reference and no other")
        pictures = [moment.picture_rgb for moment in moments]
        synthesised = SynthesisedCoders(self._faces.model, self._generator, seen.identity, moments)
        last_drawn = synthesised.synthesised(pictures)[-1]
        if last_drawn is None or last_drawn.std() == 0:
            raise HeadganError(f"{path}: the generator drew a flat picture")
        row = {"original": pictures[-1], "synthesised": last_drawn}
        coders = {way: coder for way, coder in _CODERS.items() if way != "AV1 chain" or has_av1()}
        measured: dict[str, Any] = {}
        with tqdm(total=sum(len(QUALITIES[way]) for way in QUALITIES), unit="run", leave=False) as bar:
            for way, coder in (coders | synthesised.coders).items():
                measured[way] = {}
                for quality in QUALITIES[way]:
                    coded = coder(pictures, quality)
                    measured[way][str(quality)] = _result(coded, pictures)
                    if quality == QUALITIES[way][len(QUALITIES[way]) // 2]:
                        row[way] = coded[-1].picture_rgb
                    bar.update()
        cv2.imwrite(str(picture_path), clip_row(pictures[0], [row])[..., ::-1])
        return measured

    @cached_property
    def _generator(self) -> OnnxGenerator:
        return OnnxGenerator(provider=self._options.provider)


def _result(coded: Sequence[Coded], pictures: Sequence[Picture]) -> dict[str, Any]:
    """What one way at one quality comes to, with the quality measured on what was decoded."""
    gains = [psnr(picture, one.picture_rgb) for picture, one in zip(pictures, coded, strict=True)]
    if min(gains) < _BROKEN_DB:
        raise HeadganError(f"a decoded reference has {min(gains):.1f} dB: this coder is broken")
    return {
        "bytes": [one.size_bytes for one in coded],
        "psnr": gains,
        "encode_ms": float(np.median([one.encode_ms for one in coded])),
        "decode_ms": float(np.median([one.decode_ms for one in coded])),
    }


def _draw_sheet(measured: Mapping[str, Measured], kept: Kept, path: Path) -> None:
    rows = {name: read_row(kept.picture_path(name)) for name in measured}
    draw_sheet(rows, ["first", "original", "synthesised", *next(iter(measured.values()))], path)
