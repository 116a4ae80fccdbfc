"""Sound on its way into packets: nothing is lost or comes twice, and nothing waits too long."""

from hypothesis import given
from hypothesis import strategies as st

from headgan.codec.voice import VoiceFrame
from headgan.proto.voice import MAX_VOICE_FRAMES, VoicePacket
from headgan.sender.waiting_voice import WaitingVoice, pack_voice


def frame(number: int, *, is_copy: bool = False) -> VoiceFrame:
    return VoiceFrame(number, 1000.0 + 40 * number, bytes([number % 256]), is_copy)


def numbers(packet: VoicePacket | None) -> list[tuple[int, bool]]:
    return [] if packet is None else [(one.number, one.is_copy) for one in packet.frames]


def test_a_frame_goes_with_the_picture_of_its_time() -> None:
    waiting = WaitingVoice(40, pack_voice)
    waiting.add(frame(0))
    packet = waiting.near(1020)
    assert packet is not None and packet.start_ms == 1000 and numbers(packet) == [(0, False)]
    assert waiting.near(1060) is None


def test_a_picture_of_another_time_takes_no_sound_and_the_sound_goes_alone() -> None:
    waiting = WaitingVoice(40, pack_voice)
    for number in range(4):
        waiting.add(frame(number))
        assert waiting.near(1000 + 40 * number + 300) is None
        assert numbers(waiting.overdue()) == []
    waiting.add(frame(4))
    assert numbers(waiting.overdue()) == [(number, False) for number in range(5)]
    assert waiting.rest() is None


def test_frames_copies_and_pauses_share_a_packet_in_their_order() -> None:
    waiting = WaitingVoice(120, pack_voice)
    for one in (
        frame(7, is_copy=True),
        frame(10),
        frame(8, is_copy=True),
        frame(12),
        frame(12, is_copy=True),
    ):
        waiting.add(one)
    packet = waiting.near(1440)
    assert numbers(packet) == [(7, True), (8, True), (10, False), (12, True), (12, False)]
    assert packet is not None and packet.start_ms == 1480


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5), st.booleans()), max_size=60))
def test_every_frame_travels_once_or_is_counted(steps: list[tuple[int, int, bool]]) -> None:
    waiting, number, sent = WaitingVoice(40, pack_voice), 0, 0
    for step, copies, takes in steps:
        number += step
        for back in range(min(copies, step - 1)):
            waiting.add(frame(number - 1 - back, is_copy=True))
        waiting.add(frame(number))
        if takes:
            packet = waiting.rest()
            assert packet is not None and len(packet.frames) <= MAX_VOICE_FRAMES
            assert VoicePacket.parse(packet.to_bytes()) == packet
            sent += len(packet.frames)
    while (packet := waiting.rest()) is not None:
        sent += len(packet.frames)
    assert sent + waiting.too_old == waiting.frames
