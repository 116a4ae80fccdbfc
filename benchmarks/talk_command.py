"""`headgan-bench talk`: clips in which somebody speaks in, what calls with them sound like, and when, out."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from headgan.benchmarks.faulty_line import LineFaults
from headgan.benchmarks.figure import new_figure, save_figure
from headgan.benchmarks.kept import Kept, file_state, shipped_networks
from headgan.benchmarks.lip_time import lips_later, mouth_course, sound_later, sound_of
from headgan.benchmarks.markdown import markdown_table
from headgan.benchmarks.number_list import numbers_in
from headgan.benchmarks.report_files import make_folder, write_text
from headgan.benchmarks.run_call import CallFiles, run_call
from headgan.benchmarks.voice_scores import PhonemeReader, edit_distance, is_speech
from headgan.benchmarks.watched_side import launch_words
from headgan.codec.video import probe_video, read_video
from headgan.models.machine import describe_run
from headgan.models.metrics.clip_frames import find_clips
from headgan.proto.errors import UsageError
from headgan.proto.options import argument, option, required

# What is heard and what is seen may be apart.
LIMIT_MS = 20.0
PACKETS_MS = (40, 120)
# Of what a kept call holds.
_VERSION = 1


@dataclass(frozen=True)
class TalkOptions:
    """Options of `headgan-bench talk`."""

    clips: tuple[Path, ...] = argument(
        "clips, or folders of them; those without speech are left out", many=True
    )
    output: Path = required("folder for the report and the recordings", flag="-o", metavar="DIR")
    losses: str = option("0,0.05,0.15", "shares of the datagrams that are lost, each way", metavar="SHARES")
    delay: float = option(20.0, "milliseconds that each is on its way")
    jitter: float = option(10.0, "up to so many milliseconds more")


@dataclass(frozen=True)
class Line:
    """How calls are made.

    Attributes:
        packet_ms: how long the frames of a packet take.
        faults: of the line.
    """

    packet_ms: int
    faults: LineFaults

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.packet_ms} ms, {100 * self.faults.loss:g} % lost"

    @property
    def file_name(self) -> str:
        """For files."""
        return f"{self.packet_ms}_{self.faults.loss:g}"


def bench_talk(options: TalkOptions) -> int:
    """Writes metrics.json, table.md and talk.png; exit code 1 if sound and lips are too far apart in any call."""
    lines = _lines(options)
    figure = new_figure("talk", 9, 4)
    make_folder(options.output)
    clips = {name: path for name, path in find_clips(options.clips).items() if is_speech(sound_of(path))}
    if not clips:
        raise UsageError("nobody speaks in these clips; give others")
    kept, reader = Kept(options.output / "calls"), PhonemeReader.load()
    calls: dict[str, dict[str, Any]] = {line.name: {} for line in lines}
    for name, clip in tqdm(clips.items(), desc="clips", unit="clip"):
        for line in tqdm(lines, desc=name, unit="call", leave=False):
            depends = {"clip": file_state(clip), "line": asdict(line), "version": _VERSION}
            depends |= {"networks": shipped_networks(), "reads": reader is not None}
            folder = options.output / "recordings" / f"{name}_{line.file_name}"

            def measure(clip: Path = clip, folder: Path = folder, line: Line = line) -> dict[str, Any]:
                return measure_call(_call(clip, folder, line), clip, reader)

            calls[line.name][name] = kept.get(f"{name}_{line.file_name}", depends, measure)
    without_loss = {line.packet_ms: calls[line.name] for line in lines if not line.faults.loss}
    report = {
        "run": describe_run(),
        "line": {"delay_ms": options.delay, "jitter_ms": options.jitter},
        "lines": {line.name: summarise(calls[line.name], without_loss[line.packet_ms]) for line in lines},
        "calls": calls,
    }
    write_text(options.output / "metrics.json", json.dumps(report, indent=2, allow_nan=False) + "\n")
    table = talk_table(report["lines"])
    write_text(options.output / "table.md", table)
    _draw(figure, calls)
    save_figure(figure, options.output / "talk.png")
    sys.stdout.write(table)
    return 0 if all(line["apart_ms_most"] <= LIMIT_MS for line in report["lines"].values()) else 1


def measure_call(files: CallFiles, clip: Path, reader: PhonemeReader | None) -> dict[str, Any]:
    """What was recorded of a call against what was sent, ready for JSON."""
    first_ms = next(read_video(clip)).pts_ms
    said, heard = sound_of(clip, first_ms), sound_of(files.recording)
    lips = lips_later(mouth_course(files.crop), mouth_course(files.recording))
    sound = sound_later(said, heard)
    sent, voice = files.sender, files.receiver["voice"]
    return {
        "sound_later_ms": round(sound.ms, 2),
        "sound_alike": round(sound.alike, 3),
        "lips_later_ms": round(lips.ms, 2),
        "lips_alike": round(lips.alike, 3),
        "apart_ms": round(sound.ms - lips.ms, 2) if sound.is_sure and lips.is_sure else None,
        "played": voice,
        "played_ahead_ms": voice["ahead_of_picture_ms"]["p50"],
        "latency_p50_ms": files.receiver["latency_ms"]["p50"],
        "latency_p95_ms": files.receiver["latency_ms"]["p95"],
        "playout_delay_ms": files.receiver["playout_delay_ms"],
        "voice_kbps": sent["voice"]["kbps"],
        "copies": sent["voice"]["copies"],
        "loss": sent["params"]["loss"],
        "wire_kbps": sent["kbps"]["wire_sent"],
        "phonemes": None if reader is None else reader.read(heard),
        "phonemes_said": None if reader is None else reader.read(said),
    }


def summarise(calls: dict[str, Any], without_loss: dict[str, Any]) -> dict[str, Any]:
    """Of all calls over one line.

    Args:
        calls: by clip.
        without_loss: the same clips over a line that loses nothing.
    """
    apart = [abs(call["apart_ms"]) for call in calls.values() if call["apart_ms"] is not None]
    counts = {
        name: sum(call["played"][name] for call in calls.values())
        for name in ("decoded", "recovered", "concealed")
    }
    frames = max(1, sum(counts.values()))
    names = (
        "sound_later_ms",
        "lips_later_ms",
        "played_ahead_ms",
        "latency_p50_ms",
        "voice_kbps",
        "wire_kbps",
    )
    said = {name: call["phonemes_said"] for name, call in without_loss.items()}
    heard = {name: call["phonemes"] for name, call in without_loss.items()}
    return {
        "calls": len(calls),
        "apart_ms": round(float(np.mean(apart)), 2) if apart else None,
        "apart_ms_most": max(apart, default=0.0),
        "unsure": len(calls) - len(apart),
        "recovered": round(counts["recovered"] / frames, 4),
        "concealed": round(counts["concealed"] / frames, 4),
        "phoneme_error": _error(calls, heard),
        "phoneme_error_said": _error(calls, said),
        **{name: round(float(np.mean([call[name] for call in calls.values()])), 2) for name in names},
    }


def talk_table(lines: dict[str, dict[str, Any]]) -> str:
    """A Markdown table, a row for each line."""
    heads = (
        "packets, line",
        "sound and lips apart, mean (most)",
        "sound ahead when played",
        "frames recovered",
        "concealed",
        "phoneme errors against no loss",
        "against the clip",
        "latency p50",
        "voice, kbit/s",
        "wire",
    )
    rows = []
    for name, line in lines.items():
        cells = [
            name,
            f"{line['apart_ms']} ({line['apart_ms_most']}) ms",
            f"{line['played_ahead_ms']} ms",
            f"{line['recovered']:.1%}",
            f"{line['concealed']:.1%}",
            _percent(line["phoneme_error"]),
            _percent(line["phoneme_error_said"]),
            f"{line['latency_p50_ms']:.0f} ms",
            f"{line['voice_kbps']:.1f}",
            f"{line['wire_kbps']:.1f}",
        ]
        rows.append(cells)
    calls = max(line["calls"] for line in lines.values())
    note = f"{calls} clips; the wire with all references, which come in the first half minute."
    return "\n".join([*markdown_table(heads, rows), "", note]) + "\n"


def _error(calls: dict[str, Any], truths: dict[str, list[int] | None]) -> float | None:
    """Phonemes that are wrong, as a share of those that are right; None without an acoustic model."""
    wrong = all_of_them = 0
    for name, call in calls.items():
        truth = truths[name]
        if truth is None or call["phonemes"] is None:
            return None
        wrong += edit_distance(call["phonemes"], truth)
        all_of_them += len(truth)
    return round(wrong / all_of_them, 4) if all_of_them else None


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _lines(options: TalkOptions) -> list[Line]:
    given = numbers_in("losses", options.losses, float, "shares such as 0,0.05,0.15")
    losses = sorted({0.0, *given})
    if not all(0 <= loss <= 0.5 for loss in losses):
        raise UsageError(f"--losses {options.losses}: give shares from 0 to 0.5")
    for name in ("delay", "jitter"):
        if not 0 <= getattr(options, name) <= 1000:
            raise UsageError(f"--{name} {getattr(options, name):g}: give 0 to 1000")
    faults = [LineFaults(loss, options.delay, options.jitter) for loss in losses]
    return [Line(packet_ms, fault) for packet_ms in PACKETS_MS for fault in faults]


def _call(clip: Path, folder: Path, line: Line) -> CallFiles:
    make_folder(folder)
    return run_call(
        clip,
        folder,
        duration_s=probe_video(clip).duration_s or 600,
        receiver_options=("--speaker", "none"),
        sender_options=("--packet-ms", str(line.packet_ms), "--microphone", "file"),
        sender_program=launch_words("sender", folder / "sender.jsonl", line.faults),
    )


def _draw(figure: Any, calls: dict[str, dict[str, Any]]) -> None:  # noqa: ANN401 - matplotlib is an extra
    axes = figure.subplots(1, 1)
    for place, of_line in enumerate(calls.values()):
        apart = [call["apart_ms"] for call in of_line.values() if call["apart_ms"] is not None]
        axes.plot(apart, [place] * len(apart), "o", alpha=0.6)
    axes.axvspan(-LIMIT_MS, LIMIT_MS, color="0.92", zorder=0)
    axes.set_yticks(range(len(calls)), list(calls))
    axes.set(xlabel="sound later than lips, ms; one point a call", title="recordings against what was sent")
    axes.grid(alpha=0.3)
