"""`headgan-bench said`: clips in, what `--audio features` costs and how well networks are told what is said out."""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from headgan.benchmarks.figure import new_figure, save_figure
from headgan.benchmarks.kept import Kept, file_state
from headgan.benchmarks.report_files import make_folder, write_text
from headgan.benchmarks.said_measure import (
    DRAWN_AFTER_MS,
    EXPECTED,
    LOSSES,
    STEP_FACTORS,
    ToldClip,
    measure_said,
)
from headgan.codec.said_code import shipped_said_code
from headgan.models.clip_sound import read_sound
from headgan.models.machine import describe_run
from headgan.models.metrics.clip_frames import find_clips
from headgan.models.speech_phonemes import PhonemeNet
from headgan.proto.errors import DeviceError
from headgan.proto.options import argument, required
from headgan.proto.said import SAID_FRAME_MS

_HALVES = {"low": "the 84, in deviations", "heard": "the 216, 0 to 1"}


@dataclass(frozen=True)
class SaidOptions:
    """Options of `headgan-bench said`."""

    clips: tuple[Path, ...] = argument("clips, or folders of them", many=True)
    output: Path = required("folder for the report", flag="-o", metavar="DIR")


def bench_said(options: SaidOptions) -> int:
    """Writes metrics.json, table.md and said.png."""
    clips = find_clips(options.clips)
    new_figure("said", 1, 1)
    make_folder(options.output)
    code, net, kept = shipped_said_code(), PhonemeNet(), Kept(options.output / "clips")
    results: dict[str, dict[str, Any]] = {}
    for name, path in tqdm(clips.items(), desc="telling", unit="clip"):
        sound = read_sound(path)
        if not sound.samples.size:
            continue
        depends = {"clip": file_state(path), "code": hashlib.sha256(code.code_id).hexdigest()}
        results[name] = kept.get(
            name,
            depends,
            lambda sound=sound: measure_said(ToldClip.of(sound, net), code),  # type: ignore[misc]
        )
    if not results:
        raise DeviceError(f"none of the {len(clips)} clips has sound; give others")
    report = {"run": describe_run(), "clips": list(results), "code": code.code_id.hex(), **as_means(results)}
    text = _table(report)
    write_text(options.output / "metrics.json", json.dumps(report, indent=2, allow_nan=False) + "\n")
    write_text(options.output / "table.md", text)
    _draw(report, options.output / "said.png")
    sys.stdout.write(text)
    return 0


def as_means(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """kbit/s and root mean squares over all clips together, and the rate of each."""
    each = list(results.values())
    frames, pauses = (sum(one[name] for one in each) for name in ("frames", "pauses"))
    spoken = frames - pauses
    return {
        "frames": frames,
        "pause_share": pauses / frames,
        "kbps": {
            f"{where}_{what}": _kbps(sum(one[where][f"{what}_bytes"] for one in each), count)
            for where, count in (("speech", spoken), ("pause", pauses))
            for what in ("record", "packet")
        },
        "clip_kbps": {
            name: _kbps(one["speech"]["packet_bytes"] + one["pause"]["packet_bytes"], one["frames"])
            for name, one in results.items()
        },
        "usual": _roots([one["usual"] for one in each], frames),
        "stack": _roots([one["stack"] for one in each], frames),
        "beside": _roots([one["beside"] for one in each], frames),
        "heard_kbps": sum(one["heard_bits"] for one in each) / (SAID_FRAME_MS * max(spoken, 1)),
        "part": {later: _changes([one["part"][later] for one in each]) for later in each[0]["part"]},
        "steps": {
            factor: {"kbps": _kbps(sum(one["steps"][factor]["record_bytes"] for one in each), spoken)}
            | _roots([one["steps"][factor] for one in each], spoken)
            for factor in each[0]["steps"]
        },
        "calls": {way: _roots([one["calls"][way] for one in each], frames) for way in each[0]["calls"]},
    }


def _kbps(count_bytes: int, frames: int) -> float | None:
    """None where there are no frames."""
    return count_bytes * 8 / (SAID_FRAME_MS * frames) if frames else None


def _roots(sums: Sequence[Mapping[str, float]], frames: int) -> dict[str, float]:
    return {half: float(np.sqrt(sum(one[half] for one in sums) / max(frames, 1))) for half in _HALVES}


def _changes(sums: Sequence[Mapping[str, float]]) -> float:
    return float(np.sqrt(sum(one["heard"] for one in sums) / max(sum(one["parts"] for one in sums), 1)))


def _table(report: Mapping[str, Any]) -> str:
    """Markdown tables."""
    kbps, usual, stack = report["kbps"], report["usual"], report["stack"]
    rates = {name: "no" if value is None else f"{value:.2f}" for name, value in kbps.items()}
    beside, parts = report["beside"], report["part"].items()
    changes = ", ".join(f"{apart:.3f} after {SAID_FRAME_MS * int(later)} ms" for later, apart in parts)
    lines = [
        f"{len(report['clips'])} clips, {report['frames']} times 40 ms, {report['pause_share']:.1%} in pauses. While "
        f"somebody speaks {rates['speech_record']} kbit/s of records, {report['heard_kbps']:.2f} of them for the 216, "
        f"and {rates['speech_packet']} in packets; in pauses {rates['pause_record']} and {rates['pause_packet']}.",
        "",
        f"The mean of speech is {usual['low']:.2f} and {usual['heard']:.3f} away. What a part is told to be changes: "
        f"{changes}. So the newest parts of eight moments, uncoded, are {stack['heard']:.3f} away. Records told of 10 "
        f"ms beside the frames are {beside['low']:.2f} and {beside['heard']:.3f} away.",
        "",
        "| steps, times the default | kbit/s of records | the 84 | the 216 |",
        "| --- | --- | --- | --- |",
    ]
    for factor, row in report["steps"].items():
        lines.append(f"| {factor} | {row['kbps'] or 0:.2f} | {row['low']:.2f} | {row['heard']:.3f} |")
    lines += [
        "",
        "| drawn | lost | " + " | ".join(EXPECTED) + " |",
        "| --- | --- |" + " --- |" * len(EXPECTED),
    ]
    for drawn in DRAWN_AFTER_MS:
        for loss in LOSSES:
            cells = [report["calls"][f"{drawn}, {loss:g}, {name}"] for name in EXPECTED]
            shown = " | ".join(f"{cell['low']:.2f}, {cell['heard']:.3f}" for cell in cells)
            lines.append(f"| {drawn} | {loss:.0%} | {shown} |")
    return "\n".join(lines) + "\n"


def _draw(report: Mapping[str, Any], path: Path) -> None:
    """For each half: distance over rate, and over loss for each way to expect what is missing."""
    figure = new_figure("said", 11, 7.2)
    for row, (half, title) in zip(figure.subplots(2, 2), _HALVES.items(), strict=True):
        steps = report["steps"]
        row[0].plot([one["kbps"] or 0 for one in steps.values()], [one[half] for one in steps.values()], "o-")
        for factor in STEP_FACTORS:
            one = steps[f"{factor:g}"]
            row[0].annotate(
                f"{factor:g}", (one["kbps"] or 0, one[half]), xytext=(5, 5), textcoords="offset points"
            )
        row[0].set(xlabel="kbit/s of records, by the length of a step", ylabel=title, ylim=(0, None))
        for drawn, line in zip(DRAWN_AFTER_MS, ("-", "--"), strict=True):
            for colour, name in enumerate(EXPECTED):
                rows = [report["calls"][f"{drawn}, {loss:g}, {name}"][half] for loss in LOSSES]
                row[1].plot(
                    [100 * one for one in LOSSES],
                    rows,
                    f"o{line}",
                    color=f"C{colour}",
                    label=f"{drawn}, {name}",
                )
        row[1].axhline(report["usual"][half], color="0.5", linestyle=":", label="the mean of speech")
        row[1].set(xlabel="records lost, %", ylim=(0, None))
        for axes in row:
            axes.grid(alpha=0.3)
    figure.axes[1].legend(fontsize=7)
    save_figure(figure, path)
