"""How alike drawn and real frames are in, whether the receiver may show what it draws out.

A call must not show with confidence what is not there. What the references cannot show, a hand before the mouth or
another person's glasses, is found by drawing a frame now and then as the receiver would. No clock, no network.
"""

from collections import deque

import numpy as np

from headgan.models.likeness import Likeness

# Beyond these something is drawn that is not there, in the measure of `Likeness`; see there for what is usual.
MOUTH_LIMIT, EYES_LIMIT = 0.5, 0.4
# A picture is shown again below this share of the limits, so that it does not flutter.
_CALM = 0.8
# Beyond this difference of colour, or this many times what is usual in this call, the references are stale.
_COLOR_LIMIT, _COLOR_RISE = 14.0, 2.5
_USUAL = 20


class SceneTruth:
    """Judges by the last two frames that were compared: one alone may be blurred."""

    def __init__(self) -> None:
        self.compared = 0
        self._excess: deque[float] = deque(maxlen=2)
        self._usual_colors: deque[float] = deque(maxlen=_USUAL)
        self._is_true, self._is_stale = True, False

    @property
    def is_true(self) -> bool:
        """Whether what the receiver draws is what is there, as far as is known."""
        return self._is_true

    @property
    def is_stale(self) -> bool:
        """Whether a picture of what there is now is worth more than its bytes."""
        return self._is_stale or not self._is_true

    @property
    def is_doubtful(self) -> bool:
        """Whether one more comparison may change the verdict that something is true."""
        return self._is_true and bool(self._excess) and self._excess[-1] > _CALM

    def saw(self, likeness: Likeness) -> None:
        """Takes one comparison."""
        self.compared += 1
        self._excess.append(max(likeness.mouth / MOUTH_LIMIT, likeness.eyes / EYES_LIMIT))
        if self._is_true:
            self._is_true = float(np.mean(self._excess)) <= 1
        else:
            self._is_true = max(self._excess) < _CALM
        usual = float(np.median(self._usual_colors)) if self._usual_colors else _COLOR_LIMIT
        self._is_stale = likeness.color > max(_COLOR_LIMIT, _COLOR_RISE * usual)
        if not self.is_stale:
            self._usual_colors.append(likeness.color)

    def forget(self) -> None:
        """The face was away: what is seen next stands for itself."""
        self._excess.clear()
        self._is_true, self._is_stale = True, False
