"""Sessions over an in-memory link with delays: the course of a call, its failures, and the clock estimate."""

import heapq
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgan.codec.memory import ReferenceMemory
from headgan.proto.clock import ClockEstimate, PeerClock, wrap_ms
from headgan.proto.control import Bye, ByeAck, ByeReason, Ping, Pong
from headgan.proto.errors import WireError
from headgan.proto.hello import Hello, Role
from headgan.proto.known_references import REMEMBERS
from headgan.proto.more_references import MoreReceived, MoreRefused, ReferenceAnswered
from headgan.proto.reference_messages import ReferenceChunk, ReferenceHeld, ReferenceKnown, ReferenceReady
from headgan.proto.reference_transfer import Reference, split_more, split_reference
from headgan.proto.said import SaidFrame, SaidPacket, said_capability
from headgan.proto.session import Session, SessionState
from headgan.proto.session_events import (
    ByeDone,
    Event,
    LineBack,
    LineSilent,
    ModelMismatch,
    PeerBye,
    PeerHello,
    PeerLost,
    ReferenceReceived,
    StartStreaming,
    Step,
)
from headgan.proto.voice import VOICE_CAPABILITY, OpusFrame, VoicePacket
from headgan.proto.wire import FrameMark, ParamPacket

MODEL_ID = bytes(range(8))
REFERENCE = Reference(bytes(range(256)) * 200, "image/jpeg", b"face of the picture")
SENDER_HELLO = Hello(Role.SENDER, "sender", 25.0, MODEL_ID, identity=bytes(16))
RECEIVER_HELLO = Hello(Role.RECEIVER, "receiver", 0.0, MODEL_ID, wants_reference=True)
LOCAL_HELLO = Hello(Role.RECEIVER, "receiver", 0.0, MODEL_ID, wants_reference=False)
PACKET = ParamPacket(1, 10, (FrameMark(),), b"face")


class Link:
    """Two sessions, each with its own clock, joined by reliable ordered delivery with a delay each way.

    The receiver gets ready on its own, as a program does that decodes the picture at once.
    """

    def __init__(
        self,
        sender: Session,
        receiver: Session,
        *,
        receiver_has_reference: bool = False,
        receiver_ahead_ms: int = 0,
        delay_there_ms: int = 0,
        delay_back_ms: int = 0,
        start_ms: int = 0,
    ) -> None:
        self.now_ms = start_ms
        self.is_cut = False
        self.sessions = (sender, receiver)
        self.events: tuple[list[Event], list[Event]] = ([], [])
        self._ahead_ms = (0, receiver_ahead_ms)
        self._delays_ms = (delay_there_ms, delay_back_ms)
        self._receiver_has_reference = receiver_has_reference
        self._flying: list[tuple[int, int, int, bytes]] = []
        self._count = 0
        for side, session in enumerate(self.sessions):
            self.take(side, session.start(self.clock_ms(side)))

    def clock_ms(self, side: int) -> int:
        return self.now_ms + self._ahead_ms[side]

    def take(self, side: int, step: Step) -> None:
        for data in step.messages:
            self._count += 1
            heapq.heappush(self._flying, (self.now_ms + self._delays_ms[side], self._count, 1 - side, data))
        for event in step.events:
            self.events[side].append(event)
            is_met = side == 1 and isinstance(event, PeerHello)
            if isinstance(event, ReferenceReceived) or (is_met and self._receiver_has_reference):
                self.take(side, self.sessions[side].reference_ready())

    def run(self, duration_ms: int, tick_ms: int = 100) -> None:
        for _ in range(0, duration_ms, tick_ms):
            end_ms = self.now_ms + tick_ms
            while self._flying and self._flying[0][0] <= end_ms:
                due_ms, _, side, data = heapq.heappop(self._flying)
                self.now_ms = max(self.now_ms, due_ms)
                if not self.is_cut:
                    self.take(side, self.sessions[side].receive(data, self.clock_ms(side)))
            self.now_ms = end_ms
            for side, session in enumerate(self.sessions):
                self.take(side, session.tick(self.clock_ms(side)))


def make_link(receiver_hello: Hello = RECEIVER_HELLO, sender_hello: Hello = SENDER_HELLO) -> Link:
    return Link(
        Session(sender_hello, REFERENCE),
        Session(receiver_hello),
        receiver_has_reference=not receiver_hello.wants_reference,
    )


def started(hello: Hello) -> Session:
    session = Session(hello, REFERENCE if hello.role is Role.SENDER else None)
    session.start(0)
    return session


def test_call_with_reference_then_goodbye() -> None:
    link = make_link()
    link.run(300)
    sender, receiver = link.sessions
    assert link.events[0] == [PeerHello(RECEIVER_HELLO), StartStreaming()]
    assert link.events[1] == [PeerHello(SENDER_HELLO), ReferenceReceived(REFERENCE)]
    assert sender.state is receiver.state is SessionState.STREAMING
    assert receiver.receive_params(PACKET.to_bytes(), 300) == PACKET
    link.take(0, sender.bye(ByeReason.ENDED, "the clip is over", link.now_ms, frames_sent=1))
    link.run(200)
    assert link.events[1][-1] == PeerBye(Bye(ByeReason.ENDED, "the clip is over", 1))
    assert link.events[0][-1] == ByeDone(is_acknowledged=True)
    assert receiver.receive_params(PACKET.to_bytes(), 600) is None
    assert sender.tick(99_000) == receiver.tick(99_000) == Step()


def test_call_without_reference_transfer() -> None:
    link = make_link(LOCAL_HELLO)
    link.run(300)
    assert link.events[0] == [PeerHello(LOCAL_HELLO), StartStreaming()]
    assert link.events[1] == [PeerHello(SENDER_HELLO)]


def test_model_mismatch_ends_the_call_on_both_sides() -> None:
    other = Hello(Role.RECEIVER, "receiver", 0.0, bytes(8), wants_reference=True)
    link = make_link(other)
    link.run(300)
    assert link.events[0][0] == ModelMismatch(MODEL_ID, bytes(8))
    assert link.events[1][0] == ModelMismatch(bytes(8), MODEL_ID)
    bye = link.events[0][1]
    assert isinstance(bye, PeerBye)
    assert bye.bye.reason is ByeReason.MODEL_MISMATCH
    assert MODEL_ID.hex() in bye.bye.text
    assert all(session.state is SessionState.CLOSED for session in link.sessions)


def test_heartbeat_notices_a_cut_link() -> None:
    link = make_link()
    link.run(20_000)
    assert not any(isinstance(event, PeerLost) for events in link.events for event in events)
    link.is_cut = True
    link.run(10_900)
    assert not any(isinstance(event, PeerLost) for events in link.events for event in events)
    link.run(1_200)
    for events in link.events:
        assert isinstance(events[-1], PeerLost)
        assert 12_000 <= events[-1].silent_ms <= 12_100
    link.run(10_000)
    assert all(sum(isinstance(event, PeerLost) for event in events) == 1 for events in link.events)


@pytest.mark.parametrize("seconds", [3, 5, 9])
def test_an_outage_is_told_once_and_so_is_its_end(seconds: int) -> None:
    link = make_link()
    link.run(3_000)
    for events in link.events:
        events.clear()
    link.is_cut = True
    link.run(1000 * seconds)
    link.is_cut = False
    link.run(3_000)
    for side, events in enumerate(link.events):
        silent, back = events
        assert isinstance(silent, LineSilent) and isinstance(back, LineBack)
        assert (2500, 1500)[side] <= silent.silent_ms <= (2600, 1600)[side]
        assert 1000 * seconds <= back.silent_ms <= 1000 * seconds + 2000
    assert all(session.state is SessionState.STREAMING for session in link.sessions)


def test_a_receiver_asks_for_the_time_each_second_and_a_sender_seldom() -> None:
    pings = {}
    for hello in (SENDER_HELLO, LOCAL_HELLO):
        session = started(hello)
        session.receive((LOCAL_HELLO if hello is SENDER_HELLO else SENDER_HELLO).to_bytes(), 0)
        messages = [message for now_ms in range(0, 10_000, 100) for message in session.tick(now_ms).messages]
        pings[hello.role] = sum(message[0] == Ping.TYPE for message in messages)
    assert pings == {Role.SENDER: 2, Role.RECEIVER: 10}


def test_params_count_as_a_sign_of_life() -> None:
    receiver = started(LOCAL_HELLO)
    receiver.receive(SENDER_HELLO.to_bytes(), 0)
    receiver.reference_ready()
    receiver.receive_params(PACKET.to_bytes(), 4000)
    assert receiver.tick(15_900).events == (LineSilent(11_900),)
    assert receiver.tick(16_000).events == (PeerLost(12_000),)


def test_a_frame_ends_the_silence_and_a_call_that_is_not_shown_yet_has_none() -> None:
    receiver = started(LOCAL_HELLO)
    receiver.receive(SENDER_HELLO.to_bytes(), 0)
    assert receiver.tick(4000).events == ()
    receiver.reference_ready()
    assert receiver.tick(4100).events == (LineSilent(4100),)
    assert receiver.tick(4200).events == ()
    receiver.receive_params(PACKET.to_bytes(), 4250)
    assert receiver.tick(4300).events == (LineBack(4250),)
    assert receiver.tick(4400).events == ()


def test_goodbye_without_answer_ends_when_a_lost_one_would_have_come_again() -> None:
    sender = started(SENDER_HELLO)
    farewell = sender.bye(ByeReason.HANGUP, "bye", 1000)
    assert farewell.messages == (Bye(ByeReason.HANGUP, "bye", 0).to_bytes(),)
    assert sender.bye(ByeReason.ERROR, "again", 1001) == Step()
    assert sender.receive(Ping(1).to_bytes(), 1200) == Step()
    assert sender.tick(2499) == Step()
    assert sender.tick(2500) == Step(events=(ByeDone(is_acknowledged=False),))


def test_crossing_goodbyes_end_both_sides() -> None:
    link = make_link()
    link.run(300)
    for side in (0, 1):
        link.take(side, link.sessions[side].bye(ByeReason.HANGUP, f"from {side}", link.now_ms))
    link.run(300)
    assert link.events[0][-1] == PeerBye(Bye(ByeReason.HANGUP, "from 1", 0))
    assert link.events[1][-1] == PeerBye(Bye(ByeReason.HANGUP, "from 0", 0))


def test_goodbye_text_is_cut_between_characters_and_made_printable() -> None:
    session = started(SENDER_HELLO)
    (data,) = session.bye(ByeReason.ERROR, "a\n" + "é" * 400, 0).messages
    bye = Bye.parse(data)
    assert bye.text == "a " + "é" * 255


@pytest.mark.parametrize(
    ("hello", "messages", "error"),
    [
        (RECEIVER_HELLO, [Ping(0)], "Ping came before Hello"),
        (RECEIVER_HELLO, [SENDER_HELLO, SENDER_HELLO], "Hello came twice"),
        (RECEIVER_HELLO, [RECEIVER_HELLO], "both sides are a receiver"),
        (RECEIVER_HELLO, [SENDER_HELLO, ReferenceChunk(0, b"a")], "before ReferenceStart"),
        (
            RECEIVER_HELLO,
            [SENDER_HELLO, next(split_reference(REFERENCE)), next(split_reference(REFERENCE))],
            "ReferenceStart came twice",
        ),
        (RECEIVER_HELLO, [SENDER_HELLO, ReferenceReady()], "ReferenceReady came from a sender"),
        (RECEIVER_HELLO, [SENDER_HELLO, ByeAck()], "there was no Bye"),
        (LOCAL_HELLO, [SENDER_HELLO, next(split_reference(REFERENCE))], "no reference was asked for"),
        (SENDER_HELLO, [RECEIVER_HELLO, ReferenceChunk(0, b"a")], "no reference was asked for"),
        (SENDER_HELLO, [RECEIVER_HELLO, ReferenceReady(), ReferenceReady()], "or twice"),
    ],
)
def test_messages_out_of_order_are_refused(
    hello: Hello, messages: list[Hello | Ping | ReferenceChunk], error: str
) -> None:
    session = started(hello)
    for message in messages[:-1]:
        session.receive(message.to_bytes(), 1)
    with pytest.raises(WireError, match=error):
        session.receive(messages[-1].to_bytes(), 2)


def streaming_pair(references: int = 4) -> tuple[Session, Session]:
    link = Link(
        Session(replace(SENDER_HELLO, references=references), REFERENCE),
        Session(replace(RECEIVER_HELLO, references=references)),
    )
    link.run(300)
    return link.sessions


def more(text: str) -> Reference:
    return Reference(text.encode() * 100, "video/vp9", text.encode())


def test_one_more_reference_is_sent_held_and_named() -> None:
    sender, receiver = streaming_pair()
    messages = sender.offer_reference(1, more("smile"), replaces=0)
    assert len(messages) == 3 and max(map(len, messages)) < 320  # small chunks hold up no frame
    *steps, last = (receiver.receive(data, 400) for data in messages)
    assert all(step == Step() for step in steps)
    assert last == Step(events=(MoreReceived(1, 0, more("smile")),))
    (answer,) = receiver.answer_reference(1, is_held=True).messages
    assert sender.receive(answer, 500).events == (ReferenceAnswered(1, is_held=True),)
    with pytest.raises(WireError, match="answered or never offered"):
        sender.receive(answer, 501)
    with pytest.raises(ValueError, match="was answered"):
        receiver.answer_reference(1, is_held=True)


def test_the_smaller_memory_counts() -> None:
    assert streaming_pair(1)[0].agreed.references == 1
    link = Link(
        Session(replace(SENDER_HELLO, references=16), REFERENCE),
        Session(replace(RECEIVER_HELLO, references=5)),
    )
    assert link.sessions[0].agreed.references == 1  # not known yet
    link.run(300)
    assert [session.agreed.references for session in link.sessions] == [5, 5]


def test_more_references_may_not_come_where_one_is_held() -> None:
    sender, receiver = streaming_pair(1)
    with pytest.raises(ValueError, match="cannot be offered"):
        sender.offer_reference(1, more("smile"))
    with pytest.raises(WireError, match="no more references"):
        receiver.receive(next(split_more(1, more("smile"))).to_bytes(), 400)
    sender, receiver = streaming_pair(4)
    sender.offer_reference(3, more("smile"))
    with pytest.raises(ValueError, match="after reference 3"):
        sender.offer_reference(3, more("smile"))
    receiver.receive(next(split_more(3, more("smile"))).to_bytes(), 400)
    with pytest.raises(WireError, match="after reference 3"):
        receiver.receive(next(split_more(2, more("smile"))).to_bytes(), 400)
    with pytest.raises(WireError, match="from a sender"):
        receiver.receive(ReferenceHeld(1, is_held=True).to_bytes(), 400)
    with pytest.raises(WireError, match="no more references"):
        sender.receive(next(split_more(5, more("smile"))).to_bytes(), 400)


OFFER = tuple(bytes([place]) * 16 for place in range(6))


def met_pair(near: int = 0, references: int = 4, **receiver: Any) -> tuple[Session, Session]:
    """A sender that offers six references, and a receiver that remembers; both have said hello."""
    sender = started(replace(SENDER_HELLO, references=references, known=OFFER, near=near))
    told = {"references": references, "capabilities": (REMEMBERS,), **receiver}
    remembering = started(replace(RECEIVER_HELLO, **told))
    remembering.receive(sender.agreed.own.to_bytes(), 1)
    return sender, remembering


@pytest.mark.parametrize(
    ("near", "held", "places", "known"),
    [
        (2, {5, 1, 3}, (1, 3, 5), {0: 1, 1: 3, 2: 5}),  # the call begins with the first
        (1, {5, 1, 3}, (1, 3, 5), {1: 1, 2: 3, 3: 5}),  # a first picture is needed
        (6, set(range(6)), (0, 1, 2, 3), {0: 0, 1: 1, 2: 2, 3: 3}),  # as many as there is room for
        (0, set(range(6)), (0, 1, 2), {1: 0, 2: 1, 3: 2}),
        (6, set(), (), {}),
    ],
)
def test_what_is_known_has_the_same_number_on_both_sides(
    near: int, held: set[int], places: tuple[int, ...], known: dict[int, int]
) -> None:
    sender, receiver = met_pair(near)
    assert sender.receive(receiver.agreed.own.to_bytes(), 1).messages == ()  # it waits for what is known
    assert sender.is_asked and receiver.is_asked
    (answer,) = receiver.tell_known(held).messages
    assert answer == ReferenceKnown(places).to_bytes()
    step = sender.receive(answer, 2)
    assert sender.known == receiver.known == known
    assert bool(step.messages) == (0 not in known)
    for message in step.messages:
        receiver.receive(message, 3)
    if 0 in known:
        with pytest.raises(WireError, match="nobody said that it is needed"):
            receiver.receive(next(split_reference(REFERENCE)).to_bytes(), 3)
    sender.receive(receiver.reference_ready().messages[0], 4)
    # Each is answered once, as if it had been sent, and what is sent has other numbers.
    for number in known.keys() - {0}:
        (held_answer,) = receiver.answer_reference(number, is_held=True).messages
        assert sender.receive(held_answer, 5).events == (ReferenceAnswered(number, is_held=True),)
        with pytest.raises(WireError, match="answered or never offered"):
            sender.receive(held_answer, 5)
    last = max(known, default=0)
    if last:
        with pytest.raises(ValueError, match=f"after reference {last}"):
            sender.offer_reference(last, more("smile"))
        with pytest.raises(WireError, match=f"after reference {last}"):
            receiver.receive(next(split_more(last, more("smile"))).to_bytes(), 6)
    receiver.receive(sender.offer_reference(last + 1, more("smile"))[0], 7)


@pytest.mark.parametrize(
    "receiver",
    [{"references": 1}, {"wants_reference": False}, {"capabilities": ()}],
)
def test_who_cannot_remember_is_not_waited_for(receiver: dict[str, Any]) -> None:
    sender, other = met_pair(2, **receiver)
    assert not other.is_asked
    messages = sender.receive(other.agreed.own.to_bytes(), 1).messages
    assert bool(messages) == other.agreed.own.wants_reference and not sender.is_asked
    with pytest.raises(ValueError, match="only a receiver that was asked"):
        other.tell_known({0})
    with pytest.raises(WireError, match="nothing was asked"):
        sender.receive(ReferenceKnown((0,)).to_bytes(), 2)


def test_lies_about_what_is_known_end_the_call() -> None:
    sender, receiver = met_pair(2)
    with pytest.raises(ValueError, match="told what it knows"):
        receiver.reference_ready()
    with pytest.raises(WireError, match="nobody said that it is needed"):
        receiver.receive(next(split_reference(REFERENCE)).to_bytes(), 2)
    with pytest.raises(WireError, match="nothing was asked"):
        receiver.receive(ReferenceKnown((0,)).to_bytes(), 2)
    sender.receive(receiver.agreed.own.to_bytes(), 1)
    for message, complaint in (
        (ReferenceReady(), "before ReferenceKnown"),
        (ReferenceKnown((0, 6)), "names 6, which was not offered"),
        (ReferenceKnown((0, 1, 2, 3, 4)), "no room among 4"),
        (ReferenceKnown((2, 3, 4, 5)), "no room among 4"),
    ):
        with pytest.raises(WireError, match=complaint):
            sender.receive(message.to_bytes(), 2)
    sender.receive(ReferenceKnown((0, 2)).to_bytes(), 2)
    with pytest.raises(WireError, match="or twice"):
        sender.receive(ReferenceKnown((0, 2)).to_bytes(), 3)
    with pytest.raises(WireError, match="before ReferenceReady"):
        sender.receive(ReferenceHeld(1, is_held=True).to_bytes(), 3)


@settings(derandomize=True, deadline=None, database=None, max_examples=300)
@given(st.data())
def test_both_sides_agree_on_what_is_held_whatever_happens_to_the_transfers(data: st.DataObject) -> None:
    """Chunks and announcements are lost, repeated, exchanged and damaged; answers are late; frames overtake them."""
    sender, receiver = met_pair(data.draw(st.integers(0, 6)))
    sender.receive(receiver.agreed.own.to_bytes(), 1)
    for message in receiver.tell_known(data.draw(st.sets(st.integers(0, 5)))).messages:
        for picture in sender.receive(message, 2).messages:
            receiver.receive(picture, 3)
    sender.receive(receiver.reference_ready().messages[0], 4)
    memory: ReferenceMemory[Reference] = ReferenceMemory(4)
    memory.admit(0, REFERENCE)
    sent = {known: more(f"remembered {place}") for known, place in sender.known.items() if known}
    usable = {0}
    # What is known waits for an answer like what is sent, and nothing is sent before that.
    unanswered: dict[int, int | None] = dict.fromkeys(sent)
    to_receiver: list[bytes] = []
    to_sender: list[bytes] = []
    for known in sent:
        memory.admit(known, more(f"remembered {receiver.known[known]}"))
        to_sender += receiver.answer_reference(known, is_held=True).messages
    number = max(sent, default=0)
    for _ in range(data.draw(st.integers(5, 60))):
        match data.draw(st.sampled_from(("offer", "deliver", "deliver", "deliver", "answer", "frame"))):
            case "offer" if not unanswered:
                number += data.draw(st.integers(1, 3))
                replaces = min(usable) if len(usable) == 4 else None
                sent[number] = more(f"reference {number}")
                usable.discard(-1 if replaces is None else replaces)
                unanswered[number] = replaces
                to_receiver += _damaged(data, sender.offer_reference(number, sent[number], replaces))
            case "deliver" if to_receiver:
                try:
                    step = receiver.receive(to_receiver.pop(0), 400)
                except WireError:
                    continue  # ends a call: nothing is used any more, and nothing wrong
                to_sender += step.messages
                for event in step.events:
                    assert isinstance(event, MoreReceived | MoreRefused)
                    if isinstance(event, MoreReceived):
                        is_held = data.draw(st.booleans())
                        if is_held:
                            memory.admit(event.number, event.reference, replaces=event.replaces)
                        to_sender += receiver.answer_reference(event.number, is_held=is_held).messages
            case "answer" if to_sender:
                try:
                    step = sender.receive(to_sender.pop(0), 500)
                except WireError:
                    continue
                for answered in step.events:
                    assert isinstance(answered, ReferenceAnswered)
                    replaced = unanswered.pop(answered.number)
                    back = answered.number if answered.is_held else replaced
                    usable |= set() if back is None else {back}
            case "frame":
                for used in usable - {0}:
                    assert memory.get(used) == sent[used]
        assert len(memory) <= 4


def _damaged(data: st.DataObject, messages: tuple[bytes, ...]) -> list[bytes]:
    """The messages, or what a line that keeps nothing of its promises makes of them."""
    result = list(messages)
    for _ in range(data.draw(st.integers(0, 2))):
        place = data.draw(st.integers(0, len(result) - 1))
        match data.draw(st.sampled_from(("lose", "repeat", "exchange", "damage"))):
            case "lose" if len(result) > 1:
                del result[place]
            case "repeat":
                result.insert(place, result[place])
            case "exchange":
                result[place], result[0] = result[0], result[place]
            case "damage":
                damaged = bytearray(result[place])
                damaged[-1] ^= 0x40
                result[place] = bytes(damaged)
    return result


def test_only_a_receiver_that_asked_for_it_gets_a_voice() -> None:
    voice = VoicePacket(40, (OpusFrame(3, b"opus"),))
    with_voice = replace(PACKET, capture_ms=60, voice=voice)
    for capabilities in ((), (VOICE_CAPABILITY,)):
        link = make_link(replace(RECEIVER_HELLO, capabilities=capabilities))
        link.run(300)
        sender, receiver = link.sessions
        assert sender.agreed.has_voice is bool(capabilities)
        for data, sent in ((voice.to_bytes(), voice), (with_voice.to_bytes(), with_voice)):
            if capabilities:
                assert receiver.receive_params(data, 300) == sent
            else:
                with pytest.raises(WireError, match="not asked for"):
                    receiver.receive_params(data, 300)


@pytest.mark.parametrize(
    ("sends", "knows", "fits"),
    [("a", "a", True), ("a", "b", False), ("a", None, False), (None, "a", False)],
)
def test_what_is_said_goes_to_a_receiver_that_knows_its_code(
    sends: str | None, knows: str | None, fits: bool
) -> None:
    said = SaidPacket(40, (SaidFrame(3, b"record"),))
    with_said = replace(PACKET, capture_ms=60, said=said)
    named = [(said_capability(code.encode() * 8),) if code else () for code in (sends, knows)]
    link = make_link(
        replace(RECEIVER_HELLO, capabilities=named[1]), replace(SENDER_HELLO, capabilities=named[0])
    )
    link.run(300)
    sender, receiver = link.sessions
    assert sender.agreed.has_said is receiver.agreed.has_said is fits
    assert not sender.agreed.has_voice
    for data, sent in ((said.to_bytes(), said), (with_said.to_bytes(), with_said)):
        if fits:
            assert receiver.receive_params(data, 300) == sent
        else:
            with pytest.raises(WireError, match="what is said came, which was not asked for"):
                receiver.receive_params(data, 300)


def test_params_out_of_order_are_refused() -> None:
    receiver = started(RECEIVER_HELLO)
    with pytest.raises(WireError, match="before the reference"):
        receiver.receive_params(PACKET.to_bytes(), 1)
    receiver.receive(SENDER_HELLO.to_bytes(), 2)
    with pytest.raises(WireError, match="before the reference"):
        receiver.receive_params(PACKET.to_bytes(), 3)
    with pytest.raises(WireError, match="a receiver sent"):
        started(SENDER_HELLO).receive_params(PACKET.to_bytes(), 1)


@pytest.mark.parametrize(
    "misuse",
    [
        lambda: Session(SENDER_HELLO),
        lambda: Session(RECEIVER_HELLO, REFERENCE),
        lambda: started(RECEIVER_HELLO).start(1),
        lambda: started(RECEIVER_HELLO).reference_ready(),
        lambda: Session(RECEIVER_HELLO).receive(b"", 0),
    ],
)
def test_misuse_is_a_value_error(misuse: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        misuse()


@pytest.mark.parametrize("ahead_ms", [0, 123_456, -987_654, 2**31 - 1])
@pytest.mark.parametrize("start_ms", [10_000_000, 2**32 - 5_000])
def test_clock_offset_is_within_half_the_asymmetry(ahead_ms: int, start_ms: int) -> None:
    link = Link(
        Session(SENDER_HELLO, REFERENCE),
        Session(RECEIVER_HELLO),
        receiver_ahead_ms=ahead_ms,
        delay_there_ms=70,
        delay_back_ms=10,
        start_ms=start_ms,
    )
    link.run(10_000)
    for session, offset_ms in zip(link.sessions, (ahead_ms, -ahead_ms), strict=True):
        assert session.clock is not None
        assert session.clock.round_trip_ms == 80
        error_ms = (session.clock.offset_ms - offset_ms + 2**31) % 2**32 - 2**31
        assert abs(error_ms) <= 30
    # The receiver tells how old a frame is, from the sender's time stamp.
    estimate = link.sessions[1].clock
    assert estimate is not None
    assert abs(estimate.age_ms(wrap_ms(link.now_ms - 200), link.clock_ms(1)) - 200) <= 30


def test_clock_keeps_the_sample_that_did_not_wait() -> None:
    clock = PeerClock()
    ahead_ms = 5_000
    for ping_ms, there_ms, back_ms in ((0, 400, 20), (1000, 150, 300), (2000, 20, 22), (3000, 700, 90)):
        arrival_ms = ping_ms + there_ms
        clock.add_pong(ping_ms, arrival_ms + ahead_ms, arrival_ms + back_ms)
    assert clock.estimate == ClockEstimate(ahead_ms - 1.0, 42)


def test_clock_ignores_pongs_to_no_ping_and_forgets_old_samples() -> None:
    clock = PeerClock()
    clock.add_pong(ping_ms=2_000, peer_ms=0, now_ms=1_000)
    assert clock.estimate is None
    clock.add_pong(ping_ms=1_000, peer_ms=1_000, now_ms=1_000)
    assert clock.estimate == ClockEstimate(0.0, 0)
    for now_ms in range(10_000, 26_000, 1_000):
        clock.add_pong(ping_ms=now_ms - 10, peer_ms=now_ms + 95, now_ms=now_ms)
    assert clock.estimate == ClockEstimate(100.0, 10)


def test_ping_is_answered_with_own_clock_modulo_u32() -> None:
    session = started(RECEIVER_HELLO)
    session.receive(SENDER_HELLO.to_bytes(), 0)
    assert session.receive(Ping(7).to_bytes(), 2**32 + 5).messages == (Pong(7, 5).to_bytes(),)
