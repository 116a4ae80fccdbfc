"""`headgan track`: a clip in, its face parameters as .npz or .csv out."""

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.codec.params import CAMERA_SIZE, EXPRESSION_SIZE, PARAMS_SIZE, FaceParams
from headgan.codec.video import probe_video, read_video
from headgan.models.crop import Crop, crop_around, parse_crop, whole_frame
from headgan.models.fitting import FaceFitter
from headgan.models.identity import estimate_identity
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.models.smoothing import OneEuroFilter, smoothing_settings
from headgan.models.tracker import POINTS, MediaPipeTracker
from headgan.proto.errors import DeviceError, FaceError, UsageError
from headgan.proto.options import argument, option, required
from headgan.proto.program import check_writable

IDENTITY_FRAMES = 40


@dataclass(frozen=True)
class TrackOptions:
    """Options of `headgan track`."""

    video: Path = argument("the clip")
    output: Path = required("where the parameters go, .npz or .csv", flag="-o", metavar="FILE")
    crop: str = option("auto", "auto, none (largest square), or x,y,size in pixels of the clip")
    smoothing: float = option(0.0, "calms the tracked face, 0 (off) to 1 (strong)")


@dataclass(frozen=True, eq=False)
class _Tracked:
    """A clip's points: float32 [N, 478, 3] in pixels, NaN where there is no face; times float64 [N]."""

    points: NDArray[np.float32]
    pts_ms: NDArray[np.float64]
    width: int
    height: int


def track_video(options: TrackOptions) -> int:
    """Tracks and fits every frame of a clip and writes the parameters."""
    if options.output.suffix not in (".npz", ".csv"):
        raise UsageError(f"-o {options.output}: the name ends in .npz or .csv")
    check_writable(options.output, "-o")
    smoothing = smoothing_settings(options.smoothing)
    fixed_crop = None if options.crop == "none" else parse_crop(options.crop)
    tracked = _track(options.video)
    has_face = ~np.isnan(tracked.points[:, 0, 0])
    if not has_face.any():
        raise FaceError(f"no face in {options.video}; the face has to be seen from the front")
    crop = fixed_crop or _crop(options.crop, tracked, has_face)
    crop.check_inside(tracked.width, tracked.height)
    model = MorphableModel.load()
    local = [crop.normalise(points) for points in tracked.points]
    # The whole clip is at hand, so the identity is taken from all over it.
    seen = np.flatnonzero(has_face)
    spread = seen[np.linspace(0, len(seen) - 1, min(IDENTITY_FRAMES, len(seen))).astype(int)]
    fitter = FaceFitter(model, estimate_identity(model, [local[index] for index in spread]))
    smoother = OneEuroFilter(smoothing) if smoothing else None
    values = np.full((len(local), PARAMS_SIZE), np.nan, np.float32)
    errors = np.full(len(local), np.nan, np.float32)
    for index, points in enumerate(tqdm(local, desc="fitting", unit="frame", leave=False)):
        if not has_face[index]:
            fitter.reset()
            if smoother:
                smoother.reset()
            continue
        fit = fitter.fit(smoother.smooth(points, tracked.pts_ms[index]) if smoother else points)
        values[index], errors[index] = fit.params.to_array(), fit.error * CROP_SIZE / 2
    _write(options.output, values, tracked.pts_ms, errors, fitter.identity, crop, model)
    sys.stdout.write(
        f"{options.output}: {len(local)} frames, {int(has_face.sum())} with a face, "
        f"mean fit error {np.nanmean(errors):.2f} px of 256\n"
    )
    return 0


def _track(path: Path) -> _Tracked:
    info = probe_video(path)
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
    return _Tracked(np.stack(points), np.array(pts_ms), info.width, info.height)


def _crop(choice: str, tracked: _Tracked, has_face: NDArray[np.bool_]) -> Crop:
    if choice == "none":
        return whole_frame(tracked.width, tracked.height)
    return crop_around(tracked.points[has_face][0], tracked.width, tracked.height)


def column_names() -> list[str]:
    """Names of the 37 parameters, in the order of `FaceParams.to_array`."""
    expression = [f"expression_{index}" for index in range(EXPRESSION_SIZE)]
    camera = ["quaternion_w", "quaternion_x", "quaternion_y", "quaternion_z", "scale", "shift_x", "shift_y"]
    return [*expression, *camera, "gaze_x", "gaze_y"]


def _write(
    path: Path,
    values: NDArray[np.float32],
    pts_ms: NDArray[np.float64],
    errors: NDArray[np.float32],
    identity: NDArray[np.float32],
    crop: Crop,
    model: MorphableModel,
) -> None:
    """The .npz has everything, the .csv a row a frame; frames without a face are NaN, or empty."""
    if path.suffix == ".npz":
        expression, camera, gaze = np.split(values, [EXPRESSION_SIZE, EXPRESSION_SIZE + CAMERA_SIZE], axis=1)
        np.savez_compressed(
            path,
            expression=expression,
            camera=camera,
            gaze=gaze,
            pts_ms=pts_ms,
            fit_error_px=errors,
            identity=identity,
            crop=np.array([crop.left, crop.top, crop.size]),
            model_id=np.frombuffer(model.model_id, np.uint8),
        )
        return
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["pts_ms", *column_names(), "fit_error_px"])
        writer.writerows(_csv_rows(values, pts_ms, errors))


def _csv_rows(
    values: NDArray[np.float32], pts_ms: NDArray[np.float64], errors: NDArray[np.float32]
) -> Iterator[list[str]]:
    for row, time_ms, error in zip(values, pts_ms, errors, strict=True):
        numbers = [*row, error]
        yield [f"{time_ms:.3f}", *("" if np.isnan(number) else f"{number:.6g}" for number in numbers)]


def read_params(path: Path) -> list[FaceParams | None]:
    """The parameters of an .npz that `headgan track` wrote; None for frames without a face.

    Raises:
        DeviceError: the file is missing or was not written by `headgan track`.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            values = np.concatenate([data["expression"], data["camera"], data["gaze"]], axis=1)
    except (OSError, KeyError, ValueError) as exc:
        raise DeviceError(f"{path} holds no face parameters ({exc}); write them with headgan track") from exc
    return [None if np.isnan(row).any() else FaceParams.from_array(row) for row in values]
