"""Voices that arrive in, sound at its time out: the playout clock of what is heard.

push ── VoiceDecoder ── 40 ms at a time ── longer or shorter by a period of the voice ── queue ── fill
                              └── as it was said ──▶ on_decoded, for a recording

The pictures have the clock: `wanted_ms` says what was said when the picture that is shown then was taken. Sound that is
ahead of that is drawn out, sound that is behind is shortened, a few milliseconds at a time, which nobody hears; after
an outage it jumps.
"""

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headgan.codec.libopus import RATE
from headgan.codec.stage_times import percentiles
from headgan.codec.time_stretch import lengthen, shorten
from headgan.codec.voice import FRAME_MS, VoiceFrame, faded_in
from headgan.codec.voice_decoder import VoiceDecoder

_PER_MS = RATE / 1000
# Sound that is so far from its picture is left as it is: a period of a voice is not shorter.
_CLOSE_MS = 6.0
# So far away it is not drawn out or shortened any more, it jumps.
_FAR_MS = 250.0
# Times are whole milliseconds on the way.
_ROUNDING_MS = 2.0
_FADE = round(5 * _PER_MS)
# Nobody hears what becomes of sound below this.
_QUIET = 0.003
_KEPT = 2000
_KEPT_STARTS = 256
# Of a block of the device, how much of the way down `ahead_ms` goes; more than this no device wants.
_SINK, _MOST_AHEAD_MS = 0.01, 150.0


@dataclass
class PlayedCounts:
    """What became of the sound.

    Attributes:
        frames: frames of Opus of which something arrived.
        stretched_ms: by how much sound was drawn out, in all.
        shortened_ms: by how much it was shortened.
        jumps: how often it was given up to follow the pictures.
        apart_ms: how far sound was ahead of its picture, for each frame of it, when it was put in the queue.
    """

    frames: int = 0
    stretched_ms: float = 0.0
    shortened_ms: float = 0.0
    jumps: int = 0
    apart_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))


class VoicePlayer:
    """Takes frames on any thread and fills the blocks of a sound device on another.

    Attributes:
        counts: what became of the sound.
        ahead_ms: how long before it is heard the device wants sound, as of late.
    """

    def __init__(
        self,
        wanted_ms: Callable[[float], float | None],
        on_decoded: Callable[[NDArray[np.float32], float], None] = lambda _samples, _start_ms: None,
        *,
        clock_ms: Callable[[], float] = lambda: math.inf,
    ) -> None:
        """Starts nothing.

        Args:
            wanted_ms: (when something is heard) to the time when that was said; None while nothing is to be heard.
            on_decoded: takes each 40 ms, float32 [1920] at 48 kHz, and when they were said; on the device's thread.
            clock_ms: that of when something is heard; without one nothing is known of `ahead_ms`.
        """
        self.counts = PlayedCounts()
        self.ahead_ms = 0.0
        self._clock_ms = clock_ms
        self._wanted_ms = wanted_ms
        self._on_decoded = on_decoded
        self._decoder = VoiceDecoder()
        self._lock = threading.Lock()
        self._starts: dict[int, float] = {}
        self._next: int | None = None  # the frame that follows what is in the queue
        self._next_ms = 0.0  # when it was said
        self._begins = False  # whether the next frame is the first, or the first after a jump
        self._queue = np.zeros(0, np.float32)

    def push(self, frame: VoiceFrame) -> bool:
        """Takes a frame that arrived; start_ms is on the clock of the pictures. False if nothing of it is new.

        Raises:
            WireError: it is no sound.
        """
        with self._lock:
            self._decoder.push(frame)
            is_new = frame.number not in self._starts
            if is_new:
                self.counts.frames += 1
                self._starts[frame.number] = frame.start_ms
                while len(self._starts) > _KEPT_STARTS:
                    del self._starts[min(self._starts)]
            return is_new

    def fill(self, out: NDArray[np.float32], play_ms: float) -> None:
        """Fills a block, float32 [N] at 48 kHz, whose first sample is heard at `play_ms`."""
        ahead_ms = min(play_ms + len(out) / _PER_MS - self._clock_ms(), _MOST_AHEAD_MS)
        # What is wanted late is lost, what is wanted early waits: up at once, down slowly.
        self.ahead_ms = max(ahead_ms, self.ahead_ms + _SINK * (ahead_ms - self.ahead_ms), 0.0)
        with self._lock:
            while len(self._queue) < len(out):
                self._queue_more(play_ms + len(self._queue) / _PER_MS, len(out) - len(self._queue))
            out[:] = self._queue[: len(out)]
            self._queue = self._queue[len(out) :]

    def report(self) -> dict[str, Any]:
        """What became of the sound, ready for JSON."""
        counts, decoded = self.counts, self._decoder.counts
        return {
            "frames": counts.frames,
            "decoded": decoded.decoded,
            "recovered": decoded.recovered,
            "concealed": decoded.concealed,
            "silent": decoded.silent,
            "stretched_ms": round(counts.stretched_ms, 1),
            "shortened_ms": round(counts.shortened_ms, 1),
            "jumps": counts.jumps,
            "ahead_of_picture_ms": percentiles(counts.apart_ms),
        }

    def _queue_more(self, play_ms: float, count: int) -> None:
        """Adds what is heard at `play_ms`; at least one sample, of silence `count` at most."""
        wanted_ms = self._wanted_ms(play_ms)
        if wanted_ms is None or not self._starts:
            self._add(np.zeros(count, np.float32))
            return
        if self._next is None or self._begins or abs(self._next_ms - wanted_ms) > _FAR_MS:
            self._jump(wanted_ms)
        ahead_ms = self._next_ms - wanted_ms
        if self._begins and ahead_ms > 0:
            # Before its first word, and after a jump, sound begins when it is due, to the sample.
            self._add(np.zeros(min(count, max(1, round(ahead_ms * _PER_MS))), np.float32))
            return
        self._add(self._fitted(self._decode(), ahead_ms))

    def _jump(self, wanted_ms: float) -> None:
        """Goes to the first frame that was not begun before `wanted_ms`, whether it has come or not."""
        if self._next is not None and not self._begins:
            self.counts.jumps += 1
            tail = self._queue[-_FADE:]
            tail *= np.linspace(1, 0, len(tail), dtype=np.float32)
        anchor = min(self._starts, key=lambda number: abs(self._starts[number] - wanted_ms))
        frames = math.ceil((wanted_ms - self._starts[anchor] - _ROUNDING_MS) / FRAME_MS)
        frames = max(frames, min(self._starts) - anchor)
        self._next = anchor + frames
        self._next_ms = self._starts.get(self._next, self._starts[anchor] + frames * FRAME_MS)
        self._begins = True

    def _decode(self) -> NDArray[np.float32]:
        """The sound of the next frame."""
        number = self._next
        if number is None:
            raise ValueError("no frame has come")
        samples = self._decoder.decode(number)
        self._on_decoded(samples, self._next_ms)
        self._next = number + 1
        self._next_ms = self._starts.get(self._next, self._next_ms + FRAME_MS)
        if self._begins:
            self._begins = False
            samples = faded_in(samples)
        return samples

    def _fitted(self, samples: NDArray[np.float32], ahead_ms: float) -> NDArray[np.float32]:
        """The sound, a little longer or shorter if it is not heard with its picture."""
        self.counts.apart_ms.append(ahead_ms)
        if abs(ahead_ms) < _CLOSE_MS:
            return samples
        if np.abs(samples).max() < _QUIET:
            fitted = _fit_silence(samples, round(ahead_ms * _PER_MS))
        else:
            fitted = (lengthen(samples) if ahead_ms > 0 else shorten(samples)).sound
        change_ms = (len(fitted) - len(samples)) / _PER_MS
        self.counts.stretched_ms += max(0.0, change_ms)
        self.counts.shortened_ms += max(0.0, -change_ms)
        return fitted

    def _add(self, samples: NDArray[np.float32]) -> None:
        self._queue = np.concatenate([self._queue, samples])


def _fit_silence(samples: NDArray[np.float32], missing: int) -> NDArray[np.float32]:
    """Quiet sound with as much as is missing repeated at its end, or so much cut off; at most half of it changes."""
    change = min(abs(missing), len(samples) // 2)
    if missing < 0:
        return samples[: len(samples) - change]
    return np.concatenate([samples, samples[::-1][:change]])
