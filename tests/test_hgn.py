"""The container of a file: any place is reached, every prefix plays, and no bytes do harm."""

import base64
import io
import os
import random
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.codec.hgn_bodies import ParameterBody, ReferenceBody, SoundBody
from headgan.codec.hgn_chunks import (
    INDEX,
    PARAMETERS,
    REFERENCE,
    SOUND,
    ChunkReader,
    Place,
    chunk_bytes,
    index_bytes,
    read_table,
    varint,
)
from headgan.codec.hgn_encoder import HgnEncoder, RateHolder, segment_frames
from headgan.codec.hgn_file import HgnFileWriter
from headgan.codec.hgn_header import HgnHeader, stored_identity
from headgan.codec.hgn_reader import HgnFrame, HgnReader
from headgan.codec.hgn_usage import measure_usage
from headgan.codec.param_code import params_from, shipped_code
from headgan.codec.param_encoder import Face
from headgan.codec.params import FaceParams
from headgan.codec.picture_coder import PictureEncoder
from headgan.codec.quantizer import STEPS
from headgan.proto.errors import DeviceError, ModelError, UsageError, WireError

CODE = shipped_code()
FRAMES = 47
SEGMENT = 10
PACKET_MS = 60
# The golden file is drawn and written anew with HEADGAN_WRITE_GOLDEN=1; then the version has to rise as well.
GOLDEN_FILE = Path(__file__).with_name("golden.hgn.b64")


def talking(frames: int) -> list[FaceParams]:
    """A face that nods and talks."""
    found = []
    for frame in range(frames):
        vector = CODE.rest.copy()
        vector[:6] += 0.4 * np.sin(frame / np.array([2.0, 3, 5, 7, 11, 13]))
        vector[28:31] += 0.1 * np.sin(frame / 20 + np.arange(3))
        found.append(params_from(vector))
    return found


def drawn_face(number: int) -> NDArray[np.uint8]:
    """A head before a wall, a little farther right each time."""
    picture = np.full((256, 256, 3), (90, 110, 140), np.uint8)
    centre = (118 + 6 * number, 130)
    cv2.ellipse(picture, centre, (60, 80), 0, 0, 360, (200, 160, 130), -1)
    for side in (-24, 24):
        cv2.circle(picture, (centre[0] + side, 110), 8, (40, 30, 30), -1)
    cv2.ellipse(picture, (centre[0], 170), (22, 8 + number), 0, 0, 360, (150, 50, 60), -1)
    return picture


@cache
def chain(count: int) -> tuple[bytes, ...]:
    encoder = PictureEncoder()
    return tuple(encoder.encode(drawn_face(number)).data for number in range(count))


def header(**changes: object) -> HgnHeader:
    identity = stored_identity(np.linspace(-1, 1, 60).astype(np.float32))
    base = HgnHeader(b"morphabl", CODE.code_id, Fraction(25), SEGMENT, PACKET_MS, 312, identity)
    return replace(base, **changes)  # type: ignore[arg-type]


def faces(frames: int) -> list[Face | None]:
    """A face in all frames but a few; a new reference every 12 frames, three of them held, the last two named."""
    found: list[Face | None] = []
    for frame, params in enumerate(talking(frames)):
        newest = frame // 12
        is_seen = frame not in (3, 20, 21, 22) and frame != frames - 1
        found.append(Face(params, (newest, newest - 1) if newest else (0,)) if is_seen else None)
    return found


def pieces(frames: int = FRAMES, **changes: object) -> list[bytes]:
    """A file, in the pieces that the encoder gave."""
    encoder = HgnEncoder(header(**changes))
    params = talking(frames)
    found = [encoder.begin(), encoder.add_reference(params[0], chain(8)[0])]
    sent = 0
    for frame, face in enumerate(faces(frames)):
        while encoder.frames and sent * PACKET_MS < 40 * frame:
            encoder.add_sound(bytes([sent % 256]) * (60 + sent % 90))
            sent += 1
        if frame % 12 == 11:
            number = frame // 12 + 1
            found.append(encoder.add_frame(face))
            gives_up = number - 3 if number > 2 else None
            found.append(encoder.add_reference(params[frame], chain(8)[number], gives_up))
        else:
            found.append(encoder.add_frame(face))
    return [*found, encoder.finish()]


@cache
def whole() -> bytes:
    return b"".join(pieces())


def is_same(one: HgnFrame, other: HgnFrame) -> bool:
    if (one.number, one.is_lost, one.params is None) != (other.number, other.is_lost, other.params is None):
        return False
    if one.params is not None and other.params is not None:
        assert np.array_equal(one.params.to_array(), other.params.to_array())
    return len(one.references) == len(other.references) and all(
        a.number == b.number
        and np.array_equal(a.picture_rgb, b.picture_rgb)
        and np.array_equal(a.params.to_array(), b.params.to_array())
        for a, b in zip(one.references, other.references, strict=True)
    )


@cache
def played() -> tuple[HgnFrame, ...]:
    return tuple(HgnReader(io.BytesIO(whole())).play())


def test_what_was_put_in_comes_out() -> None:
    reader = HgnReader(io.BytesIO(whole()))
    assert (reader.frames, reader.seconds, reader.table.fault) == (FRAMES, FRAMES / 25, None)
    for frame, face in zip(played(), faces(FRAMES), strict=True):
        assert (frame.params is None) == (face is None) and not frame.is_lost
        if frame.params is not None and face is not None:
            gap = np.abs(CODE.point_of(frame.params) - CODE.point_of(face.params)).max()
            assert gap < STEPS[8] + 0.1
            assert tuple(reference.number for reference in frame.references) == face.references
    best = played()[30].references[0]
    assert best.number == 2
    assert np.abs(best.picture_rgb.astype(int) - drawn_face(2)).mean() < 4
    assert np.abs(CODE.point_of(best.params) - CODE.point_of(talking(24)[23])).max() < STEPS[3] + 0.1
    np.testing.assert_array_equal(reader.header.identity, header().identity)
    packets = list(reader.sound())
    assert [number for number, _ in packets] == list(range(len(packets)))
    assert packets[7][1] == bytes([7]) * 67
    assert reader.faults == []


def test_any_place_is_as_if_all_before_it_had_been_played() -> None:
    reader = HgnReader(io.BytesIO(whole()))
    sound = list(reader.sound())
    for start in range(FRAMES):
        for stop in (start + 1, FRAMES):
            part = list(reader.play(start, stop))
            assert [frame.number for frame in part] == list(range(start, stop))
            assert all(is_same(frame, played()[frame.number]) for frame in part)
        heard = list(reader.sound(start))
        assert heard == [one for one in sound if (one[0] + 1) * PACKET_MS > start * 40]
        has_face = [frame for frame in range(start + 1) if faces(FRAMES)[frame] is not None]
        assert reader.last_face(start) == has_face[-1]
    assert reader.faults == []


def test_every_piece_that_was_written_plays() -> None:
    """The encoder is a stream: after each piece the file is a beginning of the whole one, and shows its frames."""
    data = b""
    for piece in pieces():
        data += piece
        reader = HgnReader(io.BytesIO(data))
        shown = list(reader.play())
        assert len(shown) == reader.frames
        assert all(is_same(frame, played()[frame.number]) for frame in shown)
        assert (reader.table.fault is None) == (data == whole())
    assert data == whole()


def test_frames_come_with_the_segment_that_they_fill() -> None:
    encoder = HgnEncoder(header(packet_ms=0))
    encoder.begin()
    sizes = [len(encoder.add_frame(face)) for face in faces(25)]
    assert [place for place, size in enumerate(sizes) if size] == [9, 19]


@pytest.mark.parametrize("cut", range(0, 4000, 37))
def test_a_file_that_was_cut_plays_up_to_the_cut(cut: int) -> None:
    data = whole()[:cut]
    if cut < len(header().to_bytes()):
        with pytest.raises(WireError):
            HgnReader(io.BytesIO(data))
        return
    reader = HgnReader(io.BytesIO(data))
    shown = list(reader.play())
    assert reader.table.fault is not None and reader.faults
    assert all(is_same(frame, played()[frame.number]) for frame in shown)
    complete = 0
    for place in HgnReader(io.BytesIO(whole())).table.places:
        if place.kind == PARAMETERS and place.end <= cut:
            complete += SEGMENT
    assert len(shown) == min(complete, FRAMES)


def place_of(kind: int, number: int) -> Place:
    places = HgnReader(io.BytesIO(whole())).table.places
    return [place for place in places if place.kind == kind][number]


def damaged(place: Place, offset: int = 9) -> bytes:
    data = bytearray(whole())
    data[place.start + offset] ^= 0x10
    return bytes(data)


def test_a_damaged_segment_is_left_out() -> None:
    place = place_of(PARAMETERS, 2)
    for data in (damaged(place), damaged(place)[:-30]):  # with the index and without
        reader = HgnReader(io.BytesIO(data))
        shown = list(reader.play())
        assert [frame.number for frame in shown if frame.is_lost] == list(range(20, 30))
        assert all(is_same(frame, played()[frame.number]) for frame in shown if not frame.is_lost)
        told = f"chunk at byte {place.start}: damaged; its frames are left out", "segment 2 is missing"
        assert any(fault in told for fault in reader.faults)


def test_a_damaged_tag_is_no_matter_where_there_is_an_index() -> None:
    reader = HgnReader(io.BytesIO(damaged(place_of(PARAMETERS, 2), 0)))
    assert [frame.number for frame in reader.play() if frame.is_lost] == list(range(20, 30))
    without_index = HgnReader(io.BytesIO(damaged(place_of(PARAMETERS, 2), 1)[:-20]))
    assert len(list(without_index.play())) >= 20 and without_index.faults


def test_after_a_damaged_reference_frames_are_drawn_from_those_before_it() -> None:
    reader = HgnReader(io.BytesIO(damaged(place_of(REFERENCE, 2), 40)))
    for frame, right in zip(reader.play(), played(), strict=True):
        if frame.params is not None and right.params is not None:
            assert np.array_equal(frame.params.to_array(), right.params.to_array())
            assert frame.references and all(reference.number < 2 for reference in frame.references)
    assert any("those after it are left out" in fault for fault in reader.faults)


def test_without_the_first_reference_nothing_is_drawn() -> None:
    reader = HgnReader(io.BytesIO(damaged(place_of(REFERENCE, 0), 40)))
    assert all(frame.references == () for frame in reader.play())
    assert reader.faults


def test_damaged_sound_is_left_out() -> None:
    reader = HgnReader(io.BytesIO(damaged(place_of(SOUND, 1), 40)))
    heard = dict(reader.sound())
    right = dict(HgnReader(io.BytesIO(whole())).sound())
    assert 0 < len(heard) < len(right) and all(right[number] == heard[number] for number in heard)
    assert any("sound" in fault for fault in reader.faults)


def test_a_chunk_of_another_kind_is_passed_over() -> None:
    data = whole()
    first = place_of(PARAMETERS, 1).start
    places = HgnReader(io.BytesIO(data)).table.places
    extra = chunk_bytes(6, b"of a later headgan")
    end = places[-1].end
    listed = [Place.from_tag(place.tag, place.start) for place in places]
    at = sum(place.start < first for place in places)
    listed.insert(at, Place(6, first, len(b"of a later headgan")))
    changed = data[:first] + extra + data[first:end] + index_bytes(tuple(listed))
    reader = HgnReader(io.BytesIO(changed))
    assert reader.table.fault is None
    assert all(is_same(one, other) for one, other in zip(reader.play(), played(), strict=True))


def test_another_code_is_told() -> None:
    data = header(code_id=b"whatever").to_bytes()
    reader = HgnReader(io.BytesIO(data))
    with pytest.raises(ModelError, match="decode it with the version that wrote it"):
        next(reader.play())


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "no .hgn file"),
        (b"RIFF1234", "no .hgn file"),
        (
            header().to_bytes()[:4] + b"\x03" + header().to_bytes()[5:],
            "version 3; this headgan reads versions 1 and 2",
        ),
        (header().to_bytes()[:-1] + b"\0", "header: damaged"),
        (header().to_bytes()[:30], "header: "),
    ],
)
def test_what_is_no_file_is_told(data: bytes, complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        HgnReader(io.BytesIO(data))


def test_the_bytes_add_up() -> None:
    usage = measure_usage(io.BytesIO(whole()))
    assert usage.size == len(whole())
    assert (usage.frames, usage.references, usage.keys, usage.faults) == (FRAMES, 4, 5, ())
    assert usage.sound_bytes == sum(len(packet) for _, packet in HgnReader(io.BytesIO(whole())).sound())
    cut = whole()[:-100]
    assert measure_usage(io.BytesIO(cut)).size == len(cut)


def test_the_container_is_small() -> None:
    """Without sound and with one picture it is less than a tenth of parameters at a kilobit a second."""
    encoder = HgnEncoder(header(packet_ms=0, segment_frames=segment_frames(Fraction(25))))
    data = encoder.begin() + encoder.add_reference(talking(1)[0], chain(8)[0])
    params = talking(500)
    data += b"".join(encoder.add_frame(Face(one)) for one in params) + encoder.finish()
    usage = measure_usage(io.BytesIO(data))
    assert 8 * usage.container_bytes / usage.seconds < 100


def test_a_rate_is_held() -> None:
    params = talking(1000)
    sizes = {}
    for kbps in (0.4, 0.7, None):
        encoder = HgnEncoder(header(segment_frames=50, packet_ms=0), kbps=kbps)
        for one in params:
            encoder.add_frame(Face(one))
        assert encoder.written_s == 40
        sizes[kbps] = encoder.parameter_bytes * 8 / 1000 / 40
    assert 0.3 < sizes[0.4] <= 0.4 and 0.6 < sizes[0.7] <= 0.7 < sizes[None]


@given(st.lists(st.floats(10, 400), min_size=1, max_size=40), st.floats(0.2, 3))
def test_what_is_saved_is_spent_soon(costs: list[float], kbps: float) -> None:
    """Over any stretch no more is spent than its rate and one segment's worth, unless nothing coarser is left."""
    holder = RateHolder(5, kbps)
    spent = []
    for cost in costs:

        def encode_at(step: int, cost: float = cost) -> bytes:
            return bytes(int(cost * 2 ** (-step / 3)))

        spent.append(len(holder.encode(encode_at, 2.0)))
        least = len(encode_at(len(STEPS) - 1))
        if spent[-1] > least:
            share = kbps * 1000 / 8 * 2
            assert all(sum(spent[at:]) <= share * (len(spent) - at + 1) + 1e-6 for at in range(len(spent)))


def test_faces_that_are_none_are_refused() -> None:
    values = talking(1)[0].to_array()
    values[3] = np.nan
    encoder = HgnEncoder(header())
    with pytest.raises(UsageError, match="frame 0 cannot be written"):
        encoder.add_frame(Face(FaceParams.from_array(values)))


numbers = st.integers(0, 2**32 - 1)


@given(numbers)
def test_numbers_come_back(value: int) -> None:
    reader = ChunkReader("test", varint(value))
    assert reader.varint() == value and reader.left == 0


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\x00", b"\xff\xff\xff\xff\x1f", b"\x80" * 5 + b"\x01"])
def test_numbers_that_nobody_writes_are_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        ChunkReader("test", data).varint()


@given(numbers, st.lists(st.booleans(), min_size=1, max_size=512), st.binary(max_size=30))
def test_parameters_come_back(segment: int, has_face: list[bool], records: bytes) -> None:
    body = ParameterBody(segment, tuple(has_face), records)
    assert ParameterBody.parse(body.to_bytes()) == body


@given(numbers, st.lists(st.binary(min_size=1, max_size=300), max_size=20))
def test_packets_come_back(first: int, packets: list[bytes]) -> None:
    body = SoundBody(first, tuple(packets))
    assert SoundBody.parse(body.to_bytes()) == body


@given(st.integers(1, 65534), numbers, st.data(), st.binary(max_size=50), st.binary(max_size=50))
def test_references_come_back(
    number: int, from_frame: int, data: st.DataObject, face: bytes, picture: bytes
) -> None:
    replaces = data.draw(st.none() | st.integers(0, number - 1))
    body = ReferenceBody(number, from_frame, replaces, face, picture)
    assert ReferenceBody.parse(body.to_bytes()) == body


@given(st.sampled_from([ParameterBody, SoundBody, ReferenceBody]), st.binary(max_size=80))
def test_any_bytes_are_a_body_or_refused(kind: type[ParameterBody], data: bytes) -> None:
    try:
        body = kind.parse(data)
    except WireError:
        return
    assert kind.parse(body.to_bytes()) == body


def play_all(data: bytes) -> None:
    """Whatever the bytes are: frames or a WireError, in less time than a file of this size may take."""
    try:
        reader = HgnReader(io.BytesIO(data))
        assert reader.frames <= 512 * len(reader.table.places)
        for frame in reader.play():
            assert frame.params is None or frame.params.fault() is None
        for _, packet in reader.sound():
            assert packet
        assert len(reader.faults) <= 20
        assert measure_usage(io.BytesIO(data)).size == len(data)
    except WireError:
        pass


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**9))
def test_mutated_files_do_no_harm(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(whole())
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(data))
        kind = chance.randrange(4)
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[at : at + chance.randint(1, 200)]
        elif kind == 2:
            data[at:at] = chance.randbytes(chance.randint(1, 50))
        else:
            data[at:at] = data[at : at + chance.randint(1, 400)]
    play_all(bytes(data))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**9))
def test_files_that_lie_with_right_checksums_do_no_harm(seed: int) -> None:
    """Bodies are changed, and chunks left out, repeated and exchanged, and all is summed up anew."""
    chance = random.Random(seed)
    original = whole()
    reader = HgnReader(io.BytesIO(original))
    chunks = []
    for place in reader.table.places:
        body = bytearray(original[place.end - 4 - place.body_bytes : place.end - 4])
        if chance.random() < 0.3:
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(min(len(body), chance.choice([8, 10**6])))
                body[at] = chance.randrange(256)
        kind = place.kind if chance.random() < 0.95 else chance.randrange(8)
        chunks.append((kind, bytes(body)))
    for _ in range(chance.randrange(3)):
        chunks.insert(chance.randrange(len(chunks)), chance.choice(chunks))
    data, places = reader.header.to_bytes(), []
    for kind, content in chunks:
        places.append(Place(kind, len(data), len(content)))
        data += chunk_bytes(kind, content)
    play_all(data + (index_bytes(tuple(places)) if chance.random() < 0.5 else b""))


def test_an_index_that_lies_is_not_believed() -> None:
    data = header().to_bytes()
    for body in (varint(2**32 - 1), varint(1) + varint(8 << 20), varint(3) + varint(8) * 3, b""):
        chunk = chunk_bytes(INDEX, body)
        file = data + chunk + len(chunk).to_bytes(4, "big") + b"\x89NGH"
        table = read_table(io.BytesIO(file), len(data))
        assert table.places == () and table.fault is not None


def test_the_file_is_on_the_disk_when_the_program_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "killed.hgn"
    program = f"""
        import importlib.util, os, signal, sys
        from pathlib import Path
        spec = importlib.util.spec_from_file_location("tests_hgn", {__file__!r})
        tests = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tests)
        encoder = tests.HgnEncoder(tests.header())
        file = tests.HgnFileWriter(Path(sys.argv[1]), encoder)
        file.write(encoder.add_reference(tests.talking(1)[0], tests.chain(8)[0]))
        for params in tests.talking(35):
            file.write(encoder.add_frame(tests.Face(params)))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(path)], check=False)
    assert result.returncode == -signal.SIGKILL
    with path.open("rb") as file:
        reader = HgnReader(file)
        assert len(list(reader.play())) == 30 and reader.faults == ["it was not finished"]


def test_an_error_in_the_middle_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "out.hgn"
    encoder = HgnEncoder(header())
    with pytest.raises(KeyboardInterrupt), HgnFileWriter(path, encoder) as file:
        for params in talking(13):
            file.write(encoder.add_frame(Face(params)))
        raise KeyboardInterrupt
    with path.open("rb") as opened:
        reader = HgnReader(opened)
        assert (reader.frames, reader.table.fault) == (13, None)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="cannot be written"):
        HgnFileWriter(tmp_path / "no" / "out.hgn", HgnEncoder(header()))


def test_the_golden_file_decodes_for_ever() -> None:
    """Files of version 1 stay readable: this one may change only together with the version."""
    if os.environ.get("HEADGAN_WRITE_GOLDEN"):
        text = base64.b64encode(b"".join(pieces(24))).decode()
        GOLDEN_FILE.write_text("\n".join(textwrap.wrap(text, 110)) + "\n")
    reader = HgnReader(io.BytesIO(base64.b64decode(GOLDEN_FILE.read_text())))
    shown = list(reader.play())
    assert len(shown) == 24 and reader.faults == [] and float(reader.header.rate_fps) == 25
    assert [frame.number for frame in shown if frame.params is None] == [3, 20, 21, 22, 23]
    for frame, face in zip(shown, faces(24), strict=True):
        if frame.params is not None and face is not None:
            assert np.abs(CODE.point_of(frame.params) - CODE.point_of(face.params)).max() < STEPS[8] + 0.1
            assert tuple(reference.number for reference in frame.references) == face.references
            for reference in frame.references:
                off = np.abs(reference.picture_rgb.astype(int) - drawn_face(reference.number))
                assert off.mean() < 4
    assert len(list(reader.sound())) == 16
