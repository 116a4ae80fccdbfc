"""Two poses of a head in, how the shell that stands for it around the face moves from one to the other out."""

from dataclasses import astuple, dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.rotation import quaternion_to_matrix


@dataclass(frozen=True)
class ShellShape:
    """The head around the face, in model units of the head's frame (the mean face has radius one).

    Attributes:
        center_y: height of the head's centre, y down.
        half_width: half the head's width with hair.
        half_height_up: from its centre to its top.
        half_height_down: from its centre to the end of the chin and neck.
        fade: over this many times the head's size the motion dies away.
        bulge: how fast the shell falls back behind the face, depth per squared distance.
        depth: the shell's depth at its centre.
        edge_fade: over this distance, in half crop widths, the mesh's motion at its edge gives way to the
            shell's.
        body: share of the head's shift that reaches the shoulders.
    """

    center_y: float = -1.275
    half_width: float = 1.5
    half_height_up: float = 1.19
    half_height_down: float = 2.95
    fade: float = 0.79
    bulge: float = 0.5
    depth: float = 0.25
    edge_fade: float = 0.12
    body: float = 0.3


def shell_motion(
    shell: ShellShape, params: FaceParams, reference: FaceParams, grid: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where each place on the head comes from.

    Args:
        shell: the head.
        params: of the new picture.
        reference: of the picture to fetch from.
        grid: float32 [h, w, 2], the places, in half crop widths.

    Returns:
        Float32 [h, w, 2], the motion, faded with the distance from the head; and float32 [h, w], 1 on the head,
        falling to 0 with that distance.
    """
    motion, nearness = np.empty_like(grid), np.empty(grid.shape[:2], np.float32)
    new, old = (quaternion_to_matrix(pose.quaternion).astype(np.float32) for pose in (params, reference))
    camera, old_camera = (
        np.array([pose.scale, *pose.translation], np.float32) for pose in (params, reference)
    )
    shape = np.array(astuple(shell), np.float32)
    _move(grid, shape, new, old, camera, old_camera, motion, nearness)
    return motion, nearness


@numba.njit(cache=True, nogil=True)
def _smooth_step(value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    clipped = min(max(value, np.float32(0)), np.float32(1))
    return clipped * clipped * (np.float32(3) - np.float32(2) * clipped)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _move(grid, shape, new, old, camera, old_camera, motion, nearness) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    center_y, half_width, half_up, half_down, fade, bulge, middle, _, body = shape
    one, half = np.float32(1), np.float32(0.5)
    steep = max(new[2, 2], half)
    shift_x, shift_y = old_camera[1] - camera[1], old_camera[2] - camera[2]
    for row in range(grid.shape[0]):
        for column in range(grid.shape[1]):
            place_x, place_y = grid[row, column, 0], grid[row, column, 1]
            flat_x, flat_y = (place_x - camera[1]) / camera[0], (place_y - camera[2]) / camera[0]
            base_x = flat_x * new[0, 0] + flat_y * new[1, 0]
            base_y = flat_x * new[0, 1] + flat_y * new[1, 1]
            base_z = flat_x * new[0, 2] + flat_y * new[1, 2]
            # Where the pixel's ray meets the shell: depth depends on the place in the head's frame, and that on
            # depth, so start from the plane through the centre and correct.
            depth = x = y = np.float32(0)
            for _step in range(3):
                x, y = base_x + depth * new[2, 0], base_y + depth * new[2, 1] - center_y
                shell_z = middle + bulge * min(x * x + y * y, np.float32(4))
                # Moves along the ray until the head-frame z is the shell's.
                depth += min(max((shell_z - base_z - depth * new[2, 2]) / steep, -one), one)
            head_x, head_y = base_x + depth * new[2, 0], base_y + depth * new[2, 1]
            head_z = base_z + depth * new[2, 2]
            moved_x = head_x * old[0, 0] + head_y * old[0, 1] + head_z * old[0, 2]
            moved_y = head_x * old[1, 0] + head_y * old[1, 1] + head_z * old[1, 2]
            moved_x = old_camera[0] * moved_x + old_camera[1] - place_x
            moved_y = old_camera[0] * moved_y + old_camera[2] - place_y
            across, down = x / half_width, y / (half_up if y < 0 else half_down)
            distance = np.float32(np.sqrt(across * across + down * down))
            near = _smooth_step(one - (distance - one) / fade)
            below = _smooth_step(y / half_down - half)
            below *= min(max(np.float32(2.5) - abs(x) / np.float32(2), np.float32(0)), one)
            far = (one - near) * below * body
            motion[row, column, 0] = near * moved_x + far * shift_x
            motion[row, column, 1] = near * moved_y + far * shift_y
            nearness[row, column] = near
