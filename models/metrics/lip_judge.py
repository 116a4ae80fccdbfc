"""Mouths and sound of a clip in, what a network that reads lips says of both out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.models.metrics.lip_sound import LipSound
from headgan.models.runtime import open_session
from headgan.models.weights import weights_path

LIPS_FILE = "lips.onnx"
INPUTS, OUTPUTS = ("mouths", "heard"), ("shares", "lips", "sound")


@dataclass(frozen=True, eq=False)
class LipLook:
    """What is seen of T pictures.

    Attributes:
        shares: float32 [T, 27], of the classes of sounds, adding up to 1.
        lips: float32 [T, 64], unit vectors.
        sound: float32 [T, 64], those of the sound, near to the lips' where both are of one moment.
    """

    shares: NDArray[np.float32]
    lips: NDArray[np.float32]
    sound: NDArray[np.float32]


class LipJudge:
    """The network that `headgan train-lips` made. Not thread-safe."""

    def __init__(self, path: Path | None = None) -> None:
        """Loads it.

        Args:
            path: an ONNX file of `headgan train-lips`; the one that ships if left out.

        Raises:
            ModelError: the file is missing or damaged.
        """
        self._session, _ = open_session(path or weights_path(LIPS_FILE), "cpu")

    def look(self, mouths: NDArray[np.uint8], sound: LipSound) -> LipLook:
        """Looks at the pictures of a clip, 25 a second, one after the other.

        Args:
            mouths: uint8 [T, 48, 64], of `cut_mouth`.
            sound: of the same T moments.
        """
        given = dict(zip(INPUTS, (np.ascontiguousarray(mouths), sound.heard), strict=True))
        return LipLook(*self._session.run(list(OUTPUTS), given))
