"""Two poses of one face in, each new pixel's place in the reference out; nothing is learned.

    inside the face    the mesh tells: each driving pixel's surface point, projected with the reference's
                       camera
    around it          the head's own motion, turned rigidly as a rounded shell behind the face, fading with
                       the distance from the head; the difference to the mesh at the face's edge fades out
                       too, so that no seam shows
    far away           nothing moves
    background         where both the pixel itself and the place it would be fetched from show background in
                       the reference, it stays as it is; a narrow strip that a moving head uncovers is
                       filled from beside it, and where a head that went far would leave itself behind,
                       `uncovered` says so

It is what F starts from; the networks predict what this cannot know.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.fitting import project
from headgan.models.head_shell import ShellShape, shell_motion
from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.pncc import CROP_SIZE, rasterise, to_pixels

# The field outside the face is smooth, so it is computed on a coarser grid.
_COARSE = 64
# How far blurring the face's edge reaches in pixels: 2 of the edge, 8 of its band, 10 of the field below.
_EDGE_REACH = 20
# How soft the edge of `Prior.face` is, in pixels.
_FACE_EDGE = 4.0


@dataclass(frozen=True, eq=False)
class Prior:
    """What the geometry alone says about a new picture.

    Attributes:
        source_grid: float32 [size, size, 2], for each pixel its x-y in the reference, in half crop widths.
        uncovered: float32 [size, size], 1 where the reference shows the head and the new picture has none.
        face: float32 [size, size], 1 where the new picture has the face, falling to 0 around it.
    """

    source_grid: NDArray[np.float32]
    uncovered: NDArray[np.float32]
    face: NDArray[np.float32]


class FlowPrior:
    """Maps from a reference to any pose of the same person."""

    def __init__(
        self,
        model: MorphableModel,
        identity: NDArray[np.floating],
        reference: FaceParams,
        person: NDArray[np.float32] | None = None,
        shell: ShellShape | None = None,
        size: int = CROP_SIZE,
    ) -> None:
        """Prepares for one reference.

        Args:
            model: the morphable model.
            identity: [n_id] of the person.
            reference: the parameters of the reference picture.
            person: float32 [256, 256], 1 where the reference shows the person and 0 where background; without
                it the background near the head moves along.
            shell: how the head continues around the face.
            size: side of what is mapped, in pixels.
        """
        self._size = size
        if person is not None and len(person) != size:
            person = np.asarray(cv2.resize(person, (size, size), interpolation=cv2.INTER_AREA))
        self._person = person
        # Without a mask all of it moves.
        self._person_or_all = np.ones((size, size), np.float32) if person is None else person
        self._model = model
        self._identity = identity
        self._reference = reference
        self._reference_points = project(model, identity, reference)
        self._shell = shell or ShellShape()
        self._reference_nearness = self._shell_motion(reference)[1]

    def source_grid(self, params: FaceParams) -> NDArray[np.float32]:
        """Float32 [size, size, 2]: each new pixel's x-y in the reference, in half crop widths.

        For the reference's own parameters this is the identity.
        """
        return self.prior(params, project(self._model, self._identity, params)).source_grid

    def prior(self, params: FaceParams, points: NDArray[np.float32]) -> Prior:
        """Everything the geometry says about `params`, projected to `points`, float32 [478, 3]."""
        displacement = (self._reference_points - points)[:MESH_VERTICES, :2]
        inside, mask = rasterise(points[:MESH_VERTICES], self._model.triangles, displacement, self._size)
        outside, nearness = self._shell_motion(params)
        uncovered = self._uncovered(outside, nearness)
        outside += self._edge_correction(inside, mask, outside)
        total: NDArray[np.float32] = cv2.resize(
            outside, (self._size, self._size), interpolation=cv2.INTER_LINEAR
        )
        np.copyto(total, inside, where=mask[..., None])
        _soften_edge(total, mask)
        grid = np.empty_like(total)
        _fetch_from(pixel_grid(self._size), total, self._person_or_all, grid)
        return Prior(grid, uncovered, _soft(mask))

    def _uncovered(self, motion: NDArray[np.float32], nearness: NDArray[np.float32]) -> NDArray[np.float32]:
        """Where the place to fetch from is on the reference's head, but the pixel is not on the new one."""
        if self._person is None:
            return np.zeros((self._size, self._size), np.float32)
        pixels = to_pixels(pixel_grid(_COARSE) + motion, _COARSE)
        fetched = cv2.remap(
            self._reference_nearness, pixels, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        left_behind = np.clip((fetched - nearness - 0.3) / 0.3, 0, 1)
        whole = cv2.resize(left_behind, (self._size, self._size), interpolation=cv2.INTER_LINEAR)
        uncovered: NDArray[np.float32] = whole * self._person
        return uncovered

    def _shell_motion(self, params: FaceParams) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return shell_motion(self._shell, params, self._reference, pixel_grid(_COARSE))

    def _edge_correction(
        self, inside: NDArray[np.float32], mask: NDArray[np.bool_], outside: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Float32 [64, 64, 2]: takes the outer field to the mesh's own motion at the edge of the face."""
        coarse = (_COARSE, _COARSE)
        weight = cv2.resize(mask.astype(np.float32), coarse, interpolation=cv2.INTER_AREA)
        if not weight.any():
            return np.zeros_like(outside)
        total = cv2.resize(inside, coarse, interpolation=cv2.INTER_AREA)
        covered = weight > 0.5
        gap = np.where(covered[..., None], total / np.maximum(weight, 1e-6)[..., None] - outside, 0)
        free = np.where(covered, 0, 1).astype(np.uint8)
        distance, labels = cv2.distanceTransformWithLabels(
            free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        nearest = np.zeros((int(labels.max()) + 1, 2), dtype=np.float32)
        nearest[labels[covered]] = gap[covered]
        spread = cv2.GaussianBlur(nearest[labels], (0, 0), 1.5)
        spread = np.where(covered[..., None], gap, spread)
        fade = np.exp(-(distance * 2 / _COARSE) / self._shell.edge_fade).astype(np.float32)
        correction: NDArray[np.float32] = (spread * fade[..., None]).astype(np.float32)
        return correction


@cache
def pixel_grid(size: int) -> NDArray[np.float32]:
    """Float32 [size, size, 2]: x-y of each pixel's centre in half crop widths, -1 to 1; read-only."""
    axis = ((2 * np.arange(size) + 1) / size - 1).astype(np.float32)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    grid.flags.writeable = False
    return grid


def _soft(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Float32 [size, size]: the mask with a soft edge."""
    coarse = cv2.resize(mask.astype(np.uint8) * 255, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(coarse.astype(np.float32), (0, 0), _FACE_EDGE * _COARSE / CROP_SIZE)
    soft: NDArray[np.float32] = cv2.resize(blurred, mask.shape, interpolation=cv2.INTER_LINEAR)
    return soft / np.float32(255)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _fetch_from(pixels, moved, person, grid) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Writes to `grid` where each pixel is fetched from: background that would be fetched for background stays."""
    size = person.shape[0]
    half, last = np.float32(size / 2), np.float32(size - 1)
    for row in range(size):
        for column in range(size):
            share = person[row, column]
            across, down = moved[row, column, 0], moved[row, column, 1]
            if share < 1 and (across != 0 or down != 0):
                x = (pixels[row, column, 0] + across + np.float32(1)) * half - np.float32(0.5)
                y = (pixels[row, column, 1] + down + np.float32(1)) * half - np.float32(0.5)
                # Written so that what is no number is no place outside of the mask either.
                x = min(x, last) if x > 0 else np.float32(0)
                y = min(y, last) if y > 0 else np.float32(0)
                left, top = min(int(x), size - 2), min(int(y), size - 2)
                x -= np.float32(left)
                y -= np.float32(top)
                upper = person[top, left] + x * (person[top, left + 1] - person[top, left])
                lower = person[top + 1, left] + x * (person[top + 1, left + 1] - person[top + 1, left])
                share = max(share, upper + y * (lower - upper))
            grid[row, column, 0] = pixels[row, column, 0] + across * share
            grid[row, column, 1] = pixels[row, column, 1] + down * share


def _soften_edge(displacement: NDArray[np.float32], mask: NDArray[np.bool_]) -> None:
    """Blurs the field along the face's edge, where triangles end in teeth; elsewhere it stays as it is."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return
    # Nothing farther from the face changes, and nothing yet farther has a part in it.
    around = tuple(
        slice(max(0, places[0] - _EDGE_REACH), places[-1] + 1 + _EDGE_REACH) for places in (rows, columns)
    )
    near = displacement[around]
    scale = len(mask) / CROP_SIZE
    wide = 2 * round(2 * scale) + 1
    edge = cv2.morphologyEx(
        mask[around].astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((wide, wide), np.uint8)
    )
    band = cv2.GaussianBlur(edge.astype(np.float32), (0, 0), 2.0 * scale)[..., None]
    soft = cv2.GaussianBlur(near, (0, 0), 2.5 * scale)
    near += np.minimum(band * 1.5, 1) * (soft - near)
