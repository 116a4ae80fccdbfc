"""The file said_code.npz in, what both ends know of the features of speech before the first record out: `SaidCode`.

The 300 numbers that networks hear (docs/speech.md) become a *point*: coordinates along axes on which speech varies
independently, the 84 and the 216 each on their own, in whole steps. Their directions of least variation have no axis.
Built by `headgan said-code`.
"""

import hashlib
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.codec.code_file import read_tables
from headgan.codec.range_coder import TOTAL
from headgan.proto.errors import ModelError

FEATURES = 300
# Coordinates of more steps are cut.
MOST_STEPS = 15
SYMBOLS = 2 * MOST_STEPS + 1
# What is known of a coordinate before it comes: its place, and how large those just before it were.
CONTEXTS = 8
# Spreads of coordinates, four an octave.
SPREADS = 40
SPREADS_AN_OCTAVE = 4


@dataclass(frozen=True, eq=False)
class SaidCode:
    """What is learned from speech.

    Attributes:
        form: [] str, how the features are made that it is for: `speech_form` of models.
        mean: float32 [300], of the features.
        axes: float32 [K, 300], orthonormal but for rounding.
        steps: float32 [K], how long a step is along each.
        spreads: uint8 [K, CONTEXTS], which spread is expected.
        frequencies: int64 [SPREADS, SYMBOLS], of TOTAL, of -MOST_STEPS to MOST_STEPS steps at each spread.
    """

    form: NDArray[np.str_]
    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    steps: NDArray[np.float32]
    spreads: NDArray[np.uint8]
    frequencies: NDArray[np.int64]

    def __post_init__(self) -> None:
        count = len(self.steps)
        shapes = {
            "form": (),
            "mean": (FEATURES,),
            "axes": (count, FEATURES),
            "steps": (count,),
            "spreads": (count, CONTEXTS),
            "frequencies": (SPREADS, SYMBOLS),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ModelError(f"code of speech: {name} is {getattr(self, name).shape}, need {shape}")
        if self.frequencies.min() < 1 or np.any(self.frequencies.sum(axis=1) != TOTAL):
            raise ModelError(f"code of speech: frequencies have to be above 0 and add up to {TOTAL}")
        if self.spreads.max(initial=0) >= SPREADS or self.steps.min(initial=1) <= 0:
            raise ModelError(f"code of speech: spreads have to be below {SPREADS}, steps above 0")

    @cached_property
    def code_id(self) -> bytes:
        """8 bytes that both ends of a call compare: they differ if anything in the code differs."""
        digest = hashlib.sha256(str(self.form).encode())
        for field in fields(self)[1:]:
            digest.update(np.ascontiguousarray(getattr(self, field.name)).tobytes())
        return digest.digest()[:8]

    @cached_property
    def starts(self) -> list[tuple[int, ...]]:
        """For each spread where its symbols begin, of TOTAL, and TOTAL at the end."""
        ends = np.cumsum(self.frequencies, axis=1)
        return [(0, *map(int, row)) for row in ends]

    def point_of(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Float64 [..., K] of features [..., 300], in steps, not rounded.

        Raises:
            ValueError: they are not 300, or some are no numbers.
        """
        if features.shape[-1:] != (FEATURES,) or not np.isfinite(features).all():
            raise ValueError(f"features of speech {features.shape}: give [..., {FEATURES}], all finite")
        point: NDArray[np.float64] = (features.astype(np.float64) - self.mean) @ self.axes.T / self.steps
        return point

    def features_of(self, point: NDArray[np.integer]) -> NDArray[np.float32]:
        """Float32 [..., 300] of points [..., K]."""
        features = point * self.steps @ self.axes + self.mean
        return features.astype(np.float32)

    def with_steps(self, factor: float) -> "SaidCode":
        """One whose steps are so many times as long; its frequencies are guessed from this one's."""
        fewer = round(SPREADS_AN_OCTAVE * np.log2(factor))
        spreads = np.clip(self.spreads.astype(int) - fewer, 0, SPREADS - 1).astype(np.uint8)
        return replace(self, steps=(self.steps * np.float32(factor)).astype(np.float32), spreads=spreads)

    def save(self, path: Path) -> None:
        """Writes what `load` reads."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        arrays["axes"] = self.axes.astype(np.float16)
        arrays["frequencies"] = self.frequencies.astype(np.uint16)
        np.savez_compressed(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> "SaidCode":
        """Reads a code.

        Raises:
            ModelError: the file is missing, damaged, or its arrays do not fit together.
        """
        arrays = read_tables(path, (field.name for field in fields(cls)), "code of speech")
        arrays["axes"] = arrays["axes"].astype(np.float32)
        arrays["frequencies"] = arrays["frequencies"].astype(np.int64)
        return cls(**arrays)


@cache
def shipped_said_code() -> SaidCode:
    """The code that calls use."""
    return SaidCode.load(Path(__file__).with_name("said_code.npz"))
