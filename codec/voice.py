"""Blocks of a voice with the times of their capture in, Opus frames of 40 ms out, and coarse copies of them.

blocks ── CaptureClock ── 40 ms ──┬── OpusEncoder ── DTX ── VoiceFrame
                                  └── CopyMaker ── VoiceFrame, is_copy, `copy_delay` frames later

Copies cost extra, and there are none while nothing is lost (`voice_copies`). Where frames are cut can be moved
(`cut_phase`): a pause is made longer or shorter, or a period of the voice is left out or repeated, and the times of
frames follow.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.codec.capture_clock import CaptureClock
from headgan.codec.libopus import RATE, Bandwidth, OpusEncoder
from headgan.codec.time_stretch import lengthen, shorten
from headgan.codec.voice_copies import CopyMaker
from headgan.proto.errors import UsageError
from headgan.proto.voice import MAX_SILENT_BYTES, VOICE_FRAME_MS

FRAME_MS = VOICE_FRAME_MS
FRAME_SAMPLES = RATE * FRAME_MS // 1000
DEFAULT_VOICE_KBPS = 12.0
MIN_VOICE_KBPS, MAX_VOICE_KBPS = 6.0, 32.0
# A device that stalled for longer starts anew.
MAX_FILL_MS = 1000.0
_FADE_SAMPLES = RATE // 200
# Nobody hears a change in what is quieter.
_QUIET = 0.003
# A period of a voice is not shorter: what is closer is left.
_CLOSE_SAMPLES = RATE // 250
# libopus goes to 4 kHz below 9 kbit/s, where 6 and 8 kHz are understood better, and to 20 kHz in two frames of 20 ms
# from 14 kbit/s on, where 8 kHz in one frame are still enough, and with copies at any rate.
_MEDIUM_BELOW_KBPS, _WIDE_BELOW_KBPS = 7.0, 20.0


@dataclass(frozen=True)
class VoiceFrame:
    """One Opus frame of FRAME_MS.

    Attributes:
        number: rises by one each FRAME_MS; those of silence are left out.
        start_ms: when what the decoder gives for it was captured, by the clock of the capture times.
        data: an Opus packet of one frame; up to MAX_SILENT_BYTES: silence until the next.
        is_copy: a coarse one of a frame that was sent before.
    """

    number: int
    start_ms: float
    data: bytes
    is_copy: bool = False

    @property
    def is_silence(self) -> bool:
        """Whether the speaker pauses from this frame on."""
        return len(self.data) <= MAX_SILENT_BYTES


def check_voice_kbps(kbps: float) -> None:
    """Raises UsageError unless a voice can be sent at `--voice-kbps`."""
    if not MIN_VOICE_KBPS <= kbps <= MAX_VOICE_KBPS:
        raise UsageError(f"--voice-kbps {kbps:g}: give {MIN_VOICE_KBPS:g} to {MAX_VOICE_KBPS:g}")


class VoiceEncoder:
    """Encodes one speaker; mono, variable rate, nothing while nobody speaks. Not thread-safe.

    A device that stalls leaves a gap, which is filled with silence; after more than MAX_FILL_MS the numbers jump on as
    far as the time has.
    """

    def __init__(self, kbps: float = DEFAULT_VOICE_KBPS, *, copy_delay: int = 1) -> None:
        """Makes the encoders.

        Args:
            kbps: MIN_VOICE_KBPS to MAX_VOICE_KBPS, while somebody speaks; headers of packets are not counted.
            copy_delay: how many frames later a copy goes out: as many as a packet has, so that it is in another one.

        Raises:
            UsageError: that rate does not work.
            DeviceError: there is no libopus.
        """
        check_voice_kbps(kbps)
        self._kbps = kbps
        self._encoder = OpusEncoder(kbps, fec=False)
        self._encoder.set_bandwidth(_bandwidth(kbps, has_copies=False))
        self._copies = CopyMaker(kbps)
        self._copy_delay = max(1, copy_delay)
        self._lookahead_ms = 1000 * self._encoder.lookahead / RATE
        self._clock = CaptureClock(RATE)
        self._samples = np.empty(0, np.float32)
        self._number = 0
        self._was_silence = False
        self._waiting: list[VoiceFrame] = []
        self._shift = 0  # samples by which frames are to end later
        self._is_moved = False  # whether the next frame was changed for that already

    def expect_loss(self, share: float) -> None:
        """Says what share of packets is lost, 0 to 1: while it is next to none, nothing is spent on it."""
        had_copies = self._copies.is_on
        self._copies.expect_loss(share)
        if self._copies.is_on != had_copies:
            self._encoder.set_bandwidth(_bandwidth(self._kbps, has_copies=self._copies.is_on))

    @property
    def left_ms(self) -> float:
        """How much sound was taken that is in no frame yet."""
        return 1000 * len(self._samples) / RATE

    @property
    def is_shifting(self) -> bool:
        """Whether frames are still on the way to where they are to be cut."""
        return self._shift < 0 or self._shift >= _CLOSE_SAMPLES

    def shift(self, later_ms: float) -> None:
        """Has frames end so much later at most, or earlier at least, as soon as nobody hears the change."""
        self._shift = round(later_ms * RATE / 1000)

    def encode(self, samples: NDArray[np.float32], capture_ms: float) -> list[VoiceFrame]:
        """The frames that are full by now.

        Args:
            samples: float32 [N], -1 to 1, mono at 48 kHz; any N.
            capture_ms: when the first of them was captured; may be off by chance.
        """
        late_ms = self._clock.late_ms(capture_ms)
        frames: list[VoiceFrame] = []
        if late_ms and abs(late_ms) > MAX_FILL_MS:
            frames = self._start_anew(capture_ms, late_ms)
        elif late_ms > 0:
            self._take(np.zeros(round(late_ms * RATE / 1000), np.float32))
            samples = faded_in(samples)
        elif late_ms < 0:  # told twice
            cut = min(round(-late_ms * RATE / 1000), len(samples))
            samples, capture_ms = faded_in(samples[cut:]), capture_ms + 1000 * cut / RATE
        if len(samples):
            self._take(samples, capture_ms)
        return frames + self._full_frames()

    def _take(self, samples: NDArray[np.float32], capture_ms: float | None = None) -> None:
        self._clock.advance(len(samples), capture_ms)
        self._samples = np.concatenate([self._samples, samples])

    def _start_anew(self, capture_ms: float, late_ms: float) -> list[VoiceFrame]:
        """Sends what waits, filled up, and goes on at another time."""
        rest = -len(self._samples) % FRAME_SAMPLES
        self._take(np.zeros(rest, np.float32))
        frames = self._full_frames()
        self._number += max(0, round((late_ms - 1000 * rest / RATE) / FRAME_MS))
        self._clock.restart(capture_ms)
        return frames

    def _full_frames(self) -> list[VoiceFrame]:
        frames: list[VoiceFrame] = []
        while self._has_frame():
            assert self._clock.next_ms is not None
            start_ms = self._clock.next_ms - 1000 * len(self._samples) / RATE - self._lookahead_ms
            frames += self._encode(self._samples[:FRAME_SAMPLES], start_ms)
            self._is_moved = False
            self._samples = self._samples[FRAME_SAMPLES:]
        return frames

    def _has_frame(self) -> bool:
        """Whether a frame is full, after its sound was made longer or shorter if that is wanted."""
        if len(self._samples) >= FRAME_SAMPLES and self._shift and not self._is_moved:
            self._is_moved = True
            changed = _moved(self._samples[:FRAME_SAMPLES], self._shift)
            added = len(changed) - FRAME_SAMPLES
            self._shift = self._shift + added if self._shift > 0 else min(0, self._shift + added)
            self._samples = np.concatenate([changed, self._samples[FRAME_SAMPLES:]])
        return len(self._samples) >= FRAME_SAMPLES

    def _encode(self, samples: NDArray[np.float32], start_ms: float) -> list[VoiceFrame]:
        frame = VoiceFrame(self._number, start_ms, self._encoder.encode(samples))
        copy = self._copies.copy(samples, frame.data, is_silence=frame.is_silence)
        if copy is not None:
            self._waiting.append(VoiceFrame(frame.number, start_ms, copy, is_copy=True))
        frames = [one for one in self._waiting if one.number <= self._number - self._copy_delay]
        self._waiting = self._waiting[len(frames) :]
        # libopus repeats that there is silence, and every 400 ms how it sounds; the first is enough to know.
        if not (frame.is_silence and self._was_silence):
            frames.append(frame)
        self._was_silence = frame.is_silence
        self._number += 1
        return frames


def _bandwidth(kbps: float, *, has_copies: bool) -> Bandwidth | None:
    if kbps < _MEDIUM_BELOW_KBPS:
        return "medium"
    return "wide" if has_copies or kbps < _WIDE_BELOW_KBPS else None


def _moved(samples: NDArray[np.float32], later: int) -> NDArray[np.float32]:
    """The sound with up to `later` samples less, or with some more if that is negative, where it is not heard."""
    if np.abs(samples).max() < _QUIET:
        kept = len(samples) - min(max(later, -len(samples)), len(samples) // 2)
        return np.concatenate([samples, samples[::-1]])[:kept]
    if later < 0:
        return lengthen(samples).sound
    return shorten(samples, most=later).sound if later >= _CLOSE_SAMPLES else samples


def faded_in(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same, float32 [N], louder and louder for its first 5 ms, so that it does not click after silence."""
    faded = samples.astype(np.float32)
    ramp = np.linspace(0, 1, _FADE_SAMPLES, dtype=np.float32)[: len(faded)]
    faded[: len(ramp)] *= ramp
    return faded
