"""From faces to packets and back to frames: what is bundled, dropped, asked for again."""

import contextlib

import numpy as np
import pytest

from headgan.codec.param_code import params_from, shipped_code
from headgan.codec.params import FaceParams
from headgan.proto.errors import UsageError, WireError
from headgan.proto.param_numbers import NumbersIn, NumbersOut
from headgan.proto.wire import FrameMark, ParamPacket
from headgan.receiver.frame_reader import FrameReader, ReadFrame
from headgan.sender.param_packer import ParamPacker, frames_in

REST = shipped_code().rest


def face(number: int) -> FaceParams:
    return params_from(REST + 0.3 * np.sin(number / 3 + np.arange(36)) * (np.arange(36) < 28))


def packed(packer: ParamPacker, numbers: range) -> list[ParamPacket]:
    packets = [packer.add(face(number), (), number * 40.0, is_untrue=False) for number in numbers]
    return [packet for packet in packets if packet is not None]


def test_frames_share_a_packet_and_keep_their_times() -> None:
    packer, reader = ParamPacker(rate_fps=25, frames_per_packet=3), FrameReader()
    assert packer.add(face(0), (2, 1), 1000, is_untrue=False) is None
    assert packer.add(None, (), 1040, is_untrue=False) is None
    packet = packer.add(face(2), (2, 1), 1081.7, is_untrue=True)
    assert packet is not None and packet.seq == 0 and packet.capture_ms == 1000
    assert packet.frames == (FrameMark(), FrameMark(40, has_face=False), FrameMark(81, is_untrue=True))
    frames = sorted(reader.read(packet, 0), key=lambda frame: frame.seq)
    assert [(frame.seq, frame.capture_ms, frame.is_untrue) for frame in frames] == [
        (0, 1000, False),
        (1, 1040, False),
        (2, 1081, True),
    ]
    assert frames[1].params is None and frames[0].references == frames[2].references == (2, 1)
    assert packer.flush() is None
    packer.add(face(3), (), 1120, is_untrue=False)
    rest = packer.flush()
    assert rest is not None and rest.seq == 3 and len(rest.frames) == 1
    assert packer.frames == 4 and packer.counts.packets == 2


@pytest.mark.parametrize(("rate_fps", "frames"), [(1, 1), (15, 2), (25, 3), (30, 4), (120, 4)])
def test_how_many_frames_a_narrow_packet_has(rate_fps: float, frames: int) -> None:
    assert frames_in(120, rate_fps) == frames


def test_a_packet_that_was_not_sent_is_nothing_to_follow_from() -> None:
    packer, reader = ParamPacker(rate_fps=25), FrameReader()
    first, second, *_ = packed(packer, range(2))
    reader.read(first, 0)
    packer.arrived(first.seq)
    packer.dropped(second.seq)
    for packet in packed(packer, range(2, 6)):
        assert [frame.seq for frame in reader.read(packet, 0)] == [packet.seq]


def test_a_refresh_is_asked_for_after_a_while_and_brings_a_face_that_stands_for_itself() -> None:
    packer, reader = ParamPacker(rate_fps=25), FrameReader()
    packets = packed(packer, range(3))
    reader.read(packets[0], 0)
    lost = FrameReader()  # as if it had forgotten all
    asked: list[bool] = []
    for packet in packets[1:] * 10:
        now_ms = 40.0 * len(asked)
        lost.read(packet, now_ms)
        asked.append(lost.wants_refresh(now_ms))
    assert asked.index(True) == 8 and 1 <= sum(asked) <= 3
    packer.refresh()
    (packet,) = packed(packer, range(3, 4))
    assert [frame.seq for frame in lost.read(packet, 1000)] == [3]
    assert not lost.wants_refresh(1000) and packer.counts.refreshed == 1


def test_nothing_is_asked_for_while_all_is_well() -> None:
    packer, reader = ParamPacker(rate_fps=25), FrameReader()
    for number, packet in enumerate(packed(packer, range(30))):
        reader.read(packet, number * 40.0)
        assert not reader.wants_refresh(number * 40.0)
    assert reader.unreadable == 0


def test_a_rate_is_held_by_quality_and_then_by_leaving_frames_out() -> None:
    noise = np.random.default_rng(0)

    def wild(number: int) -> FaceParams:
        vector = REST.copy()
        vector[:28] += noise.normal(0, 0.5, 28)
        vector[32:34] += 0.2 * np.sin(number + np.arange(2))
        return params_from(vector)

    for kbps, leaves_out in ((4.0, False), (0.4, True)):
        packer = ParamPacker(rate_fps=25, kbps=kbps)
        sizes = []
        for number in range(250):
            packet = packer.add(wild(number), (), number * 40.0, is_untrue=False)
            sizes.append(0 if packet is None else len(packet.records))
        rates = np.convolve(sizes, np.ones(25), "valid")[75:] * 8 / 1000
        assert rates.mean() == pytest.approx(kbps, rel=0.25)
        assert (packer.counts.left_out > 50) == leaves_out
        assert packer.rate_kbps == kbps and sum(packer.counts.steps.values()) == packer.frames
    with pytest.raises(UsageError, match="0 kbit/s"):
        ParamPacker(rate_fps=25, kbps=0)


def test_damaged_records_are_refused() -> None:
    with pytest.raises(WireError, match="too many"):
        FrameReader().read(ParamPacket(0, 0, (FrameMark(),), bytes(100)), 0)


def test_marks_of_faces_that_never_come_have_an_end() -> None:
    packer, reader = ParamPacker(rate_fps=25), FrameReader()
    _, second = packed(packer, range(2))
    for number in range(3000):
        packet = ParamPacket(2**31 - 2 * number, 0, (FrameMark(), FrameMark(40)), second.records * 2)
        with contextlib.suppress(WireError):
            reader.read(packet, 0)
    assert len(reader._marks) < 300


def read_over(reader: FrameReader, numbers: NumbersIn, data: bytes) -> list[ReadFrame]:
    packet = numbers.parse(data)
    return [] if packet is None else reader.read(packet, 0)


def test_packets_are_short_once_one_has_arrived() -> None:
    packer, out, coming, reader = ParamPacker(rate_fps=25), NumbersOut(), NumbersIn(), FrameReader()
    lengths = []
    for packet in packed(packer, range(400)):
        data = out.pack(packet)
        lengths.append(len(data) - len(packet.records))
        (frame,) = read_over(reader, coming, data)
        assert (frame.seq, frame.capture_ms) == (packet.seq, packet.capture_ms)
        if packet.seq < 250:
            out.arrived(packet.seq)
            packer.arrived(packet.seq)
    # Long again once the last that arrived is too far away.
    assert lengths == [9] + [4] * 349 + [9] * 50


def test_a_short_packet_before_any_other_is_dropped() -> None:
    packet = ParamPacket(5, 200, (FrameMark(has_face=False),), b"")
    assert NumbersIn().parse(packet.to_bytes(is_short=True)) is None


def test_numbers_wrap_around() -> None:
    out, coming = NumbersOut(), NumbersIn()
    first = ParamPacket(2**32 - 2, 2**32 - 30, (FrameMark(has_face=False),), b"")
    assert coming.parse(out.pack(first)) == first
    out.arrived(first.seq)
    for packet in (ParamPacket(seq, 10 + 40 * seq, (FrameMark(has_face=False),), b"") for seq in range(3)):
        data = out.pack(packet)
        assert len(data) == 4 and coming.parse(data) == packet
        out.arrived(packet.seq)
