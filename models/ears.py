"""Voices as they arrive in, what the networks hear at the time of a frame out.

push ── VoiceDecoder ── sound, as far as it has come ── SpeechFeatures ── at ── 300 numbers

It does not wait until sound is played: the networks want to know a little of what is said after their frame. What has
not come by then counts as silence. A sender listens to what it sent in the same way.
"""

import threading

import numpy as np
from numpy.typing import NDArray

from headgan.codec.voice import FRAME_MS, VoiceFrame
from headgan.codec.voice_decoder import VoiceDecoder
from headgan.models.speech import SpeechFeatures
from headgan.models.speech_phonemes import SpeechNet

# A longer pause is none that sound is made up for.
_MOST_MISSING = 25
_KEPT = 256


class Ears:
    """Of one call. Frames come on any thread, and are heard on another."""

    def __init__(self, net: SpeechNet | None = None) -> None:
        """Args: net: tells the sounds of speech; the one that ships if None.

        Raises:
            ModelError: it is not there.
            DeviceError: there is no libopus.
        """
        self._features = SpeechFeatures(net=net)
        self._decoder = VoiceDecoder()
        self._lock = threading.Lock()
        self._starts: dict[int, float] = {}
        self._next: int | None = None
        self._next_ms = 0.0
        self._has_heard = False
        self._newest: VoiceFrame | None = None

    def push(self, frame: VoiceFrame) -> None:
        """Takes a frame that arrived; start_ms is on the clock of the pictures.

        Raises:
            WireError: it is no sound.
        """
        with self._lock:
            self._decoder.push(frame)
            self._starts.setdefault(frame.number, frame.start_ms)
            if self._newest is None or frame.number > self._newest.number:
                self._newest = frame
            while len(self._starts) > _KEPT:
                del self._starts[min(self._starts)]

    def knows(self, frame_ms: float) -> bool:
        """Whether all has come that the frame of that time is told of, or nothing ever came."""
        with self._lock:
            newest = self._newest
        # While nobody speaks nothing is sent.
        if newest is None or newest.is_silence:
            return True
        return newest.start_ms + FRAME_MS >= self._features.wants_until_ms(frame_ms)

    def at(self, frame_ms: float) -> NDArray[np.float32] | None:
        """Float32 [300] for the frame that was captured then; None before anything was heard."""
        self.follow(frame_ms)
        return self._features.at(frame_ms) if self._has_heard else None

    def follow(self, frame_ms: float) -> None:
        """Keeps up with what was said until then, where nobody has the time to ask for it."""
        until_ms = self._features.wants_until_ms(frame_ms)
        with self._lock:
            while (piece := self._next_piece(until_ms)) is not None:
                self._features.push(*piece)
                self._has_heard = True

    def _next_piece(self, until_ms: float) -> tuple[NDArray[np.float32], float] | None:
        """The next 40 ms of sound, and when they began; None if they are not wanted yet, or nothing has come."""
        if not self._starts:
            return None
        number = min(self._starts) if self._next is None else self._next
        known = min((one for one in self._starts if one >= number), default=None)
        if known is None:
            return None
        if known - number > _MOST_MISSING:
            number = known
        start_ms = self._starts.get(number, self._next_ms)
        if start_ms >= until_ms:
            return None
        self._next, self._next_ms = number + 1, start_ms + FRAME_MS
        return self._decoder.decode(number), start_ms
