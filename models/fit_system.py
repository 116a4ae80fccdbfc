"""The equations of fitting one frame: points and a state in, the Gauss-Newton system that improves the state out.

The unknowns of a frame are its expression [28], then rotation [3], scale [1] and shift [3]; depth is a nuisance that
is solved for and forgotten. Rows are the three coordinates of the mesh's vertices, weighted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import EXPRESSION_SIZE
from headgan.models.morphable import MESH_VERTICES, VERTICES, MorphableModel
from headgan.models.rotation import align_similarity, rotation_vector_to_matrix

# The tracker guesses depth from one picture, so it counts less than what is seen.
DEPTH_WEIGHT = 0.3
# Expected error of a point in half crop widths. Neighbouring points err together, so this is larger than the
# error of one point and leaves the prior its say.
POINT_STD = 0.005
# A face of a fiftieth of the crop is none; below it the fit has nothing left to turn. The wire allows half of it.
MIN_SCALE = 0.02
POSE_SIZE = 7


@dataclass(frozen=True, eq=False)
class FrameState:
    """Unknowns of one frame: expression [28], rotation [3, 3], scale, shift [3]."""

    expression: NDArray[np.float64]
    rotation: NDArray[np.float64]
    scale: float
    shift: NDArray[np.float64]


class MeshBasis:
    """A basis over the mesh's vertices, laid out [3, N, K] so that a rotation is one small product."""

    def __init__(self, basis: NDArray[np.float32]) -> None:
        columns = basis.shape[1]
        mesh = basis.reshape(VERTICES, 3, columns)[:MESH_VERTICES]
        self.by_axis = np.ascontiguousarray(mesh.transpose(1, 0, 2), dtype=np.float64)
        # [3N, K], in the precision of the points: the fit is bound by memory, and the next step mends rounding.
        self.flat = self.by_axis.reshape(-1, columns).astype(np.float32)
        # [9, K * K]: products of the columns, axis by axis.
        self.grams = np.einsum("ank,bnl->abkl", self.by_axis, self.by_axis, optimize=True).reshape(9, -1)

    def offsets(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        """Float64 [N, 3]."""
        result: NDArray[np.float64] = (self.by_axis @ coefficients).T
        return result

    def rotated(self, linear: NDArray[np.float64]) -> NDArray[np.float64]:
        """Float64 [3, N, K]: every column turned by `linear` [3, 3]."""
        axes, vertices, columns = self.by_axis.shape
        return (linear @ self.by_axis.reshape(axes, -1)).reshape(axes, vertices, columns)


class FitSystem:
    """The equations for the frames of one person.

    Attributes:
        expression: the basis U_exp over the mesh.
        prior: float64 [28], what a unit of each expression coefficient costs.
        row_weights: float64 [3], how much x, y and depth count.
        rest: float64 [478, 3], the person's face at rest.
    """

    def __init__(self, model: MorphableModel) -> None:
        """Starts with the mean face."""
        self._model = model
        self.expression = MeshBasis(model.expression_basis)
        self.prior = prior_cost(model.expression_std)
        self.row_weights = np.array([1.0, 1.0, DEPTH_WEIGHT])
        self.hold(np.zeros(model.identity_size))

    def hold(self, identity: NDArray[np.floating]) -> None:
        """From now on the equations are those of the person with the identity [n_id]."""
        self.rest = self._model.identity_shape(identity).astype(np.float64)

    def predicted(self, state: FrameState) -> NDArray[np.float64]:
        """Float64 [N, 3]: the mesh's vertices in half crop widths."""
        shape = self.rest[:MESH_VERTICES] + self.expression.offsets(state.expression)
        return state.scale * (shape @ state.rotation.T) + state.shift

    def cold_start(self, target: NDArray[np.float64]) -> FrameState:
        """The face at rest, turned and moved onto `target`, float64 [N, 3]: where a fit without a past begins."""
        rest = self.rest[:MESH_VERTICES]
        scale, rotation, shift = align_similarity(rest, target, np.ones(MESH_VERTICES))
        return FrameState(np.zeros(EXPRESSION_SIZE), rotation, max(scale, MIN_SCALE), shift)

    def _pose_system(
        self, state: FrameState, target: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Jacobian [3, N, 7] of rotation, scale and shift, and residual [3, N], not weighted yet."""
        shape = self.rest[:MESH_VERTICES] + self.expression.offsets(state.expression)
        turned = state.rotation @ shape.T  # [3, N]
        x, y, z = state.scale * turned
        pose = np.zeros((3, MESH_VERTICES, POSE_SIZE))
        pose[1, :, 0], pose[2, :, 0] = -z, y  # a turn about x moves (x, y, z) by (0, -z, y)
        pose[0, :, 1], pose[2, :, 1] = z, -x
        pose[0, :, 2], pose[1, :, 2] = -y, x
        pose[..., 3] = turned
        pose[[0, 1, 2], :, [4, 5, 6]] = 1
        return pose, target.T - (state.scale * turned + state.shift[:, None])

    def system(
        self, state: FrameState, target: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Jacobian [3N, 28 + 7] and residual [3N], rows scaled by their weights."""
        pose, residual = self._pose_system(state, target)
        expression = self.expression.rotated(state.scale * state.rotation)
        weights = self.row_weights[:, None]
        jacobian = np.concatenate([expression, pose], axis=2) * weights[..., None]
        return jacobian.reshape(-1, EXPRESSION_SIZE + POSE_SIZE), (residual * weights).reshape(-1)

    def normal(
        self, state: FrameState, target: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Normal matrix [28 + 7, 28 + 7] and right side [28 + 7] of `system`, without its large Jacobian.

        The expression's block is a sum of nine small matrices that do not change, since a rotation mixes axes
        but not vertices; the rest is a product with the few pose columns turned back into the model's frame.
        """
        pose, residual = self._pose_system(state, target)
        back = state.scale * (state.rotation.T * self.row_weights**2)  # [3 model, 3 camera]
        mixing = back @ state.rotation * state.scale
        columns = np.concatenate([pose, residual[..., None]], axis=2).astype(np.float32)  # [3, N, 8]
        by_axis = columns.reshape(3, -1)
        turned_back = (back.astype(np.float32) @ by_axis).reshape(-1, POSE_SIZE + 1)
        cross = self.expression.flat.T @ turned_back  # [28, 8]
        weighted = (by_axis * (self.row_weights.astype(np.float32) ** 2)[:, None]).reshape(-1, POSE_SIZE + 1)
        own = columns.reshape(-1, POSE_SIZE + 1)[:, :POSE_SIZE].T @ weighted  # [7, 8]
        normal = np.empty((EXPRESSION_SIZE + POSE_SIZE,) * 2)
        normal[:EXPRESSION_SIZE, :EXPRESSION_SIZE] = (mixing.reshape(-1) @ self.expression.grams).reshape(
            EXPRESSION_SIZE, EXPRESSION_SIZE
        )
        normal[:EXPRESSION_SIZE, EXPRESSION_SIZE:] = cross[:, :-1]
        normal[EXPRESSION_SIZE:, :EXPRESSION_SIZE] = cross[:, :-1].T
        normal[EXPRESSION_SIZE:, EXPRESSION_SIZE:] = own[:, :-1]
        return normal, np.concatenate([cross[:, -1], own[:, -1]])

    def step(self, state: FrameState, target: NDArray[np.float64]) -> tuple[FrameState, float]:
        """One Gauss-Newton step, and how far it turned, in radians.

        The problem is linear but for the rotation, so that tells what a further step could still mend.
        """
        normal, right = self.normal(state, target)
        diagonal = np.arange(EXPRESSION_SIZE)
        normal[diagonal, diagonal] += self.prior
        right[:EXPRESSION_SIZE] -= self.prior * state.expression
        step = np.linalg.solve(normal, right)
        turn = step[EXPRESSION_SIZE : EXPRESSION_SIZE + 3]
        return moved(state, step), float(np.linalg.norm(turn))


def prior_cost(std: NDArray[np.floating]) -> NDArray[np.float64]:
    """Float64 [k]: the squared weight of a Gaussian prior with these standard deviations, against the points."""
    cost: NDArray[np.float64] = (POINT_STD / std.astype(np.float64)) ** 2
    return cost


def moved(state: FrameState, step: NDArray[np.floating]) -> FrameState:
    """`state` after a Gauss-Newton step, [28 + 7] in the order of the unknowns."""
    turn = step[EXPRESSION_SIZE : EXPRESSION_SIZE + 3]
    return FrameState(
        state.expression + step[:EXPRESSION_SIZE],
        rotation_vector_to_matrix(turn) @ state.rotation,
        # A scale may shrink or grow, never vanish or turn the face inside out.
        max(state.scale * float(np.clip(1 + step[EXPRESSION_SIZE + 3] / state.scale, 0.5, 2.0)), MIN_SCALE),
        state.shift + step[EXPRESSION_SIZE + 4 :],
    )
