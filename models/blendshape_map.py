"""Names of facial movements in, changes of the expression coefficients out: `mouthSmileLeft` to U_exp.

The directions were learned from people who made these movements (`blendshape_build`). A movement that nobody made, or
that only the irises make, has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import EXPRESSION_SIZE
from headgan.models.blendshapes import BLENDSHAPE_NAMES
from headgan.models.morphable import MorphableModel
from headgan.models.weights import weights_path
from headgan.proto.errors import ModelError, UsageError

# Where somebody looks is a parameter of its own.
GAZE_PREFIX = "eyeLook"


@dataclass(frozen=True, eq=False)
class BlendshapeMap:
    """What named movements do to the coefficients of one morphable model.

    Attributes:
        names: of the n movements, a part of `BLENDSHAPE_NAMES`.
        directions: float32 [n, 28], change of the expression coefficients for a score of 1.
        reach: float32 [n], the score that one face in a hundred exceeds; beyond it directions are a guess.
        explained: share of the variance of expressions, 0 to 1, that scores and head pose together predict for
            people who were left out.
        model_id: 8 bytes, of the morphable model.
    """

    names: tuple[str, ...]
    directions: NDArray[np.float32]
    reach: NDArray[np.float32]
    explained: float
    model_id: bytes

    def __post_init__(self) -> None:
        count = len(self.names)
        if self.directions.shape != (count, EXPRESSION_SIZE) or self.reach.shape != (count,):
            raise ModelError("blendshapes: names, directions and reach do not fit together")
        if not (np.isfinite(self.directions).all() and set(self.names) <= set(BLENDSHAPE_NAMES)):
            raise ModelError("blendshapes: a name or a direction is none")

    def offset(self, scores: Mapping[str, float]) -> NDArray[np.float32]:
        """Float32 [28]: the change of the expression coefficients for these changes of the scores.

        Raises:
            UsageError: a name is unknown, or a movement has no direction.
        """
        total = np.zeros(EXPRESSION_SIZE, np.float32)
        for name, score in scores.items():
            total += np.float32(score) * self.directions[self._index(name)]
        return total

    def reach_of(self, name: str) -> float:
        """The largest score of `name` that the directions were learned from; raises as `offset` does."""
        return float(self.reach[self._index(name)])

    def _index(self, name: str) -> int:
        if name in self.names:
            return self.names.index(name)
        if name.startswith(GAZE_PREFIX):
            raise UsageError(f"{name} is where somebody looks; use --gaze-x and --gaze-y")
        if name in BLENDSHAPE_NAMES:
            raise UsageError(f"{name} cannot be drawn: nobody made it in the clips this was learned from")
        raise UsageError(f"there is no blendshape {name}; there are {', '.join(self.names)}")

    def save(self, path: Path) -> None:
        """Writes the .npz form that `load` reads."""
        np.savez_compressed(
            path,
            names=np.array(self.names),
            directions=self.directions,
            reach=self.reach,
            explained=np.float64(self.explained),
            model_id=np.frombuffer(self.model_id, np.uint8),
        )

    @classmethod
    def load(cls, model: MorphableModel, path: Path | None = None) -> "BlendshapeMap":
        """Reads the map for `model` from `path`, or the one that ships.

        Raises:
            ModelError: the file is missing, damaged, or was made for another morphable model.
        """
        path = path or weights_path("blendshapes.npz")
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                loaded = cls(
                    tuple(str(name) for name in data["names"]),
                    data["directions"],
                    data["reach"],
                    float(data["explained"]),
                    data["model_id"].tobytes(),
                )
        except Exception as exc:  # a damaged archive makes zipfile, zlib and numpy raise nearly everything
            raise ModelError(
                f"{path} holds no blendshapes ({exc}); build them: headgan morphable blendshapes"
            ) from exc
        if loaded.model_id != model.model_id:
            raise ModelError(
                f"{path} was made for another morphable model; build it anew: headgan morphable blendshapes"
            )
        return loaded
