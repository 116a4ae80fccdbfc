"""Clips and photographs in, tracked faces by person out: the material a morphable model is built from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.codec.video import read_video
from headgan.models.tracker import FaceTracker
from headgan.proto.errors import DeviceError, UsageError

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
CLIP_SUFFIXES = (".mp4", ".mpg", ".mpeg", ".mov", ".webm", ".mkv", ".avi", ".m4v")


@dataclass(frozen=True)
class PersonFaces:
    """All tracked faces of one person.

    Attributes:
        name: the folder's or the file's name.
        points: float32 [N, 478, 3] in pixels of their frames.
    """

    name: str
    points: NDArray[np.float32]


def find_people(inputs: Sequence[Path]) -> dict[str, list[Path]]:
    """Files by person: every file given is a person, and every folder that holds files directly is one.

    Raises:
        UsageError: nothing usable is found.
    """
    people: dict[str, list[Path]] = {}
    for given in inputs:
        if not given.exists():
            raise UsageError(f"{given} does not exist; give clips, photographs, or folders of them")
        if given.is_file():
            people[str(given)] = [given]
            continue
        for path in sorted(given.rglob("*")):
            if path.suffix.lower() in PHOTO_SUFFIXES + CLIP_SUFFIXES:
                people.setdefault(str(path.parent), []).append(path)
    if not people:
        raise UsageError(f"no clips or photographs in {', '.join(map(str, inputs))}")
    return people


def collect_people(inputs: Sequence[Path], tracker: FaceTracker, *, every: int) -> Iterator[PersonFaces]:
    """Tracks every `every`-th frame of each clip and every photograph; people without a face are left out."""
    people = find_people(inputs)
    for name, paths in tqdm(people.items(), desc="tracking", unit="person"):
        points: list[NDArray[np.float32]] = []
        for path in paths:
            tracker.reset()
            for frame_rgb in _frames(path, every):
                face = tracker.track(frame_rgb)
                if face is not None:
                    points.append(face.points)
        if points:
            yield PersonFaces(name, np.stack(points))


def _frames(path: Path, every: int) -> Iterator[NDArray[np.uint8]]:
    if path.suffix.lower() in PHOTO_SUFFIXES:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise DeviceError(f"{path} is not a picture that can be read")
        yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        return
    for index, frame in enumerate(read_video(path)):
        if index % every == 0:
            yield frame.frame_rgb
