"""Reenactment: a made-up face moves in a clip, and the person of a photograph moves with it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.codec.video import VideoWriter, probe_video, read_video
from headgan.models import clip_faces, reenactment
from headgan.models.avatar import Avatar
from headgan.models.clip_faces import fit_clip
from headgan.models.fitting import project
from headgan.models.morphable import MorphableModel
from headgan.models.pose_edit import HeadPose, head_pose, neck_of, pose_rotation
from headgan.models.reenact_command import ReenactOptions, reenact_clip
from headgan.models.reenactment import frames_at_rate, reenact
from headgan.models.rotation import matrix_to_quaternion
from headgan.models.tracker import TrackedFace
from headgan.proto.errors import DeviceError, FaceError, HeadganError, UsageError

MODEL = MorphableModel.load()
FACE_FILE = Path(__file__).parent.parent / "docs" / "face.jpg"
FRAMES = 8
LOST_FRAME = 5
YAW_A_FRAME_DEG = 3.0


class FakeTracker:
    """Sees the model's mean face turn to the right in the middle of a 320x240 frame, but for one frame."""

    def __init__(self) -> None:
        self._frame = -1

    def track(self, _frame_rgb: object) -> TrackedFace | None:
        self._frame += 1
        if self._frame == LOST_FRAME:
            return None
        pose = HeadPose(yaw_deg=YAW_A_FRAME_DEG * self._frame)
        camera = np.array([*matrix_to_quaternion(pose_rotation(pose)), 0.5, 0, 0], np.float32)
        params = FaceParams(np.zeros(28, np.float32), camera, np.zeros(2, np.float32))
        points = project(MODEL, np.zeros(MODEL.identity_size), params)
        return TrackedFace((points * 100 + (160, 120, 0)).astype(np.float32), 1.0)


class Blind:
    """Sees nobody."""

    def track(self, _frame_rgb: object) -> None:
        return None


class FakeAvatar(Avatar):
    """Remembers what it was asked to draw, and draws the number of times it was."""

    def __init__(self) -> None:
        self.size = 256
        self.asked: list[FaceParams] = []

    @property
    def picture_rgb(self) -> NDArray[np.uint8]:
        return np.full((256, 256, 3), 250, np.uint8)

    @property
    def params(self) -> FaceParams:
        camera = np.array([*matrix_to_quaternion(pose_rotation(HeadPose(-10))), 0.3, 0.1, 0], np.float32)
        return FaceParams((0.5 * MODEL.expression_std).astype(np.float32), camera, np.zeros(2, np.float32))

    listens = False

    def draw(self, params: FaceParams, audio: NDArray[np.float32] | None = None) -> NDArray[np.uint8]:
        assert audio is None
        self.asked.append(params)
        return np.full((256, 256, 3), 20 * len(self.asked), np.uint8)


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(clip_faces, "MediaPipeTracker", FakeTracker)
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, width=320, height=240, rate_fps=25) as writer:
        for index in range(FRAMES):
            writer.write(np.full((240, 320, 3), 10 * index, np.uint8))
    return path


def levels(path: Path, column: int = 128) -> list[float]:
    """The mean brightness of each picture near a column."""
    return [float(frame.frame_rgb[:, column - 8 : column + 8].mean()) for frame in read_video(path)]


def test_the_face_is_placed_as_in_the_photograph_or_as_in_the_clip(clip: Path, tmp_path: Path) -> None:
    in_photo, in_clip = FakeAvatar(), FakeAvatar()
    reenact(in_photo, clip, tmp_path / "out.mp4")
    reenact(in_clip, clip, tmp_path / "out.mp4", placed=False)
    own = in_photo.params
    assert in_photo.asked[0].scale == pytest.approx(own.scale, rel=0.02)
    np.testing.assert_allclose(neck_of(in_photo.asked[3]), neck_of(own), atol=0.02)
    assert in_clip.asked[0].scale > 1.3 * own.scale


def test_absolute_motion_is_the_clips_own(clip: Path, tmp_path: Path) -> None:
    avatar = FakeAvatar()
    result = reenact(avatar, clip, tmp_path / "out.mp4")
    assert (result.frames, result.without_face, result.has_sound) == (FRAMES, 1, False)
    yaws = [head_pose(params).yaw_deg for params in avatar.asked]
    seen = [index for index in range(FRAMES) if index != LOST_FRAME]
    assert yaws == pytest.approx([YAW_A_FRAME_DEG * index for index in seen], abs=0.5)
    # Without a face the last picture stays.
    expected = [20.0, 40, 60, 80, 100, 100, 120, 140]
    assert levels(tmp_path / "out.mp4") == pytest.approx(expected, abs=3)


def test_relative_motion_starts_from_the_photograph(clip: Path, tmp_path: Path) -> None:
    avatar = FakeAvatar()
    reenact(avatar, str(clip), str(tmp_path / "out.mp4"), relative=True)
    first, last = avatar.asked[0], avatar.asked[-1]
    # The first frame looks into the camera, so it is the calmest, and nothing has changed yet.
    np.testing.assert_allclose(first.to_array(), avatar.params.to_array(), atol=0.02)
    assert head_pose(last).yaw_deg == pytest.approx(-10 + YAW_A_FRAME_DEG * (FRAMES - 1), abs=0.5)
    assert last.scale == pytest.approx(avatar.params.scale, rel=0.02)


def test_side_by_side_shows_photograph_clip_and_result(clip: Path, tmp_path: Path) -> None:
    reenact(FakeAvatar(), clip, tmp_path / "out.mp4", side_by_side=True)
    assert probe_video(tmp_path / "out.mp4").width == 3 * 256
    assert levels(tmp_path / "out.mp4", 128) == pytest.approx([250.0] * FRAMES, abs=3)
    assert levels(tmp_path / "out.mp4", 384) == pytest.approx([10.0 * i for i in range(FRAMES)], abs=3)
    assert levels(tmp_path / "out.mp4", 640)[-1] == pytest.approx(140, abs=3)


def test_what_was_drawn_can_be_played_when_drawing_is_interrupted(clip: Path, tmp_path: Path) -> None:
    class Interrupted(FakeAvatar):
        def draw(self, params: FaceParams, audio: NDArray[np.float32] | None = None) -> NDArray[np.uint8]:
            if len(self.asked) == 4:
                raise KeyboardInterrupt
            return super().draw(params, audio)

    with pytest.raises(KeyboardInterrupt):
        reenact(Interrupted(), clip, tmp_path / "out.mp4")
    assert levels(tmp_path / "out.mp4") == pytest.approx([20.0, 40, 60, 80], abs=3)


def test_the_sound_is_asked_for_from_the_first_frame_on(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def copy(video: Path, source: Path, *, start_ms: float) -> bool:
        asked.update(
            video=video, source=source, start_ms=start_ms, pictures=probe_video(video).frames_estimate
        )
        return True

    monkeypatch.setattr(reenactment, "copy_sound", copy)
    assert reenact(FakeAvatar(), clip, tmp_path / "out.mp4").has_sound
    assert asked == {"video": tmp_path / "out.mp4", "source": clip, "start_ms": 0.0, "pictures": FRAMES}


def test_the_fit_follows_the_clip(clip: Path) -> None:
    faces = fit_clip(MODEL, clip)
    assert faces.without_face == 1
    assert faces.params[LOST_FRAME] is None
    assert np.isnan(faces.errors[LOST_FRAME])
    assert float(np.nanmean(faces.errors)) < 0.001
    assert faces.pts_ms.tolist() == pytest.approx([40.0 * index for index in range(FRAMES)])
    assert faces.rate_fps == 25


def test_smoothing_lags_and_no_smoothing_does_not(clip: Path) -> None:
    plain, calm = (fit_clip(MODEL, clip, smoothing=strength).params[3] for strength in (0.0, 1.0))
    assert plain is not None
    assert calm is not None
    assert head_pose(plain).yaw_deg == pytest.approx(9, abs=0.3)
    assert head_pose(calm).yaw_deg < 8


@pytest.mark.parametrize(
    ("crop", "complaint"), [("1,2", "--crop"), ("200,0,200", "outside the picture"), ("x", "--crop")]
)
def test_crops_of_the_clip_that_cannot_be_are_refused(crop: str, complaint: str, clip: Path) -> None:
    with pytest.raises(UsageError, match=complaint):
        fit_clip(MODEL, clip, crop=crop)


def test_a_clip_without_a_face_is_refused(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_faces, "MediaPipeTracker", Blind)
    with pytest.raises(FaceError, match="no face in"):
        fit_clip(MODEL, clip)


@given(st.lists(st.floats(5, 200), min_size=1, max_size=40), st.floats(10, 60))
def test_every_picture_shows_the_latest_frame_that_has_begun(gaps: list[float], rate_fps: float) -> None:
    pts_ms = 500 + np.cumsum([0.0, *gaps])
    order = frames_at_rate(pts_ms, rate_fps)
    shown_ms = 500 + 1000 * np.arange(len(order)) / rate_fps
    half_ms = 500 / rate_fps + 1e-6
    assert order[0] in (0, *np.flatnonzero(pts_ms <= 500 + half_ms))
    assert order[-1] == len(pts_ms) - 1
    assert (np.diff(order) >= 0).all()
    assert (pts_ms[order] <= shown_ms + half_ms).all()
    following = np.minimum(order + 1, len(pts_ms) - 1)
    assert ((pts_ms[following] > shown_ms + half_ms - 2e-6) | (following == order)).all()


def test_a_clock_that_goes_back_stops_no_video() -> None:
    assert frames_at_rate(np.array([0.0, 40, 20, 80]), 25).tolist() == [0, 2, 3]


def test_the_command_draws_a_real_photograph(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.mp4"
    assert reenact_clip(ReenactOptions(FACE_FILE, clip, output, provider="cpu")) == 0
    out = capsys.readouterr().out
    assert out == f"{output}: {FRAMES} frames, 1 of the clip without a face, the clip has no sound\n"
    first, *_, last = (frame.frame_rgb.astype(int) for frame in read_video(output))
    assert float(np.abs(first - last).mean()) > 5  # she turned


@pytest.mark.parametrize(
    ("change", "error", "complaint"),
    [
        ({"output": Path("out.avi")}, UsageError, "ends in .mp4"),
        ({"output": Path("nowhere/out.mp4")}, DeviceError, "nowhere does not exist"),
        ({"output": Path("clip.mp4")}, UsageError, "this is the clip itself"),
        ({"smoothing": 7.0}, UsageError, "--smoothing 7"),
        ({"crop": "1,2"}, UsageError, "--crop 1,2"),
        ({"reference": Path("gone.jpg")}, DeviceError, "--reference gone.jpg: no such file"),
        ({"driving": Path("gone.mp4"), "reference": FACE_FILE}, DeviceError, "gone.mp4"),
    ],
)
def test_mistakes_are_told(
    change: dict[str, Any],
    error: type[HeadganError],
    complaint: str,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(clip.parent)
    options = ReenactOptions(Path("gone.jpg"), Path("clip.mp4"), Path("out.mp4"), provider="cpu")
    with pytest.raises(error, match=complaint):
        reenact_clip(replace(options, **change))
    assert not Path("out.mp4").exists()
