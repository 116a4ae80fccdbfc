"""Records of what is said as they arrive in, what the networks hear at the time of a frame out: no voice came.

push ── decode ── features of each 40 ms ── at ── those that end LOOK_AHEAD_MS after the frame, or the last before

A frame is shown before all has come that it would be told with the sound of a clip; and records get lost. The newest
one there is then is moved on (`told_speech`); `headgan-bench said` measures what else could be done. A sender that
checks what is shown hears what it sent in the same way.
"""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headgan.codec.said_code import SaidCode, shipped_said_code
from headgan.codec.said_record import decode_said
from headgan.models.speech import LOOK_AHEAD_MS
from headgan.models.told_speech import moved_on
from headgan.proto.clock import nearest_zero
from headgan.proto.said import SAID_FRAME_MS, SaidPacket

_KEPT = 64
_NUMBERS = 64


class ToldEars:
    """Of one call. Packets come on any thread, and are heard on another."""

    def __init__(
        self,
        code: SaidCode | None = None,
        expect: Callable[[NDArray[np.float32], NDArray[np.float32], int], NDArray[np.float32]] = moved_on,
    ) -> None:
        """Begins with nothing.

        Args:
            code: of the records; the one that ships if left out.
            expect: what is taken for features that have not come, see `moved_on`.
        """
        self._expect = expect
        self._records = self._bytes = self._held = self._moved_on = 0
        self._code = code or shipped_said_code()
        self._lock = threading.Lock()
        # By the time at which the 40 ms end; None: as before.
        self._told: dict[float, NDArray[np.float32] | None] = {}

    def push(self, packet: SaidPacket, start_ms: float) -> None:
        """Takes a packet that arrived; start_ms is that of its last record, on the clock of the pictures.

        Raises:
            WireError: a record is none that an encoder writes.
        """
        last = packet.frames[-1].number
        for frame in packet.frames:
            told = self._code.features_of(decode_said(self._code, frame.data)) if frame.data else None
            behind = nearest_zero(frame.number - last, _NUMBERS)
            with self._lock:
                self._records += 1
                self._bytes += len(frame.data)
                self._told[start_ms + SAID_FRAME_MS * (behind + 1)] = told
                while len(self._told) > _KEPT:
                    del self._told[min(self._told)]

    def knows(self, frame_ms: float) -> bool:
        """Whether all has come that the frame of that time is told of, or nothing ever came."""
        with self._lock:
            newest = max(self._told, default=None)
            if newest is None or self._told[newest] is None:  # While nobody speaks nothing more is sent.
                return True
        return newest + SAID_FRAME_MS / 2 >= frame_ms + LOOK_AHEAD_MS

    def at(self, frame_ms: float) -> NDArray[np.float32] | None:
        """Float32 [300] for the frame that was captured then; None while nothing has come."""
        wanted_ms = frame_ms + LOOK_AHEAD_MS
        with self._lock:
            near = [end_ms for end_ms in self._told if end_ms <= wanted_ms + SAID_FRAME_MS / 2]
            full = [end_ms for end_ms in near if self._told[end_ms] is not None]
            if not full:
                return None
            newest, told = max(near), self._told[max(full)]
        assert told is not None
        behind = max(0, round((wanted_ms - newest) / SAID_FRAME_MS))
        if newest > max(full):
            self._held += 1
            return told
        self._moved_on += behind > 0
        return self._expect(told, self._code.mean, behind) if behind else told

    def report(self) -> dict[str, Any]:
        """What became of the records, ready for JSON.

        `held` frames were in a pause, `moved_on` ones drawn with what was said a little before them.
        """
        return {
            "records": self._records,
            "bytes": self._bytes,
            "held": self._held,
            "moved_on": self._moved_on,
        }
