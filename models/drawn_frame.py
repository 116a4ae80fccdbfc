"""What comes out of the networks: a picture, and where in its references it is from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class DrawnFrame:
    """A picture and where it is from.

    Attributes:
        picture: uint8 [H, W, 3].
        grids: float32 [H, W, 2] for each reference that has a part in it, each pixel's place there, -1 to 1.
        shares: float32 [h, w] for each of these, what part it has; together 1.
    """

    picture: NDArray[np.uint8]
    grids: tuple[NDArray[np.float32], ...]
    shares: tuple[NDArray[np.float32], ...]
