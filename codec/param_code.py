"""The file param_code.npz in, what both ends know of faces before the first record out: `ParamCode`.

A face is 36 whole numbers, its *point*: the parameters, turned into axes along which faces move independently of each
other, each in 1/64 pixel of how far the mesh's vertices move in the 256x256 picture (root mean square; lips and lids
count more). One step size therefore suits all of them. Built by `headgan param-code build`.
"""

import hashlib
from dataclasses import dataclass, fields
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.codec.code_file import read_tables
from headgan.codec.params import EXPRESSION_SIZE, GAZE_SIZE, MAX_SCALE, MIN_SCALE, FaceParams
from headgan.codec.range_coder import TOTAL
from headgan.proto.errors import ModelError

# Expression, rotation, scale, translation, gaze.
POINT_SIZE = EXPRESSION_SIZE + 3 + 1 + 2 + GAZE_SIZE
UNITS_PER_PX = 64
# What is coded of a coefficient: classes of the size of its residual, see residual_coder.py.
CLASSES = 49
# What a residual's scale is predicted from, see residual_coder.py.
FEATURES = 6
# Scales of residuals, eight an octave.
SCALES = 96
SIGN_CONTEXTS = 16
_VALUE_LIMIT = 999.0


@dataclass(frozen=True, eq=False)
class ParamCode:
    """What is learned from faces.

    Attributes:
        rest: float64 [36], the vector of a face at rest.
        to_point: float64 [36, 36], takes a vector less `rest` to a point.
        weights: int64 [2, 36, FEATURES], how the scale of each coefficient's residual follows from what is known; in
            1/256. The first are for frames that are predicted from another one, the second for those from `rest`.
        biases: int64 [2, 36].
        classes: int64 [SCALES, CLASSES], frequency of each class at each scale, of TOTAL.
        same_sign: int64 [SIGN_CONTEXTS], frequency, of TOTAL, of a residual in the direction of the last change.
    """

    rest: NDArray[np.float64]
    to_point: NDArray[np.float64]
    weights: NDArray[np.int64]
    biases: NDArray[np.int64]
    classes: NDArray[np.int64]
    same_sign: NDArray[np.int64]

    def __post_init__(self) -> None:
        shapes = {
            "rest": (POINT_SIZE,),
            "to_point": (POINT_SIZE, POINT_SIZE),
            "weights": (2, POINT_SIZE, FEATURES),
            "biases": (2, POINT_SIZE),
            "classes": (SCALES, CLASSES),
            "same_sign": (SIGN_CONTEXTS,),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ModelError(f"parameter code: {name} is {getattr(self, name).shape}, need {shape}")
        if self.classes.min() < 1 or np.any(self.classes.sum(axis=1) != TOTAL):
            raise ModelError(f"parameter code: frequencies have to be above 0 and add up to {TOTAL}")
        if not 0 < self.same_sign.min() <= self.same_sign.max() < TOTAL:
            raise ModelError(f"parameter code: same_sign has to be within 1 to {TOTAL - 1}")

    @cached_property
    def code_id(self) -> bytes:
        """8 bytes that both ends of a call compare: they differ if anything in the code differs."""
        digest = hashlib.sha256()
        for field in fields(self):
            digest.update(np.ascontiguousarray(getattr(self, field.name)).tobytes())
        return digest.digest()[:8]

    def id_with(self, model_id: bytes) -> bytes:
        """8 bytes for this code and a morphable model together."""
        return hashlib.sha256(model_id + self.code_id).digest()[:8]

    def point_of(self, params: FaceParams) -> NDArray[np.float64]:
        """Float64 [36], in 1/64 pixel, not rounded."""
        point: NDArray[np.float64] = (vector_of(params) - self.rest) @ self.to_point * UNITS_PER_PX
        return point

    def params_of(self, point: NDArray[np.integer]) -> FaceParams:
        """The face at a point, [36]; values that no face has are cut."""
        vector = np.asarray(point, np.float64) / UNITS_PER_PX @ self._from_point + self.rest
        return params_from(vector)

    @cached_property
    def _from_point(self) -> NDArray[np.float64]:
        return np.linalg.inv(self.to_point).astype(np.float64)

    def save(self, path: Path) -> None:
        """Writes what `load` reads."""
        np.savez_compressed(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> "ParamCode":
        """Reads a code.

        Raises:
            ModelError: the file is missing, damaged, or its arrays do not fit together.
        """
        arrays = read_tables(path, (field.name for field in fields(cls)), "parameter code")
        return cls(**arrays)


@cache
def shipped_code() -> ParamCode:
    """The code that calls and files use."""
    return ParamCode.load(Path(__file__).with_name("param_code.npz"))


def vector_of(params: FaceParams) -> NDArray[np.float64]:
    """Float64 [36]: expression, rotation (twice the quaternion's vector part), scale, translation, gaze."""
    quaternion = params.quaternion.astype(np.float64)
    rotation = quaternion[1:] * (2 if quaternion[0] >= 0 else -2)
    parts = params.expression, rotation, params.camera[4:], params.gaze
    return np.concatenate([np.asarray(part, np.float64) for part in parts])


def params_from(vector: NDArray[np.float64]) -> FaceParams:
    """The inverse of `vector_of`; a rotation of more than half a turn, and values that no face has, are cut."""
    cut = np.clip(vector, -_VALUE_LIMIT, _VALUE_LIMIT)
    expression, half, rest = np.split(cut, [EXPRESSION_SIZE, EXPRESSION_SIZE + 3])
    half = half / 2
    half /= max(1.0, float(np.linalg.norm(half)))
    w = np.sqrt(max(0.0, 1 - float(half @ half)))
    scale = np.clip(rest[:1], MIN_SCALE * 1.0001, MAX_SCALE)  # a float32 may lie a little below
    values = np.concatenate([expression, [w], half, scale, rest[1:]])
    return FaceParams.from_array(values.astype(np.float32))
