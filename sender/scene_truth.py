"""How alike drawn and real frames are in, whether the receiver may show what it draws out.

A call must not show with confidence what is not there. What the references cannot show, a hand before the mouth or
another person's glasses, is found by drawing a frame now and then as the receiver would. No clock, no network.
"""

from collections import deque

import numpy as np

from headgan.models.likeness import Likeness

# Beyond these something is drawn that is not there, in the measure of `Likeness`, which tells what is usual; beyond
# that of colour the references are stale. A call that is usually worse, such as one in the dark, has limits of its
# own: so many times the median of what was true of late, up to this many times the limit.
MOUTH_LIMIT, EYES_LIMIT, COLOR_LIMIT = 0.5, 0.4, 14.0
_RISE, _MOST, _USUAL = 2.5, 1.4, 20
# A picture is shown again below this share of the limits, so that it does not flutter; three in a row that are on
# average above the other share are no lie, but the references are stale.
_CALM, _POOR = 0.8, 0.6


class SceneTruth:
    """Judges by the last frames that were compared: one alone may be blurred."""

    def __init__(self) -> None:
        self.compared = 0
        self._excess: deque[float] = deque(maxlen=3)
        self._usual: deque[tuple[float, float, float]] = deque(maxlen=_USUAL)
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

    def saw(self, likeness: Likeness, *, is_doubtful: bool = False) -> None:
        """Takes one comparison; is_doubtful: with what was drawn from a reference that may show a hand itself."""
        self.compared += 1
        seen = (likeness.mouth, likeness.eyes, likeness.color)
        limits = np.array([MOUTH_LIMIT, EYES_LIMIT, COLOR_LIMIT])
        if self._usual:
            usual = _RISE * np.median(list(self._usual), axis=0)
            limits = np.clip(usual, limits, _MOST * limits)
        mouth, eyes, color = np.array(seen) / (_POOR * limits if is_doubtful else limits)
        self._excess.append(float(max(mouth, eyes)))
        last_two = list(self._excess)[-2:]
        if self._is_true:
            self._is_true = float(np.mean(last_two)) <= 1
        else:
            self._is_true = max(last_two) < _CALM
        is_poor = len(self._excess) == self._excess.maxlen and float(np.mean(self._excess)) > _POOR
        self._is_stale = bool(color > 1) or is_poor
        if not self.is_stale and self._excess[-1] <= _POOR:
            self._usual.append(seen)

    def forget(self) -> None:
        """The face was away: what is seen next stands for itself."""
        self._excess.clear()
        self._is_true, self._is_stale = True, False
