"""Rate control: the ladder is climbed at once, and left slowly."""

import pytest

from headgan.codec.rate_control import LEVELS, RateControl
from headgan.proto.errors import UsageError


def test_levels_go_from_fine_to_coarse() -> None:
    keys = [(level.every, level.calm, level.step) for level in LEVELS]
    assert keys == sorted(keys) and len(set(keys)) == len(keys)


def test_too_much_is_answered_at_once_and_too_little_after_a_while() -> None:
    control = RateControl(1.0)
    before = control.level
    control.spent(200, 0)
    assert control.rate_kbps(0) == 1.6 and control.level.step == before.step + 2
    for packet in range(1, 30):
        control.spent(0, 40.0 * packet)
    assert control.rate_kbps(1160) == 0
    # One large packet does no more harm than that.
    assert control.level.step < before.step + 2
    for packet in range(30, 60):
        control.spent(0, 40.0 * packet)
    assert control.level.step <= before.step


def test_a_packet_that_its_second_has_no_room_for_is_coded_coarser() -> None:
    control = RateControl(1.0)  # 125 bytes a second
    control.spent(60, 0)
    before = control.level.step
    assert control.takes(77, 500.0) and control.level.step == before
    assert not control.takes(78, 500.0) and control.level.step == before + 2
    assert control.takes(78, 1001.0)
    # It ends: with the coarsest level that leaves no frame out anything is sent.
    tries = 0
    while not control.takes(1000, 500.0):
        tries += 1
    assert 0 < tries < 12 and control.level.every == 1 and control.level.calm > 1


def test_the_ladder_has_ends() -> None:
    control = RateControl(1.0)
    for packet in range(100):
        control.spent(1000, 40.0 * packet)
    assert control.level == LEVELS[-1]
    for packet in range(100, 400):
        control.spent(0, 40.0 * packet)
    assert control.level == LEVELS[0]


@pytest.mark.parametrize("kbps", [0, -1, float("nan")])
def test_a_rate_that_is_none(kbps: float) -> None:
    with pytest.raises(UsageError, match="kbit/s"):
        RateControl(kbps)
