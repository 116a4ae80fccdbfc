"""A training set in, one picture out on which wrong fits are seen at a glance: a frame of each person with its code."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.fitting import project
from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.pncc import pncc_colors, render_pncc
from headgan.models.train.prepared_set import PreparedSet, Segment
from headgan.proto.errors import DeviceError

_TILE_PX = 128
_COLUMNS = 16
_MAX_PEOPLE = 400


def write_sheet(prepared: PreparedSet, path: Path) -> None:
    """Writes a PNG with the last frame of each person's longest segment, up to 400 people, spread over the set.

    The last frame, because a fit that drifts is worst there.

    Raises:
        DeviceError: `path` cannot be written.
    """
    longest: dict[str, Segment] = {}
    for segment in prepared.segments:
        known = longest.get(segment.person)
        if known is None or segment.frames > known.frames:
            longest[segment.person] = segment
    people = sorted(longest)
    shown = [people[i] for i in np.linspace(0, len(people) - 1, min(len(people), _MAX_PEOPLE)).astype(int)]
    model = MorphableModel.load()
    colors = pncc_colors(model)
    tiles = [_tile(prepared, longest[person], model, colors) for person in shown]
    columns = min(_COLUMNS, len(tiles))
    empty = np.zeros_like(tiles[0])
    tiles += [empty] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[first : first + columns]) for first in range(0, len(tiles), columns)]
    _, data = cv2.imencode(".png", np.vstack(rows)[..., ::-1])
    try:
        path.write_bytes(data.tobytes())
    except OSError as exc:
        raise DeviceError(f"{path} cannot be written ({exc})") from exc


def _tile(
    prepared: PreparedSet, segment: Segment, model: MorphableModel, colors: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Uint8 [128, 128, 3]: the code drawn half transparent over the frame."""
    frame = segment.frames - 1
    picture = prepared.picture(segment, frame)
    params = FaceParams.from_array(prepared.params(segment)[frame])
    points = project(model, segment.identity, params)
    code = render_pncc(points[:MESH_VERTICES], model.triangles, colors)
    mixed = np.where(code.any(axis=2, keepdims=True), picture // 2 + code // 2, picture)
    tile: NDArray[np.uint8] = cv2.resize(mixed, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA)
    return tile
