"""A segment's frames in, those that show it best as references out, with masks and backgrounds."""

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.fitting import project
from headgan.models.foreground import foreground_mask, inpaint_background
from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.train.shard_pictures import decode_picture, encode_mask, encode_picture
from headgan.models.train.shards import PreparedReference

MAX_REFERENCES = 12


def choose_references(params: NDArray[np.float32], count: int = MAX_REFERENCES) -> list[int]:
    """Up to `count` frames, the first one first, each the farthest from those before it in pose and expression.

    Args:
        params: float32 [N, 37] of a segment.
        count: how many at most.
    """
    # A quaternion and its negative are one pose.
    pose = params[:, 28:32] * np.where(params[:, 28:29] < 0, -1, 1)
    values = np.concatenate([params[:, :28], pose], axis=1).astype(np.float64)
    spread = values.std(axis=0)
    values = values / np.where(spread > 1e-6, spread, 1.0)
    # 28 coefficients against 4: each kind counts the same.
    values[:, 28:] *= np.sqrt(28 / 4)
    chosen = [0]
    distance = np.linalg.norm(values - values[0], axis=1)
    while len(chosen) < min(count, len(params)) and distance.max() > 0:
        farthest = int(distance.argmax())
        chosen.append(farthest)
        distance = np.minimum(distance, np.linalg.norm(values - values[farthest], axis=1))
    return chosen


def make_reference(
    model: MorphableModel,
    identity: NDArray[np.float32],
    params: NDArray[np.float32],
    frame: int,
    jpeg: bytes,
) -> PreparedReference:
    """Mask and background of the frame in `jpeg`, made as `Reconstructor` makes them in a call.

    Args:
        model: the morphable model.
        identity: float32 [n_id].
        params: float32 [37] of the frame.
        frame: counted from the segment's first.
        jpeg: the picture, from `encode_picture`.

    Raises:
        ValueError: `jpeg` is no picture.
    """
    picture_rgb = decode_picture(jpeg)
    if picture_rgb is None:
        raise ValueError(f"frame {frame} of a segment is no picture")
    points = project(model, identity, FaceParams.from_array(params))
    person = foreground_mask(picture_rgb, points[:MESH_VERTICES])
    background = inpaint_background(picture_rgb, person)
    return PreparedReference(frame, encode_mask(person), encode_picture(background))
