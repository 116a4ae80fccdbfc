"""Tracked faces of many people in, what each named movement does to the expression coefficients out.

    faces -> BlendshapeNet -> scores ─────┐ each about the person's mean,
          -> fit, the identity held ──┬─ expression ─┼─ as they are and mirrored ── ridge regression
                                      └─ pose ───────┘

The pose takes part and is then left out: trackers bend a face that turns, which is no movement of it. So do the scores
of the gaze.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.codec.params import EXPRESSION_SIZE
from headgan.models.blendshape_map import GAZE_PREFIX, BlendshapeMap
from headgan.models.blendshapes import BLENDSHAPE_NAMES, BlendshapeNet
from headgan.models.crop import FACE_TO_CROP, Crop
from headgan.models.fitting import FaceFitter
from headgan.models.identity import estimate_identity
from headgan.models.morphable import MESH_VERTICES, VERTICES, MorphableModel
from headgan.models.morphable_data import PersonFaces
from headgan.models.rotation import quaternion_to_matrix
from headgan.proto.errors import UsageError

MIN_PEOPLE = 10
# A person seen less often has no mean to differ from.
MIN_FACES = 5
IDENTITY_FACES = 40
# In half crop widths: a worse fit, 2 pixels of 256, is of something before the face, or of none.
MAX_FIT_ERROR = 2 / 128
# Chosen on people left out: from a third of it to three times it they are predicted alike.
RIDGE = 1e-4
FOLDS = 5
# A movement whose score stays below this in 99 of 100 faces was not seen.
MIN_REACH = 0.1
_POSE_SIZE = 2


@dataclass(frozen=True, eq=False)
class PersonMovements:
    """What one person's face did.

    Attributes:
        scores: float32 [n, 52], in the order of `BLENDSHAPE_NAMES`.
        expression: float32 [n, 28].
        turn: float32 [n, 2], how far the head is turned right and down: where its z axis points.
    """

    scores: NDArray[np.float32]
    expression: NDArray[np.float32]
    turn: NDArray[np.float32]


def measure_people(
    model: MorphableModel, net: BlendshapeNet, people: Iterable[PersonFaces]
) -> list[PersonMovements]:
    """Scores and expressions of everybody who was seen often enough."""
    measured = [_measure(model, net, person.points) for person in people]
    return [person for person in measured if len(person.scores) >= MIN_FACES]


def _measure(model: MorphableModel, net: BlendshapeNet, faces: NDArray[np.float32]) -> PersonMovements:
    """The movements in `faces`, [n, 478, 3] in pixels; those that do not fit are left out."""
    local = [_own_crop(points).normalise(points) for points in faces]
    spread = np.linspace(0, len(local) - 1, min(IDENTITY_FACES, len(local))).astype(int)
    fitter = FaceFitter(model, estimate_identity(model, [local[index] for index in spread]))
    rows = []
    for points in local:
        fitter.reset()  # these are samples of a clip, too far apart to start from each other
        fit = fitter.fit(points)
        if fit.error <= MAX_FIT_ERROR:
            axis = quaternion_to_matrix(fit.params.quaternion)[:2, 2]
            rows.append(np.concatenate([net.scores(points), fit.params.expression, axis]))
    table = np.array(rows, np.float32).reshape(-1, len(BLENDSHAPE_NAMES) + EXPRESSION_SIZE + _POSE_SIZE)
    scores, expression, turn = np.split(
        table, [len(BLENDSHAPE_NAMES), len(BLENDSHAPE_NAMES) + EXPRESSION_SIZE], axis=1
    )
    return PersonMovements(scores, expression, turn)


def _own_crop(points: NDArray[np.float32]) -> Crop:
    """The square around a face that ignores the frame's edges, so that every face has one size in the fit."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    size = float((high - low).max()) * FACE_TO_CROP
    left, top = (low + high) / 2 - size / 2
    return Crop(float(left), float(top), size)


def build_blendshapes(model: MorphableModel, people: Sequence[PersonMovements]) -> BlendshapeMap:
    """Learns the directions of all movements that were seen.

    Raises:
        UsageError: too few people.
    """
    if len(people) < MIN_PEOPLE:
        raise UsageError(
            f"{len(people)} people with {MIN_FACES} or more faces are too few; need at least {MIN_PEOPLE}"
        )
    seen = np.concatenate([person.scores for person in people])
    reach = np.percentile(np.concatenate([seen, seen[:, _mirrored_scores()]]), 99, axis=0)
    directions = _regress(model, people)
    kept = [
        index
        for index, name in enumerate(BLENDSHAPE_NAMES)
        if reach[index] >= MIN_REACH and not name.startswith((GAZE_PREFIX, "_"))
    ]
    return BlendshapeMap(
        tuple(BLENDSHAPE_NAMES[index] for index in kept),
        directions[kept].astype(np.float32),
        reach[kept].astype(np.float32),
        _explained_when_left_out(model, people),
        model.model_id,
    )


def _regress(model: MorphableModel, people: Sequence[PersonMovements]) -> NDArray[np.float64]:
    """Float64 [52 + 2, 28]: ridge regression from scores and turn to expression, both about the person's mean."""
    mirrored = _mirrored(model, people)
    rows = [_weighted(person) for person in (*people, *mirrored)]
    inputs = np.concatenate([row.inputs for row in rows])
    outputs = np.concatenate([row.outputs for row in rows])
    # The penalty is on a unit of a score, and grows with the material.
    material = sum(np.sqrt(len(row.inputs)) for row in rows)
    gram = inputs.T @ inputs + RIDGE * material * np.eye(inputs.shape[1])
    solution: NDArray[np.float64] = np.linalg.solve(gram, inputs.T @ outputs)
    return solution


def _explained_when_left_out(model: MorphableModel, people: Sequence[PersonMovements]) -> float:
    """Share of the variance within people, weighted as in the regression, predicted by the other folds' people."""
    missed = total = 0.0
    order = np.random.default_rng(0).permutation(len(people))
    for fold in tqdm(np.array_split(order, FOLDS), desc="checking", unit="fold", leave=False):
        out = set(fold.tolist())
        solution = _regress(model, [person for index, person in enumerate(people) if index not in out])
        for row in (_weighted(people[index]) for index in fold):
            missed += float(np.square(row.outputs - row.inputs @ solution).sum())
            total += float(np.square(row.outputs).sum())
    return 1 - missed / total


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows of the regression: inputs float64 [n, 52 + 2], outputs float64 [n, 28]."""

    inputs: NDArray[np.float64]
    outputs: NDArray[np.float64]


def _weighted(person: PersonMovements) -> _Rows:
    """One person's rows about their mean; long clips count more than short ones, but less than they are longer."""
    inputs = np.hstack([person.scores, person.turn]).astype(np.float64)
    outputs = person.expression.astype(np.float64)
    weight = len(inputs) ** -0.25  # squared in the sums
    return _Rows(weight * (inputs - inputs.mean(axis=0)), weight * (outputs - outputs.mean(axis=0)))


def _mirrored(model: MorphableModel, people: Sequence[PersonMovements]) -> list[PersonMovements]:
    swap, mirror = _mirrored_scores(), _mirrored_expression(model).astype(np.float32)
    flip = np.array([-1, 1], np.float32)
    return [
        PersonMovements(person.scores[:, swap], person.expression @ mirror.T, person.turn * flip)
        for person in people
    ]


def _mirrored_scores() -> list[int]:
    """For each score that of the other side."""
    other = {"Left": "Right", "Right": "Left"}
    names = list(BLENDSHAPE_NAMES)
    order = []
    for name in names:
        side = next((side for side in other if name.endswith(side)), None)
        order.append(names.index(name.removesuffix(side) + other[side] if side else name))
    return order


def _mirrored_expression(model: MorphableModel) -> NDArray[np.float64]:
    """Float64 [28, 28]: takes the coefficients of a face to those of its mirror image."""
    mesh = model.mean[:MESH_VERTICES].astype(np.float64)
    apart = np.linalg.norm((mesh * (-1, 1, 1))[:, None] - mesh[None], axis=2)
    basis = model.expression_basis.astype(np.float64).reshape(VERTICES, 3, -1)[:MESH_VERTICES]
    flipped = basis[apart.argmin(axis=1)] * np.array([-1, 1, 1])[:, None]
    flat = basis.reshape(MESH_VERTICES * 3, -1)
    mirror: NDArray[np.float64] = np.linalg.lstsq(flat, flipped.reshape(flat.shape), rcond=None)[0]
    return mirror
