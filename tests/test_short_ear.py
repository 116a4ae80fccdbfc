"""The small network that hears speech: what it is given, what it learns from, and that its file says what it says."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.models.runtime import open_session
from headgan.models.speech_mel import BANDS, HOP, mel_levels, mel_power
from headgan.models.speech_phonemes import HOP as OUTPUT_HOP
from headgan.models.speech_short import ShortEarNet
from headgan.models.weights import weights_path
from headgan.proto.errors import ModelError

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
from headgan.models.nets.short_ear import ShortEar  # noqa: E402
from headgan.models.train.hear_teacher import Lesson, lessons, recent_peaks  # noqa: E402
from headgan.models.train.short_ear import (  # noqa: E402
    COUNTED,
    WINDOW,
    ShortEarTraining,
    export_short_ear,
    train_short_ear,
)

RATE = 16_000


def tone(hz: float, seconds: float) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.mark.parametrize("hz", [200.0, 1000.0, 4000.0])
def test_a_tone_is_in_its_band(hz: float) -> None:
    power = mel_power(tone(hz, 0.2))
    assert power.shape == (20, BANDS)
    mels = 2595 * np.log10(1 + np.array([60.0, 7600.0, hz]) / 700)
    band = (mels[2] - mels[0]) / (mels[1] - mels[0]) * (BANDS + 1) - 1
    assert abs(int(power[10].argmax()) - band) <= 1
    assert np.abs(mel_levels(power)).max() < 4


def test_what_comes_later_changes_nothing_before() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    whole = mel_power(sound)
    for count in (1, 7, 50):
        np.testing.assert_array_equal(mel_power(sound[: count * HOP]), whole[:count])
    assert len(mel_power(sound[:100])) == 0


class Loudness:
    """A teacher that hears how loud each 20 ms are."""

    def shares(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = np.abs(sound[: len(sound) // OUTPUT_HOP * OUTPUT_HOP]).reshape(-1, OUTPUT_HOP).max(axis=1)
        shares = np.zeros((len(parts), 27), np.float32)
        shares[:, 5] = parts > 0.1
        shares[:, 26] = 1 - shares[:, 5]
        return shares


def beeps(seed: int) -> NDArray[np.float32]:
    is_on = np.random.default_rng(seed).random(40) < 0.5
    return tone(500, 4) * np.repeat(is_on, RATE // 10)


def made(seeds: range, speeds: tuple[float, ...]) -> list[Lesson]:
    chance = np.random.default_rng(0)
    return [one for seed in seeds for one in lessons(beeps(seed), Loudness(), chance, speeds)]


def test_lessons_have_a_share_for_each_20_ms_whatever_was_done_to_the_sound() -> None:
    for one in made(range(1), (1.0, 1.0, 0.8, 1.2)):
        assert len(one.power) == 2 * len(one.shares) == 2 * len(one.peaks)
    through_opus = made(range(1), (1.0, 1.0))[1]
    loud = mel_levels(through_opus.power).max(axis=1).reshape(-1, 2).max(axis=1)
    # What comes out of Opus is in its time.
    assert np.corrcoef(loud, through_opus.shares[:, 5])[0, 1] > 0.8
    assert list(lessons(np.zeros(0, np.float32), Loudness(), np.random.default_rng(0), (1.0, 0.9))) == []


def test_the_loudest_sample_of_four_seconds_is_known() -> None:
    sound = np.zeros(6 * RATE, np.float32)
    sound[RATE // 2] = 1
    peaks = recent_peaks(sound)
    assert peaks[24] == 0 and (peaks[25:225] == 1).all() and (peaks[225:] == 0).all()


def test_a_student_learns_and_its_file_says_the_same(tmp_path: Path) -> None:
    settings = ShortEarTraining(steps=60, batch=16)
    checked = made(range(90, 92), (1.0,))
    torch.manual_seed(0)
    net, found = train_short_ear(made(range(4), (1.0,)), checked, settings)
    assert found["eight"] < 0.3  # 0.5 by chance
    path = tmp_path / "ear.onnx"
    export_short_ear(net, path, {"teacher": "loudness"})
    assert path.stat().st_size < 1_000_000
    session, _ = open_session(path, "cpu")
    levels = mel_levels(checked[0].power[None, : 2 * WINDOW])
    (shares,) = session.run(["shares"], {"levels": levels})
    with torch.no_grad():
        expected = net(torch.from_numpy(levels)).softmax(2).numpy()
    assert shares.shape == (1, WINDOW, 27)
    heard = ShortEarNet(path).shares(beeps(90)[:RATE])
    assert heard.shape == (50, 27) and np.allclose(heard.sum(axis=1), 1, atol=1e-4)
    with pytest.raises(ModelError, match="does not hear speech"):
        ShortEarNet(weights_path("prior.onnx"))
    np.testing.assert_allclose(shares, expected, atol=0.02)
    assert len(session.run(["shares"], {"levels": levels[:, : 2 * COUNTED]})[0][0]) == COUNTED
    # It goes on from a file, as far from the teacher as it was.
    again, kept = train_short_ear([checked[0]], checked, ShortEarTraining(steps=1, batch=2, rate=1e-9), path)
    assert isinstance(again, ShortEar) and kept["eight"] == pytest.approx(found["eight"], abs=0.03)
