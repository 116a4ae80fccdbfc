"""What has arrived at the other side: known from SCTP, for those messages that did, and for no other."""

import asyncio

from headgan.benchmarks.faulty_line import FaultyLine, LineFaults
from tests.peer_pair import connect

# A handshake of which a fifth is lost, each time another, may have to try again and again.
CONNECT_S = 40.0


async def test_what_arrives_is_told_and_nothing_else() -> None:
    line = FaultyLine(LineFaults(loss=0.2), seed=3)
    with line.installed():
        caller, callee = await connect(CONNECT_S)
    came: list[int] = []
    told: list[int] = []
    callee.listen(
        on_params=lambda data: came.append(int.from_bytes(data)),
        on_control=lambda _data: None,
        on_lost=lambda: None,
    )
    caller.listen(
        on_params=lambda _data: None,
        on_control=lambda _data: None,
        on_lost=lambda: None,
        on_arrived=told.append,
    )
    sent = []
    for number in range(1, 200):
        # Other messages in between have numbers of SCTP as well.
        if number % 5 == 0:
            await caller.send_control(b"between")
        if caller.send_params(number.to_bytes(2), number):
            sent.append(number)
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.3)
    await asyncio.gather(caller.close(), callee.close())
    assert len(sent) > 100 and len(came) < len(sent)
    assert set(told) <= set(came) and len(set(told)) == len(told)
    # An answer may be lost as well, and what it said is then told by the next one.
    assert len(told) > 0.8 * len(came)


async def test_without_losses_all_is_told() -> None:
    caller, callee = await connect(CONNECT_S)
    told: list[int] = []
    callee.listen(on_params=lambda _data: None, on_control=lambda _data: None, on_lost=lambda: None)
    caller.listen(
        on_params=lambda _data: None,
        on_control=lambda _data: None,
        on_lost=lambda: None,
        on_arrived=told.append,
    )
    for number in range(10):
        assert caller.send_params(b"face", number)
        for _ in range(400):
            if number in told:
                break
            await asyncio.sleep(0.005)
    await asyncio.gather(caller.close(), callee.close())
    assert told == list(range(10))
