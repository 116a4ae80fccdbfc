"""Muting from the terminal."""

import logging

import pytest

from headgan.sender.mute_key import watch_mute_key


def test_the_key_mutes_and_ends_it_and_other_lines_do_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "headgan")
    states: list[bool] = []

    def toggle() -> bool:
        states.append(not (states and states[-1]))
        return states[-1]

    watch_mute_key(["m\n", "\n", "hello\n", " M \n", "m\n"], toggle).join(5)
    assert states == [True, False, True]
    assert [record.getMessage() for record in caplog.records] == [
        "you are muted",
        "you are heard again",
        "you are muted",
    ]
