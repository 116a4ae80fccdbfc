"""The tracker: no face where there is none; with played networks, whom it follows and where it looks."""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.models.face_detector import Detection, FaceDetector, _anchor_centers, _iou, _merge_overlaps
from headgan.models.morphable import MorphableModel
from headgan.models.tracker import (
    LEFT_EYE_CORNER,
    POINTS,
    RIGHT_EYE_CORNER,
    MediaPipeTracker,
    TrackedFace,
    _Region,
    _region_of_detection,
    _region_of_points,
)
from headgan.models.weights import weights_path
from headgan.proto.errors import ModelError

BLANK = np.zeros((480, 640, 3), np.uint8)
MEAN = MorphableModel.load().mean


def noise_frame(height: int = 240, width: int = 320) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def detection(x: float, y: float, side: float = 100, roll_deg: float = 0) -> Detection:
    center, half = np.array([x, y]), side / 2
    across = np.array([math.cos(math.radians(roll_deg)), math.sin(math.radians(roll_deg))]) * side / 4
    box = np.concatenate([center - half, center + half]).astype(np.float32)
    return Detection(box, np.stack([center - across, center + across]).astype(np.float32), 0.9)


class PlayedDetector:
    """Finds what it is told to, and counts how often it was asked."""

    def __init__(self, found: list[Detection]) -> None:
        self.found = found
        self.asked = 0

    def detect(self, _frame_rgb: NDArray[np.uint8]) -> list[Detection]:
        self.asked += 1
        return self.found


class PlayedLandmarks:
    """Sees the mean face filling its input wherever the frame is light, and nothing where it is dark."""

    def run(self, values: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        seen = values[0, 120:136, 120:136].mean() > 0.5
        points = np.array([128, 128, 0], np.float32) + 70 * MEAN
        return {
            "Identity": points.reshape(1, 1, 1, -1).astype(np.float32),
            "Identity_1": np.array([[[[9.0 if seen else -9.0]]]], np.float32),
        }


def played_tracker(monkeypatch: pytest.MonkeyPatch, found: list[Detection]) -> tuple[Any, PlayedDetector]:
    tracker, detector = MediaPipeTracker(), PlayedDetector(found)
    monkeypatch.setattr(tracker, "_detector", detector)
    monkeypatch.setattr(tracker, "_landmarks", PlayedLandmarks())
    return tracker, detector


def frame_with_light(*places: tuple[int, int]) -> NDArray[np.uint8]:
    frame = BLANK.copy()
    for x, y in places:
        frame[y - 60 : y + 60, x - 60 : x + 60] = 255
    return frame


def middle(face: TrackedFace | None) -> NDArray[np.float32]:
    assert face is not None
    middle_xy: NDArray[np.float32] = face.points[:, :2].mean(axis=0)
    return middle_xy


@pytest.fixture(scope="module")
def tracker() -> MediaPipeTracker:
    return MediaPipeTracker()


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(BLANK, id="black"),
        pytest.param(np.full((480, 640, 3), 128, np.uint8), id="grey"),
        pytest.param(noise_frame(), id="noise"),
        pytest.param(noise_frame(640, 90), id="tall noise"),
        pytest.param(np.full((3, 2000, 3), 200, np.uint8), id="a line"),
        pytest.param(np.zeros((1, 1, 3), np.uint8), id="a pixel"),
    ],
)
def test_no_face_is_found_where_there_is_none(tracker: MediaPipeTracker, frame: NDArray[np.uint8]) -> None:
    assert tracker.track(frame) is None
    assert tracker.count_faces(frame) == 0


def test_the_landmark_network_sees_no_face_in_an_empty_region(tracker: MediaPipeTracker) -> None:
    region = _Region(np.array([320, 240], np.float32), 200, 0.3)
    assert tracker._look_at(BLANK, region) is None
    assert tracker._look_at(BLANK, _Region(np.array([-900, 5000], np.float32), 50, 0)) is None


def test_a_file_that_is_no_tracker_is_refused(tmp_path: Path) -> None:
    text, empty, odd = tmp_path / "text.task", tmp_path / "empty.task", tmp_path / "odd.task"
    text.write_text("no archive")
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("something.else", b"")
    with zipfile.ZipFile(odd, "w") as archive:
        archive.writestr("face_detector.tflite", b"no network at all")
        archive.writestr("face_landmarks_detector.tflite", b"neither")
    for path in (text, empty, tmp_path / "nowhere.task"):
        with pytest.raises(ModelError, match=rf"{path.name} is not a face_landmarker\.task file"):
            MediaPipeTracker(path)
    with pytest.raises(ModelError, match="network cannot be loaded"):
        MediaPipeTracker(odd)


def test_a_missing_weights_file_says_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"nothing\.task is missing .*; run \./scripts/setup"):
        weights_path("nothing.task")


def test_a_held_face_is_followed_without_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker, detector = played_tracker(monkeypatch, [detection(200, 200)])
    for _ in range(4):
        face = tracker.track(frame_with_light((200, 200)))
        assert np.abs(middle(face) - 200).max() < 20
        assert face.points.shape == (POINTS, 3)
        assert face.presence > 0.9
    assert detector.asked == 1


def test_a_lost_face_is_searched_in_the_same_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker, detector = played_tracker(monkeypatch, [detection(200, 200)])
    tracker.track(frame_with_light((200, 200)))
    detector.found = [detection(500, 300)]
    assert np.abs(middle(tracker.track(frame_with_light((500, 300)))) - (500, 300)).max() < 20
    assert detector.asked == 2


def test_the_first_detection_is_taken_and_empty_ones_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [detection(150, 200), detection(450, 200)]
    tracker, _ = played_tracker(monkeypatch, both)
    assert middle(tracker.track(frame_with_light((150, 200), (450, 200))))[0] < 200
    tracker.reset()
    assert middle(tracker.track(frame_with_light((450, 200))))[0] > 400


def test_after_a_loss_the_nearest_face_is_tried_first(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker, detector = played_tracker(monkeypatch, [detection(450, 200)])
    tracker.track(frame_with_light((450, 200)))
    assert tracker.track(BLANK) is None
    detector.found = [detection(150, 200, side=140), detection(480, 220)]  # the larger one is far away
    both = frame_with_light((150, 200), (480, 220))
    assert middle(tracker.track(both))[0] > 400
    tracker.reset()  # the place is forgotten, too
    assert middle(tracker.track(both))[0] < 200


def test_a_face_that_is_not_wanted_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker, _ = played_tracker(monkeypatch, [detection(150, 200), detection(450, 200)])
    both = frame_with_light((150, 200), (450, 200))
    assert middle(tracker.track(both, lambda face: bool(middle(face)[0] > 300)))[0] > 400
    assert tracker.track(both, lambda _: False) is not None  # a face that is followed is not asked about
    tracker.reset()
    assert tracker.track(both, lambda _: False) is None


@pytest.mark.parametrize("angle_deg", [0, 30, -120])
def test_a_region_maps_its_middle_and_its_corners(angle_deg: float) -> None:
    region = _Region(np.array([300, 200], np.float32), 100, math.radians(angle_deg))
    to_frame = region.to_frame()
    np.testing.assert_allclose(to_frame @ [128, 128, 1], [300, 200], atol=1e-3)
    cosine, sine = math.cos(region.angle), math.sin(region.angle)
    expected = [300 + 50 * (cosine - sine), 200 + 50 * (sine + cosine)]
    np.testing.assert_allclose(to_frame @ [256, 256, 1], expected, atol=1e-3)


def test_a_region_of_a_detection_is_half_again_as_wide_and_upright_with_the_eyes() -> None:
    region = _region_of_detection(detection(300, 200, side=120, roll_deg=25))
    np.testing.assert_allclose(region.center, [300, 200])
    assert region.side == pytest.approx(180)
    assert math.degrees(region.angle) == pytest.approx(25, abs=1e-3)


@pytest.mark.parametrize("roll_deg", [0, 40, -75, 170])
def test_a_region_of_points_turns_with_the_face(roll_deg: float) -> None:
    upright = (MEAN * 60).astype(np.float32)
    cosine, sine = math.cos(math.radians(roll_deg)), math.sin(math.radians(roll_deg))
    turned = upright.copy()
    turned[:, :2] = upright[:, :2] @ np.array([[cosine, sine], [-sine, cosine]], np.float32) + (300, 200)
    region = _region_of_points(turned)
    assert math.remainder(math.degrees(region.angle) - roll_deg, 360) == pytest.approx(0, abs=0.1)
    low, high = upright[:, :2].min(axis=0), upright[:, :2].max(axis=0)
    assert region.side == pytest.approx(1.5 * (high - low).max(), rel=1e-3)
    # In the region's own frame the face is upright and in the middle.
    inverse = np.linalg.inv(np.vstack([region.to_frame(), [0, 0, 1]]))[:2]
    local = turned[:, :2] @ inverse[:, :2].T + inverse[:, 2]
    np.testing.assert_allclose((local.min(axis=0) + local.max(axis=0)) / 2, [128, 128], atol=0.05)
    assert local[LEFT_EYE_CORNER, 0] < local[RIGHT_EYE_CORNER, 0]
    assert local[LEFT_EYE_CORNER, 1] == pytest.approx(local[RIGHT_EYE_CORNER, 1], abs=0.05)
    np.testing.assert_allclose(np.ptp(local, axis=0).max(), 256 / 1.5, rtol=1e-3)


def test_anchors_cover_the_frame_evenly() -> None:
    anchors = _anchor_centers()
    assert anchors.shape == (896, 2)
    np.testing.assert_allclose(anchors.mean(axis=0), 0.5, atol=1e-6)
    np.testing.assert_allclose(anchors[:4], [[1 / 32, 1 / 32]] * 2 + [[3 / 32, 1 / 32]] * 2)
    np.testing.assert_allclose(anchors[512], 1 / 16)


def boxes(*places: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """[faces, 4, 2]: two corners, and the same once more for the eyes."""
    return np.array([[place[:2], place[2:]] * 2 for place in places], np.float32)


def test_overlap_of_boxes() -> None:
    many = boxes((0, 0, 10, 10), (5, 0, 15, 10), (10, 0, 20, 10), (2, 2, 4, 4))
    np.testing.assert_allclose(_iou(many[0], many), [1, 50 / 150, 0, 4 / 100], atol=1e-6)


def test_boxes_of_one_face_are_averaged_by_score() -> None:
    many = boxes((0, 0, 10, 10), (2, 0, 12, 10), (50, 50, 80, 80))
    found = _merge_overlaps(many, np.array([0.9, 0.6, 0.7], np.float32))
    assert [face.score for face in found] == pytest.approx([0.9, 0.7])
    np.testing.assert_allclose(found[0].box, [0.8, 0, 10.8, 10], atol=1e-5)
    np.testing.assert_allclose(found[1].box, [50, 50, 80, 80])
    np.testing.assert_allclose(found[1].center, [65, 65])
    assert found[1].side == 30


def test_the_detector_undoes_its_letterbox() -> None:
    """One anchor is made to fire on a box in the middle of its cell; the box is known in the frame."""

    class Fires:
        def run(self, values: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
            assert values.shape == (1, 128, 128, 3)
            logits = np.full((1, 896, 1), -50, np.float32)
            regressors = np.zeros((1, 896, 16), np.float32)
            index = 2 * (8 * 16 + 8)  # the cell with its centre at 8.5 / 16
            logits[0, index] = 5
            regressors[0, index, 2:4] = 32  # as wide and as high as a quarter of the input
            return {"regressors": regressors, "classificators": logits}

    with zipfile.ZipFile(weights_path("face_landmarker.task")) as task:
        detector = FaceDetector(task.read("face_detector.tflite"))
    detector._model = Fires()  # type: ignore[assignment]
    (found,) = detector.detect(np.zeros((320, 640, 3), np.uint8))
    scale = 640 / 128
    center = np.array([68 * scale, (68 - 32) * scale])  # 32 rows of the input are above the frame
    np.testing.assert_allclose(found.center, center, atol=1e-3)
    assert found.side == pytest.approx(32 * scale)
    assert found.score > 0.99
