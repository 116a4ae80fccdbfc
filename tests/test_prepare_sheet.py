"""The sheet: a tile for each person, with the face's code on it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.models.morphable import MorphableModel
from headgan.models.train import prepare_sheet
from headgan.models.train.prepare_sheet import write_sheet
from headgan.proto.errors import DeviceError

IDENTITY = np.zeros(MorphableModel.load().identity_size, np.float32)


class FakeSet:
    """Grey frames; the face is in the middle of each segment's last frame, and outside all others."""

    def __init__(self, people: list[str]) -> None:
        self.segments = [
            SimpleNamespace(person=name, frames=2 + index, identity=IDENTITY, shade=40 + 10 * index)
            for index, name in enumerate(people)
        ]

    def picture(self, segment: Any, frame: int) -> NDArray[np.uint8]:
        assert 0 <= frame < segment.frames
        return np.full((256, 256, 3), segment.shade, np.uint8)

    def params(self, segment: Any) -> NDArray[np.float32]:
        params = np.zeros((segment.frames, 37), np.float32)
        params[:, 28], params[:, 32], params[:-1, 33] = 1, 0.4, 5
        return params


def sheet(people: list[str], path: Path) -> NDArray[np.uint8]:
    write_sheet(FakeSet(people), path)  # type: ignore[arg-type]
    picture = cv2.imread(str(path))
    assert picture is not None
    return np.asarray(picture, np.uint8)


def test_each_person_has_a_tile(tmp_path: Path) -> None:
    picture = sheet(["ann", "ben", "ann"], tmp_path / "sheet.png")
    assert picture.shape == (128, 256, 3)
    # Ann's longer segment is the third.
    assert (picture[2, 2].tolist(), picture[2, 130].tolist()) == ([60] * 3, [50] * 3)
    assert picture[64, 64].tolist() != [60] * 3  # the code


def test_many_people_are_shown_in_rows(tmp_path: Path) -> None:
    assert sheet([f"{index:03}" for index in range(18)], tmp_path / "sheet.png").shape == (256, 2048, 3)


def test_not_everybody_of_thousands_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_sheet, "_MAX_PEOPLE", 3)
    picture = sheet([f"{index}" for index in range(7)], tmp_path / "sheet.png")
    assert picture.shape == (128, 384, 3)
    assert [int(picture[2, x, 0]) for x in (2, 130, 258)] == [40, 70, 100]


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="cannot be written"):
        sheet(["ann"], tmp_path / "nowhere" / "sheet.png")
