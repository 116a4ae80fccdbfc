"""A clip and times of its pictures in, what a network that listens is told at each out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.models.clip_sound import read_sound
from headgan.models.speech import clip_features
from headgan.models.speech_low import SAMPLE_RATE


def speech_of_clip(
    path: Path, times_ms: Sequence[float] | NDArray[np.floating]
) -> NDArray[np.float32] | None:
    """Float32 [T, 300], of a whole clip at once; None if it has no sound.

    Args:
        path: the clip.
        times_ms: [T], of pictures, on the clock of the clip.

    Raises:
        ModelError: the network that hears speech is not there.
    """
    sound = read_sound(path)
    if not sound.samples.size:
        return None
    return clip_features(sound.samples, SAMPLE_RATE, np.asarray(times_ms, float) - sound.start_ms)
