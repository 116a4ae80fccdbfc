"""The frames of any rate meet the grid: counted, in order, each at its time, and never in a burst."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgan.codec.rate_grid import PTS_TOLERANCE_MS, RateGrid, RateLimit, on_grid

INTERVAL_MS = 40.0
ROUNDING_MS = 1e-6


@st.composite
def jittered_pts_ms(draw: st.DrawFn) -> list[float]:
    """The rising timestamps of a clip of 5..120 fps, each up to 30 % of an interval off."""
    interval_ms = 1000.0 / draw(st.floats(5, 120))
    jitter = draw(st.lists(st.floats(-0.3, 0.3), min_size=1, max_size=150))
    first_ms = draw(st.floats(-100, 10_000))
    return [first_ms + (k + offset) * interval_ms for k, offset in enumerate(jitter)]


def resample(pts_ms: list[float], rate_fps: float) -> list[tuple[int, int]]:
    """What the grid makes of a clip: pairs of a slot and the frame that it shows."""
    grid = RateGrid(rate_fps)
    shown = [(slot, k - 1) for k, pts in enumerate(pts_ms) for slot in grid.slots_before(pts)]
    return shown + [(slot, len(pts_ms) - 1) for slot in grid.slots_to_end()]


@given(jittered_pts_ms(), st.floats(10, 60))
def test_slots_are_counted_and_show_the_frame_of_their_time(pts_ms: list[float], rate_fps: float) -> None:
    shown = resample(pts_ms, rate_fps)
    mean_ms = (pts_ms[-1] - pts_ms[0]) / (len(pts_ms) - 1) if len(pts_ms) > 1 else 1000 / rate_fps
    duration_s = (pts_ms[-1] - pts_ms[0] + mean_ms) / 1000
    assert abs(len(shown) - math.floor(duration_s * rate_fps)) <= 1
    assert [slot for slot, _ in shown] == list(range(len(shown)))
    assert [frame for _, frame in shown] == sorted(frame for _, frame in shown)
    from_ms = [pts - pts_ms[0] - PTS_TOLERANCE_MS for pts in pts_ms] + [math.inf]
    for slot, frame in shown:
        slot_ms = slot * 1000 / rate_fps
        assert from_ms[frame] - ROUNDING_MS <= slot_ms < from_ms[frame + 1] + ROUNDING_MS


@pytest.mark.parametrize("rate_fps", [5, 24, 25, 30, 50, 60, 120])
def test_a_clip_at_the_rate_of_the_grid_passes_unchanged_though_its_times_are_rounded(rate_fps: int) -> None:
    pts_ms = [float(round(k * 1000 / rate_fps)) for k in range(100)]
    assert resample(pts_ms, rate_fps) == [(k, k) for k in range(100)]


def test_frames_repeat_and_are_left_out() -> None:
    assert [frame for _, frame in resample([0, 80, 160], 25)] == [0, 0, 1, 1, 2, 2]
    assert [frame for _, frame in resample([k * 20.0 for k in range(6)], 25)] == [0, 2, 4]


def test_a_timestamp_that_jumps_back_does_not_turn_back_time() -> None:
    shown = resample([0, 40, 80, 20, 120, 160], 25)
    assert shown == [(0, 0), (1, 1), (2, 3), (3, 4), (4, 5)]


def test_a_clip_without_frames_has_no_slots_and_one_frame_fills_one() -> None:
    assert resample([], 25) == []
    assert resample([500.0], 25) == [(0, 0)]


def place_all(step_ms: list[float]) -> tuple[list[float], list[float | None]]:
    """Plays one slot per step, which takes that long; returns the times of placing and what was placed."""
    grid = RateGrid(1000 / INTERVAL_MS)
    now_ms = 100.0
    grid.start(now_ms)
    times_ms, captures_ms = [], []
    for slot, step in enumerate(step_ms):
        now_ms = max(now_ms + step, grid.due_ms(slot))
        times_ms.append(now_ms)
        captures_ms.append(grid.place(slot, now_ms))
    return times_ms, captures_ms


def test_slots_in_time_are_placed_when_they_are_due() -> None:
    _, captures_ms = place_all([30.0] * 20)
    assert captures_ms == [100.0 + k * INTERVAL_MS for k in range(20)]


@given(st.lists(st.floats(0, 300), max_size=60))
def test_whatever_stalls_every_tick_is_taken_once_and_is_passing(step_ms: list[float]) -> None:
    times_ms, captures_ms = place_all(step_ms)
    placed_ms = [capture for capture in captures_ms if capture is not None]
    assert all(b - a >= INTERVAL_MS - ROUNDING_MS for a, b in itertools.pairwise(placed_ms))
    for now_ms, capture_ms in zip(times_ms, captures_ms, strict=True):
        assert capture_ms is None or -ROUNDING_MS <= now_ms - capture_ms <= INTERVAL_MS + ROUNDING_MS


def test_after_a_stall_the_clip_catches_up() -> None:
    _, captures_ms = place_all([1.0] * 10 + [1000.0] + [1.0] * 89)
    assert captures_ms.count(None) > 20
    assert captures_ms[60:] == [100.0 + k * INTERVAL_MS for k in range(60, 100)]


def test_a_decoder_that_is_always_too_slow_still_shows_every_frame() -> None:
    times_ms, captures_ms = place_all([2.5 * INTERVAL_MS] * 50)
    assert None not in captures_ms
    assert times_ms[-1] > 100 + 2.4 * 49 * INTERVAL_MS


def accepted_ms(times_ms: list[float], rate_fps: float = 25.0) -> list[float]:
    limit = RateLimit(rate_fps)
    return [now_ms for now_ms in times_ms if limit.accepts(now_ms)]


@given(st.lists(st.floats(0, 200), min_size=1, max_size=200))
def test_a_live_stream_is_never_faster_than_the_rate(step_ms: list[float]) -> None:
    times_ms = [sum(step_ms[: k + 1]) for k in range(len(step_ms))]
    kept_ms = accepted_ms(times_ms)
    for first in range(0, len(kept_ms), 5):
        for last in range(first, len(kept_ms), 7):
            limit = (kept_ms[last] - kept_ms[first]) / INTERVAL_MS + 2 + ROUNDING_MS
            assert last - first + 1 <= limit


@given(st.floats(25, 120), st.integers(2, 200))
def test_a_fast_camera_is_thinned_to_the_rate_evenly(camera_fps: float, frames: int) -> None:
    times_ms = [k * 1000 / camera_fps for k in range(frames)]
    kept_ms = accepted_ms(times_ms)
    assert abs(len(kept_ms) - (times_ms[-1] / INTERVAL_MS + 1)) <= 1.5
    gaps_ms = [b - a for a, b in itertools.pairwise(kept_ms)]
    assert max(gaps_ms, default=0.0) < INTERVAL_MS + 1000 / camera_fps + ROUNDING_MS


@given(st.floats(5, 24.9), st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=200))
def test_a_camera_that_is_not_faster_loses_nothing_for_its_jitter(fps: float, jitter: list[float]) -> None:
    times_ms = [k * 1000 / fps + offset * INTERVAL_MS for k, offset in enumerate(jitter)]
    assert accepted_ms(times_ms) == times_ms


def test_thirty_frames_a_second_lose_every_sixth() -> None:
    kept_ms = accepted_ms([k * 1000 / 30 for k in range(60)])
    assert len(kept_ms) == 50


def test_frames_on_a_grid() -> None:
    """Each frame with the slots that it fills: repeated, left out, and the last one shown to its end."""
    frames = [(0.0, "a"), (20.0, "b"), (40.0, "c"), (160.0, "d")]
    filled = [frame for slots, frame in on_grid(frames, 25.0) for _ in slots]
    assert filled == ["a", "c", "c", "c", "d", "d"]  # d for the mean interval, 53 ms
    assert [slot for slots, _ in on_grid(frames, 25.0) for slot in slots] == list(range(len(filled)))
    assert list(on_grid([], 25.0)) == []
