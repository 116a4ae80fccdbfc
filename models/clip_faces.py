"""A clip in, the face parameters of its person out, frame by frame.

frames -> tracker -> points -> crop -> [smoothing] -> fit, the identity taken from all over the clip
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.codec.params import FaceParams
from headgan.codec.video import VideoInfo, probe_video, read_video
from headgan.models.crop import Crop, crop_around, parse_crop, whole_frame
from headgan.models.fitting import FaceFitter
from headgan.models.identity import estimate_identity
from headgan.models.morphable import MorphableModel
from headgan.models.smoothing import OneEuroFilter, smoothing_settings
from headgan.models.tracker import POINTS, MediaPipeTracker
from headgan.proto.errors import DeviceError, FaceError

IDENTITY_FRAMES = 40


@dataclass(frozen=True, eq=False)
class ClipFaces:
    """What one person's face does in a clip.

    Attributes:
        params: of each frame; None where there is no face.
        errors: float32 [N], the fit's error in half crop widths; NaN where there is no face.
        pts_ms: float64 [N], the frames' times.
        identity: float32 [n_id] of the person.
        crop: the square that the parameters belong to.
        rate_fps: frames a second, on average.
    """

    params: tuple[FaceParams | None, ...]
    errors: NDArray[np.float32]
    pts_ms: NDArray[np.float64]
    identity: NDArray[np.float32]
    crop: Crop
    rate_fps: float

    @property
    def without_face(self) -> int:
        """Number of frames without a face."""
        return sum(params is None for params in self.params)


def fit_clip(model: MorphableModel, path: Path, *, crop: str = "auto", smoothing: float = 0.0) -> ClipFaces:
    """Tracks and fits every frame of a clip.

    Args:
        model: the morphable model.
        path: the clip.
        crop: `auto` for head and shoulders where the face is first seen, `none` for the largest square, or
            `x,y,size` in pixels of the clip.
        smoothing: calms the tracked face, 0 (off) to 1 (strong).

    Raises:
        DeviceError: the file is missing or no video.
        FaceError: there is no face in it.
        UsageError: the crop or the smoothing cannot be used.
    """
    settings = smoothing_settings(smoothing)
    fixed_crop = None if crop == "none" else parse_crop(crop)
    info = probe_video(path)
    points, pts_ms = _track(path, info)
    seen = np.flatnonzero(~np.isnan(points[:, 0, 0]))
    if not seen.size:
        raise FaceError(f"no face in {path}; the face has to be seen from the front")
    square = fixed_crop
    if square is None:
        square = whole_frame(info.width, info.height)
        if crop == "auto":
            square = crop_around(points[seen[0]], info.width, info.height)
    square.check_inside(info.width, info.height)
    local = [square.normalise(face) for face in points]
    # The whole clip is at hand, so the identity is taken from all over it.
    spread = seen[np.linspace(0, len(seen) - 1, min(IDENTITY_FRAMES, len(seen))).astype(int)]
    fitter = FaceFitter(model, estimate_identity(model, [local[index] for index in spread]))
    params, errors = _fit(fitter, local, pts_ms, OneEuroFilter(settings) if settings else None)
    return ClipFaces(params, errors, pts_ms, fitter.identity, square, info.rate_fps)


def _track(path: Path, info: VideoInfo) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Points float32 [N, 478, 3] in pixels, NaN where there is no face, and times float64 [N]."""
    tracker = MediaPipeTracker()
    points, pts_ms = [], []
    missing = np.full((POINTS, 3), np.nan, np.float32)
    frames = tqdm(read_video(path), desc="tracking", unit="frame", total=info.frames_estimate or None)
    for frame in frames:
        face = tracker.track(frame.frame_rgb)
        points.append(missing if face is None else face.points)
        pts_ms.append(frame.pts_ms)
    if not points:
        raise DeviceError(f"{path} has no pictures")
    return np.stack(points), np.array(pts_ms)


def _fit(
    fitter: FaceFitter,
    local: list[NDArray[np.float32]],
    pts_ms: NDArray[np.float64],
    smoother: OneEuroFilter | None,
) -> tuple[tuple[FaceParams | None, ...], NDArray[np.float32]]:
    """Parameters and errors of every frame; after a gap the fit and the filter start anew."""
    params: list[FaceParams | None] = []
    errors = np.full(len(local), np.nan, np.float32)
    for index, points in enumerate(tqdm(local, desc="fitting", unit="frame", leave=False)):
        if np.isnan(points[0, 0]):
            fitter.reset()
            if smoother:
                smoother.reset()
            params.append(None)
            continue
        fit = fitter.fit(smoother.smooth(points, pts_ms[index]) if smoother else points)
        params.append(fit.params)
        errors[index] = fit.error
    return tuple(params), errors
