"""The sound of a call in, the 300 numbers a video frame that R listens to out: h_t^(a) of the paper, sec. 3.

                        ┌─ the last 320 ms ── low_level ──────────────── 84 ─┐
sound before t + 80 ms ─┤                                                    ├─ 300
                        └─ the last second ── SpeechNet ── 8 parts of 27 ────┘

A frame is told of the 320 ms that end LOOK_AHEAD_MS after it. The paper's end 320 ms after it, for which no call can
wait. What is told depends on nothing but the four seconds of sound before that end: a call and a training set agree.
`headgan-bench speech` measures what the look-ahead brings (docs/speech.md).

The level: pyAudioAnalysis scales a whole clip to a peak of 1. Here the loudest sample of the last four seconds is
scaled to 1, or less if it is below -34 dB, so that a silent room does not become loud. Its mean stays: Opus has taken
away what a bad microphone adds.

The numbers: each of the 84 less its mean, by its deviation, both measured over speech (`weights/speech.npz`, made by
scripts/speech_scale.py), at most 4 either way; of the classes, `as_levels`, 0 to 1. Zeros stand for "no sound is
known", which is not what silence looks like.
"""

import hashlib
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from headgan.models.sound_track import SoundTrack
from headgan.models.speech_classes import CLASSES
from headgan.models.speech_low import LEAD, LOW_SIZE, SAMPLE_RATE, WINDOW, low_level
from headgan.models.speech_phonemes import NET_SHA256, PARTS, PhonemeNet, SpeechNet, as_levels, in_parts
from headgan.models.weights import weights_path

SPEECH_SIZE = LOW_SIZE + PARTS * CLASSES
LOOK_AHEAD_MS = 80.0
# Counts the ways to make the 300; one more with every change of the code that changes them.
_FORM = 1
# How much sound the network hears at once.
CONTEXT = SAMPLE_RATE
LEVEL_SAMPLES = 4 * SAMPLE_RATE
_QUIETEST_PEAK = 0.02
# How far back a frame is told of, and a little for the sound's coder to begin with.
HEARD_MS = 1000 * LEVEL_SAMPLES / SAMPLE_RATE + 1000
_LIMIT = 4.0
# Sound that a receiver has but does not show yet; older sound is forgotten.
_KEEP_MS = 8000.0


class SpeechFeatures:
    """Listens to a call. Not thread-safe; a frame takes about 3 ms."""

    def __init__(
        self, rate: int = 48_000, *, net: SpeechNet | None = None, look_ahead_ms: float = LOOK_AHEAD_MS
    ) -> None:
        """Begins in silence.

        Args:
            rate: samples a second of the sound, 16000 or 48000.
            net: tells the sounds of speech; the one of hama if left out.
            look_ahead_ms: how much sound after a frame counts for it; networks are trained for one.

        Raises:
            UsageError: another rate.
            ModelError: the network of hama is not there.
        """
        self._track = SoundTrack(rate, _KEEP_MS)
        self._net = net or PhonemeNet()
        self._look_ahead_ms = look_ahead_ms

    def push(self, samples: NDArray[np.floating], start_ms: float) -> None:
        """The next block of sound.

        Args:
            samples: [N], -1 to 1, mono.
            start_ms: time of its first sample, on the clock of the frames; what is missing between blocks is silence.
        """
        self._track.push(samples, start_ms)

    def wants_until_ms(self, frame_ms: float) -> float:
        """The time up to which sound has to have been pushed before the frame of `frame_ms` is told all."""
        return frame_ms + self._look_ahead_ms + self._track.reach_ms

    def at(self, frame_ms: float) -> NDArray[np.float32]:
        """Float32 [300] for the frame of that time; sound that it wants and that is not there counts as silence.

        Args:
            frame_ms: not more than four seconds before the end of what was pushed.
        """
        return features_of(self._track.before(frame_ms + self._look_ahead_ms, LEVEL_SAMPLES), self._net)


def clip_features(
    samples: NDArray[np.floating] | NDArray[np.int16],
    rate: int,
    times_ms: Sequence[float] | NDArray[np.floating],
    *,
    net: SpeechNet | None = None,
    look_ahead_ms: float = LOOK_AHEAD_MS,
) -> NDArray[np.float32]:
    """Float32 [T, 300]: what `SpeechFeatures` tells of frames, for a whole clip at once.

    Args:
        samples: [N], -1 to 1, mono, or int16.
        rate: samples a second, 16000 or 48000.
        times_ms: [T], of the frames; the first sample is at 0.
        net: see `SpeechFeatures`.
        look_ahead_ms: see `SpeechFeatures`.

    Raises:
        UsageError: another rate.
        ModelError: the network of hama is not there.
    """
    levels = samples / np.float32(32768) if samples.dtype == np.int16 else samples
    track, net = SoundTrack(rate), net or PhonemeNet()
    track.push(np.asarray(levels, np.float32), 0.0)
    found = np.zeros((len(times_ms), SPEECH_SIZE), np.float32)
    for row, time_ms in zip(found, times_ms, strict=True):
        row[:] = features_of(track.before(float(time_ms) + look_ahead_ms, LEVEL_SAMPLES), net)
    return found


def features_of(sound: NDArray[np.float32], net: SpeechNet) -> NDArray[np.float32]:
    """Float32 [300] of the four seconds before a moment, [64000] at 16 kHz."""
    sound = levelled(sound)
    mean, deviation = _scale()
    low = np.clip((low_level(sound[-(LEAD + WINDOW) :]) - mean) / deviation, -_LIMIT, _LIMIT)
    heard = as_levels(in_parts(net.shares(sound[-CONTEXT:])))
    return np.concatenate([low.astype(np.float32), heard.reshape(-1)])


def levelled(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """`sound` with its loudest sample at 1, unless it is too quiet for that."""
    return sound / np.float32(max(float(np.abs(sound).max()), _QUIETEST_PEAK))


@cache
def speech_form() -> str:
    """Names how the 300 are made: what was trained on one form understands no other."""
    numbers = f"{_FORM} {LOOK_AHEAD_MS:g} {CONTEXT} {LEVEL_SAMPLES} {_QUIETEST_PEAK} {_LIMIT} {NET_SHA256}"
    table = weights_path("speech.npz").read_bytes()
    return f"{_FORM}-{hashlib.sha256(numbers.encode() + table).hexdigest()[:12]}"


@cache
def _scale() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation of the 84, float64 [84] each."""
    with np.load(weights_path("speech.npz"), allow_pickle=False) as table:
        return table["mean"].astype(np.float64), table["deviation"].astype(np.float64)
