"""`headgan track`: a clip in, its face parameters as .npz or .csv out."""

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import CAMERA_SIZE, EXPRESSION_SIZE, PARAMS_SIZE, FaceParams
from headgan.models.clip_faces import fit_clip
from headgan.models.crop import Crop
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.proto.errors import DeviceError, UsageError
from headgan.proto.options import argument, option, required
from headgan.proto.program import check_writable


@dataclass(frozen=True)
class TrackOptions:
    """Options of `headgan track`."""

    video: Path = argument("the clip")
    output: Path = required("where the parameters go, .npz or .csv", flag="-o", metavar="FILE")
    crop: str = option("auto", "auto, none (largest square), or x,y,size in pixels of the clip")
    smoothing: float = option(0.0, "calms the tracked face, 0 (off) to 1 (strong)")


def track_video(options: TrackOptions) -> int:
    """Tracks and fits every frame of a clip and writes the parameters."""
    if options.output.suffix not in (".npz", ".csv"):
        raise UsageError(f"-o {options.output}: the name ends in .npz or .csv")
    check_writable(options.output, "-o")
    model = MorphableModel.load()
    faces = fit_clip(model, options.video, crop=options.crop, smoothing=options.smoothing)
    missing = np.full(PARAMS_SIZE, np.nan, np.float32)
    values = np.stack([missing if params is None else params.to_array() for params in faces.params])
    errors_px = faces.errors * np.float32(CROP_SIZE / 2)
    _write(options.output, values, faces.pts_ms, errors_px, faces.identity, faces.crop, model)
    sys.stdout.write(
        f"{options.output}: {len(values)} frames, {len(values) - faces.without_face} with a face, "
        f"mean fit error {np.nanmean(errors_px):.2f} px of 256\n"
    )
    return 0


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
