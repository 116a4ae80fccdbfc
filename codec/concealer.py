"""Faces at their times in, the face of a frame that did not come out: it goes on as it last moved, ever slower.

Measured on 18 clips with 10 % of the packets lost: a frame that is missing is 1.7 pixels off if the last face is held,
1.2 if it goes on like this (`headgan-bench parameters`).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headgan.codec.param_code import params_from, vector_of
from headgan.codec.params import FaceParams

# Of the movement from one frame to the next, what is left in the one after it.
DAMPING = 0.6
# After so many frames the face rests.
MOST_FRAMES = 4
# Faces further apart than this, in frames, say nothing about how a face moves now.
_NEAR_FRAMES = 4.5


@dataclass(frozen=True, eq=False)
class _Seen:
    vector: NDArray[np.float64]
    drift: NDArray[np.int16]
    time_ms: float


class Concealer:
    """For one stream. No clock: times are those of the sender."""

    def __init__(self) -> None:
        self._last: _Seen | None = None
        self._before: _Seen | None = None

    def saw(self, params: FaceParams, time_ms: float) -> None:
        """Takes a face that was shown; one that is not later than the last is of no use."""
        if self._last is None or time_ms > self._last.time_ms:
            self._before, self._last = self._last, _Seen(vector_of(params), params.drift, time_ms)

    def forget(self) -> None:
        """The next face is not where the last one was."""
        self._before = self._last = None

    def missing(self, number: int, frame_ms: float) -> tuple[float, FaceParams] | None:
        """Time and face of the `number`-th frame after the last that was seen; None if it should rest.

        Args:
            number: from 1.
            frame_ms: from one frame to the next.
        """
        last, before = self._last, self._before
        if last is None or before is None or number > MOST_FRAMES:
            return None
        frames = (last.time_ms - before.time_ms) / frame_ms
        if frames > _NEAR_FRAMES:
            return None
        reach = DAMPING * (1 - DAMPING**number) / (1 - DAMPING)
        moved = (last.vector - before.vector) / max(frames, 1.0)
        params = replace(params_from(last.vector + reach * moved), drift=last.drift)
        return last.time_ms + number * frame_ms, params
