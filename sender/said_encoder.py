"""Blocks of a voice with the times of their capture in, records of what is said out: the voice stays here.

blocks ── CaptureClock ── SpeechFeatures ── 300 numbers each 40 ms ── SaidStream ── SaidRecord
                     └─── Pauses ─────────────────────────────────────────┘
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

_FRAME_SAMPLES = SOUND_RATE * SAID_FRAME_MS // 1000


class SaidEncoder:
    """Listens to one speaker. Not thread-safe; 40 ms take about 4 ms."""

    def __init__(self, net: SpeechNet | None = None, code: SaidCode | None = None) -> None:
        """Loads the network that hears.

        Args:
            net: tells the sounds of speech; the one of hama if left out.
            code: of the records; the one that ships if left out.

        Raises:
            ModelError: the network is not there, or the code is for other features.
        """
        code = code or shipped_said_code()
        check_form(code)
        self._net = net or PhonemeNet()
        self._stream, self._pauses = SaidStream(code), Pauses()
        self._clock = CaptureClock(SOUND_RATE)
        self._features = SpeechFeatures(SOUND_RATE, net=self._net)
        self._waiting = np.empty(0, np.float32)  # sound whose loudness was not looked at yet

    def encode(self, samples: NDArray[np.float32], capture_ms: float) -> list[SaidRecord]:
        """The records of the 40 ms that are over by now.

        Args:
            samples: float32 [N], -1 to 1, mono at 48 kHz; any N.
            capture_ms: when the first of them was captured; may be off by chance.
        """
        late_ms = self._clock.late_ms(capture_ms)
        if late_ms:
            self._start_anew(capture_ms, late_ms)
        self._clock.advance(len(samples), capture_ms)
        assert self._clock.next_ms is not None
        start_ms = self._clock.next_ms - 1000 * len(samples) / SOUND_RATE
        self._features.push(samples, start_ms)
        self._waiting = np.concatenate([self._waiting, samples])
        return self._records(self._clock.next_ms)

    def _records(self, until_ms: float) -> list[SaidRecord]:
        records: list[SaidRecord] = []
        while len(self._waiting) >= _FRAME_SAMPLES:
            # Counted back from the newest sound, so that times follow the clock as it is pulled.
            start_ms = until_ms - 1000 * len(self._waiting) / SOUND_RATE
            if self._features.wants_until_ms(start_ms + SAID_FRAME_MS - LOOK_AHEAD_MS) > until_ms:
                break
            is_pause = self._pauses.is_pause(self._waiting[:_FRAME_SAMPLES])
            record = self._stream.next(start_ms, self._at(start_ms + SAID_FRAME_MS), is_pause=is_pause)
            records += [] if record is None else [record]
            self._waiting = self._waiting[_FRAME_SAMPLES:]
        return records

    def _at(self, end_ms: float) -> Callable[[], NDArray[np.float32]]:
        return lambda: self._features.at(end_ms - LOOK_AHEAD_MS)

    def _start_anew(self, capture_ms: float, late_ms: float) -> None:
        """Goes on behind a gap, or on another clock: what is missing was silence."""
        waiting_ms = 1000 * len(self._waiting) / SOUND_RATE
        self._stream.skip(max(1, round((late_ms + waiting_ms) / SAID_FRAME_MS)))
        self._waiting = np.empty(0, np.float32)
        self._features = SpeechFeatures(SOUND_RATE, net=self._net)
        self._clock.restart(capture_ms)


def check_form(code: SaidCode) -> None:
    """Raises ModelError if the features that this program computes are others than those of the code."""
    if str(code.form) != speech_form():
        raise ModelError(
            f"the code of speech is for features of the form {code.form}, these are {speech_form()}; "
            "build it anew with headgan said-code"
        )
