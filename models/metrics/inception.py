"""A picture in, the features of a network that the user has as ONNX out; with Inception's they make the FID."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.runtime import open_session
from headgan.proto.errors import ModelError

_DEFAULT_SIZE = 299


class PictureFeatures:
    """Runs an ONNX file as pytorch-fid's Inception is exported. Not thread-safe."""

    def __init__(self, path: Path, *, provider: str = "auto") -> None:
        """Loads the network.

        Args:
            path: an ONNX file whose input is RGB in 0 to 1, [N, 3, H, W], and whose first output is the features; a
                size that it leaves open becomes 299x299.
            provider: what runs it; see `open_session`.

        Raises:
            ModelError: the file is missing, damaged, or has another input.
            UsageError: the provider cannot be had.
        """
        self._session, _ = open_session(path, provider)
        (self._input, *others) = self._session.get_inputs()
        shape = self._input.shape
        if others or len(shape) != 4 or shape[1] != 3:
            raise ModelError(f"{path}: the input is {shape}, need N x 3 x H x W")
        self._height, self._width = (side if isinstance(side, int) else _DEFAULT_SIZE for side in shape[2:])

    def features(self, picture_rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Float32 [D] of `picture_rgb`, uint8 [H, W, 3]."""
        resized = cv2.resize(picture_rgb, (self._width, self._height), interpolation=cv2.INTER_LINEAR)
        planes = resized.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
        output: NDArray[np.float32] = self._session.run(None, {self._input.name: planes[None]})[0]
        return output.reshape(-1)
