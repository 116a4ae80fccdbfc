"""What `headgan-bench rate-distortion` asks of a coder: a clip in, what the other side sees and its bytes out."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from headgan.benchmarks.bench_clip import RATE_FPS, BenchClip, Picture

LOW_DELAY, SLOW, PROJECT = "low delay", "slow", "project"
FILLING_S = 30.0


@dataclass(frozen=True)
class Ladder:
    """Settings of a coder that are tried one after the other.

    Attributes:
        variant: what they have in common, such as `256 at 25`.
        qualities: the numbers that they differ in, the lowest rate first.
        stop_kbps: a setting that needs more, in the clip without the first picture, is the last one.
    """

    variant: str
    qualities: tuple[float, ...]
    stop_kbps: float


@dataclass(frozen=True, eq=False)
class Coded:
    """A clip, there and back.

    Attributes:
        first_bytes: what has to be there before the first frame is seen: a key frame, or the first reference.
        later_bytes: of all packets after it, in the order in which they are sent.
        frames: how many frames of 25 a second that is.
        pictures: uint8 [256, 256, 3] by place in the clip, as decoded, for those that were asked for.
        reference_bytes: of `later_bytes`, those of pictures that fill a memory.
    """

    first_bytes: int
    later_bytes: tuple[int, ...]
    frames: int
    pictures: Mapping[int, Picture]
    reference_bytes: int = 0

    @property
    def later_kbps(self) -> float:
        """Kbit/s of the clip without the first picture."""
        return self._kbps(sum(self.later_bytes))

    @property
    def reference_kbps(self) -> float:
        """Kbit/s of the clip for what fills a memory."""
        return self._kbps(self.reference_bytes)

    def _kbps(self, size_bytes: int) -> float:
        return size_bytes * 8 / 1000 / (self.frames / RATE_FPS)


class Coder(Protocol):
    """A way to send a clip; `code` may run in several threads."""

    @property
    def name(self) -> str:
        """Such as `x264`."""
        ...

    @property
    def mode(self) -> str:
        """`low delay`, `slow` or `project`."""
        ...

    @property
    def ladders(self) -> tuple[Ladder, ...]:
        """All settings that are worth trying."""
        ...

    @property
    def depends(self) -> Mapping[str, Any]:
        """JSON; what its results stand and fall with, besides the clip."""
        ...

    def code(self, clip: BenchClip, variant: str, quality: float, places: Collection[int]) -> Coded:
        """Sends the clip, and decodes what was sent.

        Args:
            clip: all of it is sent.
            variant: of one of the ladders.
            quality: of the same.
            places: of the pictures to hand out.

        Raises:
            HeadganError: the coder fails, or what it made cannot be decoded to as many pictures.
        """
        ...


def call_kbps(first_bytes: float, later_kbps: float, reference_kbps: float, seconds: float) -> float:
    """Kbit/s of a call of so many seconds that goes on as the clip did, with its first picture.

    A memory is filled in the first half minute, as a call's planner does; in a call without end it is filled.
    """
    filling = reference_kbps * min(1.0, FILLING_S / seconds)
    return later_kbps - reference_kbps + filling + first_bytes * 8 / 1000 / seconds
