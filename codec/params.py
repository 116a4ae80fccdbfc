"""What one frame says about a face: 28 expression, 7 camera and 2 gaze numbers, how the rest moved, and their bytes.

Letters of the paper: p^exp_t is `expression`, c_t is `camera`. The bytes of this first format are plain
floats, and say nothing of the rest:

    offset  size  field
    0       1     format, 1
    1       112   expression, 28 float32
    113     28    camera, 7 float32: quaternion w x y z, scale, translation x y
    141     8     gaze, 2 float32
    149           end; all little-endian IEEE 754
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from headgan.codec.drift import DRIFT_SHAPE, MAX_DRIFT, no_drift
from headgan.proto.errors import WireError

EXPRESSION_SIZE = 28
CAMERA_SIZE = 7
GAZE_SIZE = 2
PARAMS_SIZE = EXPRESSION_SIZE + CAMERA_SIZE + GAZE_SIZE
FORMAT_FLOAT32 = 1
PAYLOAD_BYTES = 1 + 4 * PARAMS_SIZE
# Far beyond any face: what is larger is not a face but an attack or a fault.
_MAX_VALUE = 1e3
_MAX_LENGTH_ERROR = 1e-2
# Half crop widths a model unit: from a face of a few pixels to one far larger than the crop.
MIN_SCALE, MAX_SCALE = 1e-2, 10.0
_WIRE_FLOAT = np.dtype("<f4")


@dataclass(frozen=True, eq=False)
class FaceParams:
    """The parameters of one face in one frame, in the 256x256 crop.

    Attributes:
        expression: float32 [28], coefficients of U_exp.
        camera: float32 [7]: unit quaternion w x y z that turns the model into the camera's frame (x right, y
            down, z into the scene), scale in half crop widths a model unit, translation x y in half crop
            widths from the crop's centre (-1 to 1 inside the crop).
        gaze: float32 [2], how far the irises are from rest, right and down in the head's frame, in half eye
            widths.
        drift: int16 [8, 8, 2], x-y in pixels of the crop, -127 to 127: how far what is no face has moved, see drift.py.
    """

    expression: NDArray[np.float32]
    camera: NDArray[np.float32]
    gaze: NDArray[np.float32]
    drift: NDArray[np.int16] = field(default_factory=no_drift)

    @property
    def quaternion(self) -> NDArray[np.float32]:
        """Float32 [4], w x y z, unit length."""
        return self.camera[:4]

    @property
    def scale(self) -> float:
        """Half crop widths a model unit."""
        return float(self.camera[4])

    @property
    def translation(self) -> NDArray[np.float32]:
        """Float32 [2], x y in half crop widths."""
        return self.camera[5:7]

    def to_array(self) -> NDArray[np.float32]:
        """Float32 [37]: expression, camera, gaze; the drift is not among them."""
        return np.concatenate([self.expression, self.camera, self.gaze])

    @classmethod
    def from_array(cls, values: NDArray[np.float32]) -> "FaceParams":
        """The inverse of `to_array`.

        Raises:
            ValueError: `values` is not [37].
        """
        if values.shape != (PARAMS_SIZE,):
            raise ValueError(f"face parameters have the shape {values.shape}, need ({PARAMS_SIZE},)")
        values = values.astype(np.float32)
        expression, camera, gaze = np.split(values, [EXPRESSION_SIZE, EXPRESSION_SIZE + CAMERA_SIZE])
        return cls(expression, camera, gaze)

    def is_same(self, other: "FaceParams") -> bool:
        """Whether all numbers are those of `other`, the drift among them: both are drawn alike."""
        return np.array_equal(self.to_array(), other.to_array()) and np.array_equal(self.drift, other.drift)

    def fault(self) -> str | None:
        """What makes these numbers no face that could be sent, in words; None if nothing does."""
        if not np.all(np.abs(self.to_array()) <= _MAX_VALUE):
            return "a value is not a number or out of range"
        if abs(float(np.linalg.norm(self.quaternion)) - 1) > _MAX_LENGTH_ERROR:
            return "the rotation is no unit quaternion"
        if not MIN_SCALE <= self.scale <= MAX_SCALE:
            return f"scale {self.scale:g}, must be {MIN_SCALE} to {MAX_SCALE:g}"
        if self.drift.shape != DRIFT_SHAPE or np.abs(self.drift).max() > MAX_DRIFT:
            return f"a drift beyond {MAX_DRIFT} pixels, or not of the shape {DRIFT_SHAPE}"
        return None

    def to_bytes(self) -> bytes:
        """The payload of a parameter packet, 149 bytes."""
        return bytes([FORMAT_FLOAT32]) + self.to_array().astype(_WIRE_FLOAT).tobytes()

    @classmethod
    def parse(cls, payload: bytes) -> "FaceParams":
        """The inverse of `to_bytes` for bytes from the network.

        Raises:
            WireError: the length, the format or a value is impossible.
        """
        if len(payload) != PAYLOAD_BYTES:
            raise WireError(f"face parameters: {len(payload)} bytes, need {PAYLOAD_BYTES}")
        if payload[0] != FORMAT_FLOAT32:
            raise WireError(f"face parameters: format {payload[0]} is unknown, need {FORMAT_FLOAT32}")
        values = np.frombuffer(payload, dtype=_WIRE_FLOAT, offset=1).astype(np.float32)
        params = cls.from_array(values)
        if (fault := params.fault()) is not None:
            raise WireError(f"face parameters: {fault}")
        return params


def identity_to_bytes(identity: NDArray[np.float32]) -> bytes:
    """Identity coefficients as they travel in Hello; identity: float32 [n]."""
    return identity.astype(_WIRE_FLOAT).tobytes()


def parse_identity(data: bytes, size: int) -> NDArray[np.float32]:
    """Float32 [size] identity coefficients from Hello.

    Raises:
        WireError: the length or a value is impossible.
    """
    if len(data) != 4 * size:
        raise WireError(f"identity: {len(data)} bytes, need {4 * size} for {size} coefficients")
    identity = np.frombuffer(data, dtype=_WIRE_FLOAT).astype(np.float32)
    if not np.all(np.abs(identity) <= _MAX_VALUE):
        raise WireError("identity: a value is not a number or out of range")
    return identity
