"""A picture and the points of the face in it in, an embedding that tells people apart out; two of them give the CSIM.

The network is faceres (see `faceres`): on frames of 69 people in talk its cosines are 0.88 on average for one person
and 0.38 for two, and the best threshold confuses 0.6 % of the pairs. The paper's CSIM uses ArcFace; who has it as ONNX
may take it instead, and only then do numbers compare with the paper's.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.metrics.files import FACERES_FILE, metrics_path
from headgan.models.morphable import LEFT_EYE, RIGHT_EYE
from headgan.models.rotation import align_similarity
from headgan.models.runtime import open_session
from headgan.models.tracker import LEFT_EYE_CORNER, RIGHT_EYE_CORNER
from headgan.proto.errors import ModelError

_FACERES_SIZE, _ARCFACE_SIZE = 224, 112
# The patch's side over the face's box; tried between 1.0 and 1.6, this separates people best.
_FACE_TO_PATCH = 1.3
# Blue, green, red: ImageNet's means, as the network was trained (Caffe's convention).
_BGR_MEAN = np.array([103.939, 116.779, 123.68], np.float32)
# Where ArcFace wants the eyes, the tip of the nose and the corners of the mouth, in pixels of its 112x112 patch.
_ARCFACE_PLACES = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
_NOSE_TIP, _MOUTH_CORNERS = 1, (61, 291)


class FaceEmbedder:
    """Embeds faces. Not thread-safe.

    Attributes:
        name: `faceres` or `arcface`.
    """

    def __init__(self, arcface: Path | None = None, *, provider: str = "auto") -> None:
        """Loads the network.

        Args:
            arcface: an ONNX file of ArcFace, as insightface has it: input [1, 3, 112, 112], RGB in -1 to 1; faceres,
                which was fetched, if left out.
            provider: what runs it; see `open_session`.

        Raises:
            ModelError: the file is missing, damaged, or has another input.
            UsageError: the provider cannot be had.
        """
        self.name = "faceres" if arcface is None else "arcface"
        path = arcface or metrics_path(FACERES_FILE)
        self._session, _ = open_session(path, provider)
        (self._input, *others) = self._session.get_inputs()
        wanted = [_FACERES_SIZE, _FACERES_SIZE, 3] if arcface is None else [3, _ARCFACE_SIZE, _ARCFACE_SIZE]
        if others or list(self._input.shape[1:]) != wanted:
            raise ModelError(
                f"{path}: the input is {self._input.shape}, need 1 x {' x '.join(map(str, wanted))}"
            )

    def embed(self, picture_rgb: NDArray[np.uint8], points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Float32 [D], of length one.

        Args:
            picture_rgb: uint8 [H, W, 3].
            points: float32 [478, 2 or 3] of the face in pixels of the picture.
        """
        prepare = self._faceres_input if self.name == "faceres" else self._arcface_input
        values = prepare(picture_rgb, points)
        (output,) = self._session.run(None, {self._input.name: values[None]})
        embedding: NDArray[np.float32] = output[0] / max(float(np.linalg.norm(output[0])), 1e-6)
        return embedding

    def _faceres_input(
        self, picture_rgb: NDArray[np.uint8], points: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Float32 [224, 224, 3]: the face upright in a square around its box."""
        across = points[RIGHT_EYE_CORNER, :2] - points[LEFT_EYE_CORNER, :2]
        angle = float(np.arctan2(across[1], across[0]))
        upright = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        turned = points[:, :2] @ upright.T
        low, high = turned.min(axis=0), turned.max(axis=0)
        scale = _FACERES_SIZE / max(_FACE_TO_PATCH * float((high - low).max()), 1.0)
        shift = _FACERES_SIZE / 2 - scale * (low + high) / 2
        patch = _warped(picture_rgb, np.column_stack([scale * upright, shift]), _FACERES_SIZE)
        return patch[..., ::-1] - _BGR_MEAN

    def _arcface_input(
        self, picture_rgb: NDArray[np.uint8], points: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Float32 [3, 112, 112]: the face moved to where ArcFace wants its eyes, nose and mouth."""
        eyes = [points[list(corners), :2].mean(axis=0) for corners in (LEFT_EYE, RIGHT_EYE)]
        places = np.array([*eyes, points[_NOSE_TIP, :2], *points[list(_MOUTH_CORNERS), :2]], np.float64)
        flat = [np.column_stack([item, np.zeros(5)]) for item in (places, _ARCFACE_PLACES)]
        scale, rotation, shift = align_similarity(flat[0], flat[1], np.ones(5))
        to_patch = np.column_stack([scale * rotation[:2, :2], shift[:2]])
        patch = _warped(picture_rgb, to_patch, _ARCFACE_SIZE)
        return np.ascontiguousarray(patch.transpose(2, 0, 1)) / np.float32(127.5) - 1


def cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """CSIM of two embeddings [D] of length one: -1 to 1, 1 for the same face in the same picture."""
    return float(one @ other)


def _warped(picture_rgb: NDArray[np.uint8], to_patch: NDArray[np.floating], size: int) -> NDArray[np.float32]:
    """Float32 [size, size, 3], 0 to 255; to_patch: [2, 3], pixels of the picture to pixels of the patch."""
    patch = cv2.warpAffine(
        picture_rgb,
        to_patch.astype(np.float32),
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    result: NDArray[np.float32] = patch.astype(np.float32)
    return result
