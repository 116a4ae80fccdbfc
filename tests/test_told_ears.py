"""What a receiver's networks are told without a voice is what the sender heard, moved on where it has not come."""

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.said_code import shipped_said_code
from headgan.codec.said_record import SaidRecord, steps_of
from headgan.models.speech import LOOK_AHEAD_MS, clip_features
from headgan.models.told_ears import ToldEars
from headgan.models.told_speech import moved_on
from headgan.proto.errors import ModelError, WireError
from headgan.proto.said import SaidPacket, said_frame
from headgan.sender.said_encoder import SaidEncoder
from headgan.sender.waiting_voice import WaitingVoice, pack_said

CODE = shipped_said_code()
RATE = 48_000
START_MS = 5000.0
# A record of the mean of speech.
ORDINARY = bytes.fromhex("7fff3b7c")


class Vowels:
    """A network that hears how loud each 20 ms are."""

    def shares(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = np.abs(sound[: len(sound) // 320 * 320]).reshape(-1, 320).mean(axis=1)
        shares = np.zeros((len(parts), 27), np.float32)
        shares[:, 0], shares[:, 26] = parts, 1 - parts
        return shares


def told_by(
    sound: NDArray[np.float32], *, block: int = 960, frame_ms: float | None = None, start_ms: float = START_MS
) -> list[SaidRecord]:
    encoder = SaidEncoder(Vowels(), frame_ms=lambda: frame_ms)
    records: list[SaidRecord] = []
    for at in range(0, len(sound), block):
        records += encoder.encode(sound[at : at + block], start_ms + at / 48)
    return records


def push(ears: ToldEars, *records: SaidRecord) -> None:
    for record in records:
        ears.push(SaidPacket(0, (said_frame(record.number, record.data),)), record.start_ms)


def test_it_says_whether_more_is_to_come() -> None:
    ears = ToldEars()
    assert ears.knows(0.0)
    push(ears, SaidRecord(0, 0.0, ORDINARY), SaidRecord(1, 40.0, ORDINARY))  # up to 80 ms
    assert ears.knows(80 - LOOK_AHEAD_MS) and not ears.knows(160 - LOOK_AHEAD_MS)
    push(ears, SaidRecord(2, 80.0, b""))
    assert ears.knows(5000.0)  # a pause


def test_networks_hear_what_the_clip_says(voice: NDArray[np.float32]) -> None:
    records, ears = told_by(voice[: 2 * RATE]), ToldEars()
    assert [record.number for record in records] == list(range(49))
    assert [record.start_ms for record in records] == [START_MS + 40 * number for number in range(49)]
    assert ears.at(START_MS) is None
    push(ears, *reversed(records))
    times_ms = 40.0 * np.arange(1, 49) - LOOK_AHEAD_MS
    clip = clip_features(voice[: 2 * RATE], RATE, times_ms, net=Vowels())
    wanted = CODE.features_of(steps_of(CODE, clip))
    for time_ms, features in zip(times_ms, wanted, strict=True):
        heard = ears.at(START_MS + time_ms)
        assert heard is not None
        # The last millisecond of a filter apart, which may tip a coordinate over.
        assert np.abs(heard - features).mean() < 0.02
    assert ears.report() == {
        "records": 49,
        "bytes": sum(len(record.data) for record in records),
        "held": 0,
        "moved_on": 0,
    }


@pytest.mark.parametrize("block", [441, 960, 5000])
def test_it_does_not_matter_how_sound_is_cut(voice: NDArray[np.float32], block: int) -> None:
    one, other = told_by(voice[:RATE]), told_by(voice[:RATE], block=block)
    assert [(record.number, round(record.start_ms, 3), record.data) for record in other] == [
        (record.number, round(record.start_ms, 3), record.data) for record in one
    ]


def test_records_lie_where_the_frames_do(voice: NDArray[np.float32]) -> None:
    for off_ms in (0.0, 7.0, 20.0, 33.0):
        records = told_by(voice[:RATE], frame_ms=off_ms)
        assert {round(record.start_ms % 40, 3) for record in records} == {off_ms}
    encoder, frames_ms = SaidEncoder(Vowels(), frame_ms=lambda: frames_ms[0]), [0.0]
    ends: list[float] = []
    for at in range(0, 2 * RATE, 960):
        frames_ms[0] = 0.0 if at < RATE // 2 else 12.0  # the camera begins anew
        ends += [record.start_ms for record in encoder.encode(voice[at : at + 960], START_MS + at / 48)]
    assert ends[5] % 40 == 0 and ends[-1] % 40 == pytest.approx(12, abs=1)
    assert np.diff(ends).max() < 42


def test_what_has_not_come_is_moved_on_and_a_pause_is_held(voice: NDArray[np.float32]) -> None:
    records, ears = told_by(voice[: round(3.5 * RATE)]), ToldEars()
    assert {len(record.data) > 0 for record in records} == {True, False}
    push(ears, *records[:20])
    end_ms = records[19].start_ms + 40 - LOOK_AHEAD_MS
    newest = ears.at(end_ms)
    assert newest is not None
    for behind in range(1, 12):
        heard = ears.at(end_ms + 40 * behind)
        assert heard is not None
        assert np.array_equal(heard, moved_on(newest, CODE.mean, behind))
    assert ears.report()["moved_on"] == 11
    empty = next(place for place, record in enumerate(records) if not record.data)
    push(ears, *records[20 : empty + 1])
    pause = ears.at(records[empty - 1].start_ms + 40 - LOOK_AHEAD_MS)
    assert pause is not None
    later = ears.at(records[empty].start_ms + 500)
    assert later is not None and np.array_equal(later, pause)
    assert ears.report()["held"] == 1
    before = ears.at(START_MS - 1000)
    assert before is None


def test_moving_on_moves_the_parts_and_ends_at_what_is_usual() -> None:
    told = (np.arange(300) / 100).astype(np.float32)
    moved = moved_on(told, CODE.mean, 3)
    assert np.array_equal(moved[84 : 84 + 5 * 27], told[84 + 3 * 27 :])
    assert np.array_equal(moved[84 + 5 * 27 :], CODE.mean[84 + 5 * 27 :])
    assert np.all(np.abs(moved[:84] - CODE.mean[:84]) <= np.abs(told[:84] - CODE.mean[:84]))
    np.testing.assert_allclose(moved_on(told, CODE.mean, 0), told, atol=1e-6)
    assert np.array_equal(moved_on(told, CODE.mean, 1000)[84:], CODE.mean[84:])


def test_silence_and_a_mute_cost_next_to_nothing(voice: NDArray[np.float32]) -> None:
    sound = np.concatenate([voice[:RATE], np.zeros(4 * RATE, np.float32)])
    records = told_by(sound)
    silent = [record for record in records if record.start_ms > START_MS + 1400]
    assert sum(len(record.data) + 2 for record in silent) * 8 / 3600 < 0.3  # kbit/s
    assert records[-1].start_ms > START_MS + 3900


def test_a_device_that_stalls_leaves_a_gap_and_one_that_repeats_itself_nothing(
    voice: NDArray[np.float32],
) -> None:
    encoder = SaidEncoder(Vowels())
    records: list[SaidRecord] = []
    for at in range(0, RATE, 960):
        late_ms = 3000 if at >= RATE // 2 else 0
        records += encoder.encode(voice[at : at + 960], START_MS + late_ms + at / 48)
    numbers = [record.number for record in records]
    gap = max(np.diff(numbers))
    assert gap == pytest.approx(76.5, abs=0.6)
    times = [record.start_ms - 40 * record.number for record in records]
    assert np.ptp(times) <= 40
    again = encoder.encode(voice[:960], START_MS + 3000)
    assert again == []
    assert not SaidEncoder(Vowels()).encode(np.empty(0, np.float32), 0.0)


def test_a_record_that_is_none_is_refused_and_what_is_kept_is_bounded() -> None:
    ears = ToldEars()
    with pytest.raises(WireError, match="features of speech"):
        ears.push(SaidPacket(0, (said_frame(0, ORDINARY + bytes(9)),)), 0.0)
    push(ears, *(SaidRecord(number, 40.0 * number, b"") for number in range(500)))
    assert ears.at(1e6) is None and len(ears._told) == 64
    push(ears, SaidRecord(500, 20_000.0, ORDINARY))
    assert ears.at(20_000.0) is not None


def test_records_wait_for_a_packet_like_a_voice() -> None:
    waiting = WaitingVoice(40, pack_said)
    for number in (62, 63, 64, 66):
        waiting.add(SaidRecord(number, 40.0 * number, bytes([number])))
    packet = waiting.near(2600)
    assert packet is not None and packet.start_ms == 2640
    assert [(frame.number, frame.data) for frame in packet.frames] == [
        (62, b"\x3e"), (63, b"\x3f"), (0, b"\x40"), (2, b"\x42")
    ]  # fmt: skip
    assert waiting.rest() is None and waiting.data_bytes == 4


def test_a_code_of_other_features_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgan.sender.said_encoder.speech_form", lambda: "2-other")
    with pytest.raises(ModelError, match=r"these are 2-other; build it anew with headgan said-code"):
        SaidEncoder(Vowels())
