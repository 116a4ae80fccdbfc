"""A picture with a face in, head and shoulders and the face's points out: what one can be drawn from.

    picture -> all its faces -> the one that dominates -> crop -> a second look at the crop -> Portrait

Faces that are small in a large picture escape the detector, which sees it at 128 pixels, so the picture is then
searched in overlapping tiles as well.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.crop import Crop, crop_around, parse_crop, whole_frame
from headgan.models.detail import LARGE_SIZE
from headgan.models.identity import fit_face
from headgan.models.morphable import MorphableModel
from headgan.models.picture_file import read_picture
from headgan.models.reconstruct import ReferenceImage
from headgan.models.tracker import MediaPipeTracker, TrackedFace
from headgan.proto.errors import FaceError

log = logging.getLogger(__name__)

# Longer side of a face in pixels: below the first it is a smudge in the crop, below the second it is no face.
SMALL_FACE_PX, MIN_FACE_PX = 64, 24
# A face is the portrait's if every other is at most so many times its size.
DOMINANCE = 0.5
# A larger picture is scaled down first: nothing of it survives in a crop of 256 pixels.
_MAX_SIDE = 4096
# In half crop widths: faces in 34 plain photographs fit to 0.12 pixels of 256, upside down to 0.5.
_DOUBTFUL_FIT = 0.35 / 128
# The tracker looks again at a window of at most this size, in which the face fills its input well.
_WINDOW = 768
# Halves, quarters, eighths of the longer side.
_TILINGS = (2, 4, 8)
_MIN_TILE = 192


@dataclass(frozen=True, eq=False)
class Portrait:
    """A face that is ready to be drawn from.

    Attributes:
        picture_rgb: uint8 [256, 256, 3], head and shoulders.
        points: float32 [478, 3] of the face in half crop widths.
        large_rgb: uint8 [512, 512, 3], the same at twice the size.
    """

    picture_rgb: NDArray[np.uint8]
    points: NDArray[np.float32]
    large_rgb: NDArray[np.uint8] | None = None

    def as_reference(self, model: MorphableModel) -> ReferenceImage:
        """The reference with the identity that this one picture shows."""
        identity, fit = fit_face(model, self.points)
        if fit.error > _DOUBTFUL_FIT:
            log.warning(
                "the face in the picture is hard to make out; it has to be upright and in plain sight"
            )
        return ReferenceImage(self.picture_rgb, identity, fit.params, self.large_rgb)


def read_portrait(
    path: Path, *, crop: str = "auto", option: str = "--reference", crop_option: str | None = None
) -> Portrait:
    """The portrait in a picture file.

    Args:
        path: any format that OpenCV reads.
        crop: as in `find_portrait`.
        option: how the user named the file, for errors.
        crop_option: the option that names the crop, if there is one, for errors.

    Raises:
        DeviceError: the file is missing or no picture.
        FaceError: there is no face, or more than one and none dominates.
        UsageError: the crop is none, or outside the picture.
    """
    return find_portrait(
        read_picture(path, option), crop=crop, name=f"{option} {path}", crop_option=crop_option
    )


def find_portrait(
    picture_rgb: NDArray[np.uint8],
    *,
    crop: str = "auto",
    name: str = "the picture",
    crop_option: str | None = None,
) -> Portrait:
    """The portrait in a picture.

    Args:
        picture_rgb: uint8 [H, W, 3], upright.
        crop: `auto` for head and shoulders, `none` for the largest square, or `x,y,size` in pixels.
        name: what errors call the picture.
        crop_option: the option that names the crop, if there is one, for errors.

    Raises:
        FaceError: there is no face, or more than one and none dominates.
        UsageError: the crop is none, or outside the picture.
    """
    height, width = picture_rgb.shape[:2]
    square = whole_frame(width, height) if crop == "none" else parse_crop(crop)
    if square is not None:
        square.check_inside(width, height)
        left, top, size = int(square.left), int(square.top), int(square.size)
        picture_rgb = picture_rgb[top : top + size, left : left + size]
    picture_rgb = _scaled_down(picture_rgb, _MAX_SIDE)
    tracker = MediaPipeTracker()
    hint = f", or choose one with {crop_option} x,y,size" if crop_option else ", or crop it"
    face = _dominating(find_faces(picture_rgb, tracker), name, hint)
    _check_size(face, name)
    height, width = picture_rgb.shape[:2]
    around = crop_around(face.points, width, height) if square is None else whole_frame(width, height)
    points = _second_look(picture_rgb, around, tracker)
    return Portrait(
        around.cut(picture_rgb),
        around.normalise(face.points if points is None else points),
        around.cut(picture_rgb, LARGE_SIZE),
    )


def find_faces(picture_rgb: NDArray[np.uint8], tracker: MediaPipeTracker) -> list[TrackedFace]:
    """Every face in `picture_rgb`, uint8 [H, W, 3], largest first; in tiles only if the whole shows none."""
    for tiles in (1, *_TILINGS):
        found: list[TrackedFace] = []
        for left, top, size in _tiles(picture_rgb, tiles):
            tile = np.ascontiguousarray(picture_rgb[top : top + size, left : left + size])
            for face in _faces_of(tile, tracker):
                moved = TrackedFace(face.points + np.array([left, top, 0], np.float32), face.presence)
                if not any(_is_same(moved, other) for other in found):
                    found.append(moved)
        if found:
            return sorted(found, key=_side, reverse=True)
    return []


def _faces_of(picture_rgb: NDArray[np.uint8], tracker: MediaPipeTracker) -> list[TrackedFace]:
    """All faces that one search finds; a tracker that is refused each goes on to the next."""
    found: list[TrackedFace] = []

    def refuse(face: TrackedFace) -> bool:
        found.append(face)
        return False

    tracker.reset()
    tracker.track(picture_rgb, refuse)
    return found


def _tiles(picture_rgb: NDArray[np.uint8], count: int) -> Iterator[tuple[int, int, int]]:
    """Left, top and size of squares of the longer side's `count`-th part that overlap by half; 1 is the whole."""
    height, width = picture_rgb.shape[:2]
    size = max(height, width) // count
    if count > 1 and size < _MIN_TILE:
        return
    for top in _starts(height, size):
        for left in _starts(width, size):
            yield left, top, size


def _starts(length: int, size: int) -> list[int]:
    last = max(0, length - size)
    return sorted({*range(0, last, max(1, size // 2)), last})


def _side(face: TrackedFace) -> float:
    return float(np.ptp(face.points[:, :2], axis=0).max())


def _is_same(one: TrackedFace, other: TrackedFace) -> bool:
    """Whether two searches found one face: their middles are nearer than half the smaller one's size."""
    apart = np.linalg.norm(one.points[:, :2].mean(axis=0) - other.points[:, :2].mean(axis=0))
    return float(apart) < 0.5 * min(_side(one), _side(other))


def _dominating(faces: list[TrackedFace], name: str, hint: str) -> TrackedFace:
    if not faces:
        raise FaceError(f"{name} shows no face; give a photograph that shows it from the front")
    largest, *others = faces
    rivals = [face for face in others if _side(face) > DOMINANCE * _side(largest)]
    if rivals:
        raise FaceError(
            f"{name} shows {len(rivals) + 1} faces of like size; give a photograph of one person{hint}"
        )
    if others:
        log.info("%s shows %d faces; the largest is taken", name, len(faces))
    return largest


def _check_size(face: TrackedFace, name: str) -> None:
    side = _side(face)
    if side < MIN_FACE_PX:
        raise FaceError(
            f"{name} shows a face of {side:.0f} pixels; give a photograph in which it has {SMALL_FACE_PX} or more"
        )
    if side < SMALL_FACE_PX:
        log.warning("%s shows a face of %.0f pixels only; what is drawn from it is blurred", name, side)


def _second_look(
    picture_rgb: NDArray[np.uint8], around: Crop, tracker: MediaPipeTracker
) -> NDArray[np.float32] | None:
    """Points [478, 3] in pixels of the picture, found at a size that suits the network; None if it sees none.

    A face larger than the network's input would be sampled with gaps.
    """
    left, top, size = int(around.left), int(around.top), int(around.size)
    window = np.ascontiguousarray(picture_rgb[top : top + size, left : left + size])
    scaled = _scaled_down(window, _WINDOW)
    tracker.reset()
    face = tracker.track(scaled)
    if face is None:
        return None
    back = window.shape[0] / scaled.shape[0]
    return (face.points * np.float32(back) + np.array([left, top, 0], np.float32)).astype(np.float32)


def _scaled_down(picture_rgb: NDArray[np.uint8], max_side: int) -> NDArray[np.uint8]:
    scale = max_side / max(picture_rgb.shape[:2])
    if scale >= 1:
        return picture_rgb
    height, width = picture_rgb.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    scaled: NDArray[np.uint8] = cv2.resize(picture_rgb, size, interpolation=cv2.INTER_AREA)
    return scaled
