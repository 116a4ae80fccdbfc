"""A face in the camera in, its projected normalised coordinate code out: x = R(s, c), section 4.1.

Every pixel of the face shows where on the mean face its surface point lies (Zhu et al., PNCC): x, y and z of
the mean face, each mapped to 0..255; pixels without a face are 0. A z-buffer keeps the nearest surface.
"""

import math

import numba
import numpy as np
from numpy.typing import NDArray

from headgan.models.morphable import MESH_VERTICES, MorphableModel

CROP_SIZE = 256


def pncc_colors(model: MorphableModel) -> NDArray[np.float32]:
    """Float32 [468, 3]: the colour of each vertex, 1..255; 0 is left to the background."""
    mesh = model.mean[:MESH_VERTICES]
    low, high = mesh.min(axis=0), mesh.max(axis=0)
    colors: NDArray[np.float32] = (1 + (mesh - low) / (high - low) * 254).astype(np.float32)
    return colors


def to_pixels(places: NDArray[np.float32], size: int = CROP_SIZE) -> NDArray[np.float32]:
    """Places in half crop widths as pixels of a picture of `size`, whose centres are whole numbers."""
    pixels: NDArray[np.float32] = (places + 1) * (size / 2) - 0.5
    return pixels


def render_pncc(
    points: NDArray[np.float32],
    triangles: NDArray[np.uint16],
    colors: NDArray[np.float32],
    size: int = CROP_SIZE,
) -> NDArray[np.uint8]:
    """Uint8 [size, size, 3]: the face's coordinate code.

    Args:
        points: float32 [V, 3], projected points in half crop widths, z into the scene.
        triangles: uint16 [T, 3].
        colors: float32 [V, 3] from `pncc_colors`.
        size: width and height in pixels.
    """
    picture, _ = rasterise(points, triangles, colors, size)
    return np.rint(picture).astype(np.uint8)


def rasterise(
    points: NDArray[np.float32],
    triangles: NDArray[np.uint16],
    values: NDArray[np.float32],
    size: int = CROP_SIZE,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Values float32 [size, size, C] over the nearest surface, and bool [size, size] where there is one.

    Args:
        points: float32 [V, 3], projected points in half crop widths, z into the scene; pixel i's centre lies
            at (2 i + 1) / size - 1.
        triangles: uint16 [T, 3].
        values: float32 [V, C], what to interpolate.
        size: width and height in pixels.
    """
    picture = np.zeros((size, size, values.shape[1]), dtype=np.float32)
    depth = np.full((size, size), np.inf, dtype=np.float32)
    _fill_triangles(points.astype(np.float32), triangles, values.astype(np.float32), picture, depth)
    return picture, np.isfinite(depth)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _fill_triangles(points, triangles, values, picture, depth) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    size = picture.shape[0]
    channels = values.shape[1]
    for index in range(triangles.shape[0]):
        a, b, c = triangles[index, 0], triangles[index, 1], triangles[index, 2]
        # Pixel centres lie on whole numbers from here on.
        ax, ay = (points[a, 0] + 1) * size / 2 - 0.5, (points[a, 1] + 1) * size / 2 - 0.5
        bx, by = (points[b, 0] + 1) * size / 2 - 0.5, (points[b, 1] + 1) * size / 2 - 0.5
        cx, cy = (points[c, 0] + 1) * size / 2 - 0.5, (points[c, 1] + 1) * size / 2 - 0.5
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9 or not math.isfinite(area):
            continue
        per_area = 1 / area
        left = max(0, math.ceil(min(ax, bx, cx)))
        right = min(size - 1, math.floor(max(ax, bx, cx)))
        top = max(0, math.ceil(min(ay, by, cy)))
        bottom = min(size - 1, math.floor(max(ay, by, cy)))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                share_b = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) * per_area
                share_c = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) * per_area
                share_a = 1 - share_b - share_c
                # The small slack closes the cracks that rounding leaves between neighbours.
                if share_a < -1e-6 or share_b < -1e-6 or share_c < -1e-6:
                    continue
                z = share_a * points[a, 2] + share_b * points[b, 2] + share_c * points[c, 2]
                if z >= depth[y, x]:
                    continue
                depth[y, x] = z
                for channel in range(channels):
                    picture[y, x, channel] = (
                        share_a * values[a, channel]
                        + share_b * values[b, channel]
                        + share_c * values[c, channel]
                    )
