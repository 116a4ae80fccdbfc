"""`headgan-bench speech`: clips in, what the network that hears speech loses in a call, and what that costs, out."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from headgan.benchmarks.figure import new_figure, save_figure
from headgan.benchmarks.kept import Kept, file_state
from headgan.benchmarks.report_files import make_folder, write_text
from headgan.benchmarks.speech_measure import (
    CONTEXTS_S,
    LOOK_AHEADS_MS,
    STEP_MS,
    Hearing,
    as_means,
    check_call,
    measure_speed,
)
from headgan.models.clip_sound import ClipSound, read_sound
from headgan.models.machine import describe_run
from headgan.models.metrics.clip_frames import find_clips
from headgan.models.speech import CONTEXT, LOOK_AHEAD_MS
from headgan.models.speech_low import SAMPLE_RATE
from headgan.models.speech_phonemes import PhonemeNet, SpeechNet
from headgan.models.speech_short import ShortEarNet
from headgan.proto.errors import DeviceError, UsageError
from headgan.proto.options import argument, option, required

_SHOWN = {
    "newest": "the last 40 ms: total variation",
    "eight": "all 320 ms: total variation",
    "equal_sounds": "sounds that are told right",
}


@dataclass(frozen=True)
class SpeechOptions:
    """Options of `headgan-bench speech`."""

    clips: tuple[Path, ...] = argument("clips, or folders of them", many=True)
    output: Path = required("folder for the report", flag="-o", metavar="DIR")
    frames: int = option(200, "frames to measure the speed with", metavar="N")
    net: Path | None = option(None, "another network that hears the calls, as ONNX", metavar="FILE")


def bench_speech(options: SpeechOptions) -> int:
    """Writes metrics.json, table.md and look_ahead.png."""
    if options.frames < 1:
        raise UsageError(f"--frames {options.frames}: give 1 or more")
    clips = find_clips(options.clips)
    new_figure("speech", 1, 1)
    make_folder(options.output)
    teacher, kept = PhonemeNet(), Kept(options.output / "clips")
    net: SpeechNet = teacher if options.net is None else ShortEarNet(options.net)
    results: dict[str, dict[str, Any]] = {}
    loudest: ClipSound | None = None
    for name, path in tqdm(clips.items(), desc="listening", unit="clip"):
        sound = read_sound(path)
        if len(sound.samples) / SAMPLE_RATE <= _shortest_s():
            continue
        depends = {"clip": file_state(path), "step_ms": STEP_MS}
        depends |= {"net": file_state(options.net)} if options.net else {}
        results[name] = kept.get(name, depends, lambda sound=sound: _measure(sound, net, teacher))  # type: ignore[misc]
        loudest = loudest or sound
    if loudest is None:
        raise DeviceError(f"none of the {len(clips)} clips has {_shortest_s():.1f} s of sound; give others")
    report = _report(results) | {"processor_ms": measure_speed(loudest, net, options.frames)}
    text = _table(report)
    write_text(options.output / "metrics.json", json.dumps(report, indent=2, allow_nan=False) + "\n")
    write_text(options.output / "table.md", text)
    _draw(report["hearing"], options.output / "look_ahead.png")
    sys.stdout.write(text)
    return 0


def _shortest_s() -> float:
    """Seconds of sound below which a clip has no moment to look at."""
    return max(CONTEXTS_S) + max(LOOK_AHEADS_MS) / 1000 + STEP_MS / 1000


def _measure(sound: ClipSound, net: SpeechNet, teacher: SpeechNet) -> dict[str, Any]:
    hearing = Hearing(sound, net, teacher)
    return {
        "checked_frames": check_call(sound, net),
        "ways": {
            f"{look_ahead_ms} {context_s:g}": hearing.compare(look_ahead_ms, context_s)
            for context_s in CONTEXTS_S
            for look_ahead_ms in LOOK_AHEADS_MS
        },
    }


def _report(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "run": describe_run(),
        "default": {"look_ahead_ms": LOOK_AHEAD_MS, "context_s": CONTEXT / SAMPLE_RATE},
        "clips": list(results),
        "checked_frames": sum(result["checked_frames"] for result in results.values()),
        "hearing": [
            {"look_ahead_ms": look_ahead_ms, "context_s": context_s}
            | as_means([result["ways"][f"{look_ahead_ms} {context_s:g}"] for result in results.values()])
            for context_s in CONTEXTS_S
            for look_ahead_ms in LOOK_AHEADS_MS
        ],
    }


def _table(report: Mapping[str, Any]) -> str:
    """A Markdown table."""
    hearing = report["hearing"]
    lines = [
        f"{len(report['clips'])} clips, {hearing[0]['moments']:.0f} moments. What is heard on average over a clip has "
        f"a total variation of {hearing[0]['guess']:.3f}.",
        "",
        "| heard before, s | look-ahead, ms | last 40 ms | all 320 ms | likeliest class | likeliest sound |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in hearing:
        lines.append(
            f"| {row['context_s']:g} | {row['look_ahead_ms']} | {row['newest']:.3f} | {row['eight']:.3f} | "
            f"{row['equal']:.1%} | {row['equal_sounds']:.1%} |"
        )
    lines += ["", "| of a processor | p50, ms | p95, ms |", "| --- | --- | --- |"]
    lines += [
        f"| {name} | {values['p50']:.2f} | {values['p95']:.2f} |"
        for name, values in report["processor_ms"].items()
    ]
    return "\n".join(lines) + "\n"


def _draw(hearing: list[dict[str, float]], path: Path) -> None:
    """What is lost over the look-ahead, a line for each context."""
    figure = new_figure("speech", 4.2 * len(_SHOWN), 3.8)
    for axes, (name, title) in zip(figure.subplots(1, len(_SHOWN)), _SHOWN.items(), strict=True):
        for context_s in CONTEXTS_S:
            rows = [row for row in hearing if row["context_s"] == context_s]
            axes.plot(
                [row["look_ahead_ms"] for row in rows],
                [row[name] for row in rows],
                "o-",
                label=f"last {context_s:g} s",
            )
        if name != "equal_sounds":
            axes.axhline(hearing[0]["guess"], color="0.5", linestyle=":", label="the average of the clip")
        axes.axvline(LOOK_AHEAD_MS, color="0.8", zorder=0)
        axes.set(xlabel="look-ahead, ms", title=title, ylim=(0, None))
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    save_figure(figure, path)
