"""A photograph with one face in, the reference of the call out.

One picture cannot tell a laughing person from one with a broad mouth, so the caller's identity, which many frames tell,
is used for the photograph too if it fits: then a laugh in the photograph counts as one, and is not laughed again on
top. A photograph of somebody else keeps its own.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.crop import crop_around
from headgan.models.fitting import FaceFitter
from headgan.models.identity import fit_face
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.models.tracker import MediaPipeTracker
from headgan.proto.errors import DeviceError, FaceError

# The caller's identity may fit a photograph of the caller so many times worse than one made to measure. Over clips of
# 13 people 99 of 100 pictures of one person are within it, and half of those of two people are not.
_SAME_PERSON_RATIO = 2.5
# A larger photograph is scaled down first: nothing of it survives in a crop of 256 pixels.
_MAX_SIDE = 2048


@dataclass(frozen=True, eq=False)
class ReferencePhoto:
    """A photograph that is ready for a call.

    Attributes:
        picture_rgb: uint8 [256, 256, 3], head and shoulders.
        points: float32 [478, 3] of the face in half crop widths.
    """

    picture_rgb: NDArray[np.uint8]
    points: NDArray[np.float32]

    def as_reference(self, model: MorphableModel, caller: NDArray[np.float32]) -> ReferenceImage:
        """The reference for a call from somebody with the identity `caller`, float32 [n_id]."""
        identity, fit = fit_face(model, self.points)
        with_caller = FaceFitter(model, caller).fit(self.points)
        if with_caller.error <= _SAME_PERSON_RATIO * fit.error:
            identity, fit = caller, with_caller
        return ReferenceImage(self.picture_rgb, identity, fit.params)


def read_reference(path: Path) -> ReferencePhoto:
    """Finds and crops the face of a photograph (any format and size that OpenCV reads, EXIF turned upright).

    Raises:
        DeviceError: the file is missing or no picture.
        FaceError: there is no face, or more than one.
    """
    if not path.is_file():
        raise DeviceError(f"--reference {path}: no such file")
    picture = _read_picture(path)
    frame_rgb = np.ascontiguousarray(picture[..., ::-1])
    scale = _MAX_SIDE / max(frame_rgb.shape[:2])
    if scale < 1:
        frame_rgb = cv2.resize(frame_rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tracker = MediaPipeTracker()
    count = tracker.count_faces(frame_rgb)
    if count > 1:
        raise FaceError(
            f"--reference {path} shows {count} faces; give a photograph of one person, or crop it"
        )
    face = tracker.track(frame_rgb)
    if face is None:
        raise FaceError(f"--reference {path} shows no face; give a photograph that shows it from the front")
    height, width = frame_rgb.shape[:2]
    crop = crop_around(face.points, width, height)
    return ReferencePhoto(crop.cut(frame_rgb), crop.normalise(face.points))


def _read_picture(path: Path) -> NDArray[np.uint8]:
    """Uint8 [H, W, 3], BGR and upright."""
    try:
        data = path.read_bytes()
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except OSError as exc:
        raise DeviceError(f"--reference {path} cannot be read ({exc.strerror})") from exc
    except cv2.error:  # a picture too large for OpenCV
        picture = None
    if picture is None:
        raise DeviceError(f"--reference {path} is no picture that can be read; give a JPEG, PNG or WebP file")
    upright: NDArray[np.uint8] = picture
    return upright
