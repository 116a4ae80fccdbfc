"""Clips in, what a small network is to learn of their sound out: levels of bands, and what hama's says of the whole.

sound ── slower or faster ─┬─ hama's network ── shares [T, 27]
                           └─ Opus, or noise ── power of bands [2 T, 40], the loudest sample so far

The teacher is asked again for each speed, and hears no noise: what it says of the clear sound is what is wanted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.codec.libopus import OpusDecoder, OpusEncoder
from headgan.codec.sound_rate import SoundRate
from headgan.models.speech_low import SAMPLE_RATE
from headgan.models.speech_mel import mel_power
from headgan.models.speech_phonemes import HOP, SpeechNet

SPEEDS = (1.0, 1.0, 0.84, 0.9, 0.95, 1.05, 1.11, 1.18)
_OPUS_RATE = 48_000
_OPUS_SAMPLES = 1920
_OPUS_KBPS = 12.0
_NOISE_DB = (12.0, 35.0)


@dataclass(frozen=True, eq=False)
class Lesson:
    """One clip, or a variant of it.

    Attributes:
        power: float32 [2 T, 40], of `mel_power`.
        peaks: float32 [T], the loudest sample of the four seconds before the end of each 20 ms.
        shares: float32 [T, 27], what the teacher says having heard all.
    """

    power: NDArray[np.float32]
    peaks: NDArray[np.float32]
    shares: NDArray[np.float32]


def lessons(
    sound: NDArray[np.float32], teacher: SpeechNet, chance: np.random.Generator, speeds: Sequence[float]
) -> Iterator[Lesson]:
    """What is to be learned from a clip: `sound`, [N] at 16 kHz, -1 to 1."""
    for number, speed in enumerate(speeds):
        said = _at_speed(sound, speed)
        said = said[: len(said) // HOP * HOP]
        peak = float(np.abs(said).max(initial=0.0))
        if not len(said) or not peak:
            continue
        shares = teacher.shares(said / np.float32(peak))
        heard = said
        if number % 2:
            heard = _through_opus(said)
        if number > 1:
            heard = _with_noise(_coloured(heard, chance), chance)
        yield Lesson(mel_power(heard), recent_peaks(heard), shares)


def recent_peaks(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Float32 [N // 320]: the loudest sample of the last four seconds, at the end of each 20 ms."""
    loud = np.abs(sound[: len(sound) // HOP * HOP]).reshape(-1, HOP).max(axis=1)
    kept = 4 * SAMPLE_RATE // HOP
    padded = np.concatenate([np.zeros(kept - 1, np.float32), loud])
    peaks: NDArray[np.float32] = np.lib.stride_tricks.sliding_window_view(padded, kept).max(axis=1)
    return peaks


def _at_speed(sound: NDArray[np.float32], speed: float) -> NDArray[np.float32]:
    """The sound so many times as fast, and as high."""
    if speed == 1.0 or not len(sound):
        return sound
    places = np.arange(0, len(sound) - 1, speed)
    changed: NDArray[np.float32] = np.interp(places, np.arange(len(sound)), sound).astype(np.float32)
    return changed


def _through_opus(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sound as it comes out of a call, in its time."""
    loud, _ = SoundRate(SAMPLE_RATE, _OPUS_RATE).convert(sound, 0.0)
    encoder, decoder = OpusEncoder(_OPUS_KBPS, fec=False, dtx=False), OpusDecoder()
    missing = -(len(loud) + encoder.lookahead) % _OPUS_SAMPLES + encoder.lookahead
    padded = np.concatenate([loud, np.zeros(missing, np.float32)])
    parts = [decoder.decode(encoder.encode(part)) for part in padded.reshape(-1, _OPUS_SAMPLES)]
    back = np.concatenate(parts)[encoder.lookahead :]
    thin, _ = SoundRate(_OPUS_RATE, SAMPLE_RATE).convert(back, 0.0)
    found = np.zeros(len(sound), np.float32)
    found[: min(len(thin), len(found))] = thin[: len(found)]
    return found


def _coloured(sound: NDArray[np.float32], chance: np.random.Generator) -> NDArray[np.float32]:
    """As another microphone hears it: every pitch up to 8 dB louder or quieter."""
    spectrum = np.fft.rfft(sound)
    knots = chance.uniform(-8, 8, 8)
    gains_db = np.interp(np.linspace(0, 1, len(spectrum)) ** 0.5, np.linspace(0, 1, len(knots)), knots)
    return np.fft.irfft(spectrum * 10 ** (gains_db / 20), len(sound)).astype(np.float32)


def _with_noise(sound: NDArray[np.float32], chance: np.random.Generator) -> NDArray[np.float32]:
    level = float(np.sqrt(np.mean(np.square(sound)))) * 10 ** (-chance.uniform(*_NOISE_DB) / 20)
    return (sound + level * chance.standard_normal(len(sound))).astype(np.float32)
