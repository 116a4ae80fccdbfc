"""References and frames of live video in, small messages at their rates out: they must not hold up a frame.

One is handed over when the one before it is on the wire. So a line that is cut, or slower than the rates, has no more
than one of them queued; the rest waits here, and no newer frame of live video is made meanwhile. SCTP takes a second to
notice that a line is cut: what it sends in this second it sends once more afterwards.

Belongs to the event loop.
"""

import asyncio
from collections.abc import Iterable

from headgan.proto.clock import wrap_ms
from headgan.proto.link import Link
from headgan.proto.live_video import split_video
from headgan.sender.live_video import LiveVideo
from headgan.sender.memory_filler import Shipment

# What is urgent is sent so many times faster, and paid for afterwards.
_URGENT = 4.0


class Shipping:
    """Two lines, one for each kind, that share the channel piece by piece."""

    def __init__(self, link: Link, kbps: float, live: LiveVideo | None = None) -> None:
        """Args: kbps: kbit/s of references; live: learns when its frame has left."""
        self._link = link
        self._kbps = kbps
        self._live = live
        # The planner has one reference on its way at a time, the live video one frame: neither queue can grow.
        self._shipments: asyncio.Queue[Shipment] = asyncio.Queue()
        self._frames: asyncio.Queue[tuple[bytes, float]] = asyncio.Queue()

    @property
    def has_video(self) -> bool:
        """Whether there is live video where no face can be drawn."""
        return self._live is not None

    def add_reference(self, shipment: Shipment) -> None:
        """Sends it after those before it."""
        self._shipments.put_nowait(shipment)

    def add_video(self, data: bytes, capture_ms: float) -> None:
        """Sends a VP9 frame that was taken at `capture_ms`."""
        self._frames.put_nowait((data, capture_ms))

    async def run(self) -> None:
        """Sends until it is cancelled, or the call is over."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_references())
            group.create_task(self._send_video())

    async def _send_references(self) -> None:
        while True:
            shipment = await self._shipments.get()
            if self._link.session.is_over:
                return
            messages = self._link.session.offer_reference(
                shipment.number, shipment.reference, shipment.replaces
            )
            await self._send(messages, self._kbps * (_URGENT if shipment.is_urgent else 1))

    async def _send_video(self) -> None:
        is_first = True
        while self._live is not None:
            data, capture_ms = await self._frames.get()
            if self._link.session.is_over:
                return
            messages = (piece.to_bytes() for piece in split_video(data, wrap_ms(int(capture_ms))))
            # The first frame is several times as large as the others.
            await self._send(messages, self._live.kbps * (_URGENT if is_first else 1))
            is_first = False
            # The next frame is worth more the later it is made: it must not wait for the end of this one.
            await self._link.control_drained()
            self._live.sent()

    async def _send(self, messages: Iterable[bytes], kbps: float) -> None:
        for message in messages:
            await self._link.control_drained()
            if self._link.session.is_over:
                return
            self._link.send_control(message)
            await asyncio.sleep(len(message) * 8 / (1000 * kbps))
