"""A small change of camera in, pictures, faces and drifts as that camera sees them out."""

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.rotation import matrix_to_quaternion, quaternion_to_matrix

Kind = TypeVar("Kind", bound=np.generic)

# How far a scene is changed: zoom either way, shift in half crop widths, turn in degrees.
_ZOOM, _SHIFT, _TURN = 0.12, 0.08, 8.0


@dataclass(frozen=True)
class Scene:
    """A similarity of the picture plane: places p go to zoom * turn(p) + shift."""

    zoom: float = 1.0
    turn_deg: float = 0.0
    shift_x: float = 0.0
    shift_y: float = 0.0

    @classmethod
    def random(cls, random: np.random.Generator) -> "Scene":
        """A small change; never smaller than the picture's middle, so that little border shows."""
        return cls(
            float(np.exp(random.uniform(-_ZOOM / 2, _ZOOM))),
            float(random.normal(0, _TURN / 2)),
            *(float(value) for value in random.uniform(-_SHIFT, _SHIFT, 2)),
        )

    def matrix(self) -> NDArray[np.float64]:
        """Float64 [2, 3], in half crop widths."""
        angle = np.deg2rad(self.turn_deg)
        linear = self.zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return np.column_stack([linear, [self.shift_x, self.shift_y]])

    def of_picture(self, picture: NDArray[Kind]) -> NDArray[Kind]:
        """`picture`, [N, N] or [N, N, C], moved; its border repeats."""
        if self == Scene():
            return picture
        places = self.matrix()
        size = len(picture)
        half, middle = size / 2, (size - 1) / 2
        shift = half * places[:, 2] + middle - places[:, :2] @ np.full(2, middle)
        given: Any = picture
        moved: NDArray[Any] = cv2.warpAffine(
            given,
            np.column_stack([places[:, :2], shift]),
            (size, size),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return moved

    def of_drift(self, drift: NDArray[np.int16]) -> NDArray[np.float32]:
        """Float32 [8, 8, 2]: what is fetched from beside a place, there where the scene has that place now."""
        moved = self.of_picture(drift.astype(np.float32)).astype(np.float32)
        turned: NDArray[np.float32] = moved @ self.matrix()[:, :2].T.astype(np.float32)
        return turned

    def of_params(self, params: FaceParams) -> FaceParams:
        """`params` seen through the moved camera."""
        if self == Scene():
            return params
        places = self.matrix()
        turn = np.eye(3)
        turn[:2, :2] = places[:, :2] / self.zoom
        quaternion = matrix_to_quaternion(turn @ quaternion_to_matrix(params.quaternion))
        camera = np.concatenate(
            [quaternion, [params.scale * self.zoom], places[:, :2] @ params.translation + places[:, 2]]
        )
        return replace(params, camera=camera.astype(np.float32))
