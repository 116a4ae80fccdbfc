"""Several frames of one person in, their identity coefficients out.

Gauss-Newton over the identity and every frame's own unknowns together; the frames are eliminated first (Schur
complement), so that only a small system for the identity is left.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import EXPRESSION_SIZE
from headgan.models.fit_system import FitSystem, FrameState, MeshBasis, moved, prior_cost
from headgan.models.fitting import FaceFit, FaceFitter
from headgan.models.morphable import MESH_VERTICES, MorphableModel

IDENTITY_ITERATIONS = 8


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
    basis = MeshBasis(model.identity_basis)
    prior = prior_cost(model.identity_std)
    identity = np.zeros(model.identity_size)
    targets = [np.asarray(points, dtype=np.float64)[:MESH_VERTICES] for points in frames]
    system = FitSystem(model)
    states = [system.cold_start(target) for target in targets]
    for _ in range(IDENTITY_ITERATIONS):
        identity, states = _identity_step(system, basis, prior, identity, states, targets)
        system.hold(identity)
    return identity.astype(np.float32)


def _identity_step(
    system: FitSystem,
    basis: MeshBasis,
    prior: NDArray[np.float64],
    identity: NDArray[np.float64],
    states: list[FrameState],
    targets: list[NDArray[np.float64]],
) -> tuple[NDArray[np.float64], list[FrameState]]:
    """One Gauss-Newton step for the identity and every frame's unknowns; the frames are eliminated."""
    count = len(identity)
    # The prior is on the person, the data are per frame: one frame's worth of evidence is kept for the
    # average.
    reduced = np.diag(prior)
    right = -prior * identity
    backward = []
    for state, target in zip(states, targets, strict=True):
        own, residual = system.system(state, target)
        turned = basis.rotated(state.scale * state.rotation) * system.row_weights[:, None, None]
        shared = turned.reshape(-1, count)
        own_normal = own.T @ own
        own_right = own.T @ residual
        diagonal = np.arange(EXPRESSION_SIZE)
        own_normal[diagonal, diagonal] += system.prior
        own_right[:EXPRESSION_SIZE] -= system.prior * state.expression
        cross = own.T @ shared  # [35, n_id]
        solved = np.linalg.solve(own_normal, np.column_stack([cross, own_right]))
        reduced = reduced + (shared.T @ shared - cross.T @ solved[:, :-1]) / len(targets)
        right = right + (shared.T @ residual - cross.T @ solved[:, -1]) / len(targets)
        backward.append(solved)
    step = np.linalg.solve(reduced, right)
    new_states = [
        moved(state, solved[:, -1] - solved[:, :-1] @ step)
        for state, solved in zip(states, backward, strict=True)
    ]
    return identity + step, new_states


def fit_face(model: MorphableModel, points: NDArray[np.floating]) -> tuple[NDArray[np.float32], FaceFit]:
    """Identity [n_id] and fit of a face seen once, as in a photo; points: [478, 3] in half crop widths."""
    identity = estimate_identity(model, [points])
    return identity, FaceFitter(model, identity).fit(points)
