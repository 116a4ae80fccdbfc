"""The estimate of the other side's clock is read by the thread that draws while pongs come in on another."""

import sys
import threading
from collections.abc import Iterator

import pytest

from headgan.proto.clock import WINDOW_SAMPLES, PeerClock


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before_s)


@pytest.mark.usefixtures("hasty_threads")
def test_pongs_may_come_while_the_clock_is_read() -> None:
    clock, done, errors = PeerClock(), threading.Event(), []
    for now_ms in range(WINDOW_SAMPLES):
        clock.add_pong(now_ms, 0, now_ms + 9)

    def read() -> None:
        try:
            while not done.is_set():
                assert clock.estimate is not None
        except RuntimeError as error:
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for now_ms in range(20_000):
        clock.add_pong(now_ms, 0, now_ms + 9)
    done.set()
    reader.join()
    assert not errors
