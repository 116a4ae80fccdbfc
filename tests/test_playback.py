"""The drawing thread: pictures in order and at their time, held without a face, recorded, and its errors told."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import CAMERA_SIZE, EXPRESSION_SIZE, GAZE_SIZE, FaceParams
from headgan.codec.video import read_video
from headgan.codec.voice import VoiceEncoder, VoiceFrame
from headgan.models.ears import Ears
from headgan.models.reconstruct import Reconstructor
from headgan.models.told_ears import ToldEars
from headgan.proto.errors import DeviceError, ModelError, WireError
from headgan.proto.said import SaidPacket, said_frame
from headgan.proto.voice import VoicePacket, opus_frame
from headgan.receiver.jitter_buffer import MIN_DELAY_MS
from headgan.receiver.playback import Playback
from headgan.receiver.playback_settings import PlaybackSettings
from headgan.receiver.shown_pictures import ShownPicture

RATE_FPS = 25.0
FRAME_MS = 40
FIRST = np.zeros((256, 256, 3), np.uint8)


def clock_ms() -> float:
    return time.monotonic() * 1000


def face(number: int) -> FaceParams:
    """Parameters that carry a number."""
    expression = np.full(EXPRESSION_SIZE, number, np.float32)
    return FaceParams(expression, np.ones(CAMERA_SIZE, np.float32), np.zeros(GAZE_SIZE, np.float32))


def number_in(picture_rgb: NDArray[np.uint8]) -> int:
    return round(float(picture_rgb.mean()) / 8)


class GreyFaces:
    """Draws the number that the parameters carry, as a grey picture; fails at number 13."""

    def draw(self, params: FaceParams) -> NDArray[np.uint8]:
        number = int(params.expression[0])
        if number == 13:
            raise ModelError("the generator failed")
        return np.full((256, 256, 3), 8 * number, np.uint8)


class Screen:
    """Keeps what is shown."""

    def __init__(self) -> None:
        self.shown: list[ShownPicture] = []
        self.times_ms: list[float] = []
        self.has_shown = threading.Event()

    def show(self, picture: ShownPicture) -> None:
        self.shown.append(picture)
        self.times_ms.append(clock_ms())
        self.has_shown.set()

    @property
    def numbers(self) -> list[int]:
        return [number_in(picture.picture_rgb) for picture in self.shown]


def open_playback(
    screen: Screen,
    *,
    record_path: Path | None = None,
    age_ms: Callable[[int, float], float | None] = lambda _capture_ms, _now_ms: None,
    capacity: int = 1,
    fuses: int = 1,
    record_plain: bool = False,
    hears: bool = False,
    ears: Ears | None = None,
    told: ToldEars | None = None,
    faces: GreyFaces | None = None,
) -> Playback:
    return Playback(
        cast(Reconstructor, faces or GreyFaces()),
        FIRST,
        PlaybackSettings(
            rate_fps=RATE_FPS,
            record_path=record_path,
            record_plain=record_plain,
            capacity=capacity,
            fuses=fuses,
            hears=hears,
        ),
        clock_ms=clock_ms,
        age_ms=age_ms,
        show=screen.show,
        ears=ears,
        told=told,
    )


class Listener(GreyFaces):
    """Keeps what it is told was heard."""

    def __init__(self) -> None:
        self.heard: list[NDArray[np.float32] | None] = []

    def draw(self, params: FaceParams, *, audio: NDArray[np.float32] | None = None) -> NDArray[np.uint8]:
        self.heard.append(audio)
        return super().draw(params)


class Echo:
    """Ears that hear how many frames have come, and the time of the picture."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def push(self, frame: VoiceFrame) -> None:
        self.numbers.append(frame.number)

    def at(self, frame_ms: float) -> NDArray[np.float32]:
        return np.array([len(self.numbers), frame_ms], np.float32)


def test_networks_that_listen_are_told_what_is_heard(voice: NDArray[np.float32]) -> None:
    screen, faces, ears = Screen(), Listener(), Echo()
    playback = open_playback(screen, hears=True, ears=cast(Ears, ears), faces=faces)
    frames = VoiceEncoder(12).encode(voice[:9600], 960.0)
    packets = [VoicePacket(round(one.start_ms), (opus_frame(one.number, one.data),)) for one in frames]
    playback.sound.hear(packets[0], clock_ms())  # before any picture: nobody knows when it was
    playback.take(0, 1000, face(1), clock_ms())
    assert screen.has_shown.wait(5)
    for packet in packets:
        playback.sound.hear(packet, clock_ms())
    screen.has_shown.clear()
    playback.take(1, 1040, face(2), clock_ms())
    assert screen.has_shown.wait(5)
    with pytest.raises(WireError, match="away from the pictures"):
        playback.sound.hear(replace(packets[0], start_ms=500_000), clock_ms())
    with pytest.raises(WireError, match="10 ms of sound"):
        playback.sound.hear(VoicePacket(1000, (opus_frame(9, b"\x00" * 9),)), clock_ms())
    playback.close()
    assert ears.numbers == [frame.number for frame in frames]
    assert [heard.tolist() for heard in faces.heard if heard is not None] == [[0, 1000], [len(frames), 1040]]
    assert playback.sound.voice is not None and playback.sound.voice.report()["frames"] == len(frames)


def test_networks_are_told_what_is_said_without_a_voice() -> None:
    screen, faces, told = Screen(), Listener(), ToldEars()
    playback = open_playback(screen, told=told, faces=faces)
    said = SaidPacket(1040, (said_frame(3, bytes.fromhex("7fff3b7c")),))
    playback.sound.hear_said(said)  # before any picture: nobody knows when it was
    playback.take(0, 1000, face(1), clock_ms())
    assert screen.has_shown.wait(5)
    playback.sound.hear_said(said)
    screen.has_shown.clear()
    delay_ms = playback.frames.buffer.delay_ms
    playback.take(1, 1040, face(2), clock_ms())
    assert screen.has_shown.wait(5)
    assert playback.frames.buffer.delay_ms <= max(delay_ms, 40)  # nothing waits for it
    with pytest.raises(WireError, match="away from the pictures"):
        playback.sound.hear_said(replace(said, start_ms=500_000))
    with pytest.raises(WireError, match="features of speech"):
        playback.sound.hear_said(SaidPacket(1040, (said_frame(4, bytes.fromhex("7fff3b7c") + bytes(9)),)))
    playback.close()
    first, second = faces.heard
    assert first is None and second is not None and second.shape == (300,)
    assert playback.sound.voice is None and told.report()["records"] == 1
    deaf = open_playback(Screen())
    deaf.sound.hear_said(said)
    deaf.close()


def test_pictures_come_in_order_and_not_before_their_time() -> None:
    screen = Screen()
    playback = open_playback(screen)
    start_ms = clock_ms()
    # All arrive now, out of order, but were captured over 120 ms: the last arrived fastest.
    for seq in (3, 0, 2, 1):
        playback.take(seq, 5000 + seq * FRAME_MS, face(seq + 1), start_ms)
    playback.close()
    # The first three took 40 to 120 ms longer than the last, so their time is past.
    assert screen.numbers[-1] == 4
    assert screen.numbers == sorted(screen.numbers)
    assert screen.times_ms[-1] >= start_ms + MIN_DELAY_MS
    counts = playback.frames.buffer.counts
    assert counts.arrived == 4 == counts.shown + counts.late


def test_without_a_face_the_last_picture_is_held() -> None:
    screen = Screen()
    playback = open_playback(screen)
    for seq, number in enumerate([None, 5, None, 7]):
        screen.has_shown.clear()
        playback.take(seq, seq * FRAME_MS, None if number is None else face(number), clock_ms())
        assert screen.has_shown.wait(5)
    playback.close()
    assert screen.numbers == [0, 5, 5, 7]
    assert [picture.state for picture in screen.shown] == ["no face", "live", "no face", "live"]
    assert playback.pictures.without_face == 2
    assert playback.times.report().keys() == {"draw"}


def test_what_is_untrue_is_not_drawn_and_live_video_takes_its_place() -> None:
    screen = Screen()
    playback = open_playback(screen)

    def show(seq: int, *, is_untrue: bool = False, has_face: bool = True) -> None:
        screen.has_shown.clear()
        params = face(seq) if has_face else None
        playback.take(seq, seq * FRAME_MS, params, clock_ms(), is_untrue=is_untrue)
        assert screen.has_shown.wait(5)

    show(1)
    show(2, is_untrue=True)
    playback.pictures.show_video(np.full((256, 256, 3), 8 * 20, np.uint8))
    show(3, is_untrue=True)
    show(4, has_face=False)
    show(5)
    # What the video showed is over.
    show(6, has_face=False)
    playback.close()
    assert screen.numbers == [1, 1, 20, 20, 5, 5]
    assert [picture.state for picture in screen.shown] == [
        "live",
        "held",
        "video",
        "video",
        "live",
        "no face",
    ]
    counts = playback.pictures
    assert (counts.untrue, counts.without_face, counts.video_frames) == (2, 2, 1)


class Shade:
    """A reference that shows as one grey."""

    def __init__(self, level: int) -> None:
        self._level = level

    def draw(self, _params: FaceParams) -> NDArray[np.uint8]:
        return np.full((256, 256, 3), 8 * self._level, np.uint8)


def test_a_frame_is_drawn_from_the_best_reference_that_is_held() -> None:
    screen = Screen()
    playback = open_playback(screen, capacity=2)
    playback.references.hold(4, cast(Reconstructor, Shade(4)), None)
    playback.references.hold(6, cast(Reconstructor, Shade(6)), 4)
    assert len(playback.references) == 2
    # What was given up last is still drawn from, by frames that were on their way.
    for seq, references in enumerate([(6,), (5, 6), (4,), (5,), ()]):
        screen.has_shown.clear()
        playback.take(seq, seq * FRAME_MS, face(1), clock_ms(), references)
        assert screen.has_shown.wait(5)
    playback.close()
    assert screen.numbers == [6, 6, 4, 4, 1]
    assert [picture.state for picture in screen.shown] == ["live", "live", "live", "held", "live"]
    assert playback.pictures.unknown_reference == 1


class Mean:
    """Several of them draw the mean of their greys."""

    def __init__(self, level: int) -> None:
        self.level = level

    def draw(self, _params: FaceParams, *others: "Mean") -> NDArray[np.uint8]:
        levels = [self.level, *(other.level for other in others)]
        return np.full((256, 256, 3), 8 * round(float(np.mean(levels))), np.uint8)


def test_a_frame_is_drawn_from_those_that_it_names_and_no_more_than_this_machine_can() -> None:
    screen = Screen()
    playback = open_playback(screen, capacity=4, fuses=2)
    for number, level in ((1, 10), (2, 20), (3, 30)):
        playback.references.hold(number, cast(Reconstructor, Mean(level)), None)
    for seq, references in enumerate([(1,), (1, 3), (3, 2, 1), (9, 3, 2)]):
        screen.has_shown.clear()
        playback.take(seq, seq * FRAME_MS, face(1), clock_ms(), references)
        assert screen.has_shown.wait(5)
    playback.close()
    assert screen.numbers == [10, 20, 25, 25]
    assert playback.pictures.unknown_reference == 0


def test_latency_is_kept_once_the_senders_clock_is_known() -> None:
    screen = Screen()
    playback = open_playback(screen, age_ms=lambda capture_ms, _now_ms: 55.0 if capture_ms else None)
    for seq in range(2):
        screen.has_shown.clear()
        playback.take(seq, seq * FRAME_MS, face(1), clock_ms())
        assert screen.has_shown.wait(5)
    playback.close()
    assert [picture.latency_ms for picture in screen.shown] == [None, 55.0]
    assert [entry.latency_ms for entry in playback.shown.latencies] == [55.0]


def record(path: Path, frames: list[tuple[int, int]]) -> list[int]:
    """What a recording of these (seq, number) frames shows; each is shown before the next arrives."""
    screen = Screen()
    playback = open_playback(screen, record_path=path)
    for seq, number in frames:
        screen.has_shown.clear()
        playback.take(seq, 7000 + seq * FRAME_MS, face(number), clock_ms())
        assert screen.has_shown.wait(5)
    playback.close()
    assert "record" in playback.times.report()
    return [number_in(frame.frame_rgb) for frame in read_video(path)]


def test_a_recording_has_every_frame_at_its_place(tmp_path: Path) -> None:
    assert record(tmp_path / "a.mp4", [(0, 1), (1, 2), (4, 5), (5, 6)]) == [1, 2, 2, 2, 5, 6]


def test_a_recording_starts_with_the_first_frame_that_was_sent(tmp_path: Path) -> None:
    assert record(tmp_path / "a.mp4", [(2, 3), (3, 4)]) == [3, 3, 3, 4]


def test_a_number_from_nowhere_does_not_fill_the_disk(tmp_path: Path) -> None:
    assert len(record(tmp_path / "a.mp4", [(2**32 - 2, 3), (2**32 - 1, 4)])) == 5 * RATE_FPS + 2


def signed_frames(path: Path) -> list[bool]:
    """Of each frame of a recording of grey pictures, whether something is drawn on it."""
    return [int(np.ptp(frame.frame_rgb)) > 100 for frame in read_video(path)]


@pytest.mark.parametrize("is_plain", [False, True])
def test_a_recording_shows_which_pictures_are_held(is_plain: bool, tmp_path: Path) -> None:
    screen = Screen()
    playback = open_playback(screen, record_path=tmp_path / "a.mp4", record_plain=is_plain)

    def take(seq: int, *, has_face: bool = True, is_untrue: bool = False) -> None:
        params, before = face(9) if has_face else None, playback.frames.buffer.counts.shown
        playback.take(seq, seq * FRAME_MS, params, clock_ms(), is_untrue=is_untrue)
        for _ in range(1000):  # guesses are shown as well
            if playback.frames.buffer.counts.shown > before:
                return
            time.sleep(0.005)
        pytest.fail(f"frame {seq} was not shown")

    take(0)
    take(1, is_untrue=True)
    take(2, has_face=False)
    take(3)
    playback.pictures.show_video(np.full((256, 256, 3), 100, np.uint8))
    take(5, has_face=False)  # live video; what is lost before it is not worth a sign
    take(6)
    playback.recording.line_silent()
    # Two that were under way in the outage, then those after it.
    for seq in (7, 50, 57, 58):
        take(seq)
    take(108)  # the sender's camera stood still: the line did not
    playback.close()
    noticed = round((6 * FRAME_MS + 1500) / FRAME_MS)
    held = {1, 2, *range(noticed, 50), *range(51, 57)}
    signed = signed_frames(tmp_path / "a.mp4")
    assert len(signed) == 109
    assert {place for place, is_signed in enumerate(signed) if is_signed} == (set() if is_plain else held)
    # What is shown elsewhere has no sign.
    assert all(np.ptp(picture.picture_rgb) == 0 for picture in screen.shown)


def test_nothing_arrived_nothing_recorded(tmp_path: Path) -> None:
    playback = open_playback(Screen(), record_path=tmp_path / "a.mp4")
    playback.close()
    playback.close()
    assert not (tmp_path / "a.mp4").exists()


def wait_for_error(playback: Playback) -> None:
    for _ in range(500):
        if playback.error is not None:
            return
        time.sleep(0.01)
    pytest.fail("no error came")


def test_an_error_of_the_thread_is_told_once_and_the_recording_kept(tmp_path: Path) -> None:
    screen = Screen()
    playback = open_playback(screen, record_path=tmp_path / "a.mp4")
    playback.take(0, 0, face(4), clock_ms())
    assert screen.has_shown.wait(5)
    playback.take(1, FRAME_MS, face(13), clock_ms())
    wait_for_error(playback)
    playback.take(2, 2 * FRAME_MS, face(5), clock_ms())
    with pytest.raises(ModelError, match="the generator failed"):
        playback.close()
    playback.close()
    assert [number_in(frame.frame_rgb) for frame in read_video(tmp_path / "a.mp4")] == [4]


def test_a_recording_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    playback = open_playback(Screen(), record_path=tmp_path / "missing" / "a.mp4")
    playback.take(0, 0, face(4), clock_ms())
    wait_for_error(playback)
    with pytest.raises(DeviceError, match="cannot be written"):
        playback.close()


def test_an_error_at_the_end_of_the_recording_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any) -> None:
        raise DeviceError("the disk is full")

    monkeypatch.setattr("headgan.receiver.recording.TimedWriter.close", fail)
    screen = Screen()
    playback = open_playback(screen, record_path=tmp_path / "a.mp4")
    playback.take(0, 0, face(4), clock_ms())
    assert screen.has_shown.wait(5)
    with pytest.raises(DeviceError, match="the disk is full"):
        playback.close()


def moving_face(number: float) -> FaceParams:
    """A face that can be sent, whose mouth opens with the number."""
    camera = np.array([1, 0, 0, 0, 0.4, 0, 0], np.float32)
    return FaceParams(np.full(EXPRESSION_SIZE, number, np.float32), camera, np.zeros(GAZE_SIZE, np.float32))


def test_a_frame_that_is_missing_is_guessed_and_counted() -> None:
    screen = Screen()
    playback = open_playback(screen)
    start_ms = clock_ms()
    for seq in (*range(6), 8, 9, 10):  # two are lost
        while clock_ms() < start_ms + seq * FRAME_MS:
            time.sleep(0.002)
        playback.take(seq, seq * FRAME_MS, moving_face(float(seq)), clock_ms())
    time.sleep(0.02)
    playback.close()
    assert playback.frames.buffer.counts.shown == 9
    assert 1 <= playback.pictures.guessed <= 3 and len(screen.shown) == 9 + playback.pictures.guessed
    # What is guessed lies beyond what was shown last.
    assert set(screen.numbers) >= set(range(6))


def test_nothing_is_guessed_while_all_frames_come() -> None:
    screen = Screen()
    playback = open_playback(screen)
    start_ms = clock_ms()
    for seq in range(12):
        while clock_ms() < start_ms + seq * FRAME_MS:
            time.sleep(0.001)
        playback.take(seq, seq * FRAME_MS, moving_face(1.0), start_ms + seq * FRAME_MS)
    playback.close()
    assert playback.frames.buffer.counts.shown + playback.frames.buffer.counts.late == 12
    assert playback.pictures.guessed <= 1  # on a machine that is held up
