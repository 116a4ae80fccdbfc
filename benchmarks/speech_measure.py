"""A clip's sound in, how far what a call hears of speech is from what the whole clip tells out.

The network looks both ways. At a moment, a call has the sound up to it and `look_ahead_ms` beyond, and hears the last
`context_s` of that. What it says of the 40 ms before the moment, and of all 320 ms that a frame is told of, is compared
with what the network says of them having heard the clip from beginning to end.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headgan.codec.stage_times import StageTimes
from headgan.models.clip_sound import ClipSound
from headgan.models.sound_track import SoundTrack
from headgan.models.speech import (
    CONTEXT,
    LEVEL_SAMPLES,
    SpeechFeatures,
    clip_features,
    levelled,
)
from headgan.models.speech_classes import REST
from headgan.models.speech_low import LEAD, SAMPLE_RATE, WINDOW, low_level
from headgan.models.speech_phonemes import HOP, HOPS_A_PART, PARTS, SpeechNet
from headgan.proto.errors import HeadganError

LOOK_AHEADS_MS = (0, 40, 80, 160, 320)
CONTEXTS_S = (0.5, 1.0, 2.0)
# Between two moments that are looked at; whole outputs of the network.
STEP_MS = 100
_HOP_MS = 1000 * HOP // SAMPLE_RATE
_PART_MS = HOPS_A_PART * _HOP_MS
_FRAME_MS = 40
# There is a sound where the network, having heard all, gives sounds so large a share; its outputs are short peaks.
_SOUND = 0.3
# Frames of a clip that are told as in a call, against a clip's.
_CHECKED = 50


class Hearing:
    """Compares ways to hear a clip, by look-ahead and by how much is heard before."""

    def __init__(self, sound: ClipSound, net: SpeechNet, teacher: SpeechNet | None = None) -> None:
        """Args: net: hears as in a call; teacher: hears the whole clip, `net` itself if left out."""
        self._net, teacher = net, teacher or net
        samples = sound.samples / np.float32(32768)
        self._track = SoundTrack(SAMPLE_RATE)
        self._track.push(samples, 0.0)
        self._whole = _parts(teacher.shares(samples / np.abs(samples).max()))  # [N, 27], one for each 20 ms
        first = round(1000 * max(CONTEXTS_S))
        last = round(1000 * len(samples) / SAMPLE_RATE) - max(LOOK_AHEADS_MS)
        self.moments_ms = list(range(first, last, STEP_MS))

    def compare(self, look_ahead_ms: int, context_s: float) -> dict[str, float]:
        """Sums over the moments; see `as_means`."""
        sums = dict.fromkeys(("moments", "newest", "eight", "equal", "sounds", "equal_sounds", "guess"), 0.0)
        average = self._whole.mean(axis=0)
        for moment_ms in self.moments_ms:
            heard = self._heard(moment_ms + look_ahead_ms, round(context_s * SAMPLE_RATE))
            newest, true = (
                heard[-1 - look_ahead_ms // _HOP_MS],
                self._whole[(moment_ms - _PART_MS) // _HOP_MS],
            )
            is_sound = 1 - true[REST] >= _SOUND
            is_same = newest[:REST].argmax() == true[:REST].argmax()
            places = np.arange(PARTS) * HOPS_A_PART
            told = heard[-1 - places]
            end = (moment_ms + look_ahead_ms - _PART_MS) // _HOP_MS
            sums["moments"] += 1
            sums["newest"] += _variation(newest, true)
            sums["eight"] += _variation(told, self._whole[end - places])
            sums["equal"] += newest.argmax() == true.argmax()
            sums["sounds"] += is_sound
            sums["equal_sounds"] += is_sound and is_same
            sums["guess"] += _variation(average, true)
        return {name: float(value) for name, value in sums.items()}

    def _heard(self, end_ms: int, context: int) -> NDArray[np.float32]:
        """Float32 [N, 27], of each 40 ms, every 20 ms, of what was heard before `end_ms`."""
        sound = levelled(self._track.before(end_ms, LEVEL_SAMPLES))
        return _parts(self._net.shares(sound[-context:]))


def as_means(sums: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of the sums of several clips.

    `newest` is the total variation (0: the same, 1: nothing in common) of the last 40 ms before the moment, `eight`
    that of all that a frame is told, `guess` that of the clip's average. `equal`: the share of moments whose likeliest
    class is right; `equal_sounds`: of those at which there is a sound, and it is told from other sounds.
    """
    total = {name: sum(item[name] for item in sums) for name in sums[0]}
    means = {name: total[name] / total["moments"] for name in ("newest", "eight", "equal", "guess")}
    return means | {
        "equal_sounds": total["equal_sounds"] / max(total["sounds"], 1),
        "moments": total["moments"],
    }


def check_call(sound: ClipSound, net: SpeechNet) -> int:
    """How many frames were told in a call, block by block, exactly what they were told of the clip.

    Raises:
        HeadganError: they were not.
    """
    seconds = len(sound.samples) / SAMPLE_RATE
    times_ms = np.arange(0, min(1000 * seconds, _CHECKED * _FRAME_MS), _FRAME_MS)
    features = SpeechFeatures(SAMPLE_RATE, net=net)
    blocks = sound.samples / np.float32(32768)
    block, told, pushed = SAMPLE_RATE * _FRAME_MS // 1000, [], 0
    for time_ms in times_ms:
        while pushed < len(blocks) and 1000 * pushed / SAMPLE_RATE < features.wants_until_ms(float(time_ms)):
            features.push(blocks[pushed : pushed + block], 1000 * pushed / SAMPLE_RATE)
            pushed += block
        told.append(features.at(float(time_ms)))
    if not np.array_equal(np.stack(told), clip_features(sound.samples, SAMPLE_RATE, times_ms, net=net)):
        raise HeadganError("a call is told other features than a clip: the two ways to compute them differ")
    return len(told)


def measure_speed(sound: ClipSound, net: SpeechNet, frames: int) -> dict[str, Any]:
    """Milliseconds of a processor: a frame of a call with its block of sound at 48 kHz, and the parts of that.

    Not those on the wall: other work of the machine does not count.
    """
    times = StageTimes(lambda: time.process_time() * 1000)
    source = np.resize(sound.samples / np.float32(32768), SAMPLE_RATE * 6 + frames * 640).astype(np.float32)
    loud = np.repeat(source, 3)
    features = SpeechFeatures(net=net)
    features.push(loud[: 48_000 * 5], 0.0)
    ahead_ms = features.wants_until_ms(0.0)
    for frame in range(-20, frames):  # the first ones warm up
        if frame == 0:
            times = StageTimes(lambda: time.process_time() * 1000)
        at = 48_000 * 5 + (frame + 20) * 1920
        with times.measure("frame"):
            features.push(loud[at : at + 1920], at / 48)
            features.at(at / 48 + _FRAME_MS - ahead_ms)
        window = source[at // 3 - CONTEXT : at // 3]
        with times.measure("network"):
            net.shares(window)
        with times.measure("low_level"):
            low_level(window[-(LEAD + WINDOW) :])
    return dict(times.report())


def _parts(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Float32 [N - 1, 27]: the mean of each two outputs in a row."""
    return (shares[:-1] + shares[1:]) * np.float32(0.5)


def _variation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.abs(one - other).sum(axis=-1).mean() / 2)
