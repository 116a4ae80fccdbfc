"""Blocks of a voice with the times of their capture in, records of what is said out: the voice stays here.

blocks ── CaptureClock ── SpeechFeatures ── 300 numbers each 40 ms ── SaidStream ── SaidRecord
                     └─── Pauses ─────────────────────────────────────────┘

The 40 ms are drawn to where the frames of the call lie, so that features are told of the time of a frame, not of one
20 ms beside it.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from headgan.codec.capture_clock import CaptureClock
from headgan.codec.hgn_header import SOUND_RATE
from headgan.codec.said_code import SaidCode, shipped_said_code
from headgan.codec.said_record import SaidRecord
from headgan.codec.said_stream import Pauses, SaidStream
from headgan.models.speech import LOOK_AHEAD_MS, SpeechFeatures, speech_form
from headgan.models.speech_phonemes import PhonemeNet, SpeechNet
from headgan.proto.errors import ModelError
from headgan.proto.said import SAID_FRAME_MS

# How much of their distance to the frames is taken back with each 40 ms: a camera's times tremble.
_PULL = 0.1


class SaidEncoder:
    """Listens to one speaker. Not thread-safe; 40 ms take about 4 ms."""

    def __init__(
        self,
        net: SpeechNet | None = None,
        code: SaidCode | None = None,
        frame_ms: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Loads the network that hears.

        Args:
            net: tells the sounds of speech; the one of hama if left out.
            code: of the records; the one that ships if left out.
            frame_ms: tells when a frame of late was captured, by the clock of the capture times; None before the first.

        Raises:
            ModelError: the network is not there, or the code is for other features.
        """
        code = code or shipped_said_code()
        if str(code.form) != speech_form():
            raise ModelError(
                f"the code of speech is for features of the form {code.form}, these are {speech_form()}; "
                "build it anew with headgan said-code"
            )
        self._net, self._frame_ms = net or PhonemeNet(), frame_ms
        self._stream, self._pauses = SaidStream(code), Pauses()
        self._clock = CaptureClock(SOUND_RATE)
        self._features = SpeechFeatures(SOUND_RATE, net=self._net)
        self._waiting = np.empty(0, np.float32)  # whose loudness was not looked at yet
        self._end_ms: float | None = None  # where the next 40 ms end

    def encode(self, samples: NDArray[np.float32], capture_ms: float) -> list[SaidRecord]:
        """The records of the 40 ms that are over by now.

        Args:
            samples: float32 [N], -1 to 1, mono at 48 kHz; any N.
            capture_ms: when the first of them was captured; may be off by chance.
        """
        late_ms = self._clock.late_ms(capture_ms)
        if late_ms > 0:
            self._start_anew(capture_ms)
        elif late_ms < 0:  # told twice
            cut = min(round(-late_ms * SOUND_RATE / 1000), len(samples))
            samples, capture_ms = samples[cut:], capture_ms + 1000 * cut / SOUND_RATE
        if not len(samples):
            return []
        self._clock.advance(len(samples), capture_ms)
        until_ms = self._clock.next_ms or 0.0
        start_ms = until_ms - 1000 * len(samples) / SOUND_RATE
        if self._end_ms is None:
            self._end_ms = start_ms + SAID_FRAME_MS
            self._end_ms += self._beside_frames_ms(self._end_ms)
        self._features.push(samples, start_ms)
        self._waiting = np.concatenate([self._waiting, samples])
        return self._records(self._end_ms, until_ms)

    def _records(self, end_ms: float, until_ms: float) -> list[SaidRecord]:
        records: list[SaidRecord] = []
        while self._features.wants_until_ms(end_ms - LOOK_AHEAD_MS) <= until_ms:
            later = round((until_ms - end_ms) * SOUND_RATE / 1000)
            count = max(len(self._waiting) - later, 0)
            is_pause = self._pauses.is_pause(self._waiting[:count])
            self._waiting = self._waiting[count:]
            record = self._stream.next(end_ms - SAID_FRAME_MS, self._at(end_ms), is_pause=is_pause)
            records += [] if record is None else [record]
            end_ms += SAID_FRAME_MS
            end_ms += _PULL * self._beside_frames_ms(end_ms)
        self._end_ms = end_ms
        return records

    def _at(self, end_ms: float) -> Callable[[], NDArray[np.float32]]:
        return lambda: self._features.at(end_ms - LOOK_AHEAD_MS)

    def _beside_frames_ms(self, end_ms: float) -> float:
        """How much later the nearest moment is at which frames are captured, if they come each 40 ms; -20 to 20."""
        frame_ms = self._frame_ms()
        if frame_ms is None:
            return 0.0
        return (frame_ms - end_ms + SAID_FRAME_MS / 2) % SAID_FRAME_MS - SAID_FRAME_MS / 2

    def _start_anew(self, capture_ms: float) -> None:
        """Goes on behind a gap: what is missing was silence."""
        missing_ms = 0.0 if self._end_ms is None else capture_ms + SAID_FRAME_MS - self._end_ms
        self._stream.skip(max(1, round(missing_ms / SAID_FRAME_MS)))
        self._waiting, self._end_ms = np.empty(0, np.float32), None
        self._features = SpeechFeatures(SOUND_RATE, net=self._net)
        self._clock.restart(capture_ms)
