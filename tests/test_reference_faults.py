"""The sender's filler, both sessions, what the receiver holds and a bad line: no frame is drawn from a wrong picture.

MemoryFiller ── Session ── control: late, in order ──▶ Session ── ChainReader ── HeldReferences.hold
     │                                                                                  │
     └──────── frames: lost, late, overtaken ──────────────────────────────▶ HeldReferences.find
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.codec.params import EXPRESSION_SIZE, GAZE_SIZE, FaceParams
from headgan.codec.picture_coder import CHAIN_MEDIA_TYPE, CodedPicture
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.models.reconstruct import Reconstructor, ReferenceImage
from headgan.proto.errors import WireError
from headgan.proto.hello import Hello, Role
from headgan.proto.more_references import MoreReceived, ReferenceAnswered
from headgan.proto.reference_transfer import Reference
from headgan.proto.session import Session
from headgan.proto.wire import ParamPacket
from headgan.receiver.frame_reader import FrameReader
from headgan.receiver.held_references import HeldReferences
from headgan.sender.analysis import AnalysedFrame
from headgan.sender.memory_filler import MemoryFiller
from headgan.sender.param_packer import ParamPacker

STEP_MS = 200  # the planner looks that often
MODEL_ID = bytes(8)
FACE = FaceParams(
    np.zeros(EXPRESSION_SIZE, np.float32),
    np.array([1, 0, 0, 0, 0.35, 0, 0], np.float32),
    np.zeros(GAZE_SIZE, np.float32),
)


def picture(x: int, y: int) -> NDArray[np.uint8]:
    """A picture of two levels, which are also its descriptor."""
    return np.array([x, y], np.uint8)


class ChainWriter:
    """Stands in for the VP9 encoder: each picture names its chain and its place there; four messages long."""

    chains: ClassVar[int] = 0

    def __init__(self, size: int = CROP_SIZE) -> None:
        self.size = size
        ChainWriter.chains += 1
        self._chain, self._count = ChainWriter.chains, 0

    def encode(self, picture_rgb: NDArray[np.uint8]) -> CodedPicture:
        head = bytes((self._chain, self._count, *picture_rgb))
        self._count += 1
        return CodedPicture(head + bytes(800), picture_rgb)


class ChainReader:
    """Stands in for the VP9 decoder: takes the next picture of its chain, or the first of another."""

    def __init__(self) -> None:
        self._next: tuple[int, int] | None = None

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        chain, place = data[:2]
        if place != 0 and (chain, place) != self._next:
            raise WireError("not the next picture of its chain")
        self._next = chain, place + 1
        return np.frombuffer(data[2:4], np.uint8)


class QuickFiller(MemoryFiller):
    """Describes a picture by its levels."""

    def _describe(self, picture_rgb: NDArray[np.uint8], _params: FaceParams) -> NDArray[np.float32]:
        return picture_rgb.astype(np.float32)


@dataclass(frozen=True)
class Still:
    """Draws one picture."""

    picture_rgb: NDArray[np.uint8]

    def draw(self, _params: FaceParams) -> NDArray[np.uint8]:
        return self.picture_rgb


def streaming_pair(references: int) -> tuple[Session, Session]:
    first = Reference(b"first", CHAIN_MEDIA_TYPE, b"")
    sender = Session(Hello(Role.SENDER, "s", 25.0, MODEL_ID, references=references), first)
    receiver = Session(
        Hello(Role.RECEIVER, "r", 25.0, MODEL_ID, wants_reference=False, references=references)
    )
    (sender_hello,), (receiver_hello,) = sender.start(0).messages, receiver.start(0).messages
    sender.receive(receiver_hello, 0)
    receiver.receive(sender_hello, 0)
    sender.receive(receiver.reference_ready().messages[0], 0)
    return sender, receiver


class Control:
    """A channel that loses nothing and keeps the order, whatever becomes of the line; times in steps."""

    def __init__(self, delay: int, outage: range) -> None:
        self._delay, self._outage = delay, outage
        self._flying: deque[tuple[int, bytes]] = deque()

    def send(self, data: bytes, step: int) -> None:
        arrival = step + self._delay
        if step in self._outage or arrival in self._outage:
            arrival = self._outage.stop + self._delay
        self._flying.append((max(arrival, self._flying[-1][0] if self._flying else 0), data))

    def arrived(self, step: int) -> Iterator[bytes]:
        while self._flying and self._flying[0][0] <= step:
            yield self._flying.popleft()[1]


class Call:
    """Both sides, and what the sender knows of each of its pictures."""

    def __init__(
        self, capacity: int, delay: int, outage: range, *, undecodable: set[int], damaged: set[int]
    ) -> None:
        self.sent = {0: picture(0, 0)}
        first = ReferenceImage(self.sent[0], np.zeros(1, np.float32), FACE)
        encoder: Any = ChainWriter()
        self._reader = ChainReader()
        coded = encoder.encode(self.sent[0])
        self._reader.decode(coded.data)
        model = cast(MorphableModel, None)
        self.filler = QuickFiller(model, first, encoder, coded, capacity=capacity, kbps=1000.0)
        self.sender, self.receiver = streaming_pair(capacity)
        self.held = HeldReferences(cast(Reconstructor, Still(self.sent[0])), capacity)
        self.outage = outage
        self.drawn_late = 0
        self._undecodable, self._damaged = undecodable, damaged
        self._there, self._back = Control(delay, outage), Control(delay, outage)
        self._outgoing: deque[bytes] = deque()
        self._frames: list[tuple[int, int, ParamPacket]] = []
        self._packer, self._faces = ParamPacker(rate_fps=1000 / STEP_MS), FrameReader()

    def step(self, step: int, seen: NDArray[np.uint8], fate: int | None) -> None:
        """One frame is seen, sent and, by its fate, lost (None) or some steps late."""
        for data in self._back.arrived(step):
            for event in self.sender.receive(data, step * STEP_MS).events:
                assert isinstance(event, ReferenceAnswered)
                self.filler.answered(event.number, is_held=event.is_held)
        names, shipment = self.filler.look(AnalysedFrame(seen, FACE), float(step * STEP_MS))
        if shipment is not None:
            self.sent[shipment.number] = np.frombuffer(shipment.reference.image[2:4], np.uint8)
            messages = list(
                self.sender.offer_reference(shipment.number, shipment.reference, shipment.replaces)
            )
            if shipment.number in self._damaged:
                messages[-1] = messages[-1][:-1] + b"\x01"
            self._outgoing.extend(messages)
        if self._outgoing:  # one by one, as the rate allows
            self._there.send(self._outgoing.popleft(), step)
        self._send_frame(step, names, fate)
        self._receive(step)

    def _send_frame(self, step: int, names: tuple[int, ...], fate: int | None) -> None:
        packet = self._packer.add(FACE, names, float(step * STEP_MS), is_untrue=False)
        assert packet is not None and packet.seq == step
        arrival = None if fate is None else step + fate
        if step in self.outage:
            # The channel keeps the first one until the line is back.
            arrival = self.outage.stop if step == self.outage.start else None
        if arrival is not None:
            self._frames.append((arrival, step, packet))

    def _receive(self, step: int) -> None:
        for data in self._there.arrived(step):
            received = self.receiver.receive(data, step * STEP_MS)
            for message in received.messages:
                self._back.send(message, step)
            for event in received.events:
                if isinstance(event, MoreReceived):
                    self._hold(event, step)
        due = sorted(frame for frame in self._frames if frame[0] <= step)
        self._frames = [frame for frame in self._frames if frame[0] > step]
        for _, sent_at, packet in due:
            self._draw(packet, step - sent_at)

    def _hold(self, more: MoreReceived, step: int) -> None:
        """As the receiver's call does it."""
        try:
            if more.number in self._undecodable:
                raise WireError("damaged before it was sent")
            shown = Still(self._reader.decode(more.reference.image))
        except WireError:
            is_held = False
        else:
            self.held.hold(more.number, cast(Reconstructor, shown), more.replaces)
            is_held = True
        for message in self.receiver.answer_reference(more.number, is_held=is_held).messages:
            self._back.send(message, step)

    def _draw(self, packet: ParamPacket, late: int) -> None:
        arrived = self.receiver.receive_params(packet.to_bytes(), 0)
        assert isinstance(arrived, ParamPacket)
        self._packer.arrived(packet.seq)
        for frame in self._faces.read(arrived, 0):
            assert len(frame.references) == 1
            found = self.held.find(frame.references)
            assert len(found) == 1, f"reference {frame.references[0]} is not held"
            np.testing.assert_array_equal(found[0].draw(FACE), self.sent[frame.references[0]])
            self.drawn_late += late > 0


@contextmanager
def call(capacity: int, delay: int, outage: range, **bad: set[int]) -> Iterator[Call]:
    ChainWriter.chains = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("headgan.sender.memory_filler.PictureEncoder", ChainWriter)
        patch.setattr(
            "headgan.sender.memory_filler.describe_reference",
            lambda _model, reference: reference.picture_rgb.astype(np.float32),
        )
        running = Call(capacity, delay, outage, **bad)
        yield running


def settle(running: Call, step: int) -> None:
    """Sees nothing new until nothing is under way; then both sides hold the same pictures."""
    for later in range(step, step + 200):
        running.step(later, running.sent[0], None)
        if not running.filler._planner._coming:
            break
    held = running.held.numbers
    assert running.filler._planner.held == set(held)
    assert running.filler.held == len(held)
    for number in held:
        (drawn,) = running.held.find((number,))
        np.testing.assert_array_equal(drawn.draw(FACE), running.sent[number])


@settings(derandomize=True, deadline=None, database=None, max_examples=80)
@given(
    views=st.lists(
        st.tuples(st.integers(0, 250), st.integers(0, 250), st.sampled_from((0, 0, 0, 1, None))),
        min_size=20,
        max_size=90,
    ),
    capacity=st.integers(2, 4),
    delay=st.integers(0, 5),
    outage=st.tuples(st.integers(0, 60), st.integers(0, 40)),
    undecodable=st.sets(st.integers(1, 12), max_size=3),
    damaged=st.sets(st.integers(1, 12), max_size=3),
)
def test_no_frame_is_drawn_from_a_wrong_picture_whatever_the_line_does(
    views: list[tuple[int, int, int | None]],
    capacity: int,
    delay: int,
    outage: tuple[int, int],
    undecodable: set[int],
    damaged: set[int],
) -> None:
    silent = range(outage[0], sum(outage))
    with call(capacity, delay, silent, undecodable=undecodable, damaged=damaged) as running:
        for step, (x, y, fate) in enumerate(views):
            running.step(step, picture(x, y), fate)
            assert len(running.held) <= capacity
        settle(running, len(views))


def test_an_outage_in_the_middle_of_a_reference_only_delays_it() -> None:
    rng = np.random.default_rng(0)
    with call(3, 1, range(22, 47), undecodable=set(), damaged=set()) as running:
        held = []
        for step in range(150):
            x, y = rng.integers(0, 250, 2)
            running.step(step, picture(int(x), int(y)), step % 2)
            held.append(len(running.held))
            if step == 22:
                before = max(running.sent)
                assert before > running.held.numbers[-1]  # one is under way
            if step == 46:  # and no other was sent meanwhile
                assert max(running.sent) == before > running.held.numbers[-1]
            if step == 52:
                assert before in running.held.numbers
        assert max(running.sent) > before and held[-1] == 3
        assert running.drawn_late > 40
        settle(running, 150)


def test_a_frame_that_an_outage_held_up_is_drawn_from_what_was_replaced_meanwhile() -> None:
    """Whatever moment the line is cut at: the frame names a picture that is given up before it arrives."""
    for start in range(10, 40):
        rng = np.random.default_rng(1)
        with call(2, 0, range(start, start + 15), undecodable=set(), damaged=set()) as running:
            for step in range(start + 25):
                x, y = rng.integers(0, 250, 2)
                running.step(step, picture(int(x), int(y)), 0)
