"""`headgan-bench latency`: clips in, how long from camera to display, and where each millisecond goes, out.

headgan-send ── loopback ── headgan-recv, two processes; each notes when a frame has come where
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from headgan.benchmarks.figure import new_figure
from headgan.benchmarks.kept import Kept, file_state, shipped_networks
from headgan.benchmarks.latency_legs import LEGS, TOTAL, check_legs, join_rows, summarise_legs
from headgan.benchmarks.performance import Figure, Performance, write_performance
from headgan.benchmarks.report_files import make_folder
from headgan.benchmarks.run_call import CallFiles, run_call
from headgan.benchmarks.stage_bars import draw_bars
from headgan.benchmarks.timed_side import timed_words
from headgan.codec.stage_times import percentiles
from headgan.codec.video import probe_video
from headgan.models.metrics.clip_frames import find_clips
from headgan.models.runtime import PROVIDER_CHOICES
from headgan.proto.errors import HeadganError, UsageError
from headgan.proto.options import argument, option, required
from headgan.proto.program import check_writable
from headgan.receiver.choose_generator import DRAW_CHOICES

SILENT, VOICE = "silent", "voice"
_VERSION = 1


@dataclass(frozen=True)
class LatencyOptions:
    """Options of `headgan-bench latency`."""

    clips: tuple[Path, ...] = argument("clips, or folders of them", many=True)
    output: Path = required("folder for the report", flag="-o", metavar="DIR")
    seconds: float = option(
        20.0, "how long each call lasts, its start included; the clip is played over and over"
    )
    provider: str = option("auto", "what runs the networks", choices=PROVIDER_CHOICES)
    draw: str = option("auto", "what draws, as headgan-recv has it", choices=DRAW_CHOICES)
    json: Path | None = option(None, "the numbers by their keys alone, JSON", metavar="FILE")


def bench_latency(options: LatencyOptions) -> int:
    """Writes latency.json, latency.md and latency.png; exit code 1 if frames are unaccounted for anywhere."""
    if not 5 <= options.seconds <= 3600:
        raise UsageError(f"--seconds {options.seconds:g}: give 5 to 3600")
    check_writable(options.json, "--json")
    new_figure("latency", 1, 1)
    make_folder(options.output)
    kept = Kept(options.output / "calls")
    calls: dict[str, dict[str, dict[str, Any]]] = {SILENT: {}, VOICE: {}}
    wanted = [
        (name, clip, sound)
        for name, clip in find_clips(options.clips).items()
        for sound in ((SILENT, VOICE) if probe_video(clip).has_sound else (SILENT,))
    ]
    for name, clip, sound in tqdm(wanted, desc="calls", unit="call"):
        depends = {"clip": file_state(clip), "seconds": options.seconds, "provider": options.provider}
        depends |= {"draw": options.draw, "sound": sound, "networks": shipped_networks(), "version": _VERSION}

        def measure(clip: Path = clip, name: str = name, sound: str = sound) -> dict[str, Any]:
            return measure_call(_call(clip, options, options.output / f"{name}_{sound}", sound))

        calls[sound][name] = kept.get(f"{name}_{sound}", depends, measure)
    measured = summarise(calls)
    write_performance(measured, options.output / "latency.json", options.json)
    bars = {
        f"{name}, {sound}": {leg: call["legs_ms"][leg]["mean"] for leg in LEGS}
        for sound, of_sound in calls.items()
        for name, call in of_sound.items()
    }
    draw_bars("latency", bars, options.output / "latency.png", "from camera to display, mean over frames")
    sys.stdout.write(measured.table)
    is_whole = all(call["accounted"] for of_sound in calls.values() for call in of_sound.values())
    return 0 if is_whole else 1


def _call(clip: Path, options: LatencyOptions, folder: Path, sound: str) -> CallFiles:
    # Loopback is quicker than a network, and the page of nobody's browser is what a display takes pictures by.
    heard = ("--audio", "none") if sound == SILENT else ("--microphone", "file")
    return run_call(
        clip,
        folder,
        duration_s=options.seconds,
        loop_s=options.seconds,
        receiver_options=("--viewer", "web", "--provider", options.provider, "--draw", options.draw),
        sender_options=heard,
        receiver_program=timed_words("receiver"),
        sender_program=timed_words("sender"),
    )


def measure_call(files: CallFiles) -> dict[str, Any]:
    """What a call took, ready for JSON.

    Raises:
        HeadganError: what the two sides noted does not fit together.
    """
    sender, receiver = files.sender, files.receiver
    legs = join_rows(sender["moments"], receiver["moments"])
    check_legs(legs, receiver["latency_ms"])
    if receiver["fps"] is None:
        raise HeadganError("the call showed one picture only; give more --seconds")
    frames = receiver["frames"]
    return {
        "accounted": frames["sent"]
        == sender["frames"]["sent"]
        == frames["shown"] + frames["late"] + frames["lost"],
        "frames": frames,
        "fps": receiver["fps"],
        "joined": len(legs),
        "legs_ms": summarise_legs(legs),
        "total_ms": [round(frame[TOTAL], 2) for frame in legs],
        "playout_delay_ms": receiver["playout_delay_ms"],
        "provider": receiver["provider"],
        "generator": receiver["generator"],
        "cpu_stolen": files.cpu_stolen,
    }


def summarise(calls: Mapping[str, Mapping[str, dict[str, Any]]]) -> Performance:
    """All calls of one kind of sound together; silent ones are those that the plain keys are of.

    Raises:
        HeadganError: there is no call.
    """
    figures: list[Figure] = []
    for sound, prefix in ((SILENT, ""), (VOICE, "voice.")):
        of_sound = list(calls.get(sound, {}).values())
        if not of_sound:
            continue
        words = "camera to display" + ("" if sound == SILENT else ", with voice")
        total = percentiles(ms for call in of_sound for ms in call["total_ms"])
        figures += [
            Figure(f"latency_ms.{prefix}p50", total["p50"], f"{words}, median", "ms"),
            Figure(f"latency_ms.{prefix}p95", total["p95"], f"{words}, 95th percentile", "ms"),
        ]
        for leg in LEGS:
            key = leg.replace(" ", "_").replace("-", "_")
            mean = round(float(np.mean([call["legs_ms"][leg]["mean"] for call in of_sound])), 2)
            figures.append(Figure(f"latency_ms.{prefix}{key}", mean, f"{words}: {leg}, mean", "ms", True))
        call_prefix = f"call.{prefix}"
        fps = round(float(np.mean([call["fps"] for call in of_sound])), 2)
        late = sum(call["frames"]["late"] + call["frames"]["lost"] for call in of_sound)
        sent = sum(call["frames"]["sent"] for call in of_sound)
        figures += [
            Figure(f"{call_prefix}fps", fps, f"pictures shown in {sound} calls", "a second"),
            Figure(
                f"{call_prefix}late_share", round(late / sent, 5), f"late or lost in {sound} calls", "of 1"
            ),
        ]
    if not figures:
        raise HeadganError("no call was made")
    drawn_by = sorted(
        {f"{call['generator']} on {call['provider']}" for of in calls.values() for call in of.values()}
    )
    notes = [f"The pictures of the calls from camera to display were drawn by {' and '.join(drawn_by)}."]
    return Performance("headgan-bench latency", figures, {"calls": calls}, notes)
