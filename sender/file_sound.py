"""The sound track of a video file in, blocks in real time out, in step with its pictures.

    clip     first frame ├── pass ──┤├── pass ──┤ ...    FileSource.pass_ms each, with --loop
    clock    start of the Camera  ──▶ time                a block of [p, p + 10 ms) is given out at p + 10 ms

Where the track has a gap, or ends before the pictures, there is silence; where it is longer, it is cut. The sound
follows the clock alone: pictures that are late or left out do not move it.
"""

import logging
import threading
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from headgan.codec.hgn_header import SOUND_RATE
from headgan.codec.hgn_sound import read_sound
from headgan.proto.program import monotonic_ms
from headgan.sender.sound_source import BLOCK_MS, BLOCK_SAMPLES, SoundBlock
from headgan.sender.sources import FileSource

log = logging.getLogger(__name__)

# Sound that is later than this is worth nothing in a call.
LATE_MS = 500.0
START_POLL_S = 0.005


class FileSound:
    """A `SoundSource`: what a file sounds like while a Camera plays it."""

    def __init__(
        self,
        source: FileSource,
        started_ms: Callable[[], float | None],
        *,
        clock_ms: Callable[[], float] = monotonic_ms,
    ) -> None:
        """Opens the file only when the pictures begin.

        Args:
            source: what the Camera plays; only asked for what it knows of its times.
            started_ms: Camera.started_ms: when the first frame was due, None until then.
            clock_ms: the clock of the Camera.
        """
        self._source = source
        self._started_ms = started_ms
        self._clock_ms = clock_ms
        self._closed = threading.Event()
        self._given = 0  # samples since the first frame
        self._skipped = 0
        self._pass = 0
        self._track: _Track | None = None
        if not source.has_sound:
            log.info("%s has no sound: the call is silent", source.path.name)

    @property
    def skipped(self) -> int:
        """Samples that were left out because they were read too late: the machine is too slow."""
        return self._skipped

    def read(self) -> SoundBlock | None:
        """The next 10 ms, once they have passed; None at the end of the pictures, and where there is no sound.

        Raises:
            DeviceError: the sound cannot be read.
        """
        start_ms = self._wait_for_start()
        if start_ms is None:
            return None
        late = (self._clock_ms() - start_ms - LATE_MS) * SOUND_RATE / 1000 - self._given
        if late > 0:
            # Whole blocks, of which the last half second is still given.
            count = -(-int(late) // BLOCK_SAMPLES) * BLOCK_SAMPLES
            self._take(count)
            self._skipped += count
        capture_ms = start_ms + self._given * 1000 / SOUND_RATE
        samples = self._take(BLOCK_SAMPLES)
        if len(samples) == 0 or self._closed.wait(max(0.0, capture_ms + BLOCK_MS - self._clock_ms()) / 1000):
            return None
        return SoundBlock(samples, capture_ms)

    def close(self) -> None:
        """Lets read() return; the file is closed by whoever reads, or with this object."""
        self._closed.set()

    def describe(self) -> str:
        """Such as `sound of clip.mp4`."""
        return f"sound of {self._source.path.name}"

    def troubles(self) -> dict[str, int]:
        """What was lost, in milliseconds: see `skipped`."""
        return {"skipped_ms": round(self._skipped * 1000 / SOUND_RATE)}

    def _wait_for_start(self) -> float | None:
        if not self._source.has_sound:
            return None
        while not self._closed.is_set():
            start_ms = self._started_ms()
            if start_ms is not None:
                return start_ms
            self._closed.wait(START_POLL_S)
        return None

    def _take(self, count: int) -> NDArray[np.float32]:
        """The next samples, over the seams of passes; fewer, or none, at the end of the pictures."""
        parts: list[NDArray[np.float32]] = []
        while count > 0 and not self._closed.is_set():
            left = self._left_of_pass()
            if left == 0:
                if not self._source.is_looping:
                    break
                self._pass += 1
                self._track = None
                continue
            if self._track is None:
                begin = round(self._pass * (self._source.pass_ms or 0.0) * SOUND_RATE / 1000)
                self._track = _Track(self._source, self._given - begin)
            parts.append(self._track.take(count if left is None else min(left, count)))
            self._given += len(parts[-1])
            count -= len(parts[-1])
        return np.concatenate(parts) if parts else np.empty(0, np.float32)

    def _left_of_pass(self) -> int | None:
        """Samples until the pass ends; None while nobody knows, in the first."""
        pass_ms = self._source.pass_ms
        if pass_ms is None:
            return None
        end = round((self._pass + 1) * pass_ms * SOUND_RATE / 1000)
        return max(0, end - self._given)


class _Track:
    """The samples of one pass, from so many after its first frame on; silence when they are over."""

    def __init__(self, source: FileSource, begin: int) -> None:
        start_ms = (source.first_ms or 0.0) + begin * 1000 / SOUND_RATE
        self._parts: Iterator[NDArray[np.float32]] = read_sound(
            source.path, start_ms, leave_out="--microphone none"
        )
        self._ready = np.empty(0, np.float32)

    def take(self, count: int) -> NDArray[np.float32]:
        while len(self._ready) < count:
            part = next(self._parts, None)
            if part is None:
                self._ready = np.concatenate([self._ready, np.zeros(count - len(self._ready), np.float32)])
            else:
                self._ready = np.concatenate([self._ready, part])
        taken, self._ready = self._ready[:count], self._ready[count:]
        return taken
