"""Tracked points in, identity and face parameters out: a weighted least-squares fit with a Gaussian prior.

Each frame solves for expression, rotation, scale and translation together by Gauss-Newton, warm-started from
the frame before; the identity of a person is solved once over several frames, each frame's own unknowns
eliminated (Schur complement), and then held.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import EXPRESSION_SIZE, FaceParams
from headgan.models.morphable import (
    LEFT_EYE,
    LEFT_IRIS,
    MESH_VERTICES,
    RIGHT_EYE,
    RIGHT_IRIS,
    VERTICES,
    MorphableModel,
)
from headgan.models.rotation import (
    align_similarity,
    matrix_to_quaternion,
    quaternion_to_matrix,
    rotation_vector_to_matrix,
)

# The tracker guesses depth from one picture, so it counts less than what is seen.
DEPTH_WEIGHT = 0.3
# Expected error of a point in half crop widths. Neighbouring points err together, so this is larger than the
# error of one point and leaves the prior its say.
POINT_STD = 0.005
# A face of a fiftieth of the crop is none; below it the fit has nothing left to turn. The wire allows half of it.
MIN_SCALE = 0.02
FRAME_ITERATIONS = 2
# Radians. Gauss-Newton squares the distance to the solution: after a turn this small 0.1 degrees are left.
SMALL_TURN = 0.04
COLD_START_ITERATIONS = 8
IDENTITY_ITERATIONS = 8
# A frame's own unknowns after the expression: rotation 3, scale 1, translation 3 (depth is a nuisance).
_POSE_SIZE = 7
_EYE_CORNERS = [*LEFT_EYE, *RIGHT_EYE]


@dataclass(frozen=True, eq=False)
class FaceFit:
    """Result of fitting one frame.

    Attributes:
        params: the face parameters.
        error: mean distance in the image between fitted and tracked mesh points, in half crop widths (x 128
            for pixels of the 256x256 crop).
    """

    params: FaceParams
    error: float


@dataclass(frozen=True, eq=False)
class _State:
    """Unknowns of one frame: expression [28], rotation [3, 3], scale, shift [3]."""

    expression: NDArray[np.float64]
    rotation: NDArray[np.float64]
    scale: float
    shift: NDArray[np.float64]


class _Basis:
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


class FaceFitter:
    """Fits one person's frames; the identity is held, the last frame starts the next."""

    def __init__(self, model: MorphableModel, identity: NDArray[np.floating] | None = None) -> None:
        """Args: identity: [n_id] of the person, the mean face if left out."""
        self.model = model
        self._expression = _Basis(model.expression_basis)
        self._prior = (POINT_STD / model.expression_std.astype(np.float64)) ** 2
        self._row_weights = np.array([1.0, 1.0, DEPTH_WEIGHT])
        self.hold_identity(np.zeros(model.identity_size) if identity is None else identity)

    def hold_identity(self, identity: NDArray[np.floating]) -> None:
        """From now on fits with the identity [n_id]."""
        self.identity = identity.astype(np.float32)
        self._rest = self.model.identity_shape(self.identity).astype(np.float64)
        self._iris_rest = _iris_offset(self._rest)
        self._last: _State | None = None

    def reset(self) -> None:
        """Forgets the last frame: the next one starts cold."""
        self._last = None

    def fit(self, points: NDArray[np.floating]) -> FaceFit:
        """Fits one frame.

        Args:
            points: [478, 3], the tracker's points in half crop widths from the crop's centre.
        """
        target = np.asarray(points, dtype=np.float64)[:MESH_VERTICES]
        iterations = FRAME_ITERATIONS
        state = self._last
        if state is None:
            state = self._cold_start(target)
            iterations = COLD_START_ITERATIONS
        for _ in range(iterations):
            state, turned = self._step(state, target)
            if turned < SMALL_TURN and self._last is not None:
                break
        self._last = state
        predicted = _project(self._rest[:MESH_VERTICES] + self._expression.offsets(state.expression), state)
        error = float(np.linalg.norm((predicted - target)[:, :2], axis=1).mean())
        return FaceFit(self._params(state, points), error)

    def _cold_start(self, target: NDArray[np.float64]) -> _State:
        rest = self._rest[:MESH_VERTICES]
        scale, rotation, shift = align_similarity(rest, target, np.ones(MESH_VERTICES))
        return _State(np.zeros(EXPRESSION_SIZE), rotation, max(scale, MIN_SCALE), shift)

    def _pose_system(
        self, state: _State, target: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Jacobian [3, N, 7] of rotation, scale and shift, and residual [3, N], not weighted yet."""
        shape = self._rest[:MESH_VERTICES] + self._expression.offsets(state.expression)
        turned = state.rotation @ shape.T  # [3, N]
        x, y, z = state.scale * turned
        pose = np.zeros((3, MESH_VERTICES, _POSE_SIZE))
        pose[1, :, 0], pose[2, :, 0] = -z, y  # a turn about x moves (x, y, z) by (0, -z, y)
        pose[0, :, 1], pose[2, :, 1] = z, -x
        pose[0, :, 2], pose[1, :, 2] = -y, x
        pose[..., 3] = turned
        pose[[0, 1, 2], :, [4, 5, 6]] = 1
        return pose, target.T - (state.scale * turned + state.shift[:, None])

    def _system(
        self, state: _State, target: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Jacobian [3N, 28 + 7] and residual [3N], rows scaled by their weights."""
        pose, residual = self._pose_system(state, target)
        expression = self._expression.rotated(state.scale * state.rotation)
        weights = self._row_weights[:, None]
        jacobian = np.concatenate([expression, pose], axis=2) * weights[..., None]
        return jacobian.reshape(-1, EXPRESSION_SIZE + _POSE_SIZE), (residual * weights).reshape(-1)

    def _normal(
        self, state: _State, target: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Normal matrix [28 + 7, 28 + 7] and right side [28 + 7] of `_system`, without its large Jacobian.

        The expression's block is a sum of nine small matrices that do not change, since a rotation mixes axes
        but not vertices; the rest is a product with the few pose columns turned back into the model's frame.
        """
        pose, residual = self._pose_system(state, target)
        back = state.scale * (state.rotation.T * self._row_weights**2)  # [3 model, 3 camera]
        mixing = back @ state.rotation * state.scale
        columns = np.concatenate([pose, residual[..., None]], axis=2).astype(np.float32)  # [3, N, 8]
        by_axis = columns.reshape(3, -1)
        turned_back = (back.astype(np.float32) @ by_axis).reshape(-1, _POSE_SIZE + 1)
        cross = self._expression.flat.T @ turned_back  # [28, 8]
        weighted = (by_axis * (self._row_weights.astype(np.float32) ** 2)[:, None]).reshape(
            -1, _POSE_SIZE + 1
        )
        own = columns.reshape(-1, _POSE_SIZE + 1)[:, :_POSE_SIZE].T @ weighted  # [7, 8]
        normal = np.empty((EXPRESSION_SIZE + _POSE_SIZE,) * 2)
        normal[:EXPRESSION_SIZE, :EXPRESSION_SIZE] = (mixing.reshape(-1) @ self._expression.grams).reshape(
            EXPRESSION_SIZE, EXPRESSION_SIZE
        )
        normal[:EXPRESSION_SIZE, EXPRESSION_SIZE:] = cross[:, :-1]
        normal[EXPRESSION_SIZE:, :EXPRESSION_SIZE] = cross[:, :-1].T
        normal[EXPRESSION_SIZE:, EXPRESSION_SIZE:] = own[:, :-1]
        return normal, np.concatenate([cross[:, -1], own[:, -1]])

    def _step(self, state: _State, target: NDArray[np.float64]) -> tuple[_State, float]:
        """One Gauss-Newton step, and how far it turned, in radians.

        The problem is linear but for the rotation, so that tells what a further step could still mend.
        """
        normal, right = self._normal(state, target)
        diagonal = np.arange(EXPRESSION_SIZE)
        normal[diagonal, diagonal] += self._prior
        right[:EXPRESSION_SIZE] -= self._prior * state.expression
        step = np.linalg.solve(normal, right)
        turn = step[EXPRESSION_SIZE : EXPRESSION_SIZE + 3]
        return _moved(state, step), float(np.linalg.norm(turn))

    def _params(self, state: _State, points: NDArray[np.floating]) -> FaceParams:
        camera = np.concatenate([matrix_to_quaternion(state.rotation), [state.scale], state.shift[:2]])
        still = FaceParams(
            state.expression.astype(np.float32), camera.astype(np.float32), np.zeros(2, dtype=np.float32)
        )
        return replace(still, gaze=self._gaze(state, points))

    def _gaze(self, state: _State, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Where the irises are, against the middle of their eyes' corners, in the head's frame."""
        moved = state.rotation.T @ _iris_offset(points) / state.scale
        gaze = (moved - self._iris_rest)[:2] / self.model.eye_half_width
        return np.clip(gaze, -2, 2).astype(np.float32)


def _iris_offset(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Float64 [3]: how far the irises of `points` [478, 3] are from the middle of their eyes, both eyes' mean."""
    irises = np.asarray(points[LEFT_IRIS.start : RIGHT_IRIS.stop], dtype=np.float64).sum(axis=0) / 10
    corners = np.asarray(points[_EYE_CORNERS], dtype=np.float64).sum(axis=0) / 4
    offset: NDArray[np.float64] = irises - corners
    return offset


def estimate_identity(model: MorphableModel, frames: Sequence[NDArray[np.floating]]) -> NDArray[np.float32]:
    """Identity coefficients of the one person seen in all `frames`.

    Args:
        model: the morphable model.
        frames: one or more [478, 3] arrays of tracked points in half crop widths. More frames tell identity
            from expression better; ten are enough.

    Raises:
        ValueError: `frames` is empty.
    """
    if not frames:
        raise ValueError("an identity needs at least one frame")
    basis = _Basis(model.identity_basis)
    prior = (POINT_STD / model.identity_std.astype(np.float64)) ** 2
    identity = np.zeros(model.identity_size)
    targets = [np.asarray(points, dtype=np.float64)[:MESH_VERTICES] for points in frames]
    fitter = FaceFitter(model)
    states = [fitter._cold_start(target) for target in targets]
    for _ in range(IDENTITY_ITERATIONS):
        identity, states = _identity_step(fitter, basis, prior, identity, states, targets)
        fitter.hold_identity(identity)
    return identity.astype(np.float32)


def _identity_step(
    fitter: FaceFitter,
    basis: _Basis,
    prior: NDArray[np.float64],
    identity: NDArray[np.float64],
    states: list[_State],
    targets: list[NDArray[np.float64]],
) -> tuple[NDArray[np.float64], list[_State]]:
    """One Gauss-Newton step for the identity and every frame's unknowns; the frames are eliminated."""
    count = len(identity)
    # The prior is on the person, the data are per frame: one frame's worth of evidence is kept for the
    # average.
    reduced = np.diag(prior)
    right = -prior * identity
    backward = []
    for state, target in zip(states, targets, strict=True):
        own, residual = fitter._system(state, target)
        turned = basis.rotated(state.scale * state.rotation) * fitter._row_weights[:, None, None]
        shared = turned.reshape(-1, count)
        own_normal = own.T @ own
        own_right = own.T @ residual
        diagonal = np.arange(EXPRESSION_SIZE)
        own_normal[diagonal, diagonal] += fitter._prior
        own_right[:EXPRESSION_SIZE] -= fitter._prior * state.expression
        cross = own.T @ shared  # [35, n_id]
        solved = np.linalg.solve(own_normal, np.column_stack([cross, own_right]))
        reduced = reduced + (shared.T @ shared - cross.T @ solved[:, :-1]) / len(targets)
        right = right + (shared.T @ residual - cross.T @ solved[:, -1]) / len(targets)
        backward.append(solved)
    step = np.linalg.solve(reduced, right)
    moved = [
        _moved(state, solved[:, -1] - solved[:, :-1] @ step)
        for state, solved in zip(states, backward, strict=True)
    ]
    return identity + step, moved


def fit_face(model: MorphableModel, points: NDArray[np.floating]) -> tuple[NDArray[np.float32], FaceFit]:
    """Identity [n_id] and fit of a face seen once, as in a photo; points: [478, 3] in half crop widths."""
    identity = estimate_identity(model, [points])
    return identity, FaceFitter(model, identity).fit(points)


def project(model: MorphableModel, identity: NDArray[np.floating], params: FaceParams) -> NDArray[np.float32]:
    """Float32 [478, 3]: the face of Eq. 1 under camera c in half crop widths, irises moved by the gaze."""
    shape = model.shape(identity, params.expression)
    shape[MESH_VERTICES:, :2] += params.gaze * np.float32(model.eye_half_width)
    rotation = quaternion_to_matrix(params.quaternion).astype(np.float32)
    points = (shape @ rotation.T) * np.float32(params.scale)
    points[:, :2] += params.translation
    return points


def _project(shape: NDArray[np.float64], state: _State) -> NDArray[np.float64]:
    return state.scale * (shape @ state.rotation.T) + state.shift


def _moved(state: _State, step: NDArray[np.floating]) -> _State:
    turn = step[EXPRESSION_SIZE : EXPRESSION_SIZE + 3]
    return _State(
        state.expression + step[:EXPRESSION_SIZE],
        rotation_vector_to_matrix(turn) @ state.rotation,
        # A scale may shrink or grow, never vanish or turn the face inside out.
        max(state.scale * float(np.clip(1 + step[EXPRESSION_SIZE + 3] / state.scale, 0.5, 2.0)), MIN_SCALE),
        state.shift + step[EXPRESSION_SIZE + 4 :],
    )
