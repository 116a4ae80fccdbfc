"""How long frames of the voice waited for a packet in, by how much later or earlier they should be cut out.

    sound    ├──── frame ────┤├──── frame ────┤          a frame is there with the block that holds its last sample
    blocks   ├───┤├───┤├───┤├───┤├───┤├───┤├───┤
    packets         │               │                     of the faces, at their own times

A microphone starts whenever it likes, so a frame waits anything up to its own length for the next packet. Cut so that
it ends with a block, and with the last block before the packet, it waits less than a block. Everything is modulo the
length of a frame: whether a packet takes one, two or three, one of them is the newest. No clock, no thread: waits may
be told on one thread and the cut be asked for on another.
"""

import math
from collections import deque

import numpy as np

from headgan.proto.voice import VOICE_FRAME_MS

# A frame is to be there so long before the packet: the packet may be early.
_SPARE_MS = 4.0
# What is off by less stays: a period of a voice is not shorter, and packets come at times that differ.
_CLOSE_MS, _ENOUGH_MS = 4.0, 3.0
# So many waits are looked at, and so many are enough.
_KEPT, _ENOUGH = 100, 12
_STALE = 2
# Times of packets that differ by more have no phase: those of a camera of 30 pictures a second, or of a busy machine.
_MOST_SPREAD_MS = 28.0


class CutPhase:
    """Of one voice."""

    def __init__(self) -> None:
        self._waits: deque[float] = deque(maxlen=_KEPT)
        self._left_ms = self._block_ms = 0.0
        self._stale = 0

    def cut(self, left_ms: float, block_ms: float) -> None:
        """A frame was cut out: so much of its last block was left, which has this length."""
        self._left_ms, self._block_ms = left_ms, block_ms

    def waited(self, wait_ms: float) -> None:
        """The newest frame of a packet waited so long for it."""
        if self._stale:
            self._stale -= 1
        else:
            self._waits.append(wait_ms)

    def shift_ms(self) -> float:
        """How much later frames should end, -20 to 20; 0 where that is unknown, or they end well."""
        waits = list(self._waits)
        if len(waits) < _ENOUGH or not self._block_ms:
            return 0.0
        least_ms, most_ms = _extent(waits)
        if most_ms - least_ms > _MOST_SPREAD_MS:
            return 0.0
        spare_ms = least_ms - _SPARE_MS
        is_close = -_ENOUGH_MS < spare_ms < self._block_ms + 1
        blocks = 0 if is_close else math.floor(spare_ms / self._block_ms)
        shift_ms = _nearest_zero(self._left_ms + blocks * self._block_ms)
        return shift_ms if abs(shift_ms) >= _CLOSE_MS or (blocks < 0 and shift_ms < 0) else 0.0

    def shifted(self) -> None:
        """Frames are cut anew: what is known of the waits holds no longer, nor does what is on its way."""
        self._waits.clear()
        self._stale = _STALE


def _extent(waits: list[float]) -> tuple[float, float]:
    """The least and the most of times that are the same after a frame's length; the least may be below 0."""
    turns = np.asarray(waits) * (2 * np.pi / VOICE_FRAME_MS)
    middle = math.atan2(np.sin(turns).mean(), np.cos(turns).mean()) * VOICE_FRAME_MS / (2 * np.pi)
    middle %= VOICE_FRAME_MS
    unwrapped = [middle + _nearest_zero(wait - middle) for wait in waits]
    return min(unwrapped), max(unwrapped)


def _nearest_zero(shift_ms: float) -> float:
    """The same modulo the length of a frame, at most half of one."""
    return (shift_ms + VOICE_FRAME_MS / 2) % VOICE_FRAME_MS - VOICE_FRAME_MS / 2
