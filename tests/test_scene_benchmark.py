"""`headgan-bench scene`: what it does to a clip, and how it reads what a call made of that."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.benchmarks.altered_scene import Span, change_light, cover_mouth, with_hand
from headgan.benchmarks.cli import main
from headgan.benchmarks.scene_command import Shown, recovered_at, state_at
from headgan.codec.params import EXPRESSION_SIZE, GAZE_SIZE, FaceParams
from headgan.codec.video import VideoWriter, read_video
from headgan.models.eyes import LIDS
from headgan.models.fitting import project
from headgan.models.morphable import MorphableModel
from headgan.models.mouth import INNER_LIPS

MODEL = MorphableModel.load()
SIZE = 256
RATE_FPS = 10


def grey_clip(path: Path, seconds: int) -> Path:
    with VideoWriter(path, width=SIZE, height=SIZE, rate_fps=RATE_FPS) as writer:
        for _ in range(seconds * RATE_FPS):
            writer.write(np.full((SIZE, SIZE, 3), 120, np.uint8))
    return path


def levels(path: Path) -> list[float]:
    return [float(frame.frame_rgb.mean()) for frame in read_video(path)]


def face_points() -> NDArray[np.float32]:
    camera = np.array([1, 0, 0, 0, 0.5, 0, 0], np.float32)
    face = FaceParams(np.zeros(EXPRESSION_SIZE, np.float32), camera, np.zeros(GAZE_SIZE, np.float32))
    points: NDArray[np.float32] = (project(MODEL, np.zeros(MODEL.identity_size, np.float32), face) + 1) * 128
    return points


def test_the_light_changes_at_its_time(tmp_path: Path) -> None:
    change_light(grey_clip(tmp_path / "clip.mp4", 3), tmp_path / "light.mp4", Span(1, 2))
    seen = np.array(levels(tmp_path / "light.mp4"))
    assert len(seen) == 30
    assert np.abs(seen[:10] - 120).max() < 3 and np.abs(seen[20:] - 120).max() < 3
    assert np.abs(seen[10:20] - 120).min() > 10
    frame = list(read_video(tmp_path / "light.mp4"))[15].frame_rgb.astype(int)
    # The lamp is on the right, and warm.
    assert frame[:, -20:].mean() > 1.5 * frame[:, :20].mean()
    assert frame[..., 0].mean() > frame[..., 2].mean() + 20


def test_where_there_is_no_face_no_hand_comes(tmp_path: Path) -> None:
    cover_mouth(grey_clip(tmp_path / "clip.mp4", 2), tmp_path / "hand.mp4", Span(0.5, 1.5))
    assert np.abs(np.array(levels(tmp_path / "hand.mp4")) - 120).max() < 3


def test_the_hand_covers_the_mouth_and_leaves_the_eyes() -> None:
    points = face_points()
    before = np.full((SIZE, SIZE, 3), (210, 170, 150), np.uint8)
    before[int(points[list(INNER_LIPS), 1].min()) - 8 :] = (40, 80, 220)  # skin is above the mouth only
    change = np.abs(with_hand(before, points, 1.0, 0.0).astype(int) - before).max(axis=2)

    def at(indices: tuple[int, ...]) -> NDArray[np.int64]:
        x, y = points[list(indices), :2].round().astype(int).T
        covered: NDArray[np.int64] = change[y, x]
        return covered

    assert (at(tuple(INNER_LIPS)) > 5).mean() > 0.9
    assert at(LIDS).max() == 0
    # On its way it is still below.
    assert np.abs(with_hand(before, points, 0.0, 0.0).astype(int) - before).max(axis=2)[:200].max() == 0


def test_what_was_shown_is_read_from_the_states() -> None:
    states = [{"at_s": 0.0, "state": "live"}, {"at_s": 6.2, "state": "held"}, {"at_s": 9.0, "state": "live"}]
    assert [state_at(states, time_s) for time_s in (0.0, 6.1, 6.2, 8.9, 9.5)] == [
        "live",
        "live",
        "held",
        "held",
        "live",
    ]


def test_a_call_has_recovered_once_it_is_as_good_as_before_for_a_while() -> None:
    quality = [30.0] * 20 + [20.0] * 10 + [29.0] + [20.0] * 9 + [29.5] * 20
    shown = [Shown(place / 10, value, is_false=False) for place, value in enumerate(quality)]
    assert recovered_at(shown, 2.0, 28.0) == pytest.approx(4.0, abs=0.11)
    assert recovered_at(shown, 2.0, 35.0) is None


def test_a_clip_that_ends_too_soon_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = grey_clip(tmp_path / "clip.mp4", 3)
    assert main(["scene", str(clip), "-o", str(tmp_path / "out")]) == 2
    assert "3.0 s long; it has to go on for 2 s after 10 s" in capsys.readouterr().err
