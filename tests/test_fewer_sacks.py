"""Answers of SCTP: two datagrams that come closely need one, and whatever is missing is told at once."""

import asyncio
from typing import Any

import pytest

from headgan.benchmarks.faulty_line import FaultyLine, LineFaults
from headgan.proto import fewer_sacks
from headgan.proto.fewer_sacks import FewerSacks
from tests.peer_pair import connect

# Longer than in a call: a machine that is busy with other things may take its time.
LONGEST_S = 0.4


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fewer_sacks, "LONGEST_S", LONGEST_S)


class Sctp:
    """As much of an RTCSctpTransport as answers."""

    def __init__(self) -> None:
        self._sack_needed = False
        self._sack_misordered: set[int] = set()
        self._sack_duplicates: list[int] = []
        self.came = 0
        self.answered: list[int] = []  # how many had come by each answer

    async def _send_sack(self) -> None:
        self.answered.append(self.came)
        self._sack_needed = False

    async def data(self, *, misordered: bool = False) -> None:
        """A datagram comes."""
        self.came += 1
        self._sack_misordered = {7} if misordered else set()
        self._sack_needed = True
        await self.other()

    async def other(self) -> None:
        """Something comes that asks for no answer."""
        if self._sack_needed:
            await self._send_sack()


@pytest.fixture
async def sctp() -> Sctp:
    transport = Sctp()
    FewerSacks(transport)
    return transport


async def test_what_comes_closely_is_answered_two_by_two(sctp: Sctp) -> None:
    for _ in range(7):
        await sctp.data()
        await sctp.other()
        await asyncio.sleep(LONGEST_S / 40)
    assert sctp.answered == [1, 3, 5, 7]


async def test_what_was_put_off_is_answered_if_nothing_follows(sctp: Sctp) -> None:
    for _ in range(2):
        await sctp.data()
    assert sctp.answered == [1]
    await asyncio.sleep(1.5 * LONGEST_S)
    assert sctp.answered == [1, 2]


async def test_what_comes_seldom_is_answered_at_once(sctp: Sctp) -> None:
    for number in range(3):
        await sctp.data()
        assert sctp.answered[-1] == number + 1
        await asyncio.sleep(1.2 * LONGEST_S)


async def test_when_something_is_missing_all_is_answered(sctp: Sctp) -> None:
    await sctp.data()
    await sctp.data(misordered=True)
    for _ in range(3):
        await sctp.data()
    assert sctp.answered == [1, 2, 3, 4, 5]


async def test_what_is_closed_puts_nothing_off() -> None:
    transport = Sctp()
    sacks = FewerSacks(transport)
    for _ in range(2):
        await transport.data()
    sacks.close()
    await asyncio.sleep(1.5 * LONGEST_S)
    assert transport.answered == [1]
    await transport.data()
    assert transport.answered == [1, 3]


async def test_an_unknown_transport_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    strange: Any = object()
    FewerSacks(strange).close()
    assert "every datagram is answered" in caplog.text


async def back_for(loss: float) -> float:
    """Bytes back for each datagram that was sent, over a line that loses this share."""
    with FaultyLine(LineFaults(loss=loss), seed=2).installed():
        caller, callee = await connect(40)
    told: list[int] = []
    nothing: Any = lambda *_words: None  # noqa: E731
    callee.listen(on_params=nothing, on_control=nothing, on_lost=nothing)
    caller.listen(on_params=nothing, on_control=nothing, on_lost=nothing, on_arrived=told.append)
    before = callee.wire_bytes().sent
    for number in range(60):
        assert caller.send_params(bytes(40), number)
        await asyncio.sleep(0.02)
    await asyncio.sleep(2 * LONGEST_S)
    spent = callee.wire_bytes().sent - before
    await asyncio.gather(caller.close(), callee.close())
    assert len(told) == 60 if not loss else 30 < len(told) < 60
    return spent / 60


async def test_a_clean_line_carries_half_the_answers_and_a_bad_one_nearly_all() -> None:
    clean, bad = await back_for(0.0), await back_for(0.1)
    assert clean < 65 < 75 < bad
