"""Untrusted bytes in, checked fields out: the reading that every message shares.

All numbers are in network byte order. A message checks its limits when it is made, so one that breaks them
can be neither sent nor received; whatever is wrong is a WireError.
"""

from headgan.proto.errors import WireError

U8_MAX = 0xFF
U16_MAX = 0xFFFF
U32_MAX = 0xFFFFFFFF
# Of one message of the channel `control`.
MAX_CONTROL_BYTES = 16 * 1024 + 7


class Reader:
    """Takes fields off the front of untrusted bytes; `name` starts the message of every WireError."""

    def __init__(self, name: str, data: bytes) -> None:
        self._name = name
        self._data = data
        self._position = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes, never fewer."""
        left = len(self._data) - self._position
        if count > left:
            raise WireError(f"{self._name}: {left} bytes left, need {count}")
        self._position += count
        return self._data[self._position - count : self._position]

    def u8(self) -> int:
        """The next byte as a number."""
        return self.take(1)[0]

    def u16(self) -> int:
        """The next two bytes as a number."""
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        """The next four bytes as a number."""
        return int.from_bytes(self.take(4), "big")

    def text(self, count: int) -> str:
        """The next `count` bytes as UTF-8."""
        try:
            return self.take(count).decode("utf-8")
        except UnicodeDecodeError as error:
            raise WireError(f"{self._name}: text is not UTF-8") from error

    def rest(self) -> bytes:
        """All bytes that are left."""
        return self.take(len(self._data) - self._position)

    def finish(self) -> None:
        """Refuses bytes after the last field."""
        if self._position != len(self._data):
            raise WireError(f"{self._name}: {len(self._data) - self._position} bytes too many")


def open_message(name: str, data: bytes, message_type: int) -> Reader:
    """A reader behind the type byte of a control message; WireError if it is of another type."""
    check_length(name, data, 1, MAX_CONTROL_BYTES)
    reader = Reader(name, data)
    if reader.u8() != message_type:
        raise WireError(f"{name}: type {data[0]}, must be {message_type}")
    return reader


def check_range(field: str, value: float, low: float, high: float) -> None:
    """Refuses a number outside low..high, and nan."""
    if not low <= value <= high:
        raise WireError(f"{field} is {value}, must be {low}..{high}")


def check_length(field: str, data: bytes, low: int, high: int) -> None:
    """Refuses bytes whose length is outside low..high."""
    if not low <= len(data) <= high:
        raise WireError(f"{field}: {len(data)} bytes, must be {low}..{high}")


def check_text(field: str, text: str, max_bytes: int) -> None:
    """Refuses text that is longer than `max_bytes` in UTF-8 or could control the terminal that shows it."""
    if not text.isprintable():
        raise WireError(f"{field} has characters that cannot be printed")
    length = len(text.encode("utf-8"))
    if length > max_bytes:
        raise WireError(f"{field}: {length} bytes of text, must be 0..{max_bytes}")
