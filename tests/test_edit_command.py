"""`headgan edit` and `headgan frontalise`: a photograph in, pictures out, and what they say about mistakes."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.video import probe_video, read_video
from headgan.models import edit_command
from headgan.models.avatar import Avatar
from headgan.models.edit_command import EditOptions, edit_picture
from headgan.models.face_edit import FaceEdit
from headgan.models.frontalise_command import FrontaliseOptions, frontalise_picture
from headgan.models.generator import PRIOR_GENERATOR
from headgan.models.picture_file import read_picture
from headgan.models.portrait import find_portrait, read_portrait
from headgan.models.pose_edit import head_pose
from headgan.models.sweep import Sweep, parse_sweep, write_sweep
from headgan.models.weights import weights_path
from headgan.proto.errors import DeviceError, FaceError, HeadganError, UsageError

FACE_FILE = Path(__file__).parent.parent / "docs" / "face.jpg"


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return Avatar.from_portrait(read_portrait(FACE_FILE), provider="cpu")


def tracked_again(picture_rgb: NDArray[np.uint8]) -> Avatar:
    return Avatar.from_portrait(find_portrait(picture_rgb, crop="none"), provider="cpu")


def options(output: Path, **changes: Any) -> EditOptions:
    return replace(EditOptions(FACE_FILE, output, provider="cpu"), **changes)


def test_an_edit_of_nothing_gives_the_picture_back(avatar: Avatar) -> None:
    geometry = Avatar.from_portrait(
        read_portrait(FACE_FILE), generator=weights_path(PRIOR_GENERATOR), provider="cpu"
    )
    assert int(np.abs(geometry.edit().astype(int) - geometry.picture_rgb).max()) <= 1
    # The networks guess a little of motion where there is none.
    assert np.abs(avatar.edit().astype(int) - avatar.picture_rgb).mean() < 5


@pytest.mark.parametrize(
    ("name", "value"), [("yaw", 15.0), ("yaw", -15.0), ("pitch", 10.0), ("pitch", -10.0), ("roll", 15.0)]
)
def test_a_tracker_sees_the_turn_that_was_drawn(avatar: Avatar, name: str, value: float) -> None:
    before, after = avatar.pose, tracked_again(avatar.edit(**{name: value})).pose
    for angle in ("yaw", "pitch", "roll"):
        expected = value if angle == name else 0.0
        turned = getattr(after, f"{angle}_deg") - getattr(before, f"{angle}_deg")
        assert turned == pytest.approx(expected, abs=6)


def test_the_front_looks_into_the_camera(avatar: Avatar) -> None:
    turned = tracked_again(avatar.edit(yaw=14, roll=10))
    pose = tracked_again(turned.frontal()).pose
    assert (pose.yaw_deg, pose.pitch_deg, pose.roll_deg) == pytest.approx((0, 0, 0), abs=5)


def test_changes_by_name_and_by_an_edit_are_the_same(avatar: Avatar) -> None:
    together = avatar.edit(FaceEdit(smile=-0.4), expression0=1.0, mouthLeft=0.1)
    edit = FaceEdit(smile=-0.4, expression={0: 1.0}, blendshapes={"mouthLeft": 0.1})
    np.testing.assert_array_equal(together, avatar.edit(edit))
    assert float(np.abs(together.astype(int) - avatar.picture_rgb).mean()) > 0.1


def test_an_array_and_a_file_give_the_same_person(avatar: Avatar) -> None:
    from_array = Avatar.from_picture(read_picture(FACE_FILE, "the test's"), provider="cpu")
    from_file = Avatar.from_picture(str(FACE_FILE), provider="cpu")
    for one in (from_array, from_file):
        np.testing.assert_array_equal(one.picture_rgb, avatar.picture_rgb)
        np.testing.assert_allclose(one.params.to_array(), avatar.params.to_array(), atol=1e-5)


@pytest.mark.parametrize(
    "picture", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float32), np.zeros((0, 9, 3), np.uint8)]
)
def test_arrays_that_are_no_pictures_are_refused(picture: Any) -> None:
    with pytest.raises(ValueError, match="the picture is"):
        Avatar.from_picture(picture)
    with pytest.raises(FaceError, match="the picture shows no face"):
        Avatar.from_picture(np.zeros((64, 64, 3), np.uint8))


def test_the_command_writes_what_the_avatar_draws(
    avatar: Avatar, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.png"
    changes = {"yaw": 12.0, "jaw_open": 0.3, "expression": "0=+1, 2=-0.5", "blendshape": "mouthLeft=.1"}
    assert edit_picture(options(output, **changes)) == 0
    expected = avatar.edit(
        FaceEdit(yaw=12, jaw_open=0.3, expression={0: 1, 2: -0.5}, blendshapes={"mouthLeft": 0.1})
    )
    np.testing.assert_array_equal(read_picture(output, "-o"), expected)
    pose = avatar.pose
    assert f"yaw {pose.yaw_deg:.0f}, pitch {pose.pitch_deg:.0f}" in capsys.readouterr().out


def test_a_guess_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        edit_picture(options(tmp_path / "out.png", sweep="jaw-open=0.4:1:3"))
    assert caplog.messages == ["jawOpen is a guess beyond 0.62"]


def test_a_sweep_is_a_strip(avatar: Avatar, tmp_path: Path) -> None:
    output = tmp_path / "strip.png"
    assert edit_picture(options(output, roll=5.0, sweep="yaw=-10:10:3")) == 0
    strip = read_picture(output, "-o")
    expected = [avatar.edit(FaceEdit(roll=5, yaw=yaw)) for yaw in (-10, 0, 10)]
    np.testing.assert_array_equal(strip, np.hstack(expected))


def test_a_sweep_as_a_video_goes_there_and_back(tmp_path: Path) -> None:
    pictures = [np.full((256, 256, 3), level, np.uint8) for level in (20, 90, 160, 230)]
    write_sweep(tmp_path / "sweep.mp4", pictures)
    levels = [float(frame.frame_rgb.mean()) for frame in read_video(tmp_path / "sweep.mp4")]
    assert levels == pytest.approx([20, 90, 160, 230, 160, 90], abs=3)


def test_the_command_writes_a_video_too(tmp_path: Path) -> None:
    assert edit_picture(options(tmp_path / "sweep.mp4", sweep="smile=0:1:3")) == 0
    assert probe_video(tmp_path / "sweep.mp4").frames_estimate == 4


def test_sweeps_are_read() -> None:
    assert parse_sweep("yaw=-30:30:3") == Sweep("yaw", (-30.0, 0.0, 30.0))
    assert parse_sweep("mouthLeft=0:.5:2") == Sweep("mouthLeft", (0.0, 0.5))


@pytest.mark.parametrize(
    "text", ["yaw", "yaw=1:2", "=1:2:3", "yaw=a:2:3", "yaw=0:nan:3", "yaw=0:1:1", "yaw=0:1:9999"]
)
def test_sweeps_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--sweep"):
        parse_sweep(text)


@pytest.mark.parametrize(
    ("changes", "error", "complaint"),
    [
        ({"output": Path("out.txt")}, UsageError, "ends in .png"),
        ({"output": Path("out.mp4")}, UsageError, "ends in .png"),
        ({"output": Path("nowhere/out.png")}, DeviceError, "nowhere does not exist"),
        ({"yaw": 100.0}, UsageError, "--yaw 100"),
        ({"expression": "a=1"}, UsageError, "--expression a=1: give --expression NAME=VALUE"),
        ({"expression": "1"}, UsageError, "--expression 1: give"),
        ({"blendshape": "=1"}, UsageError, "--blendshape =1: give"),
        ({"blendshape": "jawOpen=3"}, UsageError, "jawOpen 3: give -1 to 1"),
        ({"blendshape": "laugh=1"}, UsageError, "no blendshape laugh"),
        ({"sweep": "yaw=0:300:4"}, UsageError, "--yaw 100"),
        ({"sweep": "yaw=0:30:61"}, UsageError, "61 pictures make no strip"),
        ({"reference": Path("gone.png")}, DeviceError, "--reference gone.png: no such file"),
        ({"crop": "0,0,9999"}, UsageError, "reaches outside the picture"),
    ],
)
def test_mistakes_are_told(
    changes: dict[str, Any],
    error: type[HeadganError],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=complaint):
        edit_picture(options(changes.pop("output", Path("out.png")), **changes))
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_in_a_sweep_shows_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edit_command, "read_portrait", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(UsageError, match="--smile 2"):
        edit_picture(options(tmp_path / "out.png", sweep="smile=0:2:3"))


def test_frontalise_writes_the_front(
    avatar: Avatar, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "turned.png"), avatar.edit(yaw=14)[..., ::-1])
    output = tmp_path / "front.png"
    assert frontalise_picture(FrontaliseOptions(tmp_path / "turned.png", output, provider="cpu")) == 0
    assert "degrees to the front" in capsys.readouterr().out
    assert head_pose(tracked_again(read_picture(output, "-o")).params).yaw_deg == pytest.approx(0, abs=5)


@pytest.mark.parametrize(
    ("photo", "output", "complaint"),
    [
        ("gone.png", "out.png", "photograph gone.png: no such file"),
        (str(FACE_FILE), "out.mp4", "ends in .png"),
    ],
)
def test_frontalise_tells_mistakes(
    photo: str, output: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HeadganError, match=complaint):
        frontalise_picture(FrontaliseOptions(Path(photo), Path(output), provider="cpu"))
