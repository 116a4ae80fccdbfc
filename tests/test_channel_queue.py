"""Waiters for a channel's queue: each is woken at its own limit, whoever else waits, gives up, or queues more."""

import asyncio

import pytest

from headgan.proto.channel_queue import ChannelQueue

KIB = 1024


class Channel:
    """A queue that tells as aiortc's does: once, when it falls to the threshold."""

    def __init__(self, queued: int) -> None:
        self.bufferedAmountLowThreshold = 0
        self.bufferedAmount = queued
        self.queue = ChannelQueue(self)

    def leave(self, count: int) -> None:
        low = self.bufferedAmountLowThreshold
        falls_to_it = self.bufferedAmount > low >= self.bufferedAmount - count
        self.bufferedAmount -= count
        if falls_to_it:
            self.queue.wake()


class Waiters:
    """Tasks that wait for limits."""

    def __init__(self, channel: Channel, *limits: int) -> None:
        self.tasks = {limit: asyncio.create_task(channel.queue.drained(limit)) for limit in limits}

    async def woken(self) -> set[int]:
        for _ in range(3):
            await asyncio.sleep(0)
        return {limit for limit, task in self.tasks.items() if task.done()}


@pytest.mark.parametrize("limits", [(0, 64 * KIB), (64 * KIB, 0), (0, 300, 64 * KIB), (64 * KIB, 300, 0)])
async def test_each_waiter_is_woken_at_its_own_limit(limits: tuple[int, ...]) -> None:
    channel = Channel(100 * KIB)
    waiters = Waiters(channel, *limits)
    assert await waiters.woken() == set()
    for _ in range(100):
        channel.leave(KIB)
        assert await waiters.woken() == {limit for limit in limits if channel.bufferedAmount <= limit}
    assert channel.bufferedAmountLowThreshold == 0


async def test_all_limits_may_be_reached_at_once() -> None:
    channel = Channel(100 * KIB)
    waiters = Waiters(channel, 64 * KIB, 0, 300)
    assert await waiters.woken() == set()
    channel.leave(100 * KIB)
    assert await waiters.woken() == {0, 300, 64 * KIB}


async def test_who_comes_later_with_a_higher_limit_takes_nothing_from_the_first() -> None:
    channel = Channel(100 * KIB)
    first = Waiters(channel, 0)
    assert await first.woken() == set()
    second = Waiters(channel, 64 * KIB)
    assert await second.woken() == set()
    channel.leave(40 * KIB)
    assert await second.woken() == {64 * KIB}
    channel.leave(60 * KIB)
    assert await first.woken() == {0}


async def test_a_waiter_that_gives_up_leaves_the_others_their_limits() -> None:
    channel = Channel(100 * KIB)
    waiters = Waiters(channel, 64 * KIB, 0)
    await waiters.woken()
    waiters.tasks[64 * KIB].cancel()
    await waiters.woken()
    assert channel.bufferedAmountLowThreshold == 0
    channel.leave(100 * KIB)
    await waiters.tasks[0]


async def test_a_waiter_that_is_cancelled_just_as_it_is_woken_is_cancelled() -> None:
    channel = Channel(10)
    waiters = Waiters(channel, 0, 5)
    await waiters.woken()
    waiters.tasks[5].cancel()
    channel.leave(10)
    assert await waiters.woken() == {0, 5}
    assert waiters.tasks[5].cancelled() and not waiters.tasks[0].cancelled()


async def test_who_finds_the_queue_filled_again_waits_on() -> None:
    channel = Channel(10)

    async def fill() -> None:
        await channel.queue.drained(0)
        channel.bufferedAmount += 7

    filling = asyncio.create_task(fill())
    waiters = Waiters(channel, 0)
    await waiters.woken()
    channel.leave(10)
    assert await waiters.woken() == set() and filling.done()
    channel.leave(7)
    assert await waiters.woken() == {0}


async def test_a_channel_that_is_lost_is_waited_for_no_more() -> None:
    channel = Channel(100 * KIB)
    waiters = Waiters(channel, 0, 64 * KIB)
    await waiters.woken()
    channel.queue.lose()
    assert await waiters.woken() == {0, 64 * KIB}
    await channel.queue.drained(0)
