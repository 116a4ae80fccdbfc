"""Clips of grey pictures, and what sees faces in them: the brighter a picture, the more its head is turned.

Tests of reports on clips share these, since no network is at hand and none would be as quick.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.codec.video import VideoWriter
from headgan.models import reconstruct
from headgan.models.fitting import project
from headgan.models.metrics import clip_frames, evaluation, face_tools
from headgan.models.morphable import MorphableModel
from headgan.models.tracker import TrackedFace

NO_FACE = 20


def turn_of(level: float) -> float:
    """Degrees to the side that the head in a picture of this grey is turned."""
    return (level - 60) / 2


def write_grey_clip(path: Path, levels: Sequence[int], waves: float = 0.0) -> Path:
    """Pictures of these greys; `waves` is by how much a pattern on them, 0 in the mean, goes up and down."""
    path.parent.mkdir(exist_ok=True)
    y, x = np.mgrid[:240, :320]
    pattern = waves * np.sin(x / 7) * np.sin(y / 11)
    with VideoWriter(path, width=320, height=240, rate_fps=25) as writer:
        for level in levels:
            picture = np.rint(level + min(1, level) * pattern)
            writer.write(np.repeat(picture.astype(np.uint8)[..., None], 3, axis=2))
    return path


class FakeTracker:
    """Sees the mean face in the middle of each picture but a dark one, the more turned the brighter it is."""

    frames = 0

    def __init__(self) -> None:
        self._model = MorphableModel.load()

    def reset(self) -> None:
        pass

    def track(self, frame_rgb: NDArray[np.uint8], is_wanted: object = None) -> TrackedFace | None:  # noqa: ARG002
        FakeTracker.frames += 1
        level = float(frame_rgb.mean())
        if level < NO_FACE:
            return None
        half = np.radians(turn_of(level)) / 2
        camera = np.array([np.cos(half), 0, np.sin(half), 0, 0.4, 0, 0], np.float32)
        params = FaceParams(np.zeros(28, np.float32), camera, np.zeros(2, np.float32))
        points = project(self._model, np.zeros(self._model.identity_size), params)
        height, width = frame_rgb.shape[:2]
        return TrackedFace((points * (0.4 * height) + (width / 2, height / 2, 0)).astype(np.float32), 1.0)


class FakeEmbedder:
    """Two pictures are one person if they are equally bright."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def embed(self, picture_rgb: NDArray[np.uint8], _points: object) -> NDArray[np.float32]:
        angle = picture_rgb.mean() / 255
        return np.array([np.cos(angle), np.sin(angle)], np.float32)


class FakePerceptual:
    """The difference of the means."""

    def features(self, picture_rgb: NDArray[np.uint8]) -> float:
        return float(picture_rgb.mean())

    def distance(self, one: float, other: float) -> float:
        return abs(one - other)


def use_fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts these in the place of tracker and networks, and counts the tracker's frames from 0."""
    FakeTracker.frames = 0
    for module in (evaluation, face_tools):
        monkeypatch.setattr(module, "MediaPipeTracker", FakeTracker)
    monkeypatch.setattr(evaluation, "FaceEmbedder", FakeEmbedder)
    monkeypatch.setattr(evaluation, "load_perceptual_metric", FakePerceptual)
    # What these would find takes longer than all the rest: the face is the mean face, and there is only background.
    monkeypatch.setattr(reconstruct, "foreground_mask", lambda *_: np.zeros((256, 256), np.float32))
    monkeypatch.setattr(
        clip_frames, "estimate_identity", lambda model, _: np.zeros(model.identity_size, np.float32)
    )
