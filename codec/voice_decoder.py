"""VoiceFrames in as they come, 40 ms of sound for each number out: decoded, recovered, concealed or silent.

frames ── push ── held by number ──┬── its frame ─────────── decoded, or comfort noise in a pause
                                   ├── its copy ──────────── recovered
                                   ├── FEC in the next one ─ recovered
                                   └── nothing ───────────── concealed, then silent; in a pause, its noise goes on

No clock, no thread, no lock: the caller says which number is wanted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.codec.libopus import OpusDecoder, has_fec, packet_samples
from headgan.codec.voice import FRAME_MS, FRAME_SAMPLES, VoiceFrame
from headgan.proto.errors import WireError

# So much is held of what comes ahead of its time: 2.5 s.
_MAX_HELD = 64
# How loud the guess is at the end of each frame that is concealed in a row: libopus guesses 40 ms well, then worse.
_FADE = (0.9, 0.5, 0.0)
# After a fade, sound comes back within 5 ms.
_RETURN_SAMPLES = FRAME_SAMPLES // 8


@dataclass
class VoiceCounts:
    """What became of the numbers that were asked for.

    Attributes:
        decoded: had their own frame.
        recovered: had a copy, or FEC in the frame after.
        concealed: were guessed from what was before.
        silent: were in a pause of the speaker, after what can be concealed, or before the first frame.
    """

    decoded: int = 0
    recovered: int = 0
    concealed: int = 0
    silent: int = 0


class VoiceDecoder:
    """Decodes one speaker; one who starts anew, with lower numbers, needs a new decoder. Not thread-safe.

    Attributes:
        counts: what became of the numbers.
    """

    def __init__(self) -> None:
        """Raises DeviceError if there is no libopus."""
        self.counts = VoiceCounts()
        self._decoder = OpusDecoder()
        self._frames: dict[int, bytes] = {}
        self._copies: dict[int, bytes] = {}
        self._last: int | None = None
        self._start_anew()

    def push(self, frame: VoiceFrame) -> None:
        """Takes a frame, in any order; one that came before or comes too late is of no use.

        Raises:
            WireError: it is not one Opus packet of FRAME_MS.
        """
        samples = packet_samples(frame.data)
        if samples != FRAME_SAMPLES:
            raise WireError(f"voice frame {frame.number} holds {samples / 48:g} ms of sound, not {FRAME_MS}")
        if self._last is not None and frame.number <= self._last:
            return
        held = self._copies if frame.is_copy else self._frames
        held.setdefault(frame.number, frame.data)
        if len(held) > _MAX_HELD:
            del held[min(held)]

    def decode(self, number: int) -> NDArray[np.float32]:
        """The sound of a number, float32 [1920], -1 to 1.

        Args:
            number: higher than the last; those between are skipped. After a lower one all starts anew.
        """
        if self._last is not None and number <= self._last:
            self._decoder.reset()
            self._start_anew()
        self._last = number
        frame, copy, next_frame = (
            self._frames.get(number),
            self._copies.get(number),
            self._frames.get(number + 1),
        )
        for held in (self._frames, self._copies):
            for old in [one for one in held if one <= number]:
                del held[old]
        try:
            sound = self._heard(frame, copy, next_frame)
        except WireError:  # damaged inside
            sound = None
        return np.clip(self._unheard() if sound is None else sound, -1, 1)

    def _start_anew(self) -> None:
        self._is_pause = False
        # How loud the last sample was, 0 to 1; nothing was heard yet.
        self._gain = 0.0
        self._guessed = 0

    def _heard(
        self, frame: bytes | None, copy: bytes | None, next_frame: bytes | None
    ) -> NDArray[np.float32] | None:
        """What a frame tells, or another about it; None if none does."""
        if frame is not None:
            sound = self._decoder.decode(frame)
            self._is_pause = VoiceFrame(0, 0.0, frame).is_silence
            if self._is_pause:
                self.counts.silent += 1
            else:
                self.counts.decoded += 1
        elif copy is not None:
            sound = self._decoder.decode(copy)
            self.counts.recovered += 1
            self._is_pause = False
        elif next_frame is not None and has_fec(next_frame):
            sound = self._decoder.decode_fec(next_frame, FRAME_SAMPLES)
            self.counts.recovered += 1
            self._is_pause = False
        else:
            return None
        self._guessed = 0
        return self._fade(sound, 1.0, _RETURN_SAMPLES)

    def _unheard(self) -> NDArray[np.float32]:
        """What may have been said, or the noise of a pause."""
        if self._is_pause:
            self.counts.silent += 1
            return self._fade(self._decoder.conceal(FRAME_SAMPLES), 1.0, _RETURN_SAMPLES)
        if self._gain <= 0:
            self.counts.silent += 1
            return np.zeros(FRAME_SAMPLES, np.float32)
        self.counts.concealed += 1
        self._guessed += 1
        return self._fade(self._decoder.conceal(FRAME_SAMPLES), _FADE[self._guessed - 1], FRAME_SAMPLES)

    def _fade(self, sound: NDArray[np.float32], gain: float, samples: int) -> NDArray[np.float32]:
        """Goes from the last gain to another within so many samples."""
        if self._gain == gain == 1.0:
            return sound
        gains = np.full(len(sound), gain, np.float32)
        gains[:samples] = np.linspace(self._gain, gain, samples, dtype=np.float32)
        self._gain = gain
        return sound * gains
