"""A connected Peer and a Session in, events of one call out: moves the bytes between the two and keeps the time.

Peer ── control bytes ──▶ Session ── events ──▶ next_event()
     ◀── messages ───────         ◀── tick, ten times a second
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from headgan.proto.control import ByeReason
from headgan.proto.errors import PeerError, WireError
from headgan.proto.param_numbers import NumbersOut
from headgan.proto.peer import Peer
from headgan.proto.said import SaidPacket
from headgan.proto.session import Session
from headgan.proto.session_events import ByeDone, Event, LineBack, LineSilent, ModelMismatch, PeerLost, Step
from headgan.proto.voice import VoicePacket
from headgan.proto.wire import ParamPacket

TICK_S = 0.1
# Longer than a session waits for the answer to its Bye.
_FAREWELL_S = 1.8
# Nobody needs to know whether a voice that travels alone has arrived.
_NO_SEQ = -1

log = logging.getLogger(__name__)

T = TypeVar("T")


class Link:
    """One call, while the context is open; leaving it closes the peer."""

    def __init__(
        self,
        peer: Peer,
        session: Session,
        *,
        clock_ms: Callable[[], float],
        on_params: Callable[[ParamPacket], None],
        on_voice: Callable[[VoicePacket], None] = lambda _voice: None,
        on_said: Callable[[SaidPacket], None] = lambda _said: None,
        on_arrived: Callable[[int], None] = lambda _seq: None,
    ) -> None:
        """Starts nothing yet.

        Args:
            peer: both channels are open.
            session: a new one.
            clock_ms: the monotonic clock of this side.
            on_params: takes each parameter packet, on the event loop; may raise WireError.
            on_voice: takes the voice of each packet, on the event loop, after on_params; may raise WireError.
            on_said: takes what is said, in the same way, where that comes in the place of a voice.
            on_arrived: takes the seq of each of ours that is known to have arrived, on the event loop.
        """
        self._peer = peer
        self._session = session
        self._clock_ms = clock_ms
        self._on_params = on_params
        self._on_voice = on_voice
        self._on_said = on_said
        self._on_arrived = on_arrived
        self._numbers = NumbersOut()
        # A session makes few events, the most frequent for each reference of a call, so neither queue can grow.
        self._events: asyncio.Queue[Event | Exception] = asyncio.Queue()
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self._is_sending = False
        self._farewell = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._send_all()), asyncio.create_task(self._tick())]
        self._apply(self._session.start(self._now()))
        self._peer.listen(
            on_params=self._take_params,
            on_control=self._take_control,
            on_lost=self._lose,
            on_arrived=self._take_arrival,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What is queued, such as the answer to a Bye, goes out first.
        try:
            async with asyncio.timeout(0.2):
                await self._outgoing.join()
        except TimeoutError:
            log.info("the last messages could not be sent")
        await end_tasks(*self._tasks)
        await self._peer.close()

    @property
    def session(self) -> Session:
        """The state of the call."""
        return self._session

    async def next_event(self) -> Event:
        """The next thing that happened.

        Raises:
            PeerError: the connection was lost, or the other side fell silent.
            WireError: the other side broke the protocol; it was told.
        """
        event = await self._events.get()
        match event:
            case Exception():
                raise event
            case PeerLost(silent_ms):
                raise PeerError(
                    f"nothing was heard from the other side for {silent_ms / 1000:.0f} s; call ended"
                )
            case ModelMismatch():
                raise PeerError(
                    "the other side uses a different face model; install the same version on both"
                )
            case _:
                return event

    def send_params(self, packet: ParamPacket) -> bool:
        """Sends one packet; False when it was dropped because an earlier one is still queued."""
        return self._peer.send_params(self._numbers.pack(packet), packet.seq)

    def send_voice(self, packet: VoicePacket | SaidPacket) -> bool:
        """Sends a voice, or what is said, that has no frame to travel with; False when it was dropped."""
        return self._peer.send_params(packet.to_bytes(), _NO_SEQ)

    def send_control(self, message: bytes) -> None:
        """Sends one message of the session's own, such as of `Session.offer_reference`, on `control`."""
        if not self._session.is_over:
            self._outgoing.put_nowait(message)

    async def control_drained(self) -> None:
        """Waits until nothing is queued for `control`, here or below, or it is lost."""
        while True:
            await self._outgoing.join()
            await self._peer.control_drained()
            if self._outgoing.empty() and not self._is_sending:
                return

    def answer_reference(self, number: int, *, is_held: bool) -> None:
        """Tells the sender whether one more of its references is held."""
        self._apply(self._session.answer_reference(number, is_held=is_held))

    def tell_known(self, held: Collection[int]) -> None:
        """Tells the sender which of the references that it offers are held, by their places in its Hello."""
        self._apply(self._session.tell_known(held))

    def want_refresh(self) -> None:
        """Asks the sender for a face that stands for itself."""
        self._apply(self._session.want_refresh())

    def reference_ready(self) -> None:
        """Tells the sender to start."""
        self._apply(self._session.reference_ready())

    async def hang_up(self, reason: ByeReason, text: str, *, frames_sent: int = 0) -> None:
        """Ends the call from this side and waits until the other side knows, at most 1.8 s."""
        self._apply(self._session.bye(reason, text, self._now(), frames_sent=frames_sent))
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await self._farewell.wait()
        except TimeoutError:
            log.info("the other side did not answer the good-bye")

    def _now(self) -> int:
        return int(self._clock_ms())

    def _apply(self, step: Step) -> None:
        for message in step.messages:
            self._outgoing.put_nowait(message)
        for event in step.events:
            self._events.put_nowait(event)
            match event:
                case ByeDone():
                    self._farewell.set()
                case LineSilent():
                    log.info("nothing is heard from the other side; the call goes on if it comes back")
                case LineBack(silent_ms):
                    log.info("the other side is back after %.1f s", silent_ms / 1000)
                case _:
                    pass
        if self._session.is_over and not self._session.awaits_answer:
            self._farewell.set()

    def _take_control(self, data: bytes) -> None:
        try:
            self._apply(self._session.receive(data, self._now()))
        except WireError as error:
            self._refuse(error)

    def _take_params(self, data: bytes) -> None:
        try:
            packet = self._session.receive_params(data, self._now())
            if isinstance(packet, ParamPacket):
                self._on_params(packet)
            sound = packet.sound if isinstance(packet, ParamPacket) else packet
            if isinstance(sound, VoicePacket):
                self._on_voice(sound)
            elif sound is not None:
                self._on_said(sound)
        except WireError as error:
            self._refuse(error)

    def _take_arrival(self, seq: int) -> None:
        if seq == _NO_SEQ:
            return
        self._numbers.arrived(seq)
        self._on_arrived(seq)

    def _refuse(self, error: WireError) -> None:
        self._apply(self._session.bye(ByeReason.PROTOCOL_ERROR, str(error), self._now()))
        self._events.put_nowait(error)

    def _lose(self) -> None:
        self._farewell.set()
        if not self._session.is_over:
            self._events.put_nowait(PeerError("the connection to the other side was lost"))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._apply(self._session.tick(self._now()))

    async def _send_all(self) -> None:
        while True:
            message = await self._outgoing.get()
            self._is_sending = True
            try:
                await self._peer.send_control(message)
            except PeerError as error:
                if not self._session.is_over:
                    self._events.put_nowait(error)
            finally:
                self._is_sending = False
                self._outgoing.task_done()


async def unless_set(stopped: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What `work` returns, or None if `stopped` is set first: then `work` is cancelled and has ended."""
    task = asyncio.ensure_future(work)
    stop = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        await end_tasks(stop, task)


async def end_tasks(*tasks: asyncio.Future[Any]) -> None:
    """Cancels `tasks` and waits for them; what those that were done returned or raised is dropped."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
