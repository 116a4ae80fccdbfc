"""Cutting a clip into pieces: made-up frames, in which a made-up finder sees what the test tells it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.video import DecodedFrame, VideoInfo
from headgan.models.crop import Crop
from headgan.models.morphable import MorphableModel
from headgan.models.train import prepare_clip
from headgan.models.train.prepare_clip import (
    MIN_PIECE_FRAMES,
    NO_FACE,
    SEVERAL_FACES,
    SMALL_FACE,
    TOO_SHORT,
    Piece,
    Rejection,
    read_pieces,
    thinning,
)
from headgan.models.train.prepare_faces import Box

MEAN = MorphableModel.load().mean
HEIGHT, WIDTH = 240, 320
FACE_RADIUS = 45.0  # the mean face is about three times as high as its unit
Play = Callable[[int], NDArray[np.float32] | None]
Run = Callable[..., tuple[list[Piece], list[Rejection]]]


def face(x: float = 160, y: float = 120, radius: float = FACE_RADIUS) -> NDArray[np.float32]:
    return (MEAN * np.float32(radius) + np.array([x, y, 0], np.float32)).astype(np.float32)


class PlayedFinder:
    """Sees `face_at(frame)`; on the frames `crowded` somebody else is there too."""

    def __init__(self, face_at: Play, crowded: set[int]) -> None:
        self.face_at, self.crowded = face_at, crowded
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    def points(self, frame_rgb: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        return self.face_at(number_of(frame_rgb))

    def is_alone(self, frame_rgb: NDArray[np.uint8], _crop: Crop, _box: Box) -> bool:
        return number_of(frame_rgb) not in self.crowded


def frame(number: int, shade: int) -> NDArray[np.uint8]:
    """A grey picture whose last pixel, which no crop touches, is its number."""
    picture = np.full((HEIGHT, WIDTH, 3), shade, np.uint8)
    picture[-1, -1] = number
    return picture


def number_of(frame_rgb: NDArray[np.uint8]) -> int:
    return int(frame_rgb[-1, -1, 0])


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Run:
    def run(
        frames: int,
        face_at: Play = lambda _: face(),
        *,
        crowded: set[int] | None = None,
        shade: Callable[[int], int] = lambda _: 90,
        rate_fps: float = 25.0,
        every: int = 1,
    ) -> tuple[list[Piece], list[Rejection]]:
        info = VideoInfo(WIDTH, HEIGHT, rate_fps, frames / rate_fps, frames, has_sound=False)
        decoded = [DecodedFrame(frame(i, shade(i)), 1000 * i / rate_fps) for i in range(frames)]
        monkeypatch.setattr(prepare_clip, "probe_video", lambda _: info)
        monkeypatch.setattr(prepare_clip, "read_video", lambda _: iter(decoded))
        finder = PlayedFinder(face_at, crowded or set())
        items = list(read_pieces(Path("clip.mp4"), finder, every=every))  # type: ignore[arg-type]
        assert finder.resets >= 1
        return (
            [item for item in items if isinstance(item, Piece)],
            [item for item in items if isinstance(item, Rejection)],
        )

    return run


def spans(pieces: list[Piece]) -> list[tuple[int, int]]:
    return [(piece.first_frame, piece.last_frame) for piece in pieces]


def reasons(rejected: list[Rejection]) -> list[tuple[str, int, int]]:
    return [(span.reason, span.first_frame, span.last_frame) for span in rejected]


def test_a_quiet_clip_is_one_piece(play: Run) -> None:
    pieces, rejected = play(40)
    assert (spans(pieces), rejected) == ([(0, 39)], [])
    piece = pieces[0]
    assert (len(piece.pictures), piece.points.shape) == (40, (40, 478, 3))
    assert piece.pts_ms.tolist() == [40.0 * index for index in range(40)]
    assert np.allclose(piece.points[7], piece.crop.normalise(face()))


def test_frames_without_a_usable_face_are_rejected(play: Run) -> None:
    def face_at(number: int) -> NDArray[np.float32] | None:
        if 25 <= number < 28:
            return None
        return face(radius=18) if 28 <= number < 30 else face()

    pieces, rejected = play(60, face_at)
    assert spans(pieces) == [(0, 24), (30, 59)]
    assert reasons(rejected) == [(NO_FACE, 25, 27), (SMALL_FACE, 28, 29)]
    assert (rejected[0].frames, rejected[0].start_ms, rejected[0].end_ms) == (3, 1000.0, 1080.0)


@pytest.mark.parametrize("frames", [MIN_PIECE_FRAMES - 1, MIN_PIECE_FRAMES])
def test_a_piece_has_a_least_length(play: Run, frames: int) -> None:
    pieces, rejected = play(frames)
    if frames < MIN_PIECE_FRAMES:
        assert (pieces, reasons(rejected)) == ([], [(TOO_SHORT, 0, frames - 1)])
    else:
        assert (spans(pieces), rejected) == ([(0, frames - 1)], [])


def test_a_cut_ends_a_piece_and_a_search_begins(play: Run) -> None:
    pieces, rejected = play(60, shade=lambda number: 90 if number < 30 else 150)
    assert (spans(pieces), rejected) == ([(0, 29), (30, 59)], [])


def test_movement_is_no_cut(play: Run) -> None:
    pieces, _ = play(60, shade=lambda number: 90 + 16 * (number % 2))
    assert spans(pieces) == [(0, 59)]


def test_a_jump_of_the_face_ends_a_piece(play: Run) -> None:
    pieces, _ = play(60, lambda number: face(x=160 if number < 30 else 220))
    assert spans(pieces) == [(0, 29), (30, 59)]
    assert pieces[1].crop.left > pieces[0].crop.left


def test_the_crop_is_held_until_the_face_leaves_it(play: Run) -> None:
    pieces, rejected = play(160, lambda number: face(x=60 + 1.5 * number, radius=25))
    assert len(pieces) > 1
    assert not rejected
    assert spans(pieces)[0][0] == 0
    assert spans(pieces)[-1][1] == 159
    for piece in pieces:
        assert piece.crop.holds(face(x=60 + 1.5 * piece.last_frame, radius=25))
    assert len({piece.crop.left for piece in pieces}) == len(pieces)


def test_what_was_not_seen_to_be_alone_goes_with_the_crowd(play: Run) -> None:
    # Asked about on frames 0, 5, ... 30; frames 31 to 34 lie between a good and a bad answer.
    pieces, rejected = play(80, crowded=set(range(33, 41)))
    assert spans(pieces) == [(0, 30), (41, 79)]
    assert reasons(rejected) == [(SEVERAL_FACES, 31, 40)]
    assert rejected[0].frames == 10


def test_every_frame_is_kept_or_rejected_once(play: Run) -> None:
    rng = np.random.default_rng(1)
    lost = set(rng.integers(0, 250, 8).tolist())
    pieces, rejected = play(
        250,
        lambda number: None if number in lost else face(x=160 + 30 * (number // 60)),
        crowded=set(rng.integers(0, 250, 8).tolist()),
        shade=lambda number: 60 + 40 * (number // 70),
    )
    kept = [index for first, last in spans(pieces) for index in range(first, last + 1)]
    out = [index for span in rejected for index in range(span.first_frame, span.last_frame + 1)]
    assert sorted(kept + out) == list(range(250))
    assert sum(span.frames for span in rejected) == len(out)


def test_a_long_piece_is_split(play: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_clip, "MAX_PIECE_FRAMES", 50)
    pieces, rejected = play(100)
    assert (spans(pieces), rejected) == ([(0, 49), (50, 99)], [])


def test_fast_clips_are_thinned(play: Run) -> None:
    pieces, _ = play(100, rate_fps=50.0)
    assert np.diff(pieces[0].pts_ms).tolist() == [40.0] * 49
    assert spans(pieces) == [(0, 98)]


def test_fewer_frames_can_be_kept(play: Run) -> None:
    pieces, rejected = play(90, every=3)
    assert (spans(pieces), len(pieces[0].pictures), rejected) == ([(0, 87)], 30, [])


@pytest.mark.parametrize(
    ("rate_fps", "kept_fps"),
    [(12, 12), (25, 25), (29.97, 29.97), (30.8, 30.8), (50, 25), (59.94, 29.97), (60, 30), (120, 30)],
)
def test_thinning_leaves_a_usual_rate(rate_fps: float, kept_fps: float) -> None:
    assert rate_fps / thinning(rate_fps) == pytest.approx(kept_fps)
