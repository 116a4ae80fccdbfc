"""One more reference after the other, from a sender to a receiver that holds several: what each side knows of it.

    sender                                    receiver
    offer ── ReferenceMore, chunks ─────────▶ on_start, on_chunk ── MoreReceived
    ReferenceAnswered ◀── ReferenceHeld ───── answer

A sender names a reference only after it was answered with `is_held`. What a new one replaces it names no more from the
moment it offers that, unless it is refused: then nothing has changed. So both sides agree whatever is late. A transfer
that is damaged, or not ended when the next one begins, is refused, never half used. No socket, no clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from headgan.proto.control import ControlMessage
from headgan.proto.errors import WireError
from headgan.proto.reference_messages import ReferenceChunk, ReferenceHeld, ReferenceMore
from headgan.proto.reference_transfer import Reference, ReferenceAssembler, split_more


@dataclass(frozen=True)
class MoreReceived:
    """One more of the sender's pictures is complete; the receiver decodes it and answers."""

    number: int
    replaces: int | None
    reference: Reference


@dataclass(frozen=True)
class MoreRefused:
    """One more picture came damaged, and was refused, which changes nothing."""

    number: int


@dataclass(frozen=True)
class ReferenceAnswered:
    """The receiver holds one more reference, or could not take it."""

    number: int
    is_held: bool


MoreEvent = MoreReceived | MoreRefused
Outcome = tuple[tuple[ControlMessage, ...], tuple[MoreEvent, ...]]
_NOTHING: Outcome = ((), ())


class OfferedReferences:
    """The sender's side."""

    def __init__(self) -> None:
        self._last_number = 0
        self._unanswered: set[int] = set()

    def offer(self, number: int, reference: Reference, replaces: int | None) -> tuple[bytes, ...]:
        """The messages that carry a reference, to be sent one by one as the rate allows.

        Raises:
            ValueError: the number is not above all before it.
            WireError: the picture breaks a limit.
        """
        if number <= self._last_number:
            raise ValueError(f"reference {number} was offered after reference {self._last_number}")
        messages = tuple(message.to_bytes() for message in split_more(number, reference, replaces))
        self._last_number = number
        self._unanswered.add(number)
        return messages

    def expect(self, numbers: Iterable[int]) -> None:
        """Learns what the receiver has from earlier calls; each is answered like one that was offered."""
        self._unanswered.update(numbers)
        self._last_number = max(self._unanswered, default=0)

    def on_held(self, message: ReferenceHeld) -> ReferenceAnswered:
        """Takes an answer; WireError if there was no question."""
        if message.number not in self._unanswered:
            raise WireError(f"ReferenceHeld came for {message.number}, which was answered or never offered")
        self._unanswered.remove(message.number)
        return ReferenceAnswered(message.number, message.is_held)


class ReceivedReferences:
    """The receiver's side."""

    def __init__(self) -> None:
        self._last_number = 0
        self._unanswered: set[int] = set()
        self._coming: tuple[ReferenceMore, ReferenceAssembler] | None = None

    def expect(self, numbers: Iterable[int]) -> None:
        """Learns what this side has from earlier calls; each waits for its `answer`."""
        self._unanswered.update(numbers)
        self._last_number = max(self._unanswered, default=0)

    def on_start(self, message: ReferenceMore) -> Outcome:
        """Takes an announcement; what has not become complete before it never will, the channel keeps the order.

        Raises:
            WireError: the number is not above all before it.
        """
        if message.number <= self._last_number:
            raise WireError(f"reference {message.number} came after reference {self._last_number}")
        self._last_number = message.number
        outcome = self._refuse()
        self._coming = (message, ReferenceAssembler(message))
        return outcome

    def on_chunk(self, chunk: ReferenceChunk) -> Outcome:
        """Takes the next piece."""
        if self._coming is None:
            return _NOTHING  # the rest of what was refused
        message, assembler = self._coming
        try:
            reference = assembler.add(chunk)
        except WireError:
            return self._refuse()
        if reference is None:
            return _NOTHING
        self._coming = None
        self._unanswered.add(message.number)
        return (), (MoreReceived(message.number, message.replaces, reference),)

    def answer(self, number: int, *, is_held: bool) -> ReferenceHeld:
        """The answer to a `MoreReceived`, or for one that was expected; ValueError if it was answered or neither."""
        if number not in self._unanswered:
            raise ValueError(f"reference {number} was answered, or never came")
        self._unanswered.remove(number)
        return ReferenceHeld(number, is_held)

    def _refuse(self) -> Outcome:
        """Gives up the reference that is on its way, if there is one."""
        if self._coming is None:
            return _NOTHING
        (message, _), self._coming = self._coming, None
        held = ReferenceHeld(message.number, is_held=False)
        return (held,), (MoreRefused(message.number),)
