"""The One-Euro filter: calm at rest, quick in motion, and no value that was not asked for."""

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.models.smoothing import OneEuroFilter, OneEuroSettings, smoothing_settings
from headgan.proto.errors import UsageError

FRAME_MS = 1000 / 30
STRENGTHS = [0.1, 0.5, 1.0]


def settings_of(strength: float) -> OneEuroSettings:
    settings = smoothing_settings(strength)
    assert settings is not None
    return settings


def run(
    values: NDArray[np.float64], strength: float = 0.5, frame_ms: float = FRAME_MS
) -> NDArray[np.float32]:
    smoother = OneEuroFilter(settings_of(strength))
    return np.stack([smoother.smooth(value, index * frame_ms) for index, value in enumerate(values)])


@pytest.mark.parametrize("strength", STRENGTHS)
def test_what_does_not_change_is_not_changed(strength: float) -> None:
    values = np.tile(np.array([0.25, -0.5, 3.0]), (50, 1))
    np.testing.assert_array_equal(run(values, strength), values.astype(np.float32))


@pytest.mark.parametrize("strength", STRENGTHS)
def test_a_step_is_reached_without_overshoot(strength: float) -> None:
    values = np.concatenate([np.zeros(5), np.ones(60)])[:, None]
    smooth = run(values, strength)[:, 0]
    assert (np.diff(smooth) >= 0).all()
    assert smooth.max() <= 1
    assert smooth[-1] > 0.999
    assert 0 < smooth[5] < 1


def test_strength_orders_how_fast_a_step_is_followed() -> None:
    values = np.concatenate([np.zeros(5), np.full(5, 0.1)])[:, None]
    after = [run(values, strength)[7, 0] for strength in (0.1, 0.3, 0.5, 0.7, 1.0)]
    assert after == sorted(after, reverse=True)
    assert after[0] > after[-1] + 0.005


def test_noise_at_rest_is_reduced() -> None:
    noise = np.random.default_rng(0).normal(0, 0.002, (300, 20))  # a quarter of a pixel of 256
    left = [run(noise, strength)[30:].var() / noise[30:].var() for strength in STRENGTHS]
    assert left == sorted(left, reverse=True)
    assert left[1] < 0.6
    assert left[2] < 0.2


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_a_moving_point_lags_by_less_than_a_frame(speed: float) -> None:
    times_s = np.arange(60) * FRAME_MS / 1000
    values = (speed * times_s)[:, None]
    lag_s = (values - run(values))[30:] / speed
    assert (lag_s > 0).all()
    assert lag_s.max() < FRAME_MS / 1000 / 2
    strong_lag_s = (values - run(values, 1.0))[30:] / speed
    assert strong_lag_s.max() < FRAME_MS / 1000


def test_the_faster_the_motion_the_smaller_the_lag() -> None:
    ramp = (np.arange(60) * FRAME_MS / 1000)[:, None]
    lags = [float(((speed * ramp - run(speed * ramp)) / speed)[-1, 0]) for speed in (0.1, 1.0, 10.0)]
    assert lags == sorted(lags, reverse=True)


def test_frames_that_come_late_weigh_more() -> None:
    step = np.array([[0.0], [0.1]])
    assert run(step, frame_ms=100)[1, 0] > run(step, frame_ms=10)[1, 0]


def test_each_coordinate_is_on_its_own() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(20, 4, 3))
    together = run(values)
    assert together.shape == (20, 4, 3)
    np.testing.assert_array_equal(together[:, 2, 1], run(values[:, 2, 1][:, None])[:, 0])


def test_after_a_reset_values_pass_as_they_are() -> None:
    smoother = OneEuroFilter(settings_of(0.5))
    for index in range(3):
        smoother.smooth(np.zeros(2), index * FRAME_MS)
    smoother.reset()
    np.testing.assert_array_equal(smoother.smooth(np.array([1.0, -1.0]), 10 * FRAME_MS), [1, -1])


def test_time_that_does_not_rise_starts_anew_and_stays_finite() -> None:
    smoother = OneEuroFilter(settings_of(0.5))
    smoother.smooth(np.zeros(1), 100)
    np.testing.assert_array_equal(smoother.smooth(np.ones(1), 100), [1])
    np.testing.assert_array_equal(smoother.smooth(np.full(1, 2.0), 50), [2])


def test_the_input_is_left_alone() -> None:
    smoother = OneEuroFilter(settings_of(0.5))
    first, second = np.zeros(3), np.ones(3)
    smoother.smooth(first, 0)
    smoother.smooth(second, FRAME_MS)
    np.testing.assert_array_equal(first, 0)
    np.testing.assert_array_equal(second, 1)


def test_no_strength_is_no_filter_and_half_is_the_default() -> None:
    assert smoothing_settings(0) is None
    assert smoothing_settings(0.5) == OneEuroSettings()
    assert settings_of(0.75).min_cutoff_hz == pytest.approx(OneEuroSettings().min_cutoff_hz / 2)


@pytest.mark.parametrize("strength", [-0.01, 1.01, 5, float("nan"), float("inf")])
def test_strength_outside_its_range_is_refused(strength: float) -> None:
    with pytest.raises(UsageError, match=r"--smoothing .*give 0 \(none\) to 1 \(strong\)"):
        smoothing_settings(strength)
