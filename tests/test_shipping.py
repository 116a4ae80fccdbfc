"""References and live video over a line that is cut: no more than one piece waits below, nothing is lost afterwards."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import aiortc.rtcsctptransport
import pytest

from headgan.benchmarks.faulty_line import FaultyLine, LineFaults
from headgan.proto.hello import Hello, Role
from headgan.proto.link import Link, end_tasks
from headgan.proto.live_video import LIVE_VIDEO_CAPABILITY, VideoReceived
from headgan.proto.more_references import MoreReceived
from headgan.proto.peer import CONTROL_LABEL
from headgan.proto.reference_transfer import SMALL_CHUNK_BYTES, Reference
from headgan.proto.session import Session
from headgan.proto.session_events import Event, ReferenceReceived, StartStreaming
from headgan.proto.wire import FrameMark, ParamPacket
from headgan.sender.live_video import LiveVideo
from headgan.sender.memory_filler import Shipment
from headgan.sender.shipping import Shipping
from tests.peer_pair import connect

LIMIT_S = 10.0
# A piece with its header, and the Pings of a short outage.
ONE_PIECE_BYTES = SMALL_CHUNK_BYTES + 11 + 20
FIRST = Reference(bytes(5000), "image/webp", b"face")
BIG = Reference(bytes(range(256)) * 400, "image/webp", b"face")  # 100 kB
FAST_KBPS = 4000.0


def clock_ms() -> float:
    return time.monotonic() * 1000


class Camera:
    """Takes the place of LiveVideo: a new frame as soon as the one before it has left, each of another size."""

    def __init__(self) -> None:
        self.kbps = FAST_KBPS
        self.frames: list[bytes] = []
        self.shipping: Shipping | None = None

    def sent(self) -> None:
        frame = bytes((len(self.frames),)) * (600 + len(self.frames))
        self.frames.append(frame)
        if self.shipping is not None:
            self.shipping.add_video(frame, len(self.frames))


class Talk:
    """A sender and a receiver over a line that can be cut."""

    def __init__(self) -> None:
        self.line = FaultyLine(LineFaults(delay_ms=5))
        self.received: list[Event] = []
        self.fresh = 0  # packets of parameters that arrived
        self._has_started, self._has_received = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Link]:
        with self.line.installed():
            self.sender, receiver = await connect(LIMIT_S)
        hello = Hello(Role.SENDER, "sender", 25.0, bytes(8), references=4)
        answer = Hello(
            Role.RECEIVER,
            "receiver",
            25.0,
            bytes(8),
            capabilities=(LIVE_VIDEO_CAPABILITY,),
            wants_reference=True,
            references=4,
        )
        there = Link(receiver, Session(answer), clock_ms=clock_ms, on_params=self._take)
        here = Link(self.sender, Session(hello, FIRST), clock_ms=clock_ms, on_params=self._take)
        async with there, here:
            tasks = [asyncio.create_task(self._receive(there)), asyncio.create_task(self._start(here))]
            async with asyncio.timeout(LIMIT_S):
                await self._has_started.wait()
            yield here
            await end_tasks(*tasks)

    def queued_bytes(self, link: Link) -> int:
        """What is queued for `control`, in the link and below, and not on the wire."""
        waiting: Iterable[bytes] = cast(Any, link._outgoing)._queue
        below: int = self.sender._channels[CONTROL_LABEL].bufferedAmount
        return sum(map(len, waiting)) + below

    def cut(self) -> None:
        self.line.cut(asyncio.get_running_loop().time(), math.inf)

    def mend(self) -> None:
        self.line.cut(0, 0)

    def arrived(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.received if isinstance(event, kind)]

    async def until(self, kind: type[Event], count: int) -> None:
        async with asyncio.timeout(LIMIT_S):
            while len(self.arrived(kind)) < count:
                self._has_received.clear()
                await self._has_received.wait()

    def _take(self, _packet: ParamPacket) -> None:
        self.fresh += 1

    async def _receive(self, link: Link) -> None:
        while True:
            event = await link.next_event()
            self.received.append(event)
            self._has_received.set()
            if isinstance(event, ReferenceReceived):
                link.reference_ready()

    async def _start(self, link: Link) -> None:
        while True:
            if isinstance(await link.next_event(), StartStreaming):
                self._has_started.set()


class SlowLink:
    """A link whose pieces leave when they are told to."""

    def __init__(self) -> None:
        self.session = SimpleNamespace(is_over=False)
        self.pieces: list[bytes] = []
        self._is_drained = asyncio.Event()
        self._is_drained.set()

    async def control_drained(self) -> None:
        while not self._is_drained.is_set():
            await self._is_drained.wait()

    def send_control(self, message: bytes) -> None:
        self.pieces.append(message)
        self._is_drained.clear()

    async def leave(self) -> None:
        self._is_drained.set()
        await asyncio.sleep(0.02)  # at this rate a piece takes 1 ms


async def test_the_next_frame_is_made_when_the_last_piece_has_left() -> None:
    link, camera = SlowLink(), Camera()
    shipping = Shipping(cast(Link, link), FAST_KBPS, cast(LiveVideo, camera))
    task = asyncio.create_task(shipping.run())
    shipping.add_video(bytes(700), 0)
    for sent in (1, 2, 3):
        await asyncio.sleep(0.02)
        assert (len(link.pieces), camera.frames) == (sent, [])
        await link.leave()
    assert len(link.pieces) == 3 and len(camera.frames) == 1
    link.session.is_over = True  # what waits is left
    shipping.add_video(bytes(700), 0)
    await asyncio.sleep(0.02)
    assert len(link.pieces) == 3
    await end_tasks(task)


async def test_a_reference_waits_for_the_line_and_holds_up_no_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiortc.rtcsctptransport, "SCTP_RTO_MIN", 0.1)  # instead of 1 s
    talk = Talk()
    async with talk.connected() as link:
        shipping = Shipping(link, FAST_KBPS)
        task = asyncio.create_task(shipping.run())
        shipping.add_reference(Shipment(1, None, FIRST))
        await talk.until(MoreReceived, 1)
        talk.cut()
        shipping.add_reference(Shipment(2, None, BIG))
        for _ in range(60):
            await asyncio.sleep(0.01)
            assert talk.queued_bytes(link) <= ONE_PIECE_BYTES
        assert talk.queued_bytes(link) > 0  # the line is what it waits for
        talk.mend()
        seq = 0
        deadline_ms = clock_ms() + LIMIT_S * 1000
        while not talk.fresh:
            assert clock_ms() < deadline_ms
            seq += link.send_params(ParamPacket(seq, seq, (FrameMark(),), b"face"))
            await asyncio.sleep(0.005)
        assert len(talk.arrived(MoreReceived)) == 1  # a frame did not wait for the rest of the reference
        await talk.until(MoreReceived, 2)
        assert talk.arrived(MoreReceived) == [MoreReceived(1, None, FIRST), MoreReceived(2, None, BIG)]
        await end_tasks(task)


async def test_no_frame_of_live_video_is_made_while_one_waits_for_the_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aiortc.rtcsctptransport, "SCTP_RTO_MIN", 0.1)
    talk = Talk()
    async with talk.connected() as link:
        camera = Camera()
        shipping = camera.shipping = Shipping(link, FAST_KBPS, cast(LiveVideo, camera))
        task = asyncio.create_task(shipping.run())
        camera.sent()
        shipping.add_reference(Shipment(1, None, BIG))
        await talk.until(VideoReceived, 5)
        talk.cut()
        await asyncio.sleep(0.3)  # what SCTP takes before it knows
        made = len(camera.frames)
        for _ in range(50):
            await asyncio.sleep(0.01)
            assert talk.queued_bytes(link) <= ONE_PIECE_BYTES
        assert len(camera.frames) == made
        camera.shipping = None  # the last one is that which waits
        talk.mend()
        await talk.until(VideoReceived, made)
        await talk.until(MoreReceived, 1)
        videos = [cast(VideoReceived, event).data for event in talk.arrived(VideoReceived)]
        assert videos == camera.frames[:made]
        assert talk.arrived(MoreReceived) == [MoreReceived(1, None, BIG)]
        await end_tasks(task)
