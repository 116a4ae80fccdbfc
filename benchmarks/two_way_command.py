"""`headgan-bench two-way`: a clip in, whether this machine holds a call in both directions at once out."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headgan.benchmarks.figure import new_figure, save_figure
from headgan.benchmarks.kept import Kept, file_state, shipped_networks
from headgan.benchmarks.latency_legs import LEGS, join_rows, summarise_legs
from headgan.benchmarks.performance import Figure, Performance, write_performance
from headgan.benchmarks.process_watch import check_psutil
from headgan.benchmarks.report_files import make_folder
from headgan.benchmarks.stage_bars import stack_bars
from headgan.benchmarks.two_way_call import DIRECTIONS, TwoWayFiles, run_two_way
from headgan.codec.video import probe_video
from headgan.models.runtime import PROVIDER_CHOICES
from headgan.proto.errors import DeviceError, HeadganError, UsageError
from headgan.proto.options import argument, option, required
from headgan.proto.program import check_writable
from headgan.receiver.choose_generator import DRAW_CHOICES

WINDOW_S = 10.0
_STEP_S = 1.0
_VERSION = 2


@dataclass(frozen=True)
class TwoWayOptions:
    """Options of `headgan-bench two-way`."""

    clip: Path = argument("a clip with a face, which both ends play over and over")
    output: Path = required("folder for the report", flag="-o", metavar="DIR")
    seconds: float = option(300.0, "how long the call lasts, once it is there")
    silent: bool = option(False, "no voice, also where the clip has one")
    provider: str = option("auto", "what runs the networks of both receivers", choices=PROVIDER_CHOICES)
    draw: str = option("auto", "what draws, as headgan-recv has it", choices=DRAW_CHOICES)
    json: Path | None = option(None, "the numbers by their keys alone, JSON", metavar="FILE")


def bench_two_way(options: TwoWayOptions) -> int:
    """Writes two-way.json, two-way.md and two-way.png; exit code 1 if frames are unaccounted for."""
    if not 25 <= options.seconds <= 86_400:
        raise UsageError(f"--seconds {options.seconds:g}: give 25 to 86400")
    if not options.clip.is_file():
        raise DeviceError(f"{options.clip} is no file; give a clip with a face")
    check_writable(options.json, "--json")
    check_psutil("two-way")
    figure = new_figure("two-way", 10, 7)
    make_folder(options.output)
    has_voice = probe_video(options.clip).has_sound and not options.silent
    depends = {"clip": file_state(options.clip), "seconds": options.seconds, "voice": has_voice}
    depends |= {"provider": options.provider, "draw": options.draw}
    depends |= {"networks": shipped_networks(), "version": _VERSION}

    def measure() -> dict[str, Any]:
        heard = ["--microphone", "file"] if has_voice else ["--audio", "none"]
        shown = ["--viewer", "web", "--provider", options.provider, "--draw", options.draw]
        return measure_two_way(run_two_way(options.clip, options.output, options.seconds, heard, shown))

    call = Kept(options.output / "call").get("two_way", depends, measure)
    measured = summarise(call)
    write_performance(measured, options.output / "two-way.json", options.json)
    _draw(figure, call)
    save_figure(figure, options.output / "two-way.png")
    sys.stdout.write(measured.table)
    return 0 if all(one["accounted"] for one in call["directions"].values()) else 1


def measure_two_way(files: TwoWayFiles) -> dict[str, Any]:
    """What a call was like in each direction, and what it cost, ready for JSON.

    Raises:
        HeadganError: a direction showed nothing for long enough.
    """
    directions = {}
    for direction in DIRECTIONS:
        sender, receiver = files.senders[direction], files.receivers[direction]
        legs = join_rows(sender["moments"], receiver["moments"])
        if not legs:
            raise HeadganError(
                f"{direction}: no frame of the call is known to both sides; give more --seconds"
            )
        frames = receiver["frames"]
        directions[direction] = {
            "accounted": frames["sent"]
            == sender["frames"]["sent"]
            == frames["shown"] + frames["late"] + frames["lost"],
            "frames": frames,
            "camera_dropped": sender["frames"]["camera_dropped"],
            "fps": receiver["fps"],
            "fps_course": window_fps(receiver["shown_ms"]),
            "latency_ms": {name: receiver["latency_ms"][name] for name in ("p50", "p95")},
            "legs_ms": summarise_legs(legs),
            "generator": receiver["generator"],
            "provider": receiver["provider"],
        }
    return {"directions": directions, "cost": files.cost}


def window_fps(shown_ms: Sequence[float]) -> list[float]:
    """Pictures a second in each 10 s of a call, a window beginning each second.

    Raises:
        HeadganError: the call was shorter than a window.
    """
    times = np.asarray(shown_ms, np.float64) / 1000
    if times.size < 2 or times[-1] - times[0] < WINDOW_S:
        raise HeadganError(f"pictures were shown for less than {WINDOW_S:.0f} s; give more --seconds")
    starts = np.arange(times[0], times[-1] - WINDOW_S + 1e-9, _STEP_S)
    counts = np.searchsorted(times, starts + WINDOW_S) - np.searchsorted(times, starts)
    return [round(float(count) / WINDOW_S, 2) for count in counts]


def summarise(call: dict[str, Any]) -> Performance:
    """The figures of a call; of both directions the worse one."""
    directions, cost = call["directions"].values(), call["cost"]
    frames = [one["frames"] for one in directions]
    missed = sum(one["late"] + one["lost"] for one in frames) / max(1, sum(one["sent"] for one in frames))
    idle = None if cost["idle"] is None else 100 * cost["idle"]
    figures = [
        Figure(
            "two_way.fps", min(one["fps"] for one in directions), "two-way call, pictures shown", "a second"
        ),
        Figure(
            "two_way.fps_min",
            min(min(one["fps_course"]) for one in directions),
            "two-way call, in its worst 10 s",
            "a second",
        ),
        Figure("two_way.missed_percent", round(100 * missed, 3), "two-way call, late or lost", "%"),
    ]
    for name in ("p50", "p95"):
        values = [one["latency_ms"][name] for one in directions if one["latency_ms"][name] is not None]
        words = "median" if name == "p50" else "95th percentile"
        label = f"two-way call, camera to display, {words}"
        figures.append(Figure(f"two_way.latency_ms.{name}", max(values, default=None), label, "ms"))
    figures.append(Figure("two_way.idle_percent", idle, "two-way call, time of all cores left idle", "%"))
    others = cost["others_cores"]
    figures.append(
        Figure("two_way.others_cores", others, "two-way call, cores that other programs took", "cores")
    )
    for name, process in cost["processes"].items():
        key = f"two_way.{name.replace(' ', '_')}"
        figures.append(Figure(f"{key}.cores", process["cores"], f"two-way call, {name}", "cores"))
        figures.append(Figure(f"{key}.rss_mb", process["rss_most_mb"], f"two-way call, {name}, memory", "MB"))
    drawn_by = sorted({f"{one['generator']} on {one['provider']}" for one in directions})
    notes = [f"Both receivers of the two-way call drew by {' and '.join(drawn_by)}."]
    return Performance("headgan-bench two-way", figures, call, notes)


def _draw(figure: Any, call: dict[str, Any]) -> None:  # noqa: ANN401 - matplotlib is an extra
    """Frames a second over the call above, where each millisecond goes below."""
    above, below = figure.subplots(2, 1)
    for direction, one in call["directions"].items():
        above.plot(one["fps_course"], marker=".", label=direction)
    above.set(xlabel="beginning of 10 s, seconds", ylabel="pictures a second", title="two-way call")
    above.set_ylim(bottom=0)
    above.legend(fontsize=8)
    above.grid(alpha=0.3)
    bars = {
        direction: {leg: one["legs_ms"][leg]["mean"] for leg in LEGS}
        for direction, one in call["directions"].items()
    }
    stack_bars(below, bars)
    below.set_xlabel("milliseconds from camera to display, mean over frames")
    below.legend(fontsize=7, ncols=7, loc="upper center", bbox_to_anchor=(0.5, -0.2))
