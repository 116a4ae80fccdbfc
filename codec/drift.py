"""How far everything that is no face has moved in the picture: a coarse grid of whole pixels.

A face's parameters say where the face is, and geometry guesses the head around it. Of hair, shoulders, hands, and of
what is behind them when the camera moves, they say nothing; 85 % of the squared error that is left without it is there.

A frame's drift is counted from the call's first picture. Between a reference and a frame it is the difference of the
two, as poses are: what the reference's picture has to be shifted by, after the geometry has moved it.
"""

import numpy as np
from numpy.typing import NDArray

# Nodes along each side; a node stands in the middle of its 32x32 pixels of the crop.
DRIFT_SIDE = 8
DRIFT_NODES = DRIFT_SIDE * DRIFT_SIDE
DRIFT_SHAPE = (DRIFT_SIDE, DRIFT_SIDE, 2)
# Pixels of 256.
MAX_DRIFT = 127


def no_drift() -> NDArray[np.int16]:
    """Int16 [8, 8, 2]: nothing has moved; read-only."""
    return _NONE


_NONE = np.zeros(DRIFT_SHAPE, np.int16)
_NONE.flags.writeable = False
