"""How well lips can be read, told from what a judge says."""

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.models.metrics.lip_scores import Told, distances, placed, sync, together, told
from headgan.models.speech_classes import CLASSES, REST

COUNT = 100


def unit_vectors(seed: int = 0, count: int = COUNT) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def shares_of(*sounds: int) -> NDArray[np.float32]:
    shares = np.full((len(sounds), CLASSES), 0.01, np.float32)
    shares[np.arange(len(sounds)), sounds] = 1 - 0.01 * (CLASSES - 1)
    return shares


@pytest.mark.parametrize("late", [-7, 0, 3, 15])
def test_sound_that_is_late_is_found_late(late: int) -> None:
    lips = unit_vectors()
    apart = distances(lips, np.roll(lips, late, axis=0))
    found = sync(np.nanmean(apart, axis=1))
    assert found["offset_ms"] == 40 * late
    assert found["confidence"] > 1
    shares = shares_of(*[3] * COUNT)
    right, counted = placed(apart, shares, 0.4)
    assert counted == COUNT - 30 - 10 + 1
    assert right == (counted if late == 0 else 0)
    assert placed(apart, shares, 0.4, late) == (counted, counted)


def test_what_does_not_belong_together_has_no_place() -> None:
    apart = distances(unit_vectors(0, 1000), unit_vectors(1, 1000))
    assert sync(np.nanmean(apart, axis=1))["confidence"] < 0.05
    right, counted = placed(apart, shares_of(*[3] * 1000), 0.4)
    assert right / counted == pytest.approx(3 / 31, abs=0.08)


def test_distances_are_those_of_the_vectors() -> None:
    lips, sound = unit_vectors(0), unit_vectors(1)
    apart = distances(lips, sound)
    assert apart[15 + 2, 10] == pytest.approx(float(np.linalg.norm(lips[10] - sound[12])), abs=1e-5)
    assert np.isnan(apart[0, :15]).all()
    assert not np.isnan(apart[:, 15:-15]).any()


def test_silence_and_short_clips_are_not_placed() -> None:
    lips = unit_vectors()
    apart = distances(lips, lips)
    assert placed(apart, shares_of(*[REST] * COUNT), 1.0) == (0, 0)
    assert placed(distances(lips[:40], lips[:40]), shares_of(*[3] * 40), 1.0) == (0, 0)


def test_sounds_that_are_told() -> None:
    shares = shares_of(0, 3, 3, REST, 5)
    seen = told(shares_of(0, 3, 5, 7, 4), shares)
    assert seen.heard.tolist() == [0, 3, 3, 5]
    scores = seen.scores()
    assert scores == pytest.approx({"told": 0.5, "balanced": (1 + 0.5 + 0) / 3, "closed": 1.0})
    # The likeliest sound counts, even where silence is likelier.
    quiet = shares_of(REST)
    quiet[0, 3] = 0.02
    assert told(quiet, shares_of(3)).scores()["told"] == 1


def test_closed_lips_that_look_like_others_are_worth_half() -> None:
    seen = Told(np.array([0, 0, 3, 5]), np.array([0, 3, 3, 5]), np.array([0.2, 0.4, 0.2, 0.4]))
    assert seen.scores()["closed"] == 0.5
    assert together([seen, seen]).scores() == seen.scores()
    assert "closed" not in Told(np.array([3]), np.array([3]), np.array([0.1])).scores()
    assert Told(*(np.empty(0, kind) for kind in (np.intp, np.intp, float))).scores() == {}
