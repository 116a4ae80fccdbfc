"""Pictures in, their perceptual distance out, for callers that must start without torch: ST-LPIPS, see `nets.vgg`."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headgan.proto.errors import UsageError


class PerceptualMetric(Protocol):
    """Compares pictures by their features, so that a picture that is compared twice is looked at once."""

    def features(self, picture_rgb: NDArray[np.uint8]) -> Any:  # noqa: ANN401 - torch's, which nobody else looks into
        """The features of `picture_rgb`, uint8 [H, W, 3]."""
        ...

    def distance(self, one: Any, other: Any) -> float:  # noqa: ANN401
        """Distance of two pictures' features; 0 for equal pictures."""
        ...


def load_perceptual_metric() -> PerceptualMetric:
    """ST-LPIPS on VGG16.

    Raises:
        UsageError: torch is not installed.
        ModelError: the network was not fetched.
    """
    try:
        from headgan.models.nets.picture_distance import PictureDistance
    except ModuleNotFoundError as exc:
        if exc.name != "torch":
            raise
        raise UsageError(
            "the perceptual distance needs torch; pip install 'headgan[train]', or give --perceptual 0"
        ) from exc
    return PictureDistance()
