"""The 300 numbers that R listens to: the same in a call and for a clip, of the right sounds, at the right time."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.models import speech_phonemes
from headgan.models.speech import (
    CONTEXT,
    LOOK_AHEAD_MS,
    SPEECH_SIZE,
    SpeechFeatures,
    clip_features,
    levelled,
)
from headgan.models.speech_classes import CLASSES, REST, SOUNDS, fold_letters, folding
from headgan.models.speech_low import LOW_SIZE
from headgan.models.speech_phonemes import PARTS, PhonemeNet, as_levels, in_parts
from headgan.proto.errors import ModelError, UsageError


class LoudnessNet:
    """Says `rest` in silence, and class 0 in its place the louder it is."""

    def shares(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        loud = np.abs(sound[: len(sound) // 320 * 320].reshape(-1, 320)).mean(axis=1)
        found = np.zeros((len(loud), CLASSES), np.float32)
        found[:, 0] = np.clip(loud, 0, 1)
        found[:, REST] = 1 - found[:, 0]
        return found


def buzz(seconds: float, rate: int = 16_000, seed: int = 0) -> NDArray[np.float32]:
    places = np.arange(round(seconds * rate)) / rate
    loud = np.clip(np.sin(2 * np.pi * 1.7 * places + seed), 0.02, 1)
    tone = sum(np.sin(2 * np.pi * 130 * k * places) / k for k in range(1, 20))
    return (0.3 * loud * tone).astype(np.float32)


def parts_of(features: NDArray[np.float32]) -> NDArray[np.float32]:
    return features[..., LOW_SIZE:].reshape(*features.shape[:-1], PARTS, CLASSES)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([16_000, 48_000]),
    st.lists(st.integers(1, 30_000), min_size=1, max_size=8),
    st.lists(st.integers(-200, 1500), min_size=1, max_size=3),
)
def test_a_call_is_told_what_a_clip_is_told(rate: int, sizes: list[int], times_ms: list[int]) -> None:
    samples = buzz(1.2, rate)[: sum(sizes)]
    features, net = SpeechFeatures(rate, net=LoudnessNet()), LoudnessNet()
    at = 0
    for size in sizes:
        features.push(samples[at : at + size], 1000 * at / rate)
        at = min(at + size, len(samples))
        # So far, that is all there is: every prefix of a clip is a clip.
        expected = clip_features(samples[:at], rate, times_ms, net=net)
        found = np.stack([features.at(time_ms) for time_ms in times_ms])
        np.testing.assert_array_equal(found, expected)


def test_the_network_of_a_call_is_that_of_a_clip() -> None:
    samples = buzz(1.0, 48_000)
    features = SpeechFeatures()
    times_ms = np.arange(0, 900, 120.0)
    found: list[NDArray[np.float32]] = []
    for at in range(0, len(samples), 1920):
        features.push(samples[at : at + 1920], at / 48)
        while (
            len(found) < len(times_ms) and features.wants_until_ms(times_ms[len(found)]) <= (at + 1920) / 48
        ):
            found.append(features.at(times_ms[len(found)]))
    assert len(found) == len(times_ms)
    np.testing.assert_array_equal(np.stack(found), clip_features(samples, 48_000, times_ms))


def test_what_a_frame_wants_is_enough() -> None:
    samples = buzz(2.0, 48_000)
    whole = clip_features(samples, 48_000, [700.0], net=LoudnessNet())
    features = SpeechFeatures(net=LoudnessNet())
    until_ms = features.wants_until_ms(700.0)
    assert until_ms == 700 + LOOK_AHEAD_MS + 1
    features.push(samples[: round(until_ms * 48)], 0.0)
    np.testing.assert_array_equal(features.at(700.0), whole[0])
    # And one part less is not.
    features = SpeechFeatures(net=LoudnessNet())
    features.push(samples[: round((until_ms - 20) * 48)], 0.0)
    assert np.abs(features.at(700.0) - whole[0]).max() > 0.1


def test_the_parts_are_eight_times_40_ms_up_to_the_look_ahead() -> None:
    samples = np.zeros(32_000, np.float32)
    samples[16_000:16_640] = 0.9  # 1000 to 1040 ms
    for look_ahead_ms, part in ((0.0, 7), (40.0, 6), (280.0, 0)):
        (found,) = parts_of(
            clip_features(samples, 16_000, [1040.0], net=LoudnessNet(), look_ahead_ms=look_ahead_ms)
        )
        assert found[:, 0].argmax() == part
        assert (np.delete(found[:, 0], part) == 0).all()
        assert found[part, 0] == pytest.approx(1)
        assert (np.delete(found[:, REST], part) == 1).all()


def test_loudness_does_not_matter_but_silence_stays_silent() -> None:
    sound = buzz(1.0)
    loud, quiet = (
        clip_features(sound * gain, 16_000, [400.0, 900.0], net=LoudnessNet()) for gain in (1, 0.1)
    )
    np.testing.assert_allclose(loud, quiet, atol=1e-3)
    assert np.abs(levelled(sound * 1e-4)).max() < 0.02
    np.testing.assert_array_equal(levelled(np.zeros(10, np.float32)), np.zeros(10))


def test_numbers_are_such_as_a_network_can_take() -> None:
    silence = clip_features(np.zeros(16_000, np.int16), 16_000, [500.0])
    noisy = np.random.default_rng(0).integers(-32768, 32767, 16_000).astype(np.int16)
    features = np.concatenate([silence, clip_features(noisy, 16_000, [0.0, 500.0, 900.0])])
    assert features.shape == (4, SPEECH_SIZE)
    assert SPEECH_SIZE == 300
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert np.abs(features).max() <= 4
    assert silence.any()  # zeros mean that nothing is known
    assert (parts_of(features) >= 0).all()


def test_integers_are_the_same_sound() -> None:
    sound = np.rint(buzz(0.5) * 32767).astype(np.int16)
    one, other = (clip_features(item, 16_000, [300.0], net=LoudnessNet()) for item in (sound, sound / 32768))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_other_rates_are_refused() -> None:
    with pytest.raises(UsageError, match="44100"):
        clip_features(np.zeros(10), 44_100, [0.0], net=LoudnessNet())


def test_every_class_has_its_own_sounds() -> None:
    tokens = " ".join(SOUNDS).split()
    assert len(set(tokens)) == len(tokens)
    assert CLASSES == 27
    table = folding([*tokens, "<blank>", "ː"])
    assert (table.sum(axis=1) == 1).all()
    assert (table.sum(axis=0) >= 1).all()
    for together in ("p b m", "f v", "s z", "t d n", "ʃ ʒ t͡ʃ d͡ʒ", "k g ŋ"):
        assert len({int(row.argmax()) for row in folding(together.split())}) == 1
    assert folding(["<blank>", "<wb>", "ː", "<pad>"])[:, REST].all()


def test_the_network_hears() -> None:
    net = PhonemeNet()
    shares = net.shares(buzz(1.0))
    assert shares.shape == (50, CLASSES)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-4)
    assert shares[:, REST].min() < 0.9  # a buzz is no silence
    assert net.shares(np.zeros(CONTEXT, np.float32))[-20:, REST].min() > 0.95
    assert net.shares(np.zeros(319, np.float32)).shape == (0, CLASSES)


def test_parts_are_the_means_of_two() -> None:
    shares = np.zeros((20, CLASSES), np.float32)
    shares[4] = shares[18] = np.eye(CLASSES)[3]
    parts = in_parts(shares)
    assert parts.shape == (8, CLASSES)
    assert (parts[0, 3], parts[7, 3], parts.sum()) == (0.5, 0.5, 1.0)
    np.testing.assert_allclose(as_levels(np.array([1, np.exp(-4), 0])), [1, 0.5, 0], atol=1e-6)


def test_deepspeech_fits_in_the_same_place() -> None:
    logits = np.full((3, 29), -20.0)
    logits[0, 1] = logits[1, 26] = logits[2, 28] = 20  # a, z, blank
    np.testing.assert_allclose(fold_letters(logits), np.eye(CLASSES)[[0, 25, 26]], atol=1e-6)
    np.testing.assert_allclose(fold_letters(logits[:2, 1:28]), np.eye(CLASSES)[[0, 25]], atol=1e-6)
    spread = fold_letters(np.zeros((1, 29)))
    np.testing.assert_allclose(spread[0], [1 / 29] * 26 + [3 / 29], atol=1e-6)
    with pytest.raises(ValueError, match=r"give \[T, 29\]"):
        fold_letters(np.zeros((3, 28)))


def test_another_version_of_the_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_phonemes, "_hama_assets", lambda: tmp_path)
    with pytest.raises(ModelError, match=r"pip install hama==1\.3\.13"):
        PhonemeNet()
    (tmp_path / "asr_waveform_fp16.onnx").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"another version of hama; run: pip install hama==1\.3\.13"):
        PhonemeNet()
    monkeypatch.undo()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ModelError, match="missing; run: pip install"):
        PhonemeNet()
