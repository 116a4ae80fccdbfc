"""Sound at 16 kHz in, which sounds of speech it is out: a `SpeechNet` from what scripts/train_short_ear.py made."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.models.runtime import open_session
from headgan.models.speech_classes import CLASSES
from headgan.models.speech_mel import mel_levels, mel_power
from headgan.models.speech_phonemes import HOP
from headgan.proto.errors import ModelError


class ShortEarNet:
    """A student of hama's network. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        """Loads it.

        Raises:
            ModelError: the file is missing, damaged, or another network.
        """
        self._session, _ = open_session(path, "cpu")
        if [one.name for one in self._session.get_inputs()] != ["levels"]:
            raise ModelError(f"{path} does not hear speech; make one with scripts/train_short_ear.py")

    def shares(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `SpeechNet`."""
        count = len(sound) // HOP
        if not count:
            return np.empty((0, CLASSES), np.float32)
        levels = mel_levels(mel_power(np.clip(sound[: count * HOP], -1, 1)))
        shares: NDArray[np.float32] = self._session.run(["shares"], {"levels": levels[None]})[0][0]
        return shares
