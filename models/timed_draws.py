"""Things that draw a face in, how long each of them takes out."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from headgan.codec.params import FaceParams


def shortest_ms(
    draws: Mapping[str, Callable[[FaceParams], object]], params: FaceParams, turns: int
) -> dict[str, float]:
    """The shortest time of each, in milliseconds: other work of a machine makes the rest longer.

    Args:
        draws: by name; each draws the face that it is given, and has drawn before.
        params: the face, which moves a little each time: what does not move would be drawn once.
        turns: how often each of them draws, one after the other.
    """
    times_ms = dict.fromkeys(draws, float("inf"))
    for turn in range(turns):
        moved = replace(params, expression=params.expression + np.float32(0.01 * (turn + 1)))
        for name, draw in draws.items():
            began = time.perf_counter()
            draw(moved)
            times_ms[name] = min(times_ms[name], 1000 * (time.perf_counter() - began))
    return times_ms
