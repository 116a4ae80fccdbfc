"""`headgan-bench bandwidth`: a clip in, what calls with it put on the wire out, second by second."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headgan.benchmarks.figure import new_figure, save_figure
from headgan.benchmarks.report_files import make_folder, write_text
from headgan.benchmarks.run_call import run_call
from headgan.models.machine import describe_run
from headgan.proto.errors import HeadganError, UsageError
from headgan.proto.options import argument, option, required

_RATES = (
    "records_kbps",
    "voice_kbps",
    "messages_kbps",
    "sent_kbps_filling",
    "sent_kbps",
    "received_kbps",
)
# How long the frames of a packet take.
PACKETS_MS = (40, 80, 120)
# The references of a call fill its first half minute, and what comes before a reference the very first second.
_FILLED_S, _BEGUN_S = 30, 2


@dataclass(frozen=True)
class BandwidthOptions:
    """Options of `headgan-bench bandwidth`."""

    clip: Path = argument("a clip, played over and over")
    output: Path = required("folder for the report", flag="-o", metavar="DIR")
    seconds: float = option(75.0, "how long each call lasts")
    references: int = option(16, "pictures that the receiver holds", metavar="N")
    silent: bool = option(False, "calls without sound alone")
    draw: str = option("auto", "what the receiver draws with", choices=("auto", "networks", "geometry"))


def bench_bandwidth(options: BandwidthOptions) -> int:
    """Writes metrics.json, table.md and course.png; exit code 1 if frames are unaccounted for in any call."""
    if options.seconds < _FILLED_S + 10:
        raise UsageError(f"--seconds {options.seconds:g}: give {_FILLED_S + 10} or more")
    figure = new_figure("bandwidth", 9, 6)
    make_folder(options.output)
    calls = {}
    for length in PACKETS_MS:
        calls[f"{length} ms, silent"] = _call(options, length, has_sound=False)
        if not options.silent:
            calls[f"{length} ms, with a voice"] = _call(options, length, has_sound=True)
    report = {
        "run": describe_run(),
        "clip": options.clip.name,
        "settings": {
            name: value for name, value in asdict(options).items() if name not in ("clip", "output")
        },
        "calls": calls,
    }
    write_text(options.output / "metrics.json", json.dumps(report, indent=2) + "\n")
    table = bandwidth_table(calls)
    write_text(options.output / "table.md", table)
    _draw(figure, calls)
    save_figure(figure, options.output / "course.png")
    sys.stdout.write(table)
    return 0 if all(call["accounted"] for call in calls.values()) else 1


def summarise(sender: dict[str, Any], receiver: dict[str, Any]) -> dict[str, Any]:
    """What a call put on the wire, from the statistics of its two sides.

    Raises:
        HeadganError: the bytes were estimated, not counted, or the call was too short.
    """
    if not sender["bytes"]["is_measured"]:
        raise HeadganError(
            "the bytes on the wire could not be counted; use the version of aiortc that is named"
        )
    course = sender["wire_course_kbit"]
    if len(course["sent"]) <= _FILLED_S:
        raise HeadganError(f"the call was over after {len(course['sent'])} s")
    frames = receiver["frames"]
    return {
        "records_kbps": sender["params"]["kbps"],
        "voice_kbps": sender["voice"]["kbps"] if sender["voice"] else 0.0,
        "messages_kbps": float(np.mean(course["params"][_BEGUN_S:])),
        "sent_kbps_filling": float(np.mean(course["sent"][_BEGUN_S:_FILLED_S])),
        "sent_kbps": float(np.mean(course["sent"][_FILLED_S:])),
        "received_kbps": float(np.mean(course["received"][_FILLED_S:])),
        "packets_a_second": sender["params"]["packets"] / sender["seconds"],
        "latency_p50_ms": receiver["latency_ms"]["p50"],
        "latency_p95_ms": receiver["latency_ms"]["p95"],
        "frames": frames,
        "accounted": frames["sent"]
        == sender["frames"]["sent"]
        == frames["shown"] + frames["late"] + frames["lost"],
        "course": course,
    }


def bandwidth_table(calls: dict[str, dict[str, Any]]) -> str:
    """A Markdown table, a row for each call."""
    lines = [
        "| frames of a packet take | records | voice | messages | wire, first 30 s | wire, afterwards "
        "| acknowledgements back | packets a second | latency p50 / p95 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, call in calls.items():
        rates = " | ".join(f"{call[key]:.2f}" for key in _RATES)
        lines.append(
            f"| {name} | {rates} | {call['packets_a_second']:.1f} "
            f"| {call['latency_p50_ms']:.0f} / {call['latency_p95_ms']:.0f} ms |"
        )
    return (
        "\n".join([*lines, "", "kbit/s, one way each; the wire with all headers, handshakes left out."])
        + "\n"
    )


def _call(options: BandwidthOptions, length_ms: int, *, has_sound: bool) -> dict[str, Any]:
    folder = make_folder(options.output / f"{length_ms}ms{'_voice' if has_sound else ''}")
    # Without a speaker a voice is sent only to who records it.
    record = ("--record", str(folder / "heard.mp4")) if has_sound else ()
    files = run_call(
        options.clip,
        folder,
        duration_s=options.seconds,
        loop_s=options.seconds,
        receiver_options=("--draw", options.draw, "--speaker", "none", *record),
        sender_options=(
            *("--packet-ms", str(length_ms), "--references", str(options.references)),
            *("--microphone", "file" if has_sound else "none"),
        ),
    )
    call = summarise(files.sender, files.receiver)
    if has_sound and not call["voice_kbps"]:
        raise HeadganError(f"{options.clip} has no sound; give a clip in which somebody speaks, or --silent")
    return call


def _draw(figure: Any, calls: dict[str, dict[str, Any]]) -> None:  # noqa: ANN401 - matplotlib is an extra
    axes = figure.subplots(2, 1, sharex=True)
    for name, call in calls.items():
        axes[0].plot(call["course"]["sent"], label=f"{name}, sent")
        axes[1].plot(call["course"]["params"], label=f"{name}, messages on params")
    for one, title in zip(
        axes, ("everything on the wire", "parameters without headers of the network"), strict=True
    ):
        one.set(ylabel="kbit/s", title=title)
        one.set_ylim(bottom=0)
        one.grid(alpha=0.3)
        one.legend(fontsize=8)
    axes[-1].set_xlabel("second of the call")
