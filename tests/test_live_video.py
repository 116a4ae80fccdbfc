"""Live video: pieces of any frame come together again, a hostile peer's do not, and a rate is kept."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.codec.live_encoder import LiveEncoder
from headgan.codec.params import EXPRESSION_SIZE, GAZE_SIZE, FaceParams
from headgan.codec.picture_coder import PictureDecoder
from headgan.proto.errors import WireError
from headgan.proto.live_video import (
    MAX_PIECE_BYTES,
    MAX_VIDEO_FRAME_BYTES,
    VideoAssembler,
    VideoPiece,
    VideoReceived,
    split_video,
)
from headgan.sender.analysis import AnalysedFrame
from headgan.sender.live_video import LiveVideo

repeatable = settings(derandomize=True, deadline=None, database=None)


def still_face(scale: float = 0.6) -> FaceParams:
    camera = np.array([1, 0, 0, 0, scale, 0, 0], np.float32)
    return FaceParams(np.zeros(EXPRESSION_SIZE, np.float32), camera, np.zeros(GAZE_SIZE, np.float32))


@repeatable
@given(st.lists(st.binary(min_size=1, max_size=2000), max_size=5))
def test_frames_come_together_again(frames: list[bytes]) -> None:
    assembler = VideoAssembler()
    received = []
    for number, frame in enumerate(frames):
        for piece in split_video(frame, number):
            whole = assembler.add(VideoPiece.parse(piece.to_bytes()))
            received += [whole] if whole else []
    assert received == [VideoReceived(number, frame) for number, frame in enumerate(frames)]


def piece(capture_ms: int = 5, *, begins: bool = False, ends: bool = False, size: int = 1) -> VideoPiece:
    return VideoPiece(capture_ms, bytes(size), begins=begins, ends=ends)


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([piece()], "goes on with a frame at a wrong place"),
        ([piece(begins=True), piece(begins=True)], "begins a frame at a wrong place"),
        ([piece(begins=True), piece(6)], "another frame"),
        (
            [piece(begins=True, size=MAX_PIECE_BYTES)] + [piece(size=MAX_PIECE_BYTES)] * 300,
            "must be 1..65536",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(pieces: list[VideoPiece], message: str) -> None:
    assembler = VideoAssembler()
    with pytest.raises(WireError, match=message):
        for one in pieces:
            assembler.add(one)


def test_bytes_that_are_no_piece_are_refused() -> None:
    whole = piece(begins=True, size=9).to_bytes()
    for data in (whole[:-1], whole + b"\0", b"\x0c" + whole[1:], whole[:1] + b"\x04" + whole[2:], b""):
        with pytest.raises(WireError, match="video piece"):
            VideoPiece.parse(data)
    with pytest.raises(WireError, match="video frame"):
        next(split_video(bytes(MAX_VIDEO_FRAME_BYTES + 1), 0))


def scene(number: int) -> NDArray[np.uint8]:
    """A textured square that moves over a wall."""
    picture = np.full((256, 256, 3), 170, np.uint8)
    noise = np.random.default_rng(1).integers(0, 255, (12, 12, 3), np.uint8)
    picture[80:176, 40 + 2 * number : 136 + 2 * number] = cv2.resize(noise, (96, 96))
    return picture


def test_the_video_keeps_its_rate_and_shows_the_scene() -> None:
    encoder, decoder = LiveEncoder(20), PictureDecoder()
    sizes = []
    for number in range(40):
        data = encoder.encode(scene(number), number * 125)
        shown = decoder.decode(data)
        sizes.append(len(data))
        assert cv2.PSNR(shown, scene(number)) > 26
    assert sum(sizes[1:]) * 8 / (39 * 0.125) < 1.3 * 20_000


def test_a_frame_waits_until_the_one_before_it_has_left() -> None:
    live = LiveVideo(20)

    def look(now_ms: float, *, is_wanted: bool = True) -> bool:
        frame = AnalysedFrame(scene(0), still_face())
        return live.look(frame, now_ms, is_wanted=is_wanted) is not None

    # A face that is away for a moment is not missed.
    assert [look(0), look(200), look(240, is_wanted=False), look(280), look(500)] == [False] * 5
    assert look(600)
    assert not look(900)
    live.sent()
    assert look(940)
    live.sent()
    # No more than eight a second.
    assert not look(1000)
    assert live.frames == 2 and live.frame_bytes > 0
