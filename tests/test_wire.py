"""Wire messages: golden bytes from PROTOCOL.md, round trips, truncations, and bytes from a hostile peer."""

import contextlib
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgan.proto.control import (
    MAX_BYE_TEXT_BYTES,
    Bye,
    ByeAck,
    ByeReason,
    ControlMessage,
    Ping,
    Pong,
    RefreshWanted,
    parse_control,
)
from headgan.proto.errors import WireError
from headgan.proto.hello import MAX_IDENTITY_BYTES, Hello, Role
from headgan.proto.live_video import MAX_PIECE_BYTES, VideoPiece
from headgan.proto.reference_messages import (
    MAX_CHUNK_BYTES,
    MAX_REFERENCE_BYTES,
    ReferenceChunk,
    ReferenceHeld,
    ReferenceKnown,
    ReferenceMore,
    ReferenceReady,
    ReferenceStart,
)
from headgan.proto.reference_transfer import Reference, ReferenceAssembler, split_more, split_reference
from headgan.proto.said import MAX_RECORD_BYTES, SaidFrame, SaidPacket, said_frame
from headgan.proto.voice import (
    MAX_OPUS_BYTES,
    VOICE_REACH_MS,
    OpusFrame,
    VoiceNumbers,
    VoicePacket,
    opus_frame,
)
from headgan.proto.wire import MAX_OFFSET_MS, MAX_PAYLOAD_BYTES, PROTOCOL_VERSION, FrameMark, ParamPacket
from headgan.proto.wire_fields import MAX_CONTROL_BYTES, U32_MAX

# The same examples in every run, and no time limit that a busy machine could break.
repeatable = settings(derandomize=True, deadline=None, database=None)
PICTURE = b"picture"
EXAMPLES: dict[str, ParamPacket | VoicePacket | SaidPacket | ControlMessage] = {
    "ParamPacket": ParamPacket(7, 123456, (FrameMark(),), bytes((1, 2, 3, 4, 5))),
    "ParamPacket without a face": ParamPacket(8, 123496, (FrameMark(has_face=False),), b""),
    "Hello": Hello(
        Role.SENDER, "headgan 0.1.0", 25.0, bytes(range(8)), bytes.fromhex("3f800000"), ("gaze",), False
    ),
    "ReferenceStart": ReferenceStart(7, hashlib.sha256(PICTURE).digest(), "image/jpeg", b"\x01\x02"),
    "ReferenceChunk": ReferenceChunk(0, PICTURE),
    "ReferenceReady": ReferenceReady(),
    "Ping": Ping(1000),
    "Pong": Pong(1000, 51000),
    "Bye": Bye(ByeReason.HANGUP, "bye", 250),
    "ByeAck": ByeAck(),
    "ParamPacket of three frames": ParamPacket(
        12, 123656, (FrameMark(), FrameMark(40, has_face=False), FrameMark(81)), bytes((1, 2, 3))
    ),
    "ParamPacket in short": ParamPacket(15, 123776, (FrameMark(),), bytes((1, 2, 3, 4, 5))),
    "ParamPacket with a voice": ParamPacket(
        16,
        123816,
        (FrameMark(),),
        bytes((1, 2, 3, 4, 5)),
        VoicePacket(
            123830,
            (
                OpusFrame(9, bytes.fromhex("58aa"), is_copy=True),
                OpusFrame(10, bytes.fromhex("58020304")),
            ),
        ),
    ),
    "ParamPacket in short with a voice": ParamPacket(
        15, 123776, (FrameMark(),), bytes((1, 2)), VoicePacket(123750, (OpusFrame(8, bytes.fromhex("5805")),))
    ),
    "VoicePacket": VoicePacket(123910, (OpusFrame(12, bytes.fromhex("5806")),)),
    "ParamPacket with what is said": ParamPacket(
        16,
        123816,
        (FrameMark(),),
        bytes((1, 2, 3, 4, 5)),
        said=SaidPacket(123790, (SaidFrame(9, bytes.fromhex("7fff3b7c")), SaidFrame(10, b""))),
    ),
    "ParamPacket in short with what is said": ParamPacket(
        15, 123776, (FrameMark(),), bytes((1, 2)), said=SaidPacket(123750, (SaidFrame(8, b"\xcc"),))
    ),
    "SaidPacket": SaidPacket(123910, (SaidFrame(12, bytes.fromhex("cc11328a")),)),
    "RefreshWanted": RefreshWanted(),
    "ReferenceMore": next(iter(split_more(3, Reference(PICTURE, "video/vp9", b"\x01\x02"), 1))),
    "ReferenceHeld": ReferenceHeld(3, True),
    "ParamPacket that is untrue": ParamPacket(
        10, 123576, (FrameMark(is_untrue=True),), bytes((1, 2, 3, 4, 5))
    ),
    "VideoPiece": VideoPiece(123576, PICTURE, begins=True, ends=True),
    "Hello that offers references": Hello(
        Role.SENDER,
        "headgan 0.1.0",
        25.0,
        bytes(range(8)),
        bytes.fromhex("3f800000"),
        ("gaze",),
        references=16,
        known=(bytes(range(16)), bytes(range(16, 32))),
        near=1,
    ),
    "ReferenceKnown": ReferenceKnown((0, 3)),
}
HELLO_FIELDS: dict[str, Any] = {
    "role": "receiver",
    "agent": "test",
    "rate_fps": 25.0,
    "capabilities": [],
    "model_id": bytes(8),
    "identity": b"",
    "wants_reference": True,
}

u32 = st.integers(0, U32_MAX)
printable = st.text(st.characters(categories=("L", "N", "P", "S")), max_size=8)
payloads = st.binary(max_size=MAX_PAYLOAD_BYTES)
marks = st.builds(FrameMark, st.integers(0, MAX_OFFSET_MS), st.booleans(), st.booleans())
some_frames = st.builds(
    lambda first, others: (replace(first, offset_ms=0), *others), marks, st.lists(marks, max_size=3)
)
param_packets = st.builds(
    lambda seq, capture_ms, frames, records: ParamPacket(
        seq, capture_ms, frames, records if any(frame.has_face for frame in frames) else b""
    ),
    u32,
    u32,
    some_frames,
    payloads,
)
opus_data = st.binary(min_size=1, max_size=MAX_OPUS_BYTES)


@st.composite
def voice_packets(draw: st.DrawFn) -> VoicePacket:
    places = sorted(draw(st.sets(st.tuples(st.integers(0, 15), st.booleans()), min_size=1, max_size=8)))
    first = draw(st.integers(0, 63))
    frames = [opus_frame(first + number, draw(opus_data), is_copy=not is_real) for number, is_real in places]
    return VoicePacket(draw(u32), tuple(frames))


voices = voice_packets()


@st.composite
def said_packets(draw: st.DrawFn) -> SaidPacket:
    places = sorted(draw(st.sets(st.integers(0, 31), min_size=1, max_size=8)))
    first = draw(st.integers(0, 63))
    data = st.binary(max_size=MAX_RECORD_BYTES)
    return SaidPacket(draw(u32), tuple(said_frame(first + place, draw(data)) for place in places))


packets_with_said = st.builds(
    lambda packet, said, apart: replace(
        packet, said=replace(said, start_ms=(packet.capture_ms + apart) % 2**32)
    ),
    param_packets,
    said_packets(),
    st.integers(-VOICE_REACH_MS, VOICE_REACH_MS),
)
packets_with_voice = st.builds(
    lambda packet, voice, apart: replace(
        packet, voice=replace(voice, start_ms=(packet.capture_ms + apart) % 2**32)
    ),
    param_packets,
    voices,
    st.integers(-VOICE_REACH_MS, VOICE_REACH_MS),
)
control_messages: st.SearchStrategy[ControlMessage] = st.one_of(
    st.builds(
        Hello,
        role=st.sampled_from(Role),
        agent=printable,
        rate_fps=st.floats(0.5, 240.0),
        model_id=st.binary(min_size=8, max_size=8),
        identity=st.lists(st.binary(min_size=4, max_size=4), max_size=8).map(b"".join),
        capabilities=st.lists(printable, max_size=16).map(tuple),
        wants_reference=st.booleans(),
        references=st.integers(1, 64),
        fuses=st.integers(1, 8),
        known=st.sets(st.binary(min_size=16, max_size=16), max_size=64).map(tuple),
        version=st.just(PROTOCOL_VERSION),
    ),
    st.builds(
        ReferenceStart,
        st.integers(1, MAX_REFERENCE_BYTES),
        st.binary(min_size=32, max_size=32),
        st.sampled_from(("image/jpeg", "image/webp", "image/x-a.b+c")),
        payloads,
    ),
    st.builds(
        ReferenceChunk, st.integers(0, MAX_REFERENCE_BYTES), st.binary(min_size=1, max_size=MAX_CHUNK_BYTES)
    ),
    st.just(ReferenceReady()),
    st.just(RefreshWanted()),
    st.builds(Ping, u32),
    st.builds(Pong, u32, u32),
    st.builds(Bye, st.sampled_from(ByeReason), printable, u32),
    st.just(ByeAck()),
    st.builds(
        lambda number, step, start: ReferenceMore(number, number - step if step else None, start),
        st.integers(1, 65534),
        st.integers(0, 1),
        st.builds(ReferenceStart, st.integers(1, 9999), st.just(bytes(32)), st.just("video/vp9"), payloads),
    ),
    st.builds(ReferenceHeld, st.integers(1, 65534), st.booleans()),
    st.builds(VideoPiece, u32, st.binary(min_size=1, max_size=MAX_PIECE_BYTES), st.booleans(), st.booleans()),
    st.builds(ReferenceKnown, st.sets(st.integers(0, 63)).map(lambda places: tuple(sorted(places)))),
)


def parse_example(name: str, data: bytes) -> ParamPacket | VoicePacket | SaidPacket | ControlMessage:
    if name == "SaidPacket":
        return SaidPacket.parse(data)
    if name == "VoicePacket":
        return VoicePacket.parse(data)
    return parse_packet(data) if name.startswith("ParamPacket") else parse_control(data)


NEAR = ParamPacket(14, 123737, (FrameMark(),), b"")


def parse_packet(data: bytes, near: ParamPacket = NEAR) -> ParamPacket:
    packet = ParamPacket.parse(data, near)
    assert packet is not None
    return packet


def as_bytes(name: str, message: ParamPacket | VoicePacket | SaidPacket | ControlMessage) -> bytes:
    return (
        message.to_bytes(is_short="short" in name) if isinstance(message, ParamPacket) else message.to_bytes()
    )


def hello_bytes(**changes: Any) -> bytes:
    fields = {key: value for key, value in {**HELLO_FIELDS, **changes}.items() if value is not None}
    return b"\x01\x02" + bytes(msgpack.packb(fields))


def test_protocol_document_examples_are_the_bytes_of_the_messages() -> None:
    document = resources.files("headgan.proto").joinpath("PROTOCOL.md").read_text("utf-8")
    written = dict(re.findall(r"^```hex (.+)\n([0-9a-f\s]+)^```", document, re.MULTILINE))
    assert written.keys() == EXAMPLES.keys()
    for name, message in EXAMPLES.items():
        data = bytes.fromhex(written[name])
        assert as_bytes(name, message) == data, name
        assert parse_example(name, data) == message


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_truncation_and_every_extension_fails(name: str) -> None:
    data = as_bytes(name, EXAMPLES[name])
    # A ParamPacket has no length in itself, so only a cut header can be noticed.
    headers = {
        "ParamPacket of three frames": 13,
        "ParamPacket in short": 4,
        "ParamPacket with a voice": 20,
        "ParamPacket in short with a voice": 9,
        "ParamPacket with what is said": 18,
        "ParamPacket in short with what is said": 8,
    }
    length = headers.get(name, 9) if name.startswith("ParamPacket") else len(data)
    for end in range(length):
        with pytest.raises(WireError):
            parse_example(name, data[:end])
    if not name.startswith("ParamPacket"):
        with pytest.raises(WireError):
            parse_example(name, data + b"\x00")


@repeatable
@given(param_packets)
def test_param_packet_round_trip(packet: ParamPacket) -> None:
    data = packet.to_bytes()
    assert len(data) == 9 + 2 * (len(packet.frames) - 1) + len(packet.records)
    assert parse_packet(data) == ParamPacket.parse(data) == packet


@repeatable
@given(param_packets, st.integers(-127, 127), st.integers(-30_000, 30_000))
def test_short_packet_round_trip(packet: ParamPacket, frames: int, milliseconds: int) -> None:
    near = replace(
        packet, seq=(packet.seq - frames) % 2**32, capture_ms=(packet.capture_ms - milliseconds) % 2**32
    )
    data = packet.to_bytes(is_short=True)
    assert len(data) == len(packet.to_bytes()) - 5
    assert parse_packet(data, near) == packet
    assert ParamPacket.parse(data) is None


@repeatable
@given(packets_with_voice)
def test_packet_with_voice_round_trip(packet: ParamPacket) -> None:
    assert packet.voice is not None
    data = packet.to_bytes()
    voice_bytes = 1 + sum(2 + len(frame.data) for frame in packet.voice.frames)
    assert len(data) == 9 + 2 * (len(packet.frames) - 1) + voice_bytes + len(packet.records)
    assert ParamPacket.parse(data) == packet
    assert parse_packet(packet.to_bytes(is_short=True), replace(packet, voice=None)) == packet


@repeatable
@given(packets_with_said)
def test_packet_with_what_is_said_round_trip(packet: ParamPacket) -> None:
    assert packet.said is not None and packet.sound == packet.said
    data, plain = packet.to_bytes(), replace(packet, said=None).to_bytes()
    assert len(data) == len(plain) + 1 + sum(2 + len(frame.data) for frame in packet.said.frames)
    assert parse_packet(data) == packet
    assert parse_packet(packet.to_bytes(is_short=True), packet) == packet


@repeatable
@given(said_packets())
def test_what_is_said_round_trip(said: SaidPacket) -> None:
    assert SaidPacket.stands_in(said.to_bytes()) and not VoicePacket.stands_in(said.to_bytes())
    assert SaidPacket.parse(said.to_bytes()) == said


def test_a_packet_has_a_voice_or_what_is_said_and_not_from_long_ago() -> None:
    said, voice = SaidPacket(1000, (said_frame(3, b"x"),)), VoicePacket(1000, (opus_frame(3, b"x"),))
    packet = ParamPacket(1, 1000, (FrameMark(),), b"", said=said)
    with pytest.raises(WireError, match="room for one of them"):
        replace(packet, voice=voice)
    with pytest.raises(WireError, match="too far from the first frame"):
        replace(packet, capture_ms=2000)
    for numbers in ((3, 3), (3, 2), (3, 40)):
        with pytest.raises(WireError, match="comes after record 3"):
            SaidPacket(1000, tuple(said_frame(number, b"") for number in numbers))
    with pytest.raises(WireError, match="number is 70"):
        SaidPacket.parse(bytes.fromhex("80000003e8 46 00".replace(" ", "")))
    with pytest.raises(WireError, match="more than 8 records"):
        SaidPacket.parse(bytes.fromhex("80000003e8" + "8000" * 9 + "0000"))


@repeatable
@given(voices)
def test_voice_round_trip(voice: VoicePacket) -> None:
    data = voice.to_bytes()
    assert VoicePacket.stands_in(data)
    assert VoicePacket.parse(data) == voice


def test_a_voice_far_from_its_frame_travels_alone() -> None:
    packet = ParamPacket(7, 10, (FrameMark(),), b"")
    for start_ms in (138, 2**32 - 118):
        voice = VoicePacket(start_ms, (OpusFrame(0, b"x"),))
        assert not voice.is_near(packet.capture_ms)
        with pytest.raises(WireError, match="too far"):
            replace(packet, voice=voice)
    assert VoicePacket(2**32 - 117, (OpusFrame(0, b"x"),)).is_near(packet.capture_ms)


@pytest.mark.parametrize("numbers", [(3, 3), (4, 3), (0, 63), (3, 35)])
def test_frames_of_a_voice_come_in_their_order(numbers: tuple[int, int]) -> None:
    with pytest.raises(WireError, match="comes after"):
        VoicePacket(0, tuple(OpusFrame(number, b"x") for number in numbers))
    copy, frame = OpusFrame(3, b"x", is_copy=True), OpusFrame(3, b"x")
    VoicePacket(0, (copy, frame))
    with pytest.raises(WireError, match="comes after"):
        VoicePacket(0, (frame, copy))


@repeatable
@given(st.lists(st.integers(1, 500), max_size=40), st.integers(0, 2**32 - 1))
def test_voice_numbers_are_whole_again(silences: list[int], start_ms: int) -> None:
    numbers, number = VoiceNumbers(), 1000
    (first,) = numbers.place(VoicePacket(start_ms, (opus_frame(number, b"x"),)))
    for silence in silences:
        number += silence
        # Another clock than the sender's stamps it, which drifts and trembles a little.
        now_ms = round(start_ms + 40.02 * (number - 1000) + silence % 7) % 2**32
        packet = VoicePacket(now_ms, (opus_frame(number - 3, b"x", is_copy=True), opus_frame(number, b"x")))
        assert [place - first for place in numbers.place(packet)] == [number - 1003, number - 1000]


def test_an_old_voice_keeps_its_number() -> None:
    numbers = VoiceNumbers()
    (newest,) = numbers.place(VoicePacket(4000, (opus_frame(70, b"x"),)))
    assert numbers.place(VoicePacket(3880, (opus_frame(67, b"x"),))) == [newest - 3]
    assert numbers.place(VoicePacket(4040, (opus_frame(71, b"x"),))) == [newest + 1]


@repeatable
@given(control_messages)
def test_control_round_trip(message: ControlMessage) -> None:
    data = message.to_bytes()
    assert len(data) <= MAX_CONTROL_BYTES
    assert parse_control(data) == message


@repeatable
@given(st.binary(max_size=80), st.integers(0, 14))
def test_random_bytes_raise_nothing_but_wire_error(data: bytes, first: int) -> None:
    for attempt in (data, bytes((first,)) + data, b"\x01\x02" + data):
        for parse in (parse_packet, parse_control, VoicePacket.parse):
            with contextlib.suppress(WireError):
                parse(attempt)


@repeatable
@given(param_packets | packets_with_voice | voices | control_messages, st.data())
def test_mutated_bytes_raise_nothing_but_wire_error(
    message: ParamPacket | VoicePacket | ControlMessage, draw: st.DataObject
) -> None:
    mutated = bytearray(message.to_bytes())
    for _ in range(draw.draw(st.integers(1, 4))):
        mutated[draw.draw(st.integers(0, min(len(mutated), 200) - 1))] = draw.draw(st.integers(0, 255))
    parse: Callable[[bytes], ParamPacket | VoicePacket | ControlMessage] = parse_control
    if isinstance(message, ParamPacket):
        parse = parse_packet
    elif isinstance(message, VoicePacket):
        parse = VoicePacket.parse
    try:
        parsed = parse(bytes(mutated))
    except WireError:
        return
    assert parse(parsed.to_bytes()) == parsed


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x51" + bytes(8),  # unknown type
        b"\x31" + bytes(8) + b"\x00\x80\x01x\x01",  # the second of two frames of voice is cut
        b"\x31" + bytes(8) + b"\x00\x00\x00",  # a frame of voice without a byte
        b"\x10" + bytes(9),  # no face, but records
        b"\x11" + bytes(8 + MAX_PAYLOAD_BYTES + 1),
        b"\x1d" + bytes(12),  # the last of four frames is cut
        b"\x21" + bytes(2),
    ],
)
def test_bad_param_packets_are_refused(data: bytes) -> None:
    with pytest.raises(WireError, match=r"param packet|voice"):
        ParamPacket.parse(data, NEAR)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"role": "spectator"}, "role"),
        ({"role": None}, "role is missing"),
        ({"agent": "a" * 65}, "agent"),
        ({"agent": "\x1b[2J"}, "cannot be printed"),
        ({"agent": b"bytes"}, "agent is a bytes"),
        ({"rate_fps": True}, "rate_fps is a bool"),
        ({"rate_fps": float("nan")}, "rate_fps is nan"),
        ({"rate_fps": 1e9}, "rate_fps"),
        ({"rate_fps": 0, "role": "sender"}, "how many frames"),
        ({"capabilities": ["a"] * 17}, "capabilities"),
        ({"capabilities": ["a", 1]}, "capabilities is a list"),
        ({"capabilities": ["a" * 33]}, "capability"),
        ({"model_id": bytes(7)}, "model_id"),
        ({"identity": bytes(MAX_IDENTITY_BYTES + 4)}, "identity"),
        ({"identity": bytes(3)}, "whole float32"),
        ({"wants_reference": 1}, "wants_reference is a int"),
        ({"references": 0}, "references is 0"),
        ({"references": 65}, "references is 65"),
        ({"references": 2.0}, "references is a float"),
        ({"known": [bytes(16)]}, "known is a list"),
        ({"known": bytes(15)}, "known: 15 bytes"),
        ({"known": bytes(range(33))}, "known: 1 bytes"),
        ({"known": bytes(32)}, "comes twice"),
        ({"known": bytes(range(256)) * 4 + bytes(range(1, 17))}, "known is 65"),
        ({"near": 1}, "near is 1"),
        ({"near": True, "known": bytes(16)}, "near is a bool"),
        ({"near": 2, "known": bytes(16)}, "near is 2"),
        ({"later": msgpack.ExtType(5, b"x")}, "limits"),
        ({"later": bytes(5000)}, "hello: 5"),
    ],
)
def test_bad_hellos_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(WireError, match=message):
        parse_control(hello_bytes(**changes))


def test_hello_ignores_keys_of_later_versions_and_takes_whole_rates() -> None:
    hello = parse_control(hello_bytes(later={"deep": [1, None]}, rate_fps=30))
    assert hello == Hello(Role.RECEIVER, "test", 30.0, bytes(8), wants_reference=True)


def test_hello_of_another_version_says_what_to_do() -> None:
    with pytest.raises(WireError, match=r"version 3.*install the same headgan"):
        parse_control(b"\x01\x03" + hello_bytes()[2:])


@pytest.mark.parametrize("packed", [b"\x90", b"\xc1", b"\x81\x90\x01", b"\x91" * 2000, b"\x80\x80"])
def test_hello_refuses_what_is_not_one_small_map(packed: bytes) -> None:
    with pytest.raises(WireError, match="hello"):
        parse_control(b"\x01\x02" + packed)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ParamPacket(-1, 0, (FrameMark(has_face=False),), b""),
        lambda: ParamPacket(0, 0, (), b""),
        lambda: ParamPacket(0, 0, (FrameMark(),) * 5, b""),
        lambda: ParamPacket(0, 0, (FrameMark(1),), b""),
        lambda: ParamPacket(0, 0, (FrameMark(),), bytes(MAX_PAYLOAD_BYTES + 1)),
        lambda: FrameMark(MAX_OFFSET_MS + 1),
        lambda: Ping(U32_MAX + 1),
        lambda: ReferenceStart(MAX_REFERENCE_BYTES + 1, bytes(32), "image/jpeg", b""),
        lambda: ReferenceStart(1, bytes(31), "image/jpeg", b""),
        lambda: ReferenceStart(1, bytes(32), "jpeg", b""),
        lambda: ReferenceChunk(0, b""),
        lambda: ReferenceChunk(0, bytes(MAX_CHUNK_BYTES + 1)),
        lambda: ReferenceMore(0, None, ReferenceStart(1, bytes(32), "image/jpeg", b"")),
        lambda: ReferenceMore(2, 2, ReferenceStart(1, bytes(32), "image/jpeg", b"")),
        lambda: ReferenceHeld(65535, True),
        lambda: ReferenceKnown((64,)),
        lambda: ReferenceKnown((3, 3)),
        lambda: ReferenceKnown((3, 2)),
        lambda: ReferenceKnown(tuple(range(65))),
        lambda: Bye(ByeReason.ERROR, "a" * (MAX_BYE_TEXT_BYTES + 1), 0),
        lambda: Bye(ByeReason.ERROR, "two\nlines", 0),
    ],
)
def test_messages_over_the_limits_cannot_be_made(make: Callable[[], object]) -> None:
    with pytest.raises(WireError):
        make()


def test_unknown_types_and_reasons_are_refused() -> None:
    with pytest.raises(WireError, match="type 12 is unknown"):
        parse_control(b"\x0c")
    with pytest.raises(WireError, match="is_held is 2"):
        parse_control(b"\x0a\x00\x01\x02")
    with pytest.raises(WireError, match="place is 2"):
        parse_control(b"\x0d\x02\x02\x02")
    with pytest.raises(WireError, match="reason 6 is unknown"):
        parse_control(b"\x07\x06" + bytes(6))
    with pytest.raises(WireError, match="must be 1"):
        parse_control(bytes(MAX_CONTROL_BYTES + 1))


@pytest.mark.parametrize(
    "length", [1, MAX_CHUNK_BYTES, MAX_CHUNK_BYTES + 1, 3 * MAX_CHUNK_BYTES, MAX_REFERENCE_BYTES]
)
def test_reference_is_split_and_assembled(length: int) -> None:
    reference = Reference(bytes(i * 7 % 251 for i in range(length)), "image/webp", b"face")
    start, *chunks = split_reference(reference)
    assert isinstance(start, ReferenceStart)
    assembler = ReferenceAssembler(start)
    results = [assembler.add(chunk) for chunk in chunks if isinstance(chunk, ReferenceChunk)]
    assert results == [None] * (len(chunks) - 1) + [reference]
    assert len(chunks) == -(-length // MAX_CHUNK_BYTES)


def test_reference_over_the_limit_is_refused_before_it_is_sent() -> None:
    for image in (b"", bytes(MAX_REFERENCE_BYTES + 1)):
        with pytest.raises(WireError, match="total_bytes"):
            next(split_reference(Reference(image, "image/jpeg", b"")))


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([ReferenceChunk(1, b"icture")], "offset 1, expected 0"),
        ([ReferenceChunk(0, b"pic"), ReferenceChunk(0, b"pic")], "offset 0, expected 3"),
        ([ReferenceChunk(0, b"pictures")], "only 7 are missing"),
        ([ReferenceChunk(0, b"pictuRe")], "sha256"),
        ([ReferenceChunk(0, PICTURE), ReferenceChunk(7, b"s")], "only 0 are missing"),
    ],
)
def test_reference_assembler_refuses_gaps_excess_and_damage(
    chunks: list[ReferenceChunk], message: str
) -> None:
    start = ReferenceStart(len(PICTURE), hashlib.sha256(PICTURE).digest(), "image/jpeg", b"")
    assembler = ReferenceAssembler(start)
    for chunk in chunks[:-1]:
        assembler.add(chunk)
    with pytest.raises(WireError, match=message):
        assembler.add(chunks[-1])
