"""`headgan-bench lips`: clips of people who speak in, how well drawn lips can be read beside real ones out."""

import hashlib
import json
import logging
import sys
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
from tqdm import tqdm

from headgan.benchmarks.figure import new_figure
from headgan.benchmarks.kept import Kept, file_state
from headgan.benchmarks.lips_measure import (
    SHORTEST_S,
    Mouths,
    Wordless,
    draw_mouths,
    drawers,
    judge_mouths,
    read_stretch,
    write_row,
)
from headgan.benchmarks.lips_report import (
    draw_lips,
    draw_sheet,
    hearing_against_deaf,
    lips_table,
    mean_scores,
    scores_of,
)
from headgan.benchmarks.report_files import make_folder, write_text
from headgan.codec.memory import check_capacity
from headgan.codec.reference_planner import DEFAULT_KBPS
from headgan.codec.video import probe_video
from headgan.models.generator import PRIOR_GENERATOR, SHIPPED_GENERATOR, OnnxGenerator
from headgan.models.machine import describe_run
from headgan.models.metrics.clip_frames import Sampling, find_clips
from headgan.models.metrics.clip_memory import MemorySettings
from headgan.models.metrics.face_tools import FaceTools
from headgan.models.metrics.lip_judge import LIPS_FILE, LipJudge
from headgan.models.runtime import PROVIDER_CHOICES
from headgan.models.speech_phonemes import PhonemeNet
from headgan.models.weights import weights_path
from headgan.proto.errors import DeviceError, FaceError, UsageError
from headgan.proto.options import argument, option, required

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LipsOptions:
    """Options of `headgan-bench lips`."""

    clips: tuple[Path, ...] = argument("clips with speech, or folders of them", many=True)
    output: Path = required("folder for the report", flag="-o", metavar="DIR")
    model: Path | None = option(None, "another generator than the one that ships, ONNX", metavar="FILE")
    references: int = option(1, "size of the reference memory, filled while the clip goes on", metavar="N")
    kbps: float = option(DEFAULT_KBPS, "kbit/s that filling the memory may cost")
    fused: int = option(1, "references that draw a frame together, the nearest ones", metavar="K")
    seconds: float = option(0.0, "look at the first so many seconds of each clip; 0: all", metavar="S")
    judge: Path | None = option(
        None, "another judge than the one that ships, of headgan train-lips", metavar="FILE"
    )
    provider: str = option("auto", "what runs the networks that draw", choices=PROVIDER_CHOICES)


def bench_lips(options: LipsOptions) -> int:
    """Writes metrics.json, table.md, lips.png and mouths.png."""
    _check(options)
    new_figure("lips", 1, 1)
    clips = find_clips(options.clips)
    make_folder(options.output)
    meter = _Meter(options)
    results: dict[str, dict[str, Any]] = {}
    skipped: dict[str, str] = {}
    for name, path in tqdm(clips.items(), desc="reading lips", unit="clip"):
        result = meter.result(name, path)
        if "skipped" in result:
            skipped[name] = result["skipped"]
            log.info("%s is left out: %s", name, skipped[name])
        else:
            results[name] = result
    if not results:
        raise DeviceError(f"nobody speaks long enough in the {len(clips)} clips; give others")
    # As everywhere, the clips of one folder are taken to be of one person.
    people = {name: str(clips[name].absolute().parent) for name in results}
    _write(options, meter, results, people, skipped)
    return 0


def _write(
    options: LipsOptions,
    meter: "_Meter",
    results: dict[str, dict[str, Any]],
    people: dict[str, str],
    skipped: dict[str, str],
) -> None:
    """Writes the report, and prints its table."""
    ways = list(next(iter(results.values())))
    means = {way: mean_scores(results, way) for way in ways}
    changes = hearing_against_deaf(results, people)
    report = {
        "run": describe_run(),
        "settings": {
            name: value if isinstance(value, int | float) else str(value)
            for name, value in asdict(options).items()
            if name not in ("clips", "output")
        },
        "networks": meter.networks,
        "mean": means,
        "hearing_less_deaf": changes,
        "clips": {
            name: {way: scores_of(result) for way, result in each.items()} for name, each in results.items()
        },
        "skipped": skipped,
    }
    text = f"{len(results)} clips of {len(set(people.values()))} people.\n\n{lips_table(means, changes)}"
    write_text(options.output / "metrics.json", json.dumps(report, indent=2, allow_nan=False) + "\n")
    write_text(options.output / "table.md", text)
    draw_lips(results, means, options.output / "lips.png")
    rows = {name: meter.mouths(name) for name in results}
    draw_sheet(rows, {name: list(each) for name, each in results.items()}, options.output / "mouths.png")
    sys.stdout.write(text)


class _Meter:
    """Draws clips and lets them be judged, and keeps what came of it."""

    def __init__(self, options: LipsOptions) -> None:
        self._options = options
        self._faces = FaceTools()
        self._kept = Kept(options.output / "clips")
        self._memory = MemorySettings(options.references, options.kbps, options.fused)
        self.networks = {
            "generator": _digests(options.model or weights_path(SHIPPED_GENERATOR)),
            "geometry": _digests(weights_path(PRIOR_GENERATOR)),
            "judge": _digests(options.judge or weights_path(LIPS_FILE)),
        }

    def result(self, name: str, path: Path) -> dict[str, Any]:
        """What is said of the clip, way by way; or `skipped`, and why.

        What is slow, the drawing, is kept; a judge looks anew.
        """
        depends = {
            "clip": file_state(path),
            "networks": [self.networks["generator"], self.networks["geometry"]],
            "memory": asdict(self._memory),
            "seconds": self._options.seconds,
            "morphable": self._faces.model.model_id.hex(),
        }
        drawn = self._kept.get(name, depends, lambda: self._draw(name, path))
        if "skipped" in drawn:
            return drawn
        return judge_mouths(Mouths.load(self._mouths_path(name), drawn["errors"]), self._judge)

    def mouths(self, name: str) -> Any:  # noqa: ANN401 - OpenCV's own type
        """The picture of the clip's mouths, uint8 [H, W].

        Raises:
            DeviceError: it is missing or damaged.
        """
        path = self._kept.picture_path(name)
        row = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if row is None:
            raise DeviceError(f"{path} is damaged; delete {path.with_suffix('.json')} and run the same again")
        return row

    def _mouths_path(self, name: str) -> Path:
        return self._kept.picture_path(name).with_suffix(".npz")

    def _draw(self, name: str, path: Path) -> dict[str, Any]:
        generator, geometry = self._generators
        try:
            stretch = read_stretch(
                path,
                Sampling(frames=self._frames(path), memory=self._memory),
                self._faces.tracker,
                self._faces.model,
                self._speech,
                hears=generator.needs("audio"),
            )
        except (Wordless, FaceError) as reason:
            return {"skipped": str(reason)}
        ways = drawers(self._faces.model, generator, geometry, stretch.clip)
        mouths, row = draw_mouths(stretch, ways)
        mouths.save(self._mouths_path(name))
        write_row(self._kept.picture_path(name), row)
        return {"errors": dict(mouths.errors)}

    def _frames(self, path: Path) -> int:
        """How many of a clip to look at, 0 for all."""
        seconds = self._options.seconds
        return round(seconds * probe_video(path).rate_fps) if seconds else 0

    @cached_property
    def _speech(self) -> PhonemeNet:
        return PhonemeNet()

    @cached_property
    def _judge(self) -> LipJudge:
        return LipJudge(self._options.judge)

    @cached_property
    def _generators(self) -> tuple[OnnxGenerator, OnnxGenerator]:
        provider = self._options.provider
        geometry = OnnxGenerator(weights_path(PRIOR_GENERATOR), provider=provider)
        networks = OnnxGenerator(self._options.model, provider=provider, in_halves=self._options.fused > 1)
        return networks, geometry


def _check(options: LipsOptions) -> None:
    check_capacity(options.references)
    if not 1 <= options.fused <= options.references:
        raise UsageError(f"--fused {options.fused}: give 1 to the number of --references")
    if options.seconds and not options.seconds >= SHORTEST_S:
        raise UsageError(f"--seconds {options.seconds:g}: give 0, or {SHORTEST_S:g} or more")
    if not options.kbps > 0:
        raise UsageError(f"--kbps {options.kbps:g}: give more than 0")
    for name in ("model", "judge"):
        path = getattr(options, name)
        if path is not None and not path.is_file():
            raise UsageError(f"--{name} {path}: there is no such file")


def _digests(path: Path) -> list[str]:
    """SHA-256 of a network, and of its parts beside it."""
    paths = [path, *sorted(path.parent.glob(f"{path.stem}.*.onnx"))]
    return [hashlib.sha256(one.read_bytes()).hexdigest() for one in paths]
