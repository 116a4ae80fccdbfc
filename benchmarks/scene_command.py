"""`headgan-bench scene`: a clip in, what calls show when the light changes or a hand covers the mouth out."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headgan.benchmarks.altered_scene import Span, change_light, cover_mouth
from headgan.benchmarks.fidelity import draw_strips
from headgan.benchmarks.figure import new_figure
from headgan.benchmarks.run_call import CallFiles, run_call
from headgan.codec.video import probe_video, read_video
from headgan.models.crop import whole_frame
from headgan.models.likeness import compare_likeness
from headgan.models.machine import describe_run
from headgan.models.metrics.pictures import psnr
from headgan.models.tracker import MediaPipeTracker
from headgan.proto.errors import UsageError
from headgan.proto.options import argument, option, required
from headgan.sender.scene_truth import EYES_LIMIT, MOUTH_LIMIT

# What is shown counts as false beyond the limits that the sender goes by, measured on what was shown.
_STEP_S = 0.5
# The light has recovered, or the hand is gone from the picture, once the PSNR is this close to what it was before.
_CLOSE_DB = 2.0


@dataclass(frozen=True)
class SceneOptions:
    """Options of `headgan-bench scene`."""

    clip: Path = argument("a clip with a face, some seconds longer than --at and --seconds")
    output: Path = required(
        "folder for the report, the altered clips and the videos", flag="-o", metavar="DIR"
    )
    at: float = option(6.0, "second of the clip at which it happens")
    seconds: float = option(4.0, "how long the hand stays; the light stays changed")
    fallback: float = option(20.0, "kbit/s of the live video, in the call that has one")


@dataclass(frozen=True)
class Shown:
    """One frame of a call, as it was and as it was shown.

    Attributes:
        time_s: in the video.
        psnr: in dB.
        is_false: whether the mouth or the eyes that are shown are not those that are there.
    """

    time_s: float
    psnr: float
    is_false: bool


def bench_scene(options: SceneOptions) -> int:
    """Three calls with altered clips; exit code 1 if a frame is unaccounted for.

    Raises:
        UsageError: the clip is too short.
    """
    figure = new_figure("scene", 9, 3.6)
    length_s = probe_video(options.clip).duration_s or 0.0
    end_s = options.at + options.seconds
    if length_s < end_s + 2:
        raise UsageError(
            f"{options.clip} is {length_s:.1f} s long; it has to go on for 2 s after {end_s:g} s (--at, --seconds)"
        )
    options.output.mkdir(parents=True, exist_ok=True)
    light, hand = options.output / "light.mp4", options.output / "hand.mp4"
    change_light(options.clip, light, Span(options.at, length_s + 1))
    cover_mouth(options.clip, hand, Span(options.at, end_s))
    fallback = ("--fallback", f"{options.fallback:g}")
    calls: dict[str, tuple[Path, tuple[str, ...]]] = {
        "light": (light, ()),
        "hand": (hand, ()),
        "hand with video": (hand, fallback),
    }
    results: dict[str, dict[str, Any]] = {}
    strips = []
    moments = [options.at + offset for offset in (-0.5, 0.2, 0.6, 1.2, 2.4, options.seconds + 0.4)]
    moments.append(end_s + 1.6)
    for name, (clip, sender_options) in calls.items():
        folder = options.output / name.replace(" ", "_")
        files = run_call(clip, folder, duration_s=length_s, sender_options=sender_options)
        shown = list(_shown(files))
        results[name] = _result(files, shown, options.at, end_s if clip is hand else None)
        strips.append((name, files.crop, files.recording))
    report = {"run": describe_run(), "at_s": options.at, "seconds": options.seconds, "calls": results}
    (options.output / "scene.json").write_text(json.dumps(report, indent=2) + "\n")
    draw_strips(strips, options.output / "scene.png", moments)
    _draw_curves(figure, results, options)
    for name, result in results.items():
        summary = {key: value for key, value in result.items() if key not in ("curve", "frames")}
        sys.stdout.write(f"{name}: {json.dumps(summary)}\n")
    return 0 if all(result["accounted"] for result in results.values()) else 1


def _shown(files: CallFiles) -> Iterator[Shown]:
    """The frames of a call; the videos line up frame by frame."""
    tracker = MediaPipeTracker()
    rate_fps = probe_video(files.crop).rate_fps
    recording = read_video(files.recording)
    last: NDArray[np.uint8] | None = None
    for place, frame in enumerate(read_video(files.crop)):
        drawn = next(recording, None)
        last = last if drawn is None else drawn.frame_rgb
        if last is None:
            return
        real = frame.frame_rgb
        face = tracker.track(real)
        is_false = False
        if face is not None:
            points = whole_frame(real.shape[1], real.shape[0]).normalise(face.points)
            likeness = compare_likeness(real, last, points)
            is_false = likeness.mouth > MOUTH_LIMIT or likeness.eyes > EYES_LIMIT
        yield Shown(place / rate_fps, psnr(real, last), is_false)


def _result(files: CallFiles, shown: list[Shown], at_s: float, end_s: float | None) -> dict[str, Any]:
    """Of one call; end_s: when the hand is gone, None where the change stays."""
    frames = files.receiver["frames"]
    states = files.receiver["states"]
    before = float(np.mean([one.psnr for one in shown if at_s - 3 <= one.time_s < at_s]))
    back_s = at_s if end_s is None else end_s
    recovered = recovered_at(shown, back_s, before - _CLOSE_DB)
    live = [one for one in shown if state_at(states, one.time_s) == "live"]
    told = [entry["at_s"] for entry in states if entry["state"] != "live" and entry["at_s"] >= at_s - 0.5]
    return {
        "psnr_before": round(before, 2),
        "recovered_after_s": None if recovered is None else round(recovered - back_s, 2),
        "told_after_s": round(told[0] - at_s, 2) if told else None,
        "false_frames_shown_as_live": sum(one.is_false for one in live),
        "untrue": frames["untrue"],
        "video_frames": files.receiver["video_frames"],
        "video": files.sender["video"],
        "references": files.sender["references"],
        "compared": files.sender["compared"],
        "states": states,
        "accounted": frames["sent"] == frames["shown"] + frames["late"] + frames["lost"],
        "curve": _curve(shown),
        "frames": [asdict(one) for one in shown],
    }


def state_at(states: list[dict[str, Any]], time_s: float) -> str:
    """What was shown at `time_s`."""
    known = [entry["state"] for entry in states if entry["at_s"] <= time_s]
    return str(known[-1]) if known else "live"


def recovered_at(shown: list[Shown], from_s: float, level: float) -> float | None:
    """From when on half a second's mean PSNR is above `level`; None if it never is."""
    later = [one for one in shown if one.time_s >= from_s]
    for place, one in enumerate(later):
        span = [other.psnr for other in later[place:] if other.time_s < one.time_s + _STEP_S]
        if float(np.mean(span)) >= level:
            return one.time_s
    return None


def _curve(shown: list[Shown]) -> list[float]:
    """Mean PSNR of each half second."""
    steps: dict[int, list[float]] = {}
    for one in shown:
        steps.setdefault(int(one.time_s / _STEP_S), []).append(one.psnr)
    return [round(float(np.mean(values)), 2) for values in steps.values()]


def _draw_curves(figure: Any, results: dict[str, dict[str, Any]], options: SceneOptions) -> None:  # noqa: ANN401
    axes = figure.subplots()
    for name, result in results.items():
        axes.plot(np.arange(len(result["curve"])) * _STEP_S, result["curve"], label=name)
    axes.axvspan(options.at, options.at + options.seconds, color="0.9")
    axes.set_xlabel("seconds")
    axes.set_ylabel("PSNR of what is shown, dB")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(options.output / "curves.png", dpi=120)
