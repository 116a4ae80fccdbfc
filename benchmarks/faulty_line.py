"""Datagrams of this process in, what a bad line leaves of them out: losses, delays, other orders, an outage.

    program ── asyncio's datagram sockets ── FaultyLine ── network
            ◀────────────── both ways ──────────────────

It stands below everything that a call has, so that all of it meets the faults; and it needs no root, no kernel module.
"""

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LineFaults:
    """What is wrong with a line, each way.

    Attributes:
        loss: share of the datagrams that do not arrive, 0 to 1.
        delay_ms: how long one is on its way.
        jitter_ms: up to so much more, for each on its own: they overtake each other.
    """

    loss: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0


class FaultyLine:
    """One line; what it does to a datagram depends on its seed and the time alone."""

    def __init__(self, faults: LineFaults, *, seed: int = 0) -> None:
        self._faults = faults
        self._random = random.Random(seed)
        self._outage_s = (0.0, 0.0)

    def cut(self, start_s: float, end_s: float) -> None:
        """Lets nothing through from `start_s` until `end_s`, of the clock that `fate` is asked with."""
        self._outage_s = (start_s, end_s)

    def fate(self, now_s: float) -> float | None:
        """How many seconds a datagram that starts now is on its way; None if it never arrives."""
        start_s, end_s = self._outage_s
        faults = self._faults
        if start_s <= now_s < end_s or self._random.random() < faults.loss:
            return None
        return (faults.delay_ms + self._random.uniform(0, faults.jitter_ms)) / 1000

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Puts the line between the network and each datagram socket that asyncio opens meanwhile."""
        original = asyncio.BaseEventLoop.create_datagram_endpoint

        async def create(
            loop: asyncio.BaseEventLoop,
            factory: Callable[[], Any],
            *words: Any,  # noqa: ANN401
            **named: Any,  # noqa: ANN401
        ) -> tuple[Any, Any]:
            return await original(loop, lambda: self._join(loop, factory()), *words, **named)

        asyncio.BaseEventLoop.create_datagram_endpoint = create  # type: ignore[assignment, method-assign]
        try:
            yield
        finally:
            asyncio.BaseEventLoop.create_datagram_endpoint = original  # type: ignore[method-assign]

    def _join(self, loop: asyncio.BaseEventLoop, protocol: Any) -> Any:  # noqa: ANN401
        """Passes what `protocol` receives, and what it sends through its transport, over the line."""
        receive, connect = protocol.datagram_received, protocol.connection_made

        def connect_over_line(transport: asyncio.DatagramTransport) -> None:
            def send(data: bytes, address: Any) -> None:  # noqa: ANN401
                if not transport.is_closing():  # it may be, by the time of what is late
                    transport.sendto(data, address)

            connect(_FaultyTransport(transport, self._faulty(loop, send)))

        protocol.datagram_received = self._faulty(loop, receive)
        protocol.connection_made = connect_over_line
        return protocol

    def _faulty(self, loop: asyncio.BaseEventLoop, pass_on: Callable[..., None]) -> Callable[..., None]:
        def carry(data: bytes, address: Any = None) -> None:  # noqa: ANN401
            seconds = self.fate(loop.time())
            if seconds == 0:
                pass_on(data, address)
            elif seconds is not None:
                loop.call_later(seconds, pass_on, data, address)

        return carry


class _FaultyTransport:
    """A datagram transport that sends in another way."""

    def __init__(self, transport: asyncio.DatagramTransport, sendto: Callable[..., None]) -> None:
        self._transport = transport
        self.sendto = sendto

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._transport, name)
