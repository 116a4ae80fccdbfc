"""The sender's analysis with a tracker that plays faces of the shipped model: whom and what it follows."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import EXPRESSION_SIZE, GAZE_SIZE, FaceParams
from headgan.models.crop import Crop, crop_around
from headgan.models.fitting import project
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.models.smoothing import OneEuroSettings
from headgan.models.tracker import TrackedFace
from headgan.proto.errors import FaceError, UsageError
from headgan.sender.analysis import IDENTITY_FRAMES, MAX_SEARCH_MS, FaceAnalyser
from headgan.sender.sources import SourceFrame

MODEL = MorphableModel.load()
WIDTH, HEIGHT = 320, 240
FRAME_MS = 40.0


@dataclass(frozen=True)
class Shot:
    """One frame of a film.

    Attributes:
        x: of the face's centre, in pixels.
        y: of its centre.
        scale: pixels a model unit.
        turn_deg: to the side.
        person: whose skin it has; None for a frame without a face.
    """

    x: float = 160.0
    y: float = 110.0
    scale: float = 28.0
    turn_deg: float = 0.0
    person: int | None = 1

    def points(self) -> NDArray[np.float32]:
        half = np.radians(self.turn_deg) / 2
        camera = np.array([np.cos(half), 0, np.sin(half), 0, self.scale, 0, 0], np.float32)
        params = FaceParams(np.zeros(EXPRESSION_SIZE, np.float32), camera, np.zeros(GAZE_SIZE, np.float32))
        identity = np.zeros(MODEL.identity_size, np.float32)
        return project(MODEL, identity, params) + np.array([self.x, self.y, 0], np.float32)


NOBODY = Shot(person=None)


class Film:
    """A source of shots; the first pixel of a frame says which one it shows."""

    def __init__(self, shots: Sequence[Shot], *, is_live: bool = False) -> None:
        self.is_live = is_live
        self.shots = list(shots)
        self.position = 0
        self.rewinds = 0

    def frame_rgb(self, index: int) -> NDArray[np.uint8]:
        shot = self.shots[index]
        coarse = np.random.default_rng(shot.person or 0).integers(0, 256, (12, 16, 3), np.uint8)
        # The skin moves with the face.
        shift = np.array([[WIDTH / 16, 0, shot.x - 160], [0, HEIGHT / 12, shot.y - 110]])
        frame = cv2.warpAffine(coarse, shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
        frame[0, 0] = (index // 256, index % 256, 0)
        return np.asarray(frame)

    def read(self) -> SourceFrame | None:
        if self.position == len(self.shots):
            return None
        self.position += 1
        return SourceFrame(self.frame_rgb(self.position - 1), (self.position - 1) * FRAME_MS)

    def rewind(self) -> None:
        self.rewinds += 1
        self.position = 0

    def close(self) -> None:
        pass

    def describe(self) -> str:
        return "a film"


class PlayedTracker:
    """Sees the faces of a film; asks about those that it did not follow, as the real one does."""

    def __init__(self, film: Film) -> None:
        self._film = film
        self._is_following = False
        self.resets = 0

    def track(
        self, frame_rgb: NDArray[np.uint8], is_wanted: Callable[[TrackedFace], bool] | None = None
    ) -> TrackedFace | None:
        shot = self._film.shots[int(frame_rgb[0, 0, 0]) * 256 + int(frame_rgb[0, 0, 1])]
        face = None if shot.person is None else TrackedFace(shot.points(), 0.99)
        if face is not None and not self._is_following and is_wanted is not None and not is_wanted(face):
            face = None
        self._is_following = face is not None
        return face

    def reset(self) -> None:
        self.resets += 1
        self._is_following = False


class Studio:
    """A film, its tracker and the analyser that watches it."""

    def __init__(
        self,
        shots: Sequence[Shot],
        *,
        crop: str = "auto",
        smoothing: OneEuroSettings | None = None,
        is_live: bool = False,
        clock_ms: Callable[[], float] = lambda: 0.0,
        kept: Sequence[ReferenceImage] = (),
    ) -> None:
        self.film = Film(shots, is_live=is_live)
        self.tracker = PlayedTracker(self.film)
        self.analyser = FaceAnalyser(
            MODEL, self.tracker, crop=crop, smoothing=smoothing, clock_ms=clock_ms, kept=kept
        )
        self.reference = self.analyser.settle(self.film, threading.Event())

    def watch(self, first: int, last: int) -> list[FaceParams | None]:
        """Analyses the shots from `first` up to `last`."""
        return [
            self.analyser.analyse(self.film.frame_rgb(index), index * FRAME_MS).params
            for index in range(first, last)
        ]


START = [Shot()] * IDENTITY_FRAMES
AUTO_CROP = crop_around(Shot().points(), WIDTH, HEIGHT)


def placed(params: FaceParams | None, crop: Crop) -> NDArray[np.float32]:
    """Where the face of `params` is in the frame: x, y and pixels a model unit."""
    assert params is not None
    half = crop.size / 2
    x, y = params.translation * half + half
    return np.array([crop.left + x, crop.top + y, params.scale * half], np.float32)


def test_settle_takes_the_face_from_the_front_and_rewinds_a_file() -> None:
    shots = [Shot(turn_deg=60)] * 4 + [Shot(turn_deg=45)] * 4 + [Shot(turn_deg=5)] + [Shot(turn_deg=50)] * 10
    studio = Studio(shots)
    assert studio.reference is not None
    turn_deg = 2 * np.degrees(np.arcsin(abs(studio.reference.params.quaternion[2])))
    assert turn_deg == pytest.approx(5, abs=2)
    crop = crop_around(shots[0].points(), WIDTH, HEIGHT)
    assert np.array_equal(studio.reference.picture_rgb, crop.cut(studio.film.frame_rgb(8)))
    assert (studio.film.position, studio.film.rewinds, studio.tracker.resets) == (0, 1, 1)
    assert studio.reference.identity.shape == (MODEL.identity_size,)


def test_the_identity_of_earlier_calls_is_taken_for_the_same_person_only() -> None:
    reference = Studio([Shot()] * 20).reference
    assert reference is not None
    identity = reference.identity + np.float32(1e-6)
    kept = [replace(reference, identity=identity)]
    again, other = (Studio([Shot(person=person)] * 20, kept=kept).reference for person in (1, 2))
    assert again is not None and again.identity is identity
    assert other is not None and np.array_equal(other.identity, reference.identity)


def test_a_person_who_never_looks_into_the_camera_is_taken_as_they_are() -> None:
    studio = Studio([Shot(turn_deg=40 - index / 20) for index in range(80)])
    assert studio.reference is not None
    turn_deg = 2 * np.degrees(np.arcsin(abs(studio.reference.params.quaternion[2])))
    # The best of the first two seconds.
    assert turn_deg == pytest.approx(40 - 50 / 20, abs=3)


def test_a_camera_is_not_rewound() -> None:
    studio = Studio(START, is_live=True)
    assert studio.reference is not None
    assert (studio.film.position, studio.film.rewinds, studio.tracker.resets) == (IDENTITY_FRAMES, 0, 0)


def test_frames_of_two_people_are_not_mixed() -> None:
    few = [Shot(x=100, person=2)] * (IDENTITY_FRAMES - 1)
    studio = Studio([*few, NOBODY, *START])
    assert studio.watch(0, 1) == [None]
    assert studio.watch(IDENTITY_FRAMES, IDENTITY_FRAMES + 1) != [None]


def test_a_face_that_was_seen_long_enough_will_do_when_it_leaves() -> None:
    turned = [Shot(turn_deg=40)] * (IDENTITY_FRAMES + 3)
    assert Studio([*turned, NOBODY, NOBODY]).reference is not None


def test_a_file_without_a_face_is_an_error() -> None:
    with pytest.raises(FaceError, match="no face found in a film; the face has to be seen from the front"):
        Studio([NOBODY] * 5)


def test_a_long_file_without_a_face_is_given_up() -> None:
    film = Film([NOBODY] * 3000)
    film.frame_rgb = lambda _index: np.zeros((2, 2, 3), np.uint8)  # type: ignore[method-assign,assignment]
    analyser = FaceAnalyser(MODEL, PlayedTracker(film), crop="auto", smoothing=None, clock_ms=lambda: 0.0)
    with pytest.raises(FaceError):
        analyser.settle(film, threading.Event())
    assert film.position == MAX_SEARCH_MS / FRAME_MS + 2


def test_settle_can_be_stopped() -> None:
    film = Film([NOBODY] * 5)
    analyser = FaceAnalyser(MODEL, PlayedTracker(film), crop="auto", smoothing=None, clock_ms=lambda: 0.0)
    stopping = threading.Event()
    stopping.set()
    assert analyser.settle(film, stopping) is None
    assert film.position == 0


def test_a_long_search_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    times_ms = iter(range(0, 100_000, 500))
    with caplog.at_level(logging.INFO):
        Studio([*[NOBODY] * 20, *START], clock_ms=lambda: float(next(times_ms)))
    assert caplog.messages == ["no face found yet in a film; still looking"]


def test_the_fit_finds_the_face_where_it_is() -> None:
    shots = [*START, Shot(x=170, y=100, scale=30, turn_deg=20)]
    studio = Studio(shots)
    params = studio.watch(IDENTITY_FRAMES - 2, len(shots))[-1]
    assert placed(params, AUTO_CROP) == pytest.approx([170, 100, 30], abs=0.7)
    assert studio.analyser.fit_error_px()["p95"] == pytest.approx(0, abs=0.7)


def test_a_lost_face_is_counted_once_and_comes_back() -> None:
    studio = Studio([*START, *[NOBODY] * 5, *START])
    seen = studio.watch(0, 2 * IDENTITY_FRAMES + 5)
    has_face = [params is not None for params in seen]
    assert has_face == [True] * IDENTITY_FRAMES + [False] * 5 + [True] * IDENTITY_FRAMES
    assert studio.analyser.faces_lost == 1
    assert studio.analyser.reframed == 0


def test_somebody_else_is_refused_after_a_loss_and_the_caller_is_not() -> None:
    other, back = [Shot(person=7)] * 5, [Shot(x=165)] * 3
    studio = Studio([*START, NOBODY, *other, *back])
    seen = [params is not None for params in studio.watch(0, IDENTITY_FRAMES + 9)]
    assert seen == [True] * IDENTITY_FRAMES + [False] * 6 + [True] * 3
    assert studio.analyser.faces_lost == 1


def test_points_that_are_no_face_are_refused() -> None:
    studio = Studio([*START, Shot(), Shot()])
    points = Shot().points()
    points[:, :2] += np.random.default_rng(0).normal(0, 15, (len(points), 2)).astype(np.float32)
    studio.film.shots[IDENTITY_FRAMES] = scrambled = Shot()
    object.__setattr__(scrambled, "points", lambda: points)
    seen = [params is not None for params in studio.watch(IDENTITY_FRAMES - 1, IDENTITY_FRAMES + 2)]
    assert seen == [True, False, True]
    assert studio.analyser.faces_lost == 1


def test_the_crop_stays_while_the_face_moves_inside_it() -> None:
    moving = [Shot(x=160 + step, y=110 + step / 2) for step in range(-20, 20, 2)]
    studio = Studio([*START, *moving])
    for params, shot in zip(studio.watch(IDENTITY_FRAMES, IDENTITY_FRAMES + 20), moving, strict=True):
        assert placed(params, AUTO_CROP)[:2] == pytest.approx([shot.x, shot.y], abs=0.7)
    assert studio.analyser.reframed == 0


@pytest.mark.parametrize("crop", ["auto", "90,40,140"])
def test_only_an_automatic_crop_follows_a_face_that_leaves(crop: str) -> None:
    away = Shot(x=260)
    studio = Studio([*START, *[away] * 3], crop=crop)
    seen = studio.watch(0, IDENTITY_FRAMES + 3)
    follows = crop == "auto"
    expected = crop_around(away.points(), WIDTH, HEIGHT) if follows else Crop(90, 40, 140)
    assert studio.analyser.reframed == (1 if follows else 0)
    assert placed(seen[-1], expected)[:2] == pytest.approx([260, 110], abs=0.7)
    frame = studio.analyser.analyse(studio.film.frame_rgb(IDENTITY_FRAMES), 1000.0)
    assert np.array_equal(frame.crop_rgb, expected.cut(studio.film.frame_rgb(IDENTITY_FRAMES)))


def test_a_face_at_the_edge_of_the_picture_is_not_framed_again_and_again() -> None:
    studio = Studio([*START, *[Shot(x=318)] * 5])
    studio.watch(0, IDENTITY_FRAMES + 5)
    assert studio.analyser.reframed == 1


def test_smoothing_starts_anew_in_a_new_frame_and_after_a_loss() -> None:
    slow = OneEuroSettings(min_cutoff_hz=0.5, beta=0.0)
    away = Shot(x=260)
    near = replace(away, x=262)
    studio = Studio([*START, away, near, NOBODY, away], smoothing=slow)
    before, after, drawn, gone, back = studio.watch(IDENTITY_FRAMES - 1, IDENTITY_FRAMES + 4)
    crop = crop_around(away.points(), WIDTH, HEIGHT)
    assert before is not None
    # Had it gone on smoothing, the face would come from 100 pixels away.
    assert placed(after, crop)[0] == pytest.approx(260, abs=0.7)
    assert 260 <= placed(drawn, crop)[0] < 261.2
    assert gone is None
    assert placed(back, crop)[0] == pytest.approx(260, abs=0.7)


def test_the_whole_frame_as_crop() -> None:
    studio = Studio(START, crop="none")
    frame = studio.analyser.analyse(studio.film.frame_rgb(0), 0.0)
    assert np.array_equal(frame.crop_rgb, Crop(40, 0, 240).cut(studio.film.frame_rgb(0)))


def test_a_crop_outside_of_the_picture_is_bad_usage() -> None:
    with pytest.raises(UsageError, match="100,100,200 reaches outside the picture, which is 320x240"):
        Studio(START, crop="100,100,200")


def test_a_crop_without_the_face_is_an_error() -> None:
    with pytest.raises(FaceError, match="no face found in a film inside the crop that --crop gives"):
        Studio(START, crop="0,0,64")


def test_analyse_needs_settle() -> None:
    film = Film(START)
    analyser = FaceAnalyser(MODEL, PlayedTracker(film), crop="auto", smoothing=None, clock_ms=lambda: 0.0)
    with pytest.raises(ValueError, match="settle comes before analyse"):
        analyser.analyse(film.frame_rgb(0), 0.0)


def test_an_unknown_crop_is_bad_usage() -> None:
    with pytest.raises(UsageError, match="--crop big"):
        FaceAnalyser(MODEL, PlayedTracker(Film([])), crop="big", smoothing=None, clock_ms=lambda: 0.0)
