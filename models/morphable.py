"""The morphable model: identity and expression coefficients in, 478 points of a face out.

Letters of the paper (Eq. 1): s = x̄ + U_id p_id + U_exp p_exp; x̄ is `mean`, U_id `identity_basis`, U_exp
`expression_basis`. Vertices 0 to 467 are the face mesh, 468 to 477 the two irises. The model's frame is a
head that looks into the camera: x right, y down, z into the scene; its unit is the mean face's
root-mean-square radius.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import EXPRESSION_SIZE
from headgan.models.weights import weights_path
from headgan.proto.errors import ModelError

MESH_VERTICES = 468
VERTICES = 478
# Five points for each iris, its centre first; image-left eye, then image-right.
LEFT_IRIS, RIGHT_IRIS = slice(468, 473), slice(473, 478)
# Inner and outer corners of the image-left and the image-right eye.
LEFT_EYE, RIGHT_EYE = (33, 133), (362, 263)
_ARRAYS = ("mean", "identity_basis", "identity_std", "expression_basis", "expression_std", "triangles")


@dataclass(frozen=True, eq=False)
class MorphableModel:
    """A linear model of faces.

    Attributes:
        mean: float32 [478, 3], the mean face x̄.
        identity_basis: float32 [1434, n_id], orthonormal columns U_id over the flattened [478, 3] points.
        identity_std: float32 [n_id], standard deviation of each coefficient over people, descending.
        expression_basis: float32 [1434, 28], orthonormal columns U_exp.
        expression_std: float32 [28], standard deviation of each coefficient over frames, descending.
        triangles: uint16 [T, 3], vertices of the mesh; front faces are counter-clockwise in the image.
        identity_explained: share of the variance between people that U_id holds, 0 to 1.
        expression_explained: share of the variance within people that U_exp holds, 0 to 1.
    """

    mean: NDArray[np.float32]
    identity_basis: NDArray[np.float32]
    identity_std: NDArray[np.float32]
    expression_basis: NDArray[np.float32]
    expression_std: NDArray[np.float32]
    triangles: NDArray[np.uint16]
    identity_explained: float
    expression_explained: float

    def __post_init__(self) -> None:
        size, count = self.mean.size, self.identity_basis.shape[-1]
        shapes = {
            "mean": (VERTICES, 3),
            "identity_basis": (size, count),
            "identity_std": (count,),
            "expression_basis": (size, EXPRESSION_SIZE),
            "expression_std": (EXPRESSION_SIZE,),
            "triangles": (len(self.triangles), 3),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ModelError(f"morphable model: {name} is {getattr(self, name).shape}, need {shape}")
        if self.triangles.size == 0 or int(self.triangles.max()) >= MESH_VERTICES:
            raise ModelError("morphable model: triangles name vertices that do not exist")

    @property
    def identity_size(self) -> int:
        """Number of identity coefficients."""
        return len(self.identity_std)

    @cached_property
    def model_id(self) -> bytes:
        """8 bytes that both ends of a call compare: they differ if anything in the model differs."""
        digest = hashlib.sha256()
        for name in _ARRAYS:
            digest.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return digest.digest()[:8]

    @cached_property
    def eye_half_width(self) -> float:
        """Half the distance between the corners of an eye of the mean face, in model units."""
        spans = [np.linalg.norm(self.mean[a] - self.mean[b]) for a, b in (LEFT_EYE, RIGHT_EYE)]
        return float(np.mean(spans)) / 2

    def identity_shape(self, identity: NDArray[np.floating]) -> NDArray[np.float32]:
        """Float32 [478, 3]: the person's face at rest, x̄ + U_id p_id; identity: [n_id]."""
        return self.mean + (self.identity_basis @ identity.astype(np.float32)).reshape(VERTICES, 3)

    def shape(self, identity: NDArray[np.floating], expression: NDArray[np.floating]) -> NDArray[np.float32]:
        """Float32 [478, 3]: Eq. 1; identity: [n_id], expression: [28]."""
        offset = self.expression_basis @ expression.astype(np.float32)
        return self.identity_shape(identity) + offset.reshape(VERTICES, 3)

    def save(self, path: Path) -> None:
        """Writes the .npz form that `load` reads."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        explained = np.array([self.identity_explained, self.expression_explained])
        np.savez_compressed(path, **arrays, explained=explained)

    @classmethod
    def load(cls, path: Path | None = None) -> "MorphableModel":
        """Reads a model from `path`, or the one that ships.

        Raises:
            ModelError: the file is missing, damaged, or its arrays do not fit together.
        """
        path = path or weights_path("morphable.npz")
        try:
            # Opened here, because numpy leaves the files of damaged archives open.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                arrays = {name: data[name] for name in _ARRAYS}
                identity_explained, expression_explained = data["explained"].tolist()
        except Exception as exc:  # a damaged archive makes zipfile, zlib and numpy raise nearly everything
            raise ModelError(
                f"{path} is no morphable model ({exc}); build one: headgan morphable build"
            ) from exc
        return cls(**arrays, identity_explained=identity_explained, expression_explained=expression_explained)
