"""Tracks in, milliseconds of encoder and decoder a frame out; what is timed is checked first."""

import random
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from headgan.benchmarks.machine import read_cpu_time
from headgan.benchmarks.param_line import WatchedEncoder
from headgan.benchmarks.param_tracks import Track
from headgan.codec.param_decoder import ParamDecoder
from headgan.codec.param_encoder import Face
from headgan.codec.params import FaceParams
from headgan.codec.stage_times import StageTimes
from headgan.proto.errors import HeadganError

WARM_UP_FRAMES = 100
_MOST_FRAMES = 3000
# The round trip, in frames.
_KNOWN_AFTER = 3
LOSSES = (0.0, 0.1)


def measure_speed(tracks: Sequence[Track], seed: int) -> dict[str, Any]:
    """Medians and 95th percentiles by loss: by the clock, and of the processor's time, whatever else runs.

    Raises:
        HeadganError: a face was read as another than was sent.
    """
    before = read_cpu_time()
    report: dict[str, Any] = {}
    for loss in LOSSES:
        _time_frames(islice(_faces(tracks), WARM_UP_FRAMES), loss, seed)
        report[f"{loss:g}"] = _time_frames(islice(_faces(tracks), _MOST_FRAMES), loss, seed)
    return report | {"stolen": read_cpu_time().stolen_since(before)}


def _faces(tracks: Sequence[Track]) -> Iterator[FaceParams]:
    return (face for track in tracks for face in track.params if face is not None)


def _time_frames(faces: Iterator[FaceParams], loss: float, seed: int) -> dict[str, dict[str, float | None]]:
    clock = StageTimes(lambda: time.perf_counter() * 1000)
    processor = StageTimes(lambda: time.thread_time() * 1000)
    encoder, decoder, chance = WatchedEncoder(), ParamDecoder(), random.Random(seed)
    come: set[int] = set()
    for number, params in enumerate(faces):
        if number - _KNOWN_AFTER in come:
            encoder.arrived(number - _KNOWN_AFTER)
        with clock.measure("encode"), processor.measure("encode_cpu"):
            data = encoder.encode(number, [Face(params)])
        if chance.random() < loss:
            continue
        come.add(number)
        with clock.measure("decode"), processor.measure("decode_cpu"):
            read = decoder.decode(number, [True], data)
        for face in read:
            if not np.array_equal(face.params.to_array(), encoder.meant(face.number).to_array()):
                raise HeadganError(f"frame {face.number} was read as another face than was sent")
    return clock.report() | processor.report()
