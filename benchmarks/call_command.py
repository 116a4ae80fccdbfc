"""`headgan-bench call` and `headgan-bench endurance`: clips in, what calls with them were like out."""

import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from headgan.benchmarks.fidelity import draw_sheet, measure_fidelity
from headgan.benchmarks.run_call import CallFiles, run_call
from headgan.codec.video import probe_video
from headgan.models.machine import describe_run
from headgan.models.metrics.clip_frames import find_clips
from headgan.proto.options import argument, option, required


@dataclass(frozen=True)
class CallOptions:
    """Options of `headgan-bench call`."""

    clips: tuple[Path, ...] = argument("clips, or folders of them", many=True)
    output: Path = required("folder for the report and the videos", flag="-o", metavar="DIR")
    smoothing: float | None = option(None, "another --smoothing than headgan-send's own")


@dataclass(frozen=True)
class EnduranceOptions:
    """Options of `headgan-bench endurance`."""

    clip: Path = argument("a clip, played over and over")
    output: Path = required("folder for the report", flag="-o", metavar="DIR")
    minutes: float = option(10.0, "how long the call lasts")


def bench_calls(options: CallOptions) -> int:
    """Sends each clip through a call of its own; exit code 1 if frames are unaccounted for anywhere."""
    clips = find_clips(options.clips)
    sender_options = () if options.smoothing is None else ("--smoothing", str(options.smoothing))
    results: dict[str, dict[str, Any]] = {}
    sheets = []
    for name, clip in tqdm(clips.items(), desc="calls", unit="call"):
        folder = options.output / name
        files = run_call(
            clip, folder, duration_s=probe_video(clip).duration_s or 600, sender_options=sender_options
        )
        results[name] = _result(files)
        sheets.append((name, files.crop, files.recording))
    means = {
        key: round(float(np.mean([result[key] for result in results.values()])), 3)
        for key in ("psnr", "psnr_repeat", "fps_sent", "fps_shown", "latency_p50_ms", "fit_error_px")
    }
    means["psnr_gain"] = round(means["psnr"] - means["psnr_repeat"], 3)
    report = {"run": describe_run(), "mean": means, "clips": results}
    (options.output / "metrics.json").write_text(json.dumps(report, indent=2) + "\n")
    draw_sheet(sheets, options.output / "sheet.png")
    table = _table(results, means)
    (options.output / "table.md").write_text(table)
    sys.stdout.write(table)
    return 0 if all(result["accounted"] for result in results.values()) else 1


def bench_endurance(options: EnduranceOptions) -> int:
    """One long call; exit code 1 if its latency grew by more than half a frame."""
    loop_s = options.minutes * 60
    files = run_call(options.clip, options.output, duration_s=loop_s, loop_s=loop_s)
    latency = files.receiver["latency_ms"]
    growth = latency["last_minute"]["p50"] - latency["first_minute"]["p50"]
    report = {
        "run": describe_run(),
        "clip": options.clip.name,
        "minutes": options.minutes,
        "cpu_stolen": files.cpu_stolen,
        "latency_ms": latency,
        "growth_ms": round(growth, 2),
        "sender": files.sender,
        "receiver": files.receiver,
    }
    (options.output / "endurance.json").write_text(json.dumps(report, indent=2) + "\n")
    first, last = latency["first_minute"], latency["last_minute"]
    sys.stdout.write(
        f"first minute {first['p50']:.1f} ms (p95 {first['p95']:.1f}), "
        f"last minute {last['p50']:.1f} ms (p95 {last['p95']:.1f}), "
        f"{files.receiver['fps']} fps, frames {files.receiver['frames']}\n"
    )
    return 0 if growth <= 20 else 1


def _result(files: CallFiles) -> dict[str, Any]:
    fidelity = measure_fidelity(files.crop, files.recording)
    sender, receiver = files.sender, files.receiver
    frames = receiver["frames"]
    return {
        **{key: _rounded(value) for key, value in dataclasses.asdict(fidelity).items()},
        "psnr_gain": round(fidelity.psnr - fidelity.psnr_repeat, 3),
        "accounted": frames["sent"]
        == sender["frames"]["sent"]
        == frames["shown"] + frames["late"] + frames["lost"],
        "sent": frames["sent"],
        "shown": frames["shown"],
        "late": frames["late"],
        "lost": frames["lost"],
        "no_face": frames["no_face"],
        "fps_sent": sender["fps"],
        "fps_shown": receiver["fps"],
        "latency_p50_ms": receiver["latency_ms"]["p50"],
        "latency_p95_ms": receiver["latency_ms"]["p95"],
        "fit_error_px": sender["fit_error_px"]["mean"],
        "cpu_stolen": files.cpu_stolen,
        "kbps": sender["kbps"],
        "stages_ms": {**sender["stages_ms"], **receiver["stages_ms"]},
    }


def _rounded(value: float | int) -> float | int:
    return round(value, 3) if isinstance(value, float) else value


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _table(results: dict[str, dict[str, Any]], means: dict[str, float]) -> str:
    """A Markdown table, worst gain first."""
    lines = [
        "| clip | PSNR | repeat | gain | sent | shown | late | lost | fps | ms p50 / p95 | fit px | CPU stolen |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, result in sorted(results.items(), key=lambda item: float(item[1]["psnr_gain"])):
        lines.append(
            f"| {name} | {result['psnr']:.2f} | {result['psnr_repeat']:.2f} | {result['psnr_gain']:+.2f} "
            f"| {result['sent']} | {result['shown']} | {result['late']} | {result['lost']} "
            f"| {result['fps_shown']} | {result['latency_p50_ms']:.0f} / {result['latency_p95_ms']:.0f} "
            f"| {result['fit_error_px']:.2f} | {_percent(result['cpu_stolen'])} |"
        )
    lines.append(
        f"| **mean** | {means['psnr']:.2f} | {means['psnr_repeat']:.2f} | {means['psnr_gain']:+.2f} "
        f"| | | | | {means['fps_shown']:.2f} | {means['latency_p50_ms']:.0f} | {means['fit_error_px']:.2f} | |"
    )
    return "\n".join(lines) + "\n"
