"""The range coder: symbols come back whatever they are, likely ones cost nothing, and no bytes can harm it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgan.codec.range_coder import TOTAL, RangeDecoder, RangeEncoder
from headgan.proto.errors import WireError

FREQUENCIES = (TOTAL - 1000, 700, 298, 1, 1)
STARTS = (0, *(sum(FREQUENCIES[: place + 1]) for place in range(len(FREQUENCIES))))

symbols_strategy = st.lists(st.integers(0, len(FREQUENCIES) - 1), max_size=200)


def encode(symbols: list[int]) -> bytes:
    coder = RangeEncoder()
    for symbol in symbols:
        coder.encode(STARTS[symbol], FREQUENCIES[symbol])
    return coder.finish()


@given(symbols_strategy)
def test_symbols_come_back(symbols: list[int]) -> None:
    decoder = RangeDecoder(encode(symbols))
    assert [decoder.decode(STARTS) for _ in symbols] == symbols
    decoder.check_end()


@given(symbols_strategy)
def test_no_more_bytes_than_the_symbols_hold(symbols: list[int]) -> None:
    bits = sum(-math.log2(FREQUENCIES[symbol] / TOTAL) for symbol in symbols)
    assert len(encode(symbols)) * 8 <= bits * 1.01 + 16


def test_what_is_most_likely_costs_nothing() -> None:
    assert encode([0] * 36) == b""


@given(st.lists(st.tuples(st.integers(1, 15), st.integers(0, TOTAL)), max_size=40))
def test_plain_bits_come_back(pairs: list[tuple[int, int]]) -> None:
    values = [(count, value % (1 << count)) for count, value in pairs]
    coder = RangeEncoder()
    for count, value in values:
        coder.encode_bits(value, count)
    decoder = RangeDecoder(coder.finish())
    assert [(count, decoder.decode_bits(count)) for count, _ in values] == values


def test_a_copy_goes_on_by_itself() -> None:
    coder = RangeEncoder()
    coder.encode(STARTS[1], FREQUENCIES[1])
    other = coder.copy()
    other.encode(STARTS[3], FREQUENCIES[3])
    assert coder.finish() == encode([1]) and other.finish() == encode([1, 3])


@given(st.binary(max_size=30), st.integers(0, 100))
def test_any_bytes_decode_or_are_refused(data: bytes, count: int) -> None:
    decoder = RangeDecoder(data)
    try:
        for _ in range(count):
            assert 0 <= decoder.decode(STARTS) < len(FREQUENCIES)
    except WireError:
        pass


def test_bytes_too_many_are_refused() -> None:
    decoder = RangeDecoder(encode([1, 2]) + bytes(8))
    decoder.decode(STARTS)
    with pytest.raises(WireError, match="too many"):
        decoder.check_end()
