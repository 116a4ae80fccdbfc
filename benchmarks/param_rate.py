"""Tracks and a rate that RateControl is to hold in, the rate of each second and the error of what is shown out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headgan.benchmarks.face_error import FaceErrors
from headgan.benchmarks.param_measure import ParamMeasurer, compare, show
from headgan.benchmarks.param_tracks import FRAME_MS, RATE_FPS, Track
from headgan.codec.params import FaceParams
from headgan.codec.rate_control import WINDOW_MS
from headgan.receiver.frame_reader import FrameReader
from headgan.sender.param_packer import ParamPacker

RATES_KBPS = (0.5, 1.0, 2.0)
# The round trip, in frames.
_KNOWN_AFTER = 2
# A second is over its rate beyond this share.
_OVER = 1.1


def hold_rate(measurer: ParamMeasurer, kbps: float) -> dict[str, Any]:
    """Rates of the sliding second, errors, frames that were left out; `courses` has each track's seconds."""
    return measurer.kept("rate", {"kbps": kbps}, lambda: _measure(measurer, kbps))


def _measure(measurer: ParamMeasurer, kbps: float) -> dict[str, Any]:
    errors, courses, left_out, frames = [], {}, 0, 0
    for ruler, track in zip(measurer.rulers, measurer.tracks, strict=True):
        sizes, read, left = send_at(track, kbps)
        errors.append(compare(ruler, track, show(track, read)))
        courses[track.name] = [round(float(rate), 4) for rate in sliding_kbps(sizes)]
        left_out += left
        frames += len(sizes)
    seconds = np.concatenate([np.array(course) for course in courses.values()])
    return {
        "mean_kbps": round(float(seconds.mean()), 4),
        "p95_kbps": round(float(np.percentile(seconds, 95)), 4),
        "most_kbps": float(seconds.max()),
        "over": round(float((seconds > _OVER * kbps).mean()), 4),
        "left_out": round(left_out / frames, 4),
        **FaceErrors.pooled(errors).report(),
        "courses": courses,
    }


def send_at(track: Track, kbps: float) -> tuple[list[int], list[FaceParams | None], int]:
    """Bytes of records and the face that is read of each frame, and how many frames were left out."""
    packer, reader = ParamPacker(rate_fps=RATE_FPS, kbps=kbps), FrameReader()
    sizes: list[int] = []
    read: list[FaceParams | None] = []
    sent: list[int | None] = []
    for number, params in enumerate(track.params):
        if number >= _KNOWN_AFTER and (seq := sent[number - _KNOWN_AFTER]) is not None:
            packer.arrived(seq)
        now_ms = number * FRAME_MS
        packet = packer.add(params, (), now_ms, is_untrue=False)
        sizes.append(0 if packet is None else len(packet.records))
        sent.append(None if packet is None else packet.seq)
        shown = [] if packet is None else reader.read(packet, now_ms)
        read.append(shown[0].params if shown else None)
    return sizes, read, packer.counts.left_out


def sliding_kbps(sizes: Sequence[int]) -> NDArray[np.float64]:
    """Float64 [M]: kbit/s of each whole second, one for each frame that ends one; of all if that is shorter."""
    length = min(len(sizes), round(WINDOW_MS / FRAME_MS))
    sums: NDArray[np.float64] = np.convolve(sizes, np.ones(length), "valid")
    return sums * 8 / (length * FRAME_MS)
