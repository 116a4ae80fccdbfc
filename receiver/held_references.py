"""References as they are ready in, what a frame is drawn from out: those that the frame names and that are held."""

import threading

from headgan.codec.memory import ReferenceMemory
from headgan.models.reconstruct import Reconstructor, ReferenceImage
from headgan.proto.errors import WireError


class HeldReferences:
    """Of one call; any thread."""

    def __init__(self, first: Reconstructor, capacity: int) -> None:
        """Args: first: draws from the reference that the call begins with; capacity: how many are held."""
        self._memory: ReferenceMemory[Reconstructor] = ReferenceMemory(capacity)
        self._memory.admit(0, first)
        # Frames that were on their way may still name the one that was given up last.
        self._given_up: tuple[int, Reconstructor] | None = None
        self._lock = threading.Lock()

    def hold(self, number: int, reconstructor: Reconstructor, replaces: int | None) -> None:
        """Takes one more reference, in place of another if it names one.

        Raises:
            WireError: the sender has another idea of what is held.
        """
        with self._lock:
            given_up = None if replaces is None else self._memory.get(replaces)
            try:
                self._memory.admit(number, reconstructor, replaces=replaces)
            except ValueError as exc:
                raise WireError(str(exc)) from exc
            if replaces is not None and given_up is not None:
                self._given_up = (replaces, given_up)

    def find(self, numbers: tuple[int, ...]) -> list[Reconstructor]:
        """What draws from those of these that are held, in their order; none named: the first of the call."""
        with self._lock:
            given_up = dict([self._given_up]) if self._given_up else {}
            found = [self._memory.get(number) or given_up.get(number) for number in numbers or (0,)]
        return [one for one in found if one is not None]

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of all that are held."""
        with self._lock:
            return self._memory.numbers

    @property
    def images(self) -> tuple[ReferenceImage, ...]:
        """What there is to draw from, the latest first."""
        with self._lock:
            return tuple(reconstructor.reference for reconstructor in self._memory)[::-1]

    def __len__(self) -> int:
        return len(self._memory)
