"""A photograph with one face in, the reference of the call out."""

from pathlib import Path

import cv2
import numpy as np

from headgan.models.crop import crop_around
from headgan.models.fitting import fit_face
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.models.tracker import MediaPipeTracker
from headgan.proto.errors import DeviceError, FaceError

# A larger photograph is scaled down first: nothing of it survives in a crop of 256 pixels.
_MAX_SIDE = 2048


def read_reference(path: Path, model: MorphableModel) -> ReferenceImage:
    """Finds, crops and fits the face of a photograph (any format and size that OpenCV reads, EXIF turned upright).

    Raises:
        DeviceError: the file is missing or no picture.
        FaceError: there is no face, or more than one.
    """
    if not path.is_file():
        raise DeviceError(f"--reference {path}: no such file")
    data = np.fromfile(path, dtype=np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if picture is None:
        raise DeviceError(f"--reference {path} is no picture that can be read; give a JPEG, PNG or WebP file")
    frame_rgb = np.ascontiguousarray(picture[..., ::-1])
    scale = _MAX_SIDE / max(frame_rgb.shape[:2])
    if scale < 1:
        frame_rgb = cv2.resize(frame_rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tracker = MediaPipeTracker()
    count = tracker.count_faces(frame_rgb)
    if count > 1:
        raise FaceError(f"--reference {path} shows {count} faces; give a photograph of one person, or crop it")
    face = tracker.track(frame_rgb)
    if face is None:
        raise FaceError(f"--reference {path} shows no face; give a photograph that shows it from the front")
    height, width = frame_rgb.shape[:2]
    crop = crop_around(face.points, width, height)
    identity, fit = fit_face(model, crop.normalise(face.points))
    return ReferenceImage(crop.cut(frame_rgb), identity, fit.params)
