"""Faces as they are and as they are shown in, how far apart their meshes are in the picture out, in pixels of 256."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import EXPRESSION_SIZE, FaceParams
from headgan.models.eyes import LIDS
from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.mouth import INNER_LIPS, OUTER_LIPS
from headgan.models.pncc import CROP_SIZE

_LIPS = [*INNER_LIPS, *OUTER_LIPS]
# The quarter of the frames in which the real face trembles least counts as at rest.
_AT_REST = 25.0


@dataclass(frozen=True, eq=False)
class FaceErrors:
    """How far what is shown is from what is, frame by frame, of the N frames that have both.

    Attributes:
        mean_px: float64 [N], mean distance over all 478 vertices.
        lips_px: float64 [N], over those of the lips.
        lids_px: float64 [N], over those of the eyelids.
        rotation_deg: float64 [N], the angle between the two heads.
        tremble_px: float64 [2, M], mean size of the vertices' acceleration, in pixels a frame a frame, real and shown;
            of the frames whose neighbours are there.
        along: float64 [2], sum over frames of the error along the real motion, and of that motion squared: their ratio
            is by how many frames what is shown is ahead.
    """

    mean_px: NDArray[np.float64]
    lips_px: NDArray[np.float64]
    lids_px: NDArray[np.float64]
    rotation_deg: NDArray[np.float64]
    tremble_px: NDArray[np.float64]
    along: NDArray[np.float64]

    @classmethod
    def pooled(cls, several: Sequence["FaceErrors"]) -> "FaceErrors":
        """Those of all frames of several clips."""

        def joined(name: str) -> NDArray[np.float64]:
            return np.concatenate([getattr(one, name) for one in several], axis=-1)

        return cls(
            mean_px=joined("mean_px"),
            lips_px=joined("lips_px"),
            lids_px=joined("lids_px"),
            rotation_deg=joined("rotation_deg"),
            tremble_px=joined("tremble_px"),
            along=np.sum([one.along for one in several], axis=0),
        )

    def report(self) -> dict[str, float]:
        """Means and 95th percentiles by name."""
        real, shown = self.tremble_px
        at_rest = real <= np.percentile(real, _AT_REST) if real.size else np.zeros(0, bool)
        values = {
            "px": self.mean_px.mean(),
            "px_p95": np.percentile(self.mean_px, 95),
            "lips_px": self.lips_px.mean(),
            "lips_px_p95": np.percentile(self.lips_px, 95),
            "lids_px": self.lids_px.mean(),
            "lids_px_p95": np.percentile(self.lids_px, 95),
            "rotation_deg": self.rotation_deg.mean(),
            "rotation_deg_p95": np.percentile(self.rotation_deg, 95),
            "tremble_px": _mean(shown),
            "real_tremble_px": _mean(real),
            "rest_tremble_px": _mean(shown[at_rest]),
            "real_rest_tremble_px": _mean(real[at_rest]),
            "lag_frames": -self.along[0] / max(self.along[1], 1e-9),
        }
        return {name: round(float(value), 4) for name, value in values.items()}


class FaceRuler:
    """Measures the faces of one person."""

    def __init__(self, model: MorphableModel, identity: NDArray[np.floating]) -> None:
        """Args: identity: [n_id] of the person."""
        self._model = model
        self._rest = model.identity_shape(identity)

    def points_px(self, faces: Sequence[FaceParams]) -> NDArray[np.float32]:
        """Float32 [N, 478, 2]: `models.fitting.project` for many faces, in pixels from the picture's centre."""
        values = np.array([face.to_array() for face in faces])  # [N, 37]
        camera, gaze = values[:, EXPRESSION_SIZE : EXPRESSION_SIZE + 7], values[:, EXPRESSION_SIZE + 7 :]
        offsets = values[:, :EXPRESSION_SIZE] @ self._model.expression_basis.T  # [N, 478 * 3]
        shapes = self._rest + offsets.reshape(len(faces), -1, 3)
        shapes[:, MESH_VERTICES:, :2] += gaze[:, None] * np.float32(self._model.eye_half_width)
        rows = _first_two_rows(camera[:, :4].astype(np.float64)).astype(np.float32)
        turned = np.einsum("nvk,nik->nvi", shapes, rows)  # [N, 478, 2]
        points: NDArray[np.float32] = turned * camera[:, 4, None, None] + camera[:, None, 5:7]
        return points * np.float32(CROP_SIZE / 2)

    def compare(
        self, real: Sequence[FaceParams], shown: Sequence[FaceParams], numbers: Sequence[int]
    ) -> FaceErrors:
        """Frame by frame; numbers: of the frames, rising."""
        real_px, shown_px = self.points_px(real), self.points_px(shown)
        errors = shown_px - real_px
        distances = np.linalg.norm(errors, axis=2).astype(np.float64)  # [N, 478]
        gaps = np.diff(numbers)
        are_near = (gaps[:-1] == 1) & (gaps[1:] == 1)
        tremble = [
            np.linalg.norm(np.diff(points, n=2, axis=0)[are_near], axis=2).mean(axis=1)
            for points in (real_px, shown_px)
        ]
        motion = ((real_px[2:] - real_px[:-2]) / 2)[are_near]
        along = [(errors[1:-1][are_near] * motion).sum(dtype=float), (motion**2).sum(dtype=float)]
        return FaceErrors(
            distances.mean(axis=1),
            distances[:, _LIPS].mean(axis=1),
            distances[:, LIDS].mean(axis=1),
            _angles_deg(real, shown),
            np.array(tremble, np.float64),
            np.array(along),
        )


def _first_two_rows(quaternions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Float64 [N, 2, 3]: of the rotations of [N, 4], each normalised first; what an image shows of them."""
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    ]
    return np.moveaxis(np.array(rows), 2, 0)


def _angles_deg(real: Sequence[FaceParams], shown: Sequence[FaceParams]) -> NDArray[np.float64]:
    """Float64 [N]: the angles between two heads."""
    one, other = (np.array([face.quaternion for face in faces], np.float64) for faces in (real, shown))
    one, other = (turns / np.linalg.norm(turns, axis=1, keepdims=True) for turns in (one, other))
    # The chord says small angles exactly, where the cosine does not.
    chords = np.minimum(np.linalg.norm(one - other, axis=1), np.linalg.norm(one + other, axis=1))
    angles: NDArray[np.float64] = np.degrees(4 * np.arcsin(np.minimum(chords / 2, 1)))
    return angles


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else 0.0
