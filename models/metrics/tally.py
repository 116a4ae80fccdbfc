"""The metrics of frame after frame in, their means out."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.models.metrics.look import Look


@dataclass(frozen=True, eq=False)
class Score:
    """What one way to draw a clip is worth.

    Attributes:
        values: metrics by name, means over the frames; what could not be measured is missing.
        embeddings: float32 [N, D] of the faces, in the order of the frames.
        features: float32 [N, D'] of the pictures for FID; D' is 0 without that network.
    """

    values: dict[str, float]
    embeddings: NDArray[np.float32]
    features: NDArray[np.float32]


class Tally:
    """Collects what the metrics and the networks say of each frame."""

    def __init__(self) -> None:
        self._values: defaultdict[str, list[float]] = defaultdict(list)
        self._looks: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []

    def saw(self, look: Look) -> None:
        """Keeps the embedding and the features of the next frame."""
        self._looks.append((look.embedding, look.features))

    def add(self, values: Mapping[str, float]) -> None:
        """Keeps the metrics of the frame, by name; a frame may lack some."""
        for name, value in values.items():
            self._values[name].append(value)

    def worst_place(self, name: str) -> int:
        """Which frame has the lowest `name`."""
        return int(np.argmin(self._values[name]))

    def score(self) -> Score:
        """The means so far."""
        values = {name: float(np.mean(items)) for name, items in self._values.items()}
        embeddings, features = (np.stack(arrays) for arrays in zip(*self._looks, strict=True))
        return Score(values, embeddings, features)
