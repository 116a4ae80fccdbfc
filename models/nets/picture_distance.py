"""Pictures as arrays in, their perceptual distance out: `PerceptualDistance` for code that does not know torch."""

import os

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headgan.models.nets.vgg import PerceptualDistance, load_perceptual


class PictureDistance:
    """ST-LPIPS of single pictures, on the GPU if there is one; half a second a picture on a core."""

    def __init__(self, network: PerceptualDistance | None = None) -> None:
        """Args: network: the one that was fetched if left out.

        Raises:
            ModelError: it was not fetched.
        """
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        # Half of the cores, as onnxruntime has here: torch's threads wait for each other, which takes five times as
        # long when anything else runs.
        torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
        # Convolutions on the CPU are nearly twice as fast with the channels last.
        self._network = (network or load_perceptual()).to(self._device)
        for weight in self._network.parameters():
            if weight.dim() == 4:
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def features(self, picture_rgb: NDArray[np.uint8]) -> list[Tensor]:
        """The five feature maps [1, C, H, W] of `picture_rgb`, uint8 [H, W, 3]."""
        planes = torch.from_numpy(np.ascontiguousarray(picture_rgb)).permute(2, 0, 1)
        x = planes[None].to(self._device).float() / 255
        maps: list[Tensor] = self._network.features(x.contiguous(memory_format=torch.channels_last))
        return maps

    @torch.inference_mode()
    def distance(self, one: list[Tensor], other: list[Tensor]) -> float:
        """Distance of two pictures' features: 0 up, 0 for equal pictures."""
        return float(self._network.compare(one, other))
