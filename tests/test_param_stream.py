"""Encoder and decoder of parameters: agreement over any line, golden bytes, and no harm from any bytes."""

import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgan.codec.param_code import UNITS_PER_PX, params_from, shipped_code
from headgan.codec.param_decoder import DecodedFace, ParamDecoder
from headgan.codec.param_encoder import Face, ParamEncoder
from headgan.codec.params import FaceParams
from headgan.codec.quantizer import STEPS
from headgan.proto.errors import UsageError, WireError

CODE = shipped_code()


def talking(frames: int, seed: int = 0) -> Iterator[FaceParams]:
    """A face that nods, talks and trembles."""
    noise = np.random.default_rng(seed)
    for frame in range(frames):
        vector = CODE.rest.copy()
        vector[:6] += 0.4 * np.sin(frame / np.array([2.0, 3, 5, 7, 11, 13]) + seed)
        vector[28:31] += 0.1 * np.sin(frame / 20 + np.arange(3))
        vector[32:34] += 0.05 * np.sin(frame / 15)
        yield params_from(vector + noise.normal(0, 2e-4, len(vector)))


def distance_px(one: FaceParams, other: FaceParams) -> float:
    return float(np.linalg.norm(CODE.point_of(one) - CODE.point_of(other))) / UNITS_PER_PX


def test_golden_bytes() -> None:
    """What was recorded stays readable: these bytes may change only with the version of protocol and container."""
    encoder = ParamEncoder(quality=0.71)
    faces = [Face(params, (3, 0) if frame > 2 else ()) for frame, params in enumerate(talking(6))]
    packets = [encoder.encode(frame, [face]) for frame, face in enumerate(faces)]
    assert [packet.hex() for packet in packets] == GOLDEN
    decoder = ParamDecoder()
    for frame, packet in enumerate(packets):
        (face,) = decoder.decode(frame, [True], packet)
        assert face.number == frame and face.references == faces[frame].references
        np.testing.assert_allclose(CODE.point_of(face.params)[:4], GOLDEN_POINTS[frame], atol=0.5)


@pytest.mark.parametrize("quality", [0.2, 0.8, 1.0])
def test_what_comes_out_is_within_a_step(quality: float) -> None:
    encoder, decoder = ParamEncoder(quality=quality), ParamDecoder()
    step = STEPS[encoder.step]
    for frame, params in enumerate(talking(40)):
        (face,) = decoder.decode(frame, [True], encoder.encode(frame, [Face(params)]))
        assert np.abs(CODE.point_of(face.params) - CODE.point_of(params)).max() <= step + 0.1


finite = st.floats(-5, 5, width=32)


@given(
    st.lists(finite, min_size=28, max_size=28),
    st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1),
    st.floats(0.011, 9.9),
    st.lists(finite, min_size=4, max_size=4),
)
def test_any_face_comes_back_as_a_face(
    expression: list[float], quaternion: list[float], scale: float, rest: list[float]
) -> None:
    turned = np.array(quaternion) / np.linalg.norm(quaternion)
    values = np.concatenate([expression, turned, [scale], rest]).astype(np.float32)
    params = FaceParams.from_array(values)
    (face,) = ParamDecoder().decode(0, [True], ParamEncoder().encode(0, [Face(params)]))
    assert face.params.fault() is None
    np.testing.assert_allclose(face.params.expression, expression, atol=0.7)
    assert abs(abs(face.params.quaternion @ turned) - 1) < 0.02


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 2e3])
@pytest.mark.parametrize("place", [0, 27, 30, 33, 36])
def test_what_is_no_face_is_refused(value: float, place: int) -> None:
    values = next(talking(1)).to_array()
    values[place] = value
    encoder = ParamEncoder()
    with pytest.raises(UsageError, match="frame 7 cannot be sent"):
        encoder.encode(7, [Face(FaceParams.from_array(values))])
    # It can go on.
    assert encoder.encode(8, [Face(next(talking(1)))])


def test_numbers_rise() -> None:
    encoder = ParamEncoder()
    encoder.encode(5, [Face(next(talking(1)))])
    with pytest.raises(ValueError, match="frame 5 comes after frame 5"):
        encoder.encode(5, [Face(next(talking(1)))])


def test_a_packet_that_is_undone_leaves_no_trace() -> None:
    faces = [Face(params) for params in talking(8)]
    encoder, other = ParamEncoder(quality=0.9), ParamEncoder(quality=0.9)
    for number, face in enumerate(faces):
        if number % 2:
            encoder.step = 2
            encoder.encode(number, [face])
            encoder.undo(number)
            encoder.step = other.step
        assert encoder.encode(number, [face]) == other.encode(number, [face])


def test_a_still_face_costs_nothing() -> None:
    encoder = ParamEncoder()
    face = Face(next(talking(1)))
    sizes = []
    for frame in range(20):
        sizes.append(len(encoder.encode(frame, [face])))
        encoder.arrived(frame)
    assert sizes[0] > 5 and max(sizes[3:]) <= 1


def test_a_blink_and_a_plosive_do_not_lag() -> None:
    """A movement of one frame is there in its frame, and gone in the next, although trembling is not followed."""
    encoder, decoder = ParamEncoder(), ParamDecoder()
    rest = next(talking(1))
    moved = params_from(CODE.rest + np.eye(36)[2] * 1.5)
    errors = []
    for frame in range(20):
        params = moved if frame in (10, 15, 16) else rest
        (face,) = decoder.decode(frame, [True], encoder.encode(frame, [Face(params)]))
        encoder.arrived(frame)
        errors.append(distance_px(face.params, params))
    assert distance_px(rest, moved) > 2 and max(errors) < 0.8


class Line:
    """What becomes of packets between an encoder and a decoder, by chance."""

    def __init__(self, seed: int, loss: float, most_late: int) -> None:
        self._random = random.Random(seed)
        self._loss, self._most_late = loss, most_late
        self._coming: list[tuple[int, int, int, bytes, int]] = []

    def send(self, now: int, number: int, count: int, data: bytes) -> None:
        if self._random.random() >= self._loss:
            self._coming.append((now + self._random.randint(0, self._most_late), number, count, data, now))

    def receive(self, now: int) -> list[tuple[int, int, bytes]]:
        ready = sorted(one for one in self._coming if one[0] <= now)
        self._coming = [one for one in self._coming if one[0] > now]
        return [(number, count, data) for _, number, count, data, _ in ready]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 0.5), st.integers(0, 4), st.integers(1, 3), st.integers(0, 12))
def test_both_ends_agree_over_any_line(
    seed: int, loss: float, most_late: int, bundled: int, acknowledged_after: int
) -> None:
    """Whatever is lost, late or acknowledged late: what is read is what the encoder meant, within a step."""
    encoder, decoder, line = ParamEncoder(), ParamDecoder(), Line(seed, loss, most_late)
    step = STEPS[encoder.step]
    faces = list(talking(30 * bundled, seed))
    read: list[DecodedFace] = []
    acknowledged: list[tuple[int, int]] = []
    for packet in range(30):
        for _, number in [one for one in acknowledged if one[0] == packet]:
            encoder.arrived(number)
        number = packet * bundled
        data = encoder.encode(number, [Face(params) for params in faces[number : number + bundled]])
        line.send(packet, number, bundled, data)
        for arrived, count, received in line.receive(packet):
            read += decoder.decode(arrived, [True] * count, received)
            acknowledged.append((packet + 1 + acknowledged_after, arrived))
    assert len({face.number for face in read}) == len(read)
    for face in read:
        gap = np.abs(CODE.point_of(face.params) - CODE.point_of(faces[face.number])).max()
        assert gap <= step + 0.1


@pytest.mark.parametrize("round_trip", [1, 3, 10])
def test_after_a_loss_the_picture_is_right_within_200_ms(round_trip: int) -> None:
    """One packet is lost; of those after it, those that cannot be read come within 4 frames of 40 ms."""
    for lost in range(30, 36):
        encoder, decoder = ParamEncoder(), ParamDecoder()
        unread = []
        for frame, params in enumerate(talking(60)):
            if frame - round_trip >= 0 and frame - round_trip != lost:
                encoder.arrived(frame - round_trip)
            data = encoder.encode(frame, [Face(params)])
            if frame == lost:
                continue
            if frame not in {face.number for face in decoder.decode(frame, [True], data)}:
                unread.append(frame)
        assert all(lost < frame <= lost + 4 for frame in unread)


def test_on_a_lossy_line_faces_follow_what_was_acknowledged() -> None:
    """Half of the packets are lost: nearly all that arrive can be read."""
    chance = random.Random(1)
    encoder, decoder = ParamEncoder(), ParamDecoder()
    came: list[int] = []
    read = 0
    for frame, params in enumerate(talking(300)):
        for number in [one for one in came if one == frame - 3]:
            encoder.arrived(number)
        data = encoder.encode(frame, [Face(params)])
        if chance.random() < 0.5:
            came.append(frame)
            read += len(decoder.decode(frame, [True], data))
    assert encoder.loss > 0.3
    assert read > 0.93 * len(came)


def test_a_packet_that_was_overtaken_is_read_when_it_comes() -> None:
    encoder, decoder = ParamEncoder(loses=False), ParamDecoder()
    packets = [encoder.encode(frame, [Face(params)]) for frame, params in enumerate(talking(4))]
    assert decoder.decode(0, [True], packets[0])
    assert decoder.decode(3, [True], packets[3]) == () == decoder.decode(2, [True], packets[2])
    assert decoder.waiting == 2
    assert [face.number for face in decoder.decode(1, [True], packets[1])] == [1, 2, 3]
    assert decoder.waiting == 0


def test_what_waits_has_an_end() -> None:
    encoder, decoder = ParamEncoder(loses=False), ParamDecoder()
    packets = [encoder.encode(frame, [Face(params)]) for frame, params in enumerate(talking(60))]
    for frame, packet in enumerate(packets[1:], 1):
        assert decoder.decode(frame, [True], packet) == ()
    assert decoder.waiting <= 16 and decoder.unreadable == 59 - decoder.waiting


def test_key_frames_stand_for_themselves_and_so_does_what_comes_after_forgetting() -> None:
    encoder = ParamEncoder(loses=False)
    faces = [Face(params) for params in talking(6)]
    for frame in range(3):
        encoder.encode(frame, [faces[frame]])
    assert ParamDecoder().decode(3, [True], encoder.encode(3, [faces[3]], is_key=True))
    encoder.forget()
    assert ParamDecoder().decode(4, [True], encoder.encode(4, [faces[4]]))


def test_frames_without_a_face_take_part_in_a_packet() -> None:
    encoder, decoder = ParamEncoder(), ParamDecoder()
    first, last = talking(2)
    data = encoder.encode(10, [Face(first), None, Face(last)])
    assert [face.number for face in decoder.decode(10, [True, False, True], data)] == [10, 12]
    assert encoder.encode(13, [None, None]) == b""
    assert decoder.decode(13, [False, False], b"") == ()


def mutated(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        kind = chance.randrange(4)
        place = chance.randrange(len(changed) + 1)
        if kind == 0:
            changed.insert(place, chance.randrange(256))
        elif changed and kind == 1:
            del changed[place % len(changed)]
        elif changed:
            changed[place % len(changed)] ^= (
                1 << chance.randrange(8) if kind == 2 else chance.randrange(1, 256)
            )
    return bytes(changed)


def test_mutated_packets_are_read_or_refused() -> None:
    """benchmarks/parameters does the same a million times."""
    chance = random.Random(5)
    encoder = ParamEncoder()
    packets = []
    for frame, params in enumerate(talking(40)):
        packets.append(encoder.encode(frame, [Face(params, (1,))]))
        encoder.arrived(frame)
    decoder = ParamDecoder()
    refused = 0
    for _ in range(3000):
        frame = chance.randrange(40)
        try:
            for face in decoder.decode(frame, [True], mutated(packets[frame], chance)):
                assert face.params.fault() is None
        except WireError:
            refused += 1
    assert refused > 100


GOLDEN = [
    "00ccd7afeaaec0efdebc91",
    "605468",
    "3d54a2cd",
    "6b96fb7c08123746e0",
    "3bad260aa95023",
    "00d1ce07ad0105665439d85ca8327dd960",
]
GOLDEN_POINTS = [
    [20, 0, 0, 260],
    [-10, -40, -20, 260],
    [-40, -80, -30, 260],
    [-70, -120, -30, 260],
    [-100, -140, -30, 250],
    [-120, -160, -10, 240],
]
