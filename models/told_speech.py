"""Features of a little while ago in, what those of now may be out: what networks are told where some are missing.

The 216 tell of 320 ms in parts of 40 ms: those move back, and what is usual of speech comes behind them. The 84 are of
all 320 ms together: they go towards what is usual, as fast as they forget.
"""

import numpy as np
from numpy.typing import NDArray

from headgan.models.speech_classes import CLASSES
from headgan.models.speech_low import LOW_SIZE
from headgan.models.speech_phonemes import PARTS

# How alike the 84 are to those 40 ms later, over the clips that networks are trained on.
_LIKE_NEXT = 0.85


def moved_on(features: NDArray[np.float32], usual: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Float32 [300], so many times 40 ms later than `features` [300]; usual: float32 [300], the mean of speech."""
    count = min(count, PARTS)
    low = usual[:LOW_SIZE] + (features[:LOW_SIZE] - usual[:LOW_SIZE]) * np.float32(_LIKE_NEXT**count)
    known = features[LOW_SIZE:].reshape(PARTS, CLASSES)[count:]
    guessed = usual[LOW_SIZE:].reshape(PARTS, CLASSES)[PARTS - count :]
    return np.concatenate([low, known.reshape(-1), guessed.reshape(-1)]).astype(np.float32)
