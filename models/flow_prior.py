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
import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.fitting import project
from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.pncc import CROP_SIZE, rasterise, to_pixels
from headgan.models.rotation import quaternion_to_matrix

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
        source_grid: float32 [256, 256, 2], for each pixel its x-y in the reference, in half crop widths.
        uncovered: float32 [256, 256], 1 where the reference shows the head and the new picture has none.
        face: float32 [256, 256], 1 where the new picture has the face, falling to 0 around it.
    """

    source_grid: NDArray[np.float32]
    uncovered: NDArray[np.float32]
    face: NDArray[np.float32]


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


class FlowPrior:
    """Maps from a reference to any pose of the same person."""

    def __init__(
        self,
        model: MorphableModel,
        identity: NDArray[np.floating],
        reference: FaceParams,
        person: NDArray[np.float32] | None = None,
        shell: ShellShape | None = None,
    ) -> None:
        """Prepares for one reference.

        Args:
            model: the morphable model.
            identity: [n_id] of the person.
            reference: the parameters of the reference picture.
            person: float32 [256, 256], 1 where the reference shows the person and 0 where background; without
                it the background near the head moves along.
            shell: how the head continues around the face.
        """
        self._person = person
        self._model = model
        self._identity = identity
        self._reference = reference
        self._reference_points = project(model, identity, reference)
        self._shell = shell or ShellShape()
        self._reference_nearness = self._shell_motion(reference)[1]

    def source_grid(self, params: FaceParams) -> NDArray[np.float32]:
        """Float32 [256, 256, 2]: each new pixel's x-y in the reference, in half crop widths.

        For the reference's own parameters this is the identity.
        """
        return self.prior(params, project(self._model, self._identity, params)).source_grid

    def prior(self, params: FaceParams, points: NDArray[np.float32]) -> Prior:
        """Everything the geometry says about `params`, projected to `points`, float32 [478, 3]."""
        displacement = (self._reference_points - points)[:MESH_VERTICES, :2]
        inside, mask = rasterise(points[:MESH_VERTICES], self._model.triangles, displacement)
        outside, nearness = self._shell_motion(params)
        uncovered = self._uncovered(outside, nearness)
        outside += self._edge_correction(inside, mask, outside)
        outside = cv2.resize(outside, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR)
        total = _soften_edge(np.where(mask[..., None], inside, outside), mask)
        grid = pixel_grid(CROP_SIZE)
        face = _soft(mask)
        return Prior(grid + total * self._moving_share(grid + total), uncovered, face)

    def _uncovered(self, motion: NDArray[np.float32], nearness: NDArray[np.float32]) -> NDArray[np.float32]:
        """Where the place to fetch from is on the reference's head, but the pixel is not on the new one."""
        if self._person is None:
            return np.zeros((CROP_SIZE, CROP_SIZE), np.float32)
        pixels = to_pixels(pixel_grid(_COARSE) + motion, _COARSE)
        fetched = cv2.remap(
            self._reference_nearness, pixels, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        left_behind = np.clip((fetched - nearness - 0.3) / 0.3, 0, 1)
        whole = cv2.resize(left_behind, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR)
        uncovered: NDArray[np.float32] = whole * self._person
        return uncovered

    def _moving_share(self, source: NDArray[np.float32]) -> NDArray[np.float32] | float:
        """Float32 [256, 256, 1]: 0 where background is fetched for background, 1 where a person is."""
        if self._person is None:
            return 1.0
        pixels = to_pixels(source)
        fetched = cv2.remap(self._person, pixels, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        share: NDArray[np.float32] = np.maximum(fetched, self._person)[..., None]
        return share

    def _shell_motion(self, params: FaceParams) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The head's shell in motion, on the coarse grid.

        Returns:
            Float32 [64, 64, 2], its motion, faded with the distance from the head; and float32 [64, 64], 1 on
            the head, falling to 0 with that distance.
        """
        shell = self._shell
        grid = pixel_grid(_COARSE)
        new, old = (
            quaternion_to_matrix(pose.quaternion).astype(np.float32) for pose in (params, self._reference)
        )
        # Where a pixel's ray meets the shell: depth depends on the place in the head's frame, and that on
        # depth, so start from the plane through the centre and correct once.
        flat = (grid - params.translation) / np.float32(params.scale)
        depth = np.zeros(grid.shape[:2], np.float32)
        for _ in range(3):
            in_head = flat @ new[:2] + depth[..., None] * new[2]
            x, y = in_head[..., 0], in_head[..., 1] - shell.center_y
            shell_z = shell.depth + shell.bulge * np.minimum(x * x + y * y, 4.0)
            # Moves along the ray until the head-frame z is the shell's.
            depth = depth + np.clip((shell_z - in_head[..., 2]) / max(new[2, 2], 0.5), -1, 1)
        in_head = flat @ new[:2] + depth[..., None] * new[2]
        moved = (
            np.float32(self._reference.scale) * (in_head @ old.T)[..., :2]
            + self._reference.translation
            - grid
        )
        half_y = np.where(y < 0, np.float32(shell.half_height_up), np.float32(shell.half_height_down))
        distance = np.sqrt((x / shell.half_width) ** 2 + (y / half_y) ** 2)
        near = _smooth_step(1 - (distance - 1) / shell.fade)
        shift = self._reference.translation - params.translation
        below = _smooth_step(y / shell.half_height_down - 0.5) * np.clip(2.5 - np.abs(x) / 2, 0, 1)
        far = (1 - near)[..., None] * below[..., None] * shell.body * shift
        return (near[..., None] * moved + far).astype(np.float32), near.astype(np.float32)

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
    """Float32 [256, 256]: the mask with a soft edge."""
    coarse = cv2.resize(mask.astype(np.uint8) * 255, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(coarse.astype(np.float32), (0, 0), _FACE_EDGE * _COARSE / CROP_SIZE)
    soft: NDArray[np.float32] = cv2.resize(blurred, mask.shape, interpolation=cv2.INTER_LINEAR)
    return soft / np.float32(255)


def _smooth_step(value: NDArray[np.floating]) -> NDArray[np.floating]:
    clipped = np.clip(value, 0, 1)
    result: NDArray[np.floating] = clipped * clipped * (3 - 2 * clipped)
    return result


def _soften_edge(displacement: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Blurs the field along the face's edge, where triangles end in teeth; elsewhere it stays as it is."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return displacement
    # Nothing farther from the face changes, and nothing yet farther has a part in it.
    around = tuple(
        slice(max(0, places[0] - _EDGE_REACH), places[-1] + 1 + _EDGE_REACH) for places in (rows, columns)
    )
    near = displacement[around]
    edge = cv2.morphologyEx(mask[around].astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8))
    band = cv2.GaussianBlur(edge.astype(np.float32), (0, 0), 2.0)[..., None]
    soft = cv2.GaussianBlur(near, (0, 0), 2.5)
    softened = displacement.copy()
    softened[around] += np.minimum(band * 1.5, 1) * (soft - near)
    return softened
