"""What networks hear in a call is what they would hear of the clip, as far as it has arrived."""

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.voice import VoiceEncoder, VoiceFrame
from headgan.codec.voice_decoder import VoiceDecoder
from headgan.models.ears import Ears
from headgan.models.speech import LOOK_AHEAD_MS, clip_features

RATE = 48_000
START_MS = 5000.0


class Vowels:
    """A network that hears how loud each 20 ms are."""

    def shares(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = np.abs(sound[: len(sound) // 320 * 320]).reshape(-1, 320).mean(axis=1)
        shares = np.zeros((len(parts), 27), np.float32)
        shares[:, 0], shares[:, 26] = parts, 1 - parts
        return shares


@pytest.fixture
def spoken(voice: NDArray[np.float32]) -> list[VoiceFrame]:
    encoder = VoiceEncoder(24)
    return encoder.encode(voice[: 2 * RATE], START_MS)


def test_all_that_came_is_heard_as_from_the_clip(spoken: list[VoiceFrame]) -> None:
    ears, decoder = Ears(Vowels()), VoiceDecoder()
    for frame in reversed(spoken):
        decoder.push(frame)
        ears.push(frame)
    sound = np.concatenate([decoder.decode(frame.number) for frame in spoken])
    times_ms = np.arange(200.0, 1700.0, 70.0)
    wanted = clip_features(sound, RATE, times_ms, net=Vowels())
    for time_ms, features in zip(times_ms, wanted, strict=True):
        heard = ears.at(spoken[0].start_ms + time_ms)
        assert heard is not None
        np.testing.assert_allclose(heard, features, atol=2e-3)


def test_what_has_not_come_is_silence_until_it_does(spoken: list[VoiceFrame]) -> None:
    early, late = Ears(Vowels()), Ears(Vowels())
    assert early.at(START_MS) is None
    at_ms = START_MS + 1000
    for frame in spoken:
        if frame.start_ms < at_ms:
            early.push(frame)
        if frame.start_ms < at_ms + 500:
            late.push(frame)
    first, second = early.at(at_ms), late.at(at_ms)
    assert first is not None and second is not None and np.abs(first - second).max() > 0.1
    for frame in spoken:
        if at_ms <= frame.start_ms < at_ms + LOOK_AHEAD_MS + 40:
            early.push(frame)
    again = early.at(at_ms)
    assert again is not None
    np.testing.assert_allclose(again, second, atol=2e-3)


def test_a_long_pause_is_passed_over_and_a_short_one_made_up_for(spoken: list[VoiceFrame]) -> None:
    ears = Ears(Vowels())
    for frame in spoken[:10]:
        ears.push(frame)
    last = spoken[9]
    assert ears.at(last.start_ms) is not None
    for apart in (3, 400):
        frame = VoiceFrame(last.number + apart, last.start_ms + 40 * apart, last.data)
        ears.push(frame)
        heard = ears.at(frame.start_ms)
        assert heard is not None and np.isfinite(heard).all()
        last = frame
