"""`headgan-bench cut`: a clip in which somebody speaks in, how long the voice waits for its packets out.

Nothing runs in real time: only when blocks and packets come counts, so a busy machine measures the same.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from headgan.benchmarks.cut_measure import CutCourse, run_cut
from headgan.benchmarks.figure import new_figure, save_figure
from headgan.benchmarks.kept import Kept, file_state
from headgan.benchmarks.markdown import markdown_table
from headgan.benchmarks.report_files import make_folder, write_text
from headgan.codec.hgn_sound import read_sound
from headgan.codec.voice import FRAME_MS
from headgan.models.machine import describe_run
from headgan.proto.errors import HeadganError, UsageError
from headgan.proto.options import argument, option, required

PACKETS_MS = (40, 80, 120)
# How a microphone may lie to the camera: one of these.
PHASES = 16
_SETTLED_S = 12.0
_VERSION = 3


@dataclass(frozen=True)
class CutOptions:
    """Options of `headgan-bench cut`."""

    clip: Path = argument("a clip in which somebody speaks")
    output: Path = required("folder for the report", flag="-o", metavar="DIR")
    seconds: float = option(40.0, "how long each voice lasts")
    jitter: float = option(3.0, "milliseconds by which packets are early or late, at most")


def bench_cut(options: CutOptions) -> int:
    """Writes metrics.json, table.md and cut.png."""
    if options.seconds < 2 * _SETTLED_S or not 0 <= options.jitter <= 20:
        raise UsageError(f"give --seconds {2 * _SETTLED_S:g} or more, and --jitter 0 to 20")
    figure = new_figure("cut", 9, 3.6)
    make_folder(options.output)
    parts = list(read_sound(options.clip, 0.0))
    sound = np.concatenate(parts) if parts else np.empty(0, np.float32)
    if not sound.any():
        raise UsageError(f"{options.clip} has no sound; give a clip in which somebody speaks")
    kept, ways = Kept(options.output / "phases"), {}
    for apart_ms in tqdm(PACKETS_MS, desc="packets", unit="length"):
        for is_moved in (False, True):
            rows = []
            for place in tqdm(range(PHASES), desc="phases", leave=False):
                phase_ms = place * FRAME_MS / PHASES
                depends = {"clip": file_state(options.clip), "seconds": options.seconds}
                depends |= {"jitter": options.jitter, "version": _VERSION}

                def measure(
                    phase_ms: float = phase_ms, apart_ms: int = apart_ms, *, is_moved: bool = is_moved
                ) -> dict[str, Any]:
                    course = run_cut(
                        sound,
                        phase_ms,
                        apart_ms,
                        seconds=options.seconds,
                        jitter_ms=options.jitter,
                        is_moved=is_moved,
                    )
                    return summarise(course, apart_ms)

                rows.append(
                    kept.get(f"{apart_ms}_{place}_{'moved' if is_moved else 'as_is'}", depends, measure)
                )
            ways[f"{apart_ms} ms, {'in time' if is_moved else 'as it comes'}"] = rows
    table = cut_table(ways)
    report = {"run": describe_run(), "clip": options.clip.name, "jitter_ms": options.jitter, "ways": ways}
    write_text(options.output / "metrics.json", json.dumps(report, indent=2) + "\n")
    write_text(options.output / "table.md", table)
    _draw(figure, ways)
    save_figure(figure, options.output / "cut.png")
    sys.stdout.write(table)
    return 0


def summarise(course: CutCourse, apart_ms: float) -> dict[str, float]:
    """Of what comes after the first seconds, ready for JSON.

    Raises:
        HeadganError: packets had no sound.
    """
    settled = round(1000 * _SETTLED_S / apart_ms)
    ages, waits = np.array(course.ages_ms[settled:]), np.array(course.waits_ms[settled:])
    if len(ages) < 10:
        raise HeadganError("hardly any packet had sound; give a clip in which somebody speaks")
    return {
        "packets": len(ages),
        "wait_ms": round(float(np.median(waits)), 2),
        "age_ms": round(float(np.median(ages)), 2),
        # Not all: what was said before a pause goes out when it has ended.
        "age_most_ms": round(float(np.percentile(ages, 90)), 2),
        "shifts": course.shifts,
    }


def cut_table(ways: dict[str, list[dict[str, float]]]) -> str:
    """A Markdown table, a row for each way."""
    heads = (
        "packets",
        "wait, mean of phases",
        "most",
        "age, 90th percentile, mean of phases",
        "most",
        "cut anew",
    )
    rows = []
    for name, found in ways.items():
        waits, ages = [row["wait_ms"] for row in found], [row["age_most_ms"] for row in found]
        shifts = np.mean([row["shifts"] for row in found])
        numbers = (np.mean(waits), max(waits), np.mean(ages), max(ages))
        rows.append([name, *(f"{number:.1f} ms" for number in numbers), f"{shifts:.1f} times"])
    return "\n".join(markdown_table(heads, rows)) + "\n"


def _draw(figure: Any, ways: dict[str, list[dict[str, float]]]) -> None:  # noqa: ANN401 - matplotlib is an extra
    axes = figure.subplots(1, 1)
    for (name, rows), color in zip(ways.items(), ("C0", "C0", "C1", "C1", "C2", "C2"), strict=True):
        style = "o-" if name.endswith("in time") else "o:"
        axes.plot([row["age_most_ms"] for row in rows], style, color=color, label=name, markersize=3)
    axes.set(xlabel=f"phase of the microphone, of {PHASES}", ylabel="ms", ylim=(0, None))
    axes.set_title("age of the newest sound in a packet, 90th percentile after 12 s")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, ncols=3)
