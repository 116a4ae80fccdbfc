"""What the user gave for an option that takes several numbers in, the numbers out."""

from collections.abc import Callable
from typing import TypeVar

from headgan.proto.errors import UsageError

N = TypeVar("N", int, float)


def numbers_in(
    option: str,
    text: str,
    convert: Callable[[str], N],
    what: str = "numbers with commas between, such as 1,2,4",
) -> list[N]:
    """Each of them once, rising.

    Args:
        option: its name, without the dashes.
        text: such as "1,2,4".
        convert: int or float.
        what: to give, in an error.

    Raises:
        UsageError: one is no number.
    """
    try:
        return sorted({convert(word) for word in text.split(",")})
    except ValueError as exc:
        raise UsageError(f"--{option} {text}: give {what}") from exc
