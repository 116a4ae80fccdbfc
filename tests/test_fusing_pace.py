"""From how many references a frame is drawn: from fewer while drawing takes too long, and from more again."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from headgan.receiver.fusing_pace import FusingPace

FRAME_MS = 40.0


def counts(pace: FusingPace, took_ms: Callable[[int, float], float], seconds: float) -> list[int]:
    """From how many references each frame was drawn, where `took_ms` tells how long one takes at a time in seconds."""
    found = []
    for frame in range(round(seconds * 1000 / FRAME_MS)):
        found.append(pace.count)
        now_ms = frame * FRAME_MS
        pace.drew(took_ms(pace.count, now_ms / 1000), now_ms)
    return found


def test_on_an_idle_machine_all_are_fused() -> None:
    assert set(counts(FusingPace(3, FRAME_MS), lambda count, _: 4.0 + 3 * count, 60)) == {3}


def test_where_one_reference_is_too_slow_it_stays_at_one() -> None:
    drawn = counts(FusingPace(3, FRAME_MS), lambda count, _: 25.0 * count, 60)
    assert drawn[:20] == [3] * 20 and drawn[-1] == 1 and drawn == sorted(drawn, reverse=True)


def test_a_machine_that_was_busy_before_the_call_fuses_once_it_is_not() -> None:
    pace = FusingPace(3, FRAME_MS, 1)
    assert pace.is_busy
    drawn = counts(pace, lambda count, _: 3.0 * count, 30)
    assert drawn[0] == 1 and drawn[-1] == 3 and drawn == sorted(drawn)


def test_a_machine_is_busy_where_it_could_fuse_and_does_not() -> None:
    slow, idle, lone = FusingPace(2, FRAME_MS), FusingPace(2, FRAME_MS), FusingPace(1, FRAME_MS)
    counts(slow, lambda count, _: 25.0 * count, 10)
    counts(idle, lambda *_: 5.0, 10)
    counts(lone, lambda *_: 35.0, 10)
    assert (slow.is_busy, idle.is_busy, lone.is_busy) == (True, False, False)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_never_more_than_are_named_nor_none(most: int) -> None:
    assert set(counts(FusingPace(most, FRAME_MS), lambda *_: 1.0, 20)) == {most}
    assert min(counts(FusingPace(most, FRAME_MS), lambda *_: 90.0, 20)) == 1


def test_a_machine_that_was_busy_for_a_while_fuses_again() -> None:
    drawn = counts(
        FusingPace(3, FRAME_MS), lambda count, at_s: 11.0 * count if 10 < at_s < 20 else 3.0 * count, 60
    )
    per_s = [drawn[second * 25] for second in range(60)]
    assert per_s[9] == 3 and min(per_s[11:20]) == 1 and per_s[-1] == 3


def test_what_was_too_much_is_tried_less_and_less_often() -> None:
    # One reference leaves room for another, two are too much.
    drawn = counts(FusingPace(2, FRAME_MS), lambda count, _: 8.0 if count == 1 else 24.0, 600)
    starts = [place for place in range(1, len(drawn)) if (drawn[place - 1], drawn[place]) == (1, 2)]
    waits = [later - earlier for earlier, later in pairwise(starts)]
    assert 3 <= len(starts) <= 8 and waits == sorted(waits)
    assert drawn.count(2) < 0.05 * len(drawn)


def test_a_late_frame_now_and_then_changes_nothing() -> None:
    pace = FusingPace(3, FRAME_MS)
    for frame in range(1000):
        pace.drew(80.0 if frame % 50 == 49 else 13.0, frame * FRAME_MS)
        assert pace.count == 3
