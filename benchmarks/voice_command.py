"""`headgan-bench voice`: clips in, what a voice costs and what is understood of it where packets get lost, out."""

import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headgan.benchmarks.figure import new_figure
from headgan.benchmarks.kept import Kept
from headgan.benchmarks.lip_time import sound_of
from headgan.benchmarks.number_list import numbers_in
from headgan.benchmarks.report_files import make_folder, write_text
from headgan.benchmarks.voice_measure import FRAMES_PER_PACKET, RATES_KBPS, VoiceMeasurer
from headgan.benchmarks.voice_report import COMMAND, draw_losses, draw_rates, tables
from headgan.benchmarks.voice_scores import PhonemeReader, is_speech
from headgan.benchmarks.voice_webrtc import measure_track
from headgan.codec.libopus import RATE
from headgan.codec.voice import check_voice_kbps
from headgan.models.machine import describe_run
from headgan.models.metrics.clip_frames import find_clips
from headgan.proto.errors import UsageError
from headgan.proto.options import argument, option, required

log = logging.getLogger(__name__)

_TRACK_S = 5.0


@dataclass(frozen=True)
class VoiceOptions:
    """Options of `headgan-bench voice`."""

    clips: tuple[Path, ...] = argument(
        "clips, or folders of them; those without speech are left out", many=True
    )
    output: Path = required("folder for the report", flag="-o", metavar="DIR")
    seconds: float = option(20.0, "of each clip, at most", metavar="S")
    rates: str = option(
        ",".join(f"{kbps:g}" for kbps in RATES_KBPS), "kbit/s of the voice, 6 to 32", metavar="KBPS"
    )
    seeds: int = option(2, "patterns of loss for each line", metavar="N")


def bench_voice(options: VoiceOptions) -> int:
    """Writes metrics.json, table.md and three plots."""
    if not 1 <= options.seconds < float("inf"):
        raise UsageError(f"--seconds {options.seconds:g}: give 1 or more")
    if options.seeds < 1:
        raise UsageError(f"--seeds {options.seeds}: give 1 or more")
    rates_kbps = _rates(options.rates)
    found = find_clips(options.clips)
    new_figure(COMMAND, 1, 1)
    make_folder(options.output)
    clips = _with_speech(found, options.seconds)
    runs_folder = options.output / "runs"
    measured = VoiceMeasurer(runs_folder, PhonemeReader.load(), options.seeds).measure(clips, rates_kbps)
    name, (_, sound) = max(clips.items(), key=lambda clip: len(clip[1][1]))
    about = {"clip": name, "samples": len(sound), "seconds": _TRACK_S}
    webrtc = Kept(runs_folder).get("webrtc_track", about, lambda: measure_track(sound, _TRACK_S))
    report: dict[str, Any] = {
        "run": describe_run(),
        "settings": {"seconds": options.seconds, "seeds": options.seeds},
        "clips": {name: round(len(sound) / RATE, 2) for name, (_, sound) in clips.items()},
        "runs": measured,
        "webrtc": webrtc,
    }
    text = tables(report)
    write_text(options.output / "metrics.json", json.dumps(report, indent=2, allow_nan=False) + "\n")
    write_text(options.output / "table.md", text)
    for frames in FRAMES_PER_PACKET:
        draw_losses(measured, frames, options.output / f"loss_{frames}.png")
    draw_rates(measured, webrtc, options.output / "rates.png")
    sys.stdout.write(text)
    return 0


def _rates(words: str) -> list[float]:
    rates_kbps = numbers_in("rates", words, float, "kbit/s such as 12,24")
    for kbps in rates_kbps:
        check_voice_kbps(kbps)
    return rates_kbps


def _with_speech(found: dict[str, Path], seconds: float) -> dict[str, tuple[Path, NDArray[np.float32]]]:
    """Clips in which somebody speaks and their sound; the same sound only once.

    Raises:
        UsageError: there are none.
    """
    clips: dict[str, tuple[Path, NDArray[np.float32]]] = {}
    seen: set[bytes] = set()
    for name, path in found.items():
        sound = sound_of(path)[: round(seconds * RATE)]
        if not is_speech(sound) or sound.tobytes() in seen:
            log.info("%s is left out: no speech, or the same as another's", name)
            continue
        seen.add(sound.tobytes())
        clips[name] = path, sound
    if not clips:
        raise UsageError(f"nobody speaks in {', '.join(map(str, found.values()))}; give other clips")
    return clips
