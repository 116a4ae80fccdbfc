"""Symbols of known frequency in, bytes out; and back.

A range coder (Martin 1979) narrows an interval [low, low + range) with each symbol by the symbol's share. What is sent
is the shortest string of bytes that lies in it, read as if zeros without end came behind: the most frequent first
symbols cost no byte at all, and the length of the message says where it ends. Only whole numbers: every machine agrees.
"""

from collections.abc import Sequence

from headgan.proto.errors import WireError

# Frequencies of one alphabet add up to this.
TOTAL_BITS = 15
TOTAL = 1 << TOTAL_BITS
_TOP = 1 << 32
_BOTTOM = 1 << 24


class RangeEncoder:
    """Takes symbols; `finish` gives the bytes."""

    def __init__(self) -> None:
        # Python's numbers have no end, so a carry needs no care.
        self._low = 0
        self._range = _TOP
        self._shifts = 0

    def copy(self) -> "RangeEncoder":
        """One that goes on from here on its own."""
        other = RangeEncoder()
        other._low, other._range, other._shifts = self._low, self._range, self._shifts
        return other

    def encode(self, start: int, frequency: int) -> None:
        """Takes a symbol that owns [start, start + frequency) of `TOTAL`."""
        share = self._range >> TOTAL_BITS
        self._low += start * share
        self._range = frequency * share
        while self._range < _BOTTOM:
            self._range <<= 8
            self._low <<= 8
            self._shifts += 1

    def encode_bits(self, value: int, count: int) -> None:
        """Takes `count` bits, at most 15, that are all equally likely."""
        width = TOTAL >> count
        self.encode(value * width, width)

    def finish(self) -> bytes:
        """The shortest bytes that say all symbols; nothing may be encoded afterwards."""
        size = self._shifts + 4
        end = self._low + self._range
        for kept in range(size + 1):
            unit = 1 << 8 * (size - kept)
            value = -(-self._low // unit) * unit
            if value < end:
                # A carry beyond the first byte cannot be: the interval began as the whole of [0, 1).
                return (value >> 8 * (size - kept)).to_bytes(kept, "big") if kept else b""
        raise AssertionError("an interval of at least one whole number holds one")


class RangeDecoder:
    """Reads what a RangeEncoder wrote."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 4
        self._value = int.from_bytes(data[:4].ljust(4, b"\0"), "big")
        self._range = _TOP

    def decode(self, starts: Sequence[int]) -> int:
        """The next symbol; starts: where each of the alphabet begins, rising from 0, with `TOTAL` behind the last."""
        share = self._range >> TOTAL_BITS
        target = self._value // share
        if target >= TOTAL:
            raise WireError("coded symbols: the bytes are none that the encoder writes")
        symbol = 0
        while starts[symbol + 1] <= target:
            symbol += 1
        self._narrow(starts[symbol], starts[symbol + 1] - starts[symbol], share)
        return symbol

    def decode_bits(self, count: int) -> int:
        """The next `count` bits, at most 15."""
        share = self._range >> TOTAL_BITS
        width = TOTAL >> count
        value = self._value // share // width
        if value >> count:
            raise WireError("coded symbols: the bytes are none that the encoder writes")
        self._narrow(value * width, width, share)
        return value

    def check_end(self) -> None:
        """Raises WireError if there are more bytes than the symbols needed."""
        if len(self._data) > self._position:
            raise WireError(f"coded symbols: {len(self._data) - self._position} bytes too many")

    def _narrow(self, start: int, frequency: int, share: int) -> None:
        self._value -= start * share
        self._range = frequency * share
        while self._range < _BOTTOM:
            self._range <<= 8
            position = self._position
            following = self._data[position] if position < len(self._data) else 0
            self._value = self._value << 8 | following
            self._position += 1
