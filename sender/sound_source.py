"""What every source of sound has to offer, live or from a file."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

BLOCK_SAMPLES = 480  # 10 ms
BLOCK_MS = 10.0


@dataclass(frozen=True, eq=False)
class SoundBlock:
    """A piece of sound, which follows the one before it, but for what a device lost.

    samples: float32 [N], -1 to 1, mono, at 48 kHz; a receiver of it must not write into it.
    capture_ms: when the first of them was recorded, or was due in the file; by the clock of the call.
    """

    samples: NDArray[np.float32]
    capture_ms: float


class SoundSource(Protocol):
    """Where sound comes from; read by one thread at a time."""

    def read(self) -> SoundBlock | None:
        """The next block, once its time has passed; None at the end, and after close()."""

    def close(self) -> None:
        """Frees the file or the device, and lets a read() that waits return; from any thread, idempotent."""

    def describe(self) -> str:
        """What this is, for a log line."""

    def troubles(self) -> dict[str, int]:
        """What was lost of the sound, by name, for statistics."""
