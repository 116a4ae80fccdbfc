"""References that come, make room for others and are asked for by frames that were under way."""

from dataclasses import dataclass
from typing import cast

import pytest

from headgan.models.reconstruct import Reconstructor
from headgan.proto.errors import WireError
from headgan.receiver.held_references import HeldReferences


@dataclass(frozen=True)
class Picture:
    """Stands in for what draws from a reference."""

    reference: str


def drawing(name: str) -> Reconstructor:
    return cast(Reconstructor, Picture(name))


def holding(capacity: int, *numbers: int) -> HeldReferences:
    references = HeldReferences(drawing("first"), capacity)
    for number in numbers:
        references.hold(number, drawing(str(number)), None)
    return references


def found(references: HeldReferences, *numbers: int) -> list[str]:
    return [cast(Picture, one).reference for one in references.find(numbers)]


def test_those_that_are_held_are_found_in_the_order_in_which_a_frame_names_them() -> None:
    references = holding(4, 2, 3)
    assert (len(references), references.numbers) == (3, (0, 2, 3))
    assert cast(tuple[str, ...], references.images) == ("3", "2", "first")
    assert found(references, 3, 9, 0, 2) == ["3", "first", "2"]
    assert found(references) == ["first"]
    assert found(references, 1) == []


def test_only_the_one_that_was_given_up_last_is_still_found() -> None:
    references = holding(2, 1)
    references.hold(2, drawing("2"), 0)
    assert found(references, 0, 1, 2) == ["first", "1", "2"]
    references.hold(3, drawing("3"), 1)
    assert (len(references), references.numbers) == (2, (2, 3))
    assert found(references, 0, 1, 2, 3) == ["1", "2", "3"]
    assert found(references) == []


@pytest.mark.parametrize(("number", "replaces"), [(4, None), (5, 3), (6, None)])
def test_a_sender_that_loses_count_is_noticed(number: int, replaces: int | None) -> None:
    references = holding(2, 4)
    with pytest.raises(WireError, match="reference"):
        references.hold(number, drawing("5"), replaces)
    assert references.numbers == (0, 4)
    assert found(references, 4) == ["4"]
