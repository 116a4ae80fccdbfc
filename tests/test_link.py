"""Links over peers in memory: bytes become events, every end is told, nothing waits longer than it says."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import cast

import pytest

from headgan.proto.control import ByeReason, Ping
from headgan.proto.errors import PeerError, WireError
from headgan.proto.hello import Hello, Role
from headgan.proto.line_watch import SILENCE_LIMIT_MS
from headgan.proto.link import Link, end_tasks, unless_set
from headgan.proto.peer import Peer
from headgan.proto.reference_transfer import Reference
from headgan.proto.said import SaidFrame, SaidPacket, said_capability
from headgan.proto.session import BYE_LIMIT_MS, Session, SessionState
from headgan.proto.session_events import (
    ByeDone,
    Event,
    LineBack,
    LineSilent,
    PeerBye,
    PeerHello,
    ReferenceReceived,
    StartStreaming,
)
from headgan.proto.voice import VOICE_CAPABILITY, OpusFrame, VoicePacket
from headgan.proto.wire import FrameMark, ParamPacket

MODEL_ID = bytes(range(8))
REFERENCE = Reference(bytes(40_000), "image/webp", b"face")
LIMIT_S = 5.0


class MemoryPeer:
    """Delivers to `other` on the next turn of the event loop; a mute one sends into the void."""

    def __init__(self) -> None:
        self.other: MemoryPeer | None = None
        self.is_mute = False
        self.is_closed = False
        self.sent: list[bytes] = []
        self._on_control: Callable[[bytes], None] = lambda _data: None
        self._on_params: Callable[[bytes], None] = lambda _data: None
        self._on_arrived: Callable[[int], None] = lambda _number: None
        self.lose: Callable[[], None] = lambda: None
        self.has_room, self.is_drained = asyncio.Event(), asyncio.Event()
        self.has_room.set()
        self.is_drained.set()

    def listen(
        self,
        *,
        on_params: Callable[[bytes], None],
        on_control: Callable[[bytes], None],
        on_lost: Callable[[], None],
        on_arrived: Callable[[int], None],
    ) -> None:
        self._on_params, self._on_control, self.lose = on_params, on_control, on_lost
        self._on_arrived = on_arrived

    async def send_control(self, data: bytes) -> None:
        if self.is_closed:
            raise PeerError("the channel is not open")
        await self.has_room.wait()
        self.sent.append(data)
        await asyncio.sleep(0)
        if self.other is not None and not self.is_mute:
            self.other.arrive(data)

    async def control_drained(self, limit_bytes: int = 0) -> None:
        assert limit_bytes == 0
        await self.is_drained.wait()

    def send_params(self, data: bytes, number: int = 0) -> bool:
        if self.other is not None:
            asyncio.get_running_loop().call_soon(self.other.arrive_params, data)
            asyncio.get_running_loop().call_soon(self._on_arrived, number)
        return True

    def arrive(self, data: bytes) -> None:
        if not self.is_closed:
            self._on_control(data)

    def arrive_params(self, data: bytes) -> None:
        if not self.is_closed:
            self._on_params(data)

    async def close(self) -> None:
        self.is_closed = True


@dataclass
class Side:
    """One side of a call and what it received."""

    peer: MemoryPeer
    link: Link
    params: list[ParamPacket] = field(default_factory=list)
    voices: list[VoicePacket] = field(default_factory=list)
    told: list[SaidPacket] = field(default_factory=list)

    async def event(self, wanted: type[Event]) -> Event:
        """The next event, which has to be of the kind that is wanted."""
        async with asyncio.timeout(LIMIT_S):
            event = await self.link.next_event()
        assert isinstance(event, wanted)
        return event


@dataclass
class Clock:
    now_ms: float = 1000.0


def side(role: Role, clock: Clock, *, model_id: bytes = MODEL_ID) -> Side:
    """A side that has not begun; its peer leads nowhere yet."""
    is_sender = role is Role.SENDER
    said = said_capability(bytes(8))
    capabilities = (said,) if is_sender else (VOICE_CAPABILITY, said)
    hello = Hello(role, role.value, 25.0, model_id, wants_reference=not is_sender, capabilities=capabilities)
    peer, params = MemoryPeer(), list[ParamPacket]()
    voices, told = list[VoicePacket](), list[SaidPacket]()

    def take(packet: ParamPacket) -> None:
        if packet.records == b"bad":
            raise WireError("face parameters: bad")
        params.append(packet)

    link = Link(
        cast(Peer, peer),
        Session(hello, REFERENCE if is_sender else None),
        clock_ms=lambda: clock.now_ms,
        on_params=take,
        on_voice=voices.append,
        on_said=told.append,
    )
    return Side(peer, link, params, voices, told)


class Pair:
    """A sender and a receiver that hear each other."""

    def __init__(self, *, receiver_model_id: bytes = MODEL_ID) -> None:
        self.clock = Clock()
        self.sender = side(Role.SENDER, self.clock)
        self.receiver = side(Role.RECEIVER, self.clock, model_id=receiver_model_id)
        self.sender.peer.other, self.receiver.peer.other = self.receiver.peer, self.sender.peer
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Pair":
        # Both listen before either speaks: a peer keeps what comes early, these do not.
        await self._stack.enter_async_context(self.receiver.link)
        await self._stack.enter_async_context(self.sender.link)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def stream(self) -> None:
        """Up to the point where frames may come."""
        await self.sender.event(PeerHello)
        await self.receiver.event(PeerHello)
        await self.receiver.event(ReferenceReceived)
        self.receiver.link.reference_ready()
        await self.sender.event(StartStreaming)


async def test_a_voice_arrives_with_a_face_and_alone() -> None:
    async with Pair() as pair:
        await pair.stream()
        assert pair.sender.link.session.agreed.has_voice
        first, second = (VoicePacket(5 + 40 * k, (OpusFrame(k, b"opus"),)) for k in range(2))
        packet = ParamPacket(0, 7, (FrameMark(),), b"face", first)
        assert pair.sender.link.send_params(packet)
        assert pair.sender.link.send_voice(second)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert pair.receiver.params == [packet]
        assert pair.receiver.voices == [first, second]


async def test_what_is_said_arrives_with_a_face_and_alone() -> None:
    async with Pair() as pair:
        await pair.stream()
        assert pair.sender.link.session.agreed.has_said
        first, second = (SaidPacket(5 + 40 * k, (SaidFrame(k, b"record"),)) for k in range(2))
        packet = ParamPacket(0, 7, (FrameMark(),), b"face", said=first)
        assert pair.sender.link.send_params(packet)
        assert pair.sender.link.send_voice(second)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert pair.receiver.params == [packet]
        assert pair.receiver.told == [first, second]
        assert pair.receiver.voices == []


async def test_a_call_from_hello_to_good_bye() -> None:
    async with Pair() as pair:
        await pair.stream()
        assert pair.sender.link.session.state is SessionState.STREAMING
        packet = ParamPacket(0, 7, (FrameMark(),), b"face")
        assert pair.sender.link.send_params(packet)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert pair.receiver.params == [packet]
        await pair.sender.link.hang_up(ByeReason.ENDED, "the clip is over", frames_sent=1)
        assert await pair.sender.event(ByeDone) == ByeDone(is_acknowledged=True)
        bye = await pair.receiver.event(PeerBye)
        assert isinstance(bye, PeerBye)
        assert (bye.bye.reason, bye.bye.text, bye.bye.frames_sent) == (ByeReason.ENDED, "the clip is over", 1)
    assert pair.sender.peer.is_closed
    assert pair.receiver.peer.is_closed


async def test_what_is_queued_goes_out_before_the_peer_is_closed() -> None:
    async with Pair() as pair:
        await pair.stream()
        await pair.sender.link.hang_up(ByeReason.HANGUP, "")
        # The answer was queued by the receiver, which leaves without ever waiting.
    assert pair.receiver.peer.sent[-1] == b"\x08"


async def test_control_is_drained_once_nothing_is_queued_here_or_below() -> None:
    async with Pair() as pair:
        await pair.stream()
        sender = pair.sender

        async def waits() -> bool:
            for _ in range(9):
                await asyncio.sleep(0)
            return not drained.done()

        sender.peer.has_room.clear()
        sender.link.send_control(Ping(1).to_bytes())
        drained = asyncio.create_task(sender.link.control_drained())
        assert await waits()
        sender.peer.is_drained.clear()
        sender.peer.has_room.set()
        assert await waits()
        # What is queued while it waits counts as well.
        sender.peer.has_room.clear()
        sender.link.send_control(Ping(2).to_bytes())
        sender.peer.is_drained.set()
        assert await waits()
        sender.peer.has_room.set()
        async with asyncio.timeout(LIMIT_S):
            await drained
        assert sender.peer.sent[-2:] == [Ping(1).to_bytes(), Ping(2).to_bytes()]


async def test_a_silent_side_is_not_waited_for() -> None:
    async with Pair() as pair:
        await pair.stream()
        pair.receiver.peer.is_mute = True
        start_s = time.monotonic()
        await pair.sender.link.hang_up(ByeReason.HANGUP, "")
        assert time.monotonic() - start_s < 2.0


async def test_both_may_hang_up_at_once() -> None:
    async with Pair() as pair:
        await pair.stream()
        hang_ups = [each.link.hang_up(ByeReason.HANGUP, "me first") for each in (pair.sender, pair.receiver)]
        async with asyncio.timeout(0.7):
            await asyncio.gather(*hang_ups)


async def test_silence_of_twelve_seconds_is_a_lost_call() -> None:
    async with Pair() as pair:
        await pair.stream()
        pair.receiver.peer.is_mute = True
        pair.clock.now_ms += SILENCE_LIMIT_MS
        with pytest.raises(PeerError, match="nothing was heard from the other side for 12 s"):
            await pair.sender.event(ByeDone)


async def test_an_outage_is_logged_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "headgan")
    async with Pair() as pair:
        await pair.stream()
        pair.receiver.peer.is_mute = True
        for seq in range(5):
            pair.clock.now_ms += 1000
            pair.sender.link.send_params(ParamPacket(seq, 40 * seq, (FrameMark(),), b"face"))
            await asyncio.sleep(0.12)
        pair.receiver.peer.is_mute = False
        pair.clock.now_ms += 1000
        await asyncio.sleep(0.3)
        assert await pair.sender.event(LineSilent) == LineSilent(3000)
        assert await pair.sender.event(LineBack) == LineBack(6000)
    told = [record.getMessage() for record in caplog.records if "other side" in record.getMessage()]
    assert told == [
        "nothing is heard from the other side; the call goes on if it comes back",
        "the other side is back after 6.0 s",
    ]


async def test_pings_keep_a_quiet_call_alive() -> None:
    async with Pair() as pair:
        await pair.stream()
        for _ in range(3):
            pair.clock.now_ms += SILENCE_LIMIT_MS * 0.6
            await asyncio.sleep(0.15)
        assert not pair.sender.link.session.is_over
        assert pair.sender.link.session.clock is not None


async def test_a_lost_connection_is_told_once_and_not_after_the_end() -> None:
    async with Pair() as pair:
        await pair.stream()
        pair.sender.peer.lose()
        with pytest.raises(PeerError, match="the connection to the other side was lost"):
            await pair.sender.event(ByeDone)
        # What is sent now fails, which is no news.
        pair.sender.peer.is_closed = True
        start_s = time.monotonic()
        await pair.sender.link.hang_up(ByeReason.ERROR, "")
        assert time.monotonic() - start_s < 0.1
        await pair.receiver.link.hang_up(ByeReason.ERROR, "")
        pair.clock.now_ms += BYE_LIMIT_MS
        assert await pair.receiver.event(ByeDone) == ByeDone(is_acknowledged=False)
        pair.receiver.peer.lose()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await pair.receiver.link.next_event()


async def test_a_send_that_fails_ends_the_call() -> None:
    async with Pair() as pair:
        await pair.stream()
        pair.sender.peer.is_closed = True
        pair.clock.now_ms += 1000  # time for a ping
        with pytest.raises(PeerError, match="the channel is not open"):
            await pair.sender.event(ByeDone)


@pytest.mark.parametrize("garbage", [b"", b"\xff\xff", Ping(0).to_bytes() + b"\x00"])
async def test_garbage_on_control_is_refused_and_told(garbage: bytes) -> None:
    async with Pair() as pair:
        await pair.stream()
        pair.receiver.peer.arrive(garbage)
        with pytest.raises(WireError):
            await pair.receiver.event(ByeDone)
        bye = await pair.sender.event(PeerBye)
        assert isinstance(bye, PeerBye)
        assert bye.bye.reason is ByeReason.PROTOCOL_ERROR


@pytest.mark.parametrize("garbage", [b"", b"\x00" * 20, ParamPacket(0, 0, (FrameMark(),), b"bad").to_bytes()])
async def test_garbage_on_params_is_refused_and_told(garbage: bytes) -> None:
    async with Pair() as pair:
        await pair.stream()
        pair.receiver.peer.arrive_params(garbage)
        pair.receiver.peer.arrive_params(garbage)  # the second one comes after the end
        with pytest.raises(WireError):
            await pair.receiver.event(ByeDone)
        bye = await pair.sender.event(PeerBye)
        assert isinstance(bye, PeerBye)
        assert bye.bye.reason is ByeReason.PROTOCOL_ERROR
    assert pair.receiver.params == []


async def test_another_face_model_ends_the_call_on_both_sides() -> None:
    async with Pair(receiver_model_id=bytes(8)) as pair:
        for each in (pair.sender, pair.receiver):
            with pytest.raises(PeerError, match="different face model; install the same version"):
                await each.event(PeerHello)


async def test_unless_set_gives_what_the_work_returns() -> None:
    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    assert await unless_set(asyncio.Event(), work()) == "done"


async def test_unless_set_ends_the_work_before_it_returns() -> None:
    stopped = asyncio.Event()
    ended = []

    async def work() -> str:
        try:
            await asyncio.sleep(LIMIT_S)
        except asyncio.CancelledError:
            await asyncio.sleep(0.02)  # it may take its time to clean up
            ended.append("cleanly")
            raise
        return "done"

    asyncio.get_running_loop().call_later(0.01, stopped.set)
    assert await unless_set(stopped, work()) is None
    assert ended == ["cleanly"]


async def test_unless_set_raises_what_the_work_raises() -> None:
    async def work() -> None:
        raise PeerError("gone")

    with pytest.raises(PeerError, match="gone"):
        await unless_set(asyncio.Event(), work())


async def test_end_tasks_takes_finished_failed_and_waiting_ones() -> None:
    async def fail() -> None:
        raise PeerError("gone")

    failed = asyncio.create_task(fail())
    finished = asyncio.create_task(asyncio.sleep(0))
    await asyncio.sleep(0.01)
    waiting = asyncio.create_task(asyncio.sleep(LIMIT_S))
    await end_tasks(failed, finished, waiting)
    assert waiting.cancelled()
    await end_tasks()
