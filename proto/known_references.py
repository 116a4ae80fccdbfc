"""What a sender offers and a receiver holds from earlier calls in, the numbers that both give to it out.

    sender                                          receiver
    Hello: digests of its references, those that    looks in what it has kept
    look as it does now first  ───────────────────▶
                               ◀─── ReferenceKnown  places in this offer
    0, 1, 2, … if the first of them looks like now: the call begins with it, and no picture is sent
    1, 2, … if not: 0 is a picture that the sender sends, as ever

A receiver that cannot remember never answers, so only one that says it can in its Hello is waited for.
"""

from collections.abc import Collection, Sequence

from headgan.proto.hello import Hello

REMEMBERS = "remembers"


def is_asked(sender: Hello, receiver: Hello) -> bool:
    """Whether the receiver has to say what it knows before there is a first reference."""
    holds_several = min(sender.references, receiver.references) > 1
    can_answer = receiver.wants_reference and REMEMBERS in receiver.capabilities
    return bool(sender.known) and holds_several and can_answer


def number_known(places: Sequence[int], near: int) -> dict[int, int]:
    """The places in the offer by their numbers in the call, 0 among them if the call begins with one that is known.

    Args:
        places: of those that the receiver holds, rising.
        near: how many, from the first of the offer, look as the sender does now.
    """
    begins_known = bool(places) and places[0] < near
    return dict(enumerate(places, start=0 if begins_known else 1))


def fitting_places(held: Collection[int], near: int, references: int) -> tuple[int, ...]:
    """As many of the places `held` as there is room for among `references`, the first of the offer first."""
    places = sorted(held)
    while max(number_known(places, near), default=0) >= references:
        places.pop()
    return tuple(places)
