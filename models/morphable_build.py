"""Tracked faces of many people in, a morphable model out.

    faces -> rigid alignment -> mean of each person -> PCA between people  -> U_id
                                     |-> what is left of each frame -> PCA -> U_exp

Every face is used twice, as it is and mirrored, so that the model has no favourite side. The irises follow
the corners of their eyes in U_exp: where somebody looks is no expression but gaze, a parameter of its own.
"""

import struct
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import EXPRESSION_SIZE
from headgan.models.fit_system import DEPTH_WEIGHT
from headgan.models.morphable import (
    LEFT_EYE,
    LEFT_IRIS,
    MESH_VERTICES,
    RIGHT_EYE,
    RIGHT_IRIS,
    VERTICES,
    MorphableModel,
)
from headgan.models.morphable_data import PersonFaces
from headgan.models.rotation import align_similarity
from headgan.models.weights import weights_path
from headgan.proto.errors import ModelError, UsageError

IDENTITY_SIZE = 60
MIN_PEOPLE = 30
_ALIGNMENT_ROUNDS = 3
_METADATA = "geometry_pipeline_metadata_landmarks.binarypb"


def build_morphable(people: Sequence[PersonFaces], tracker_file: Path | None = None) -> MorphableModel:
    """Builds a model from the faces of at least 30 people.

    Args:
        people: tracked faces; frames of one person share weight, so that long clips do not outvote short
            ones.
        tracker_file: the `face_landmarker.task` that holds the mesh's triangles; the one that ships if left
            out.

    Raises:
        UsageError: too few people or frames.
    """
    frames = sum(len(person.points) for person in people)
    if len(people) < MIN_PEOPLE or frames < 4 * EXPRESSION_SIZE:
        raise UsageError(
            f"{len(people)} people with {frames} faces are too few for a morphable model; "
            f"need at least {MIN_PEOPLE} people and {4 * EXPRESSION_SIZE} faces"
        )
    canonical, triangles, rigid = _read_mesh(tracker_file or weights_path("face_landmarker.task"))
    groups = [_aligned(person.points, canonical, rigid) for person in people]
    for _ in range(_ALIGNMENT_ROUNDS):
        mean = _normalised(np.mean([group.mean(axis=0) for group in groups], axis=0))
        groups = [_aligned(group, mean[:MESH_VERTICES], rigid) for group in groups]
    mirror = _mirror_order(mean)
    groups += [_mirrored(group, mirror) for group in groups]
    mean = np.mean([group.mean(axis=0) for group in groups], axis=0)

    offsets = np.stack([group.mean(axis=0) - mean for group in groups])
    identity = _principal(offsets, np.ones(len(offsets)), min(IDENTITY_SIZE, len(people) - 1))
    residuals = np.concatenate([group - group.mean(axis=0) for group in groups])
    weights = np.concatenate([np.full(len(group), 1 / len(group)) for group in groups])
    expression = _principal(_irises_follow_corners(residuals), weights, EXPRESSION_SIZE)
    return MorphableModel(
        mean=mean.astype(np.float32),
        identity_basis=identity.columns,
        identity_std=identity.std,
        expression_basis=expression.columns,
        expression_std=expression.std,
        triangles=triangles,
        identity_explained=explained_variance(identity.columns, offsets, np.ones(len(offsets))),
        expression_explained=explained_variance(expression.columns, residuals, weights),
    )


def explained_variance(
    basis: NDArray[np.floating], samples: NDArray[np.floating], weights: NDArray[np.floating]
) -> float:
    """Share (0 to 1) of the variance of `samples` [n, 478, 3], weighted by `weights` [n], that `basis` holds.

    Depth counts as little as it does in the fit, the irises not at all.
    """
    mesh = MESH_VERTICES * 3
    scale = _coordinate_scale()[:mesh]
    flat = samples.reshape(len(samples), -1)[:, :mesh] * scale
    span, _ = np.linalg.qr(basis[:mesh].astype(np.float64) * scale[:, None])
    held = ((flat @ span) ** 2).sum(axis=1)
    return float(weights @ held) / float(weights @ (flat**2).sum(axis=1))


@dataclass(frozen=True, eq=False)
class _PrincipalBasis:
    """Orthonormal columns float32 [1434, k] and the standard deviation of their coefficients float32 [k]."""

    columns: NDArray[np.float32]
    std: NDArray[np.float32]


def _principal(samples: NDArray[np.float64], weights: NDArray[np.float64], count: int) -> _PrincipalBasis:
    """PCA of `samples` [n, 478, 3] with depth counted less, as an orthonormal basis of the plain space."""
    scale = _coordinate_scale()
    flat = samples.reshape(len(samples), -1)
    scaled = flat * scale
    share = weights / weights.sum()
    covariance = (scaled * share[:, None]).T @ scaled
    directions = np.linalg.eigh(covariance)[1][:, ::-1][:, :count]
    span, _ = np.linalg.qr(directions / scale[:, None])
    # The span is the best one; within it, turn to the axes along which coefficients are uncorrelated.
    coefficients = np.linalg.lstsq(span * scale[:, None], scaled.T, rcond=None)[0].T
    variance, axes = np.linalg.eigh((coefficients * share[:, None]).T @ coefficients)
    order = np.argsort(variance)[::-1]
    columns = span @ axes[:, order]
    # The sign of an axis is arbitrary: make it the same in every build.
    columns *= np.sign(columns[np.abs(columns).argmax(axis=0), np.arange(count)])
    # Where nobody differs rounding leaves less than nothing, and the fit divides by the deviation.
    std = np.sqrt(np.maximum(variance[order], 1e-12))
    return _PrincipalBasis(columns.astype(np.float32), std.astype(np.float32))


def _irises_follow_corners(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """`samples` [n, 478, 3] of displacements with each iris moved as the corners of its eye are."""
    moved = samples.copy()
    for iris, corners in ((LEFT_IRIS, LEFT_EYE), (RIGHT_IRIS, RIGHT_EYE)):
        moved[:, iris] = samples[:, list(corners)].mean(axis=1, keepdims=True)
    return moved


def _coordinate_scale() -> NDArray[np.float64]:
    """Float64 [1434]: how much each coordinate of the flattened points counts."""
    return np.tile([1.0, 1.0, DEPTH_WEIGHT], VERTICES)


def _aligned(
    faces: NDArray[np.floating], mesh: NDArray[np.floating], rigid: NDArray[np.float64]
) -> NDArray[np.float64]:
    """`faces` [n, 478, 3], each moved, turned and scaled onto `mesh` [468, 3], weighted by `rigid` [468]."""
    aligned = np.empty(faces.shape)
    for index, face in enumerate(faces.astype(np.float64)):
        scale, rotation, shift = align_similarity(face[:MESH_VERTICES], mesh, rigid)
        aligned[index] = scale * face @ rotation.T + shift
    return aligned


def _normalised(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """`points` [478, 3] with the mesh's centre at zero and its root-mean-square radius one."""
    centered = points - points[:MESH_VERTICES].mean(axis=0)
    radius = np.sqrt((centered[:MESH_VERTICES] ** 2).sum(axis=1).mean())
    normalised: NDArray[np.float64] = centered / radius
    return normalised


def _mirror_order(mean: NDArray[np.float64]) -> NDArray[np.intp]:
    """For each point of the mean face the one on the other side.

    Raises:
        ModelError: the mean face is not symmetrical enough to tell.
    """
    flipped = mean * (-1, 1, 1)
    distances = np.linalg.norm(flipped[:, None] - mean[None], axis=2)
    # Irises lie within the mesh: each group finds its partners in its own.
    distances[:MESH_VERTICES, MESH_VERTICES:] = np.inf
    distances[MESH_VERTICES:, :MESH_VERTICES] = np.inf
    order: NDArray[np.intp] = distances.argmin(axis=1)
    if not np.array_equal(order[order], np.arange(VERTICES)):
        raise ModelError("the mean of these faces is lopsided; give more people, or faces from both sides")
    return order


def _mirrored(faces: NDArray[np.float64], order: NDArray[np.intp]) -> NDArray[np.float64]:
    mirrored: NDArray[np.float64] = faces[:, order] * np.array([-1.0, 1.0, 1.0])
    return mirrored


def _read_mesh(
    tracker_file: Path,
) -> tuple[NDArray[np.float64], NDArray[np.uint16], NDArray[np.float64]]:
    """The canonical face [468, 3], its triangles [898, 3] and the weights [468] for rigid alignment.

    They are in the tracker's file as a protobuf message: 1 {3: x y z u v of each vertex, 4: indices} and
    2 {1: vertex, 2: weight} for each of the points that move least with expressions.
    """
    try:
        with zipfile.ZipFile(tracker_file) as task:
            fields = list(_protobuf_fields(task.read(_METADATA)))
        mesh_fields = list(_protobuf_fields(next(value for number, value in fields if number == 1)))
        vertices = np.array([value for number, value in mesh_fields if number == 3]).reshape(-1, 5)[:, :3]
        triangles = np.array([value for number, value in mesh_fields if number == 4]).reshape(-1, 3)
        rigid = np.zeros(MESH_VERTICES)
        for number, value in fields:
            if number == 2:
                entry = dict(_protobuf_fields(value))
                rigid[entry.get(1, 0)] = entry[2]
    except (OSError, LookupError, StopIteration, ValueError, struct.error, zipfile.BadZipFile) as exc:
        raise ModelError(f"{tracker_file} holds no face mesh ({exc})") from exc
    # The file's y points up and its z to the viewer.
    return vertices * (1, -1, -1), triangles.astype(np.uint16), rigid


def _protobuf_fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers and values of a protobuf message: integers, float32s, and the rest as bytes."""
    position = 0

    def varint() -> int:
        nonlocal position
        value, shift = 0, 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while position < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
        elif kind == 5:
            yield key >> 3, struct.unpack_from("<f", data, position)[0]
            position += 4
        elif kind == 2:
            size = varint()
            yield key >> 3, data[position : position + size]
            position += size
        else:
            raise ValueError(f"wire type {kind}")
