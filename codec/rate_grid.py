"""Timestamps in, decisions out: which frame is shown when the picture rate changes.

RateGrid     a file, played in real time: a frame's pts_ms -> the slots of the output grid it fills
RateLimit    a live camera: the time of a frame -> is it one of the at most rate_fps that are kept

Both are pure: they hold no frames, start no threads and are told the time.
"""

import math
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

# Containers round timestamps to the millisecond. Without this a 30 fps clip stamped 0, 33, 67 would miss
# slot 2 (66.67 ms) of a 30 fps grid and show the frame before it twice.
PTS_TOLERANCE_MS = 1.0


class RateGrid:
    """Maps the frames of a file to the slots of a grid of `rate_fps`, and the slots to the clock.

    Slot k stands for the media time k / rate_fps after the first frame, and is due that long after start().
    It shows the newest frame whose pts_ms is not later, so frames repeat or are left out as needed.
    """

    def __init__(self, rate_fps: float) -> None:
        self._interval_ms = 1000.0 / rate_fps
        self._first_pts_ms: float | None = None
        self._last_pts_ms = 0.0
        self._frames = 0
        self._next_slot = 0
        self._start_ms = 0.0
        self._last_tick = -1

    def slots_before(self, pts_ms: float) -> range:
        """The slots that the frame before the one at `pts_ms` fills; empty when it is left out.

        A timestamp that jumps back leaves the older frame out too: time never runs backwards.
        """
        if self._first_pts_ms is None:
            self._first_pts_ms = self._last_pts_ms = pts_ms
        self._last_pts_ms = max(self._last_pts_ms, pts_ms)
        self._frames += 1
        return self._slots_until(pts_ms)

    def slots_to_end(self) -> range:
        """The slots that the last frame of the file fills: it is shown for the mean frame interval."""
        if self._first_pts_ms is None:
            return range(0)
        shown_ms = self._interval_ms
        if self._frames > 1:
            shown_ms = (self._last_pts_ms - self._first_pts_ms) / (self._frames - 1)
        return self._slots_until(self._last_pts_ms + shown_ms)

    def start(self, now_ms: float) -> None:
        """Makes slot 0 due at `now_ms`."""
        self._start_ms = now_ms

    def due_ms(self, slot: int) -> float:
        """When `slot` has to be handed out."""
        return self._start_ms + slot * self._interval_ms

    def place(self, slot: int, now_ms: float) -> float | None:
        """The time under which `slot` is handed out at `now_ms`, or None if it has to be skipped.

        A slot is handed out under its due time while that is at most one interval ago. A later one can only
        take the tick of the clock that is passing now, and every tick is taken once: after a stall there is
        no burst, the slots in excess are skipped until the clip has caught up, and a decoder that never
        catches up still shows a picture.
        """
        tick = slot
        if now_ms > self.due_ms(slot) + self._interval_ms:
            tick = math.floor((now_ms - self._start_ms) / self._interval_ms)
        if tick <= self._last_tick:
            return None
        self._last_tick = tick
        return self.due_ms(tick)

    def _slots_until(self, pts_ms: float) -> range:
        media_ms = pts_ms - (self._first_pts_ms or 0.0) - PTS_TOLERANCE_MS
        stop = max(self._next_slot, math.ceil(media_ms / self._interval_ms))
        slots = range(self._next_slot, stop)
        self._next_slot = stop
        return slots


def on_grid(frames: Iterable[tuple[float, T]], rate_fps: float) -> Iterator[tuple[range, T]]:
    """All frames of a file, given with their pts_ms, each with the slots of the grid that it fills, if any."""
    grid = RateGrid(rate_fps)
    waiting: list[T] = []
    for pts_ms, frame in frames:
        slots = grid.slots_before(pts_ms)
        for before in waiting:
            yield slots, before
        waiting = [frame]
    for last in waiting:
        yield grid.slots_to_end(), last


class RateLimit:
    """Thins a live stream evenly to at most `rate_fps`; a slower stream passes whole.

    Each kept frame makes the next one due an interval later. A frame is kept from half an interval before
    it is due, so a camera that runs at rate_fps, give or take its jitter, loses nothing.
    """

    def __init__(self, rate_fps: float) -> None:
        self._interval_ms = 1000.0 / rate_fps
        self._due_ms: float | None = None

    def accepts(self, now_ms: float) -> bool:
        """Whether the frame that arrived at `now_ms` is kept."""
        due_ms = now_ms if self._due_ms is None else self._due_ms
        if now_ms < due_ms - self._interval_ms / 2:
            return False
        if now_ms > due_ms + self._interval_ms:  # a pause earns no credit for a burst
            due_ms = now_ms
        self._due_ms = due_ms + self._interval_ms
        return True
