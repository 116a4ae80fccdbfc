"""The queue of a data channel in, who waits for it woken: each waiter has a limit of its own, the channel only one.

A channel tells of its queue when that falls to the channel's threshold, and not again before it was above it. So the
threshold is always the highest limit that is waited for, which is the first to be reached.
"""

import asyncio
from typing import Protocol


class QueuedChannel(Protocol):
    """What is asked of a channel; the names are those of the W3C."""

    bufferedAmountLowThreshold: int  # noqa: N815

    @property
    def bufferedAmount(self) -> int:  # noqa: N802
        """How many bytes are queued."""


class ChannelQueue:
    """The queue of one channel; belongs to the event loop."""

    def __init__(self, channel: QueuedChannel) -> None:
        """Args: channel: calls `wake` when its queue falls to its threshold."""
        self._channel = channel
        self._limits: dict[asyncio.Future[None], int] = {}
        self._is_lost = False

    async def drained(self, limit_bytes: int) -> None:
        """Waits until at most `limit_bytes` are queued, or the channel is lost."""
        # Others who were woken first may have queued more meanwhile.
        while not self._is_lost and self._channel.bufferedAmount > limit_bytes:
            is_low = asyncio.get_running_loop().create_future()
            self._limits[is_low] = limit_bytes
            self._set_threshold()
            try:
                await is_low
            finally:
                self._limits.pop(is_low, None)
                self._set_threshold()

    def wake(self) -> None:
        """Wakes those whose limit is reached."""
        queued = 0 if self._is_lost else self._channel.bufferedAmount
        for is_low in [is_low for is_low, limit in self._limits.items() if queued <= limit]:
            del self._limits[is_low]
            if not is_low.done():  # it may have been cancelled
                is_low.set_result(None)
        self._set_threshold()

    def lose(self) -> None:
        """Wakes all: nothing that is queued will ever leave."""
        self._is_lost = True
        self.wake()

    def _set_threshold(self) -> None:
        self._channel.bufferedAmountLowThreshold = max(self._limits.values(), default=0)
