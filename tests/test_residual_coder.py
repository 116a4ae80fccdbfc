"""Residuals: every size has one class, and both ends agree on each, whatever was known before."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headgan.codec.param_code import CLASSES, POINT_SIZE, shipped_code
from headgan.codec.range_coder import RangeDecoder, RangeEncoder
from headgan.codec.residual_coder import (
    MAX_SIZE,
    ResidualModel,
    Surroundings,
    class_of,
    decode_residuals,
    encode_residuals,
    residual_model,
    smallest_of,
    whole_log,
)

MODEL = ResidualModel(shipped_code())

some_residuals = st.lists(
    st.one_of(st.just(0), st.integers(-3, 3), st.integers(-MAX_SIZE, MAX_SIZE)),
    min_size=POINT_SIZE,
    max_size=POINT_SIZE,
)
some_changes = st.one_of(
    st.none(), st.lists(st.integers(-5000, 5000), min_size=POINT_SIZE, max_size=POINT_SIZE).map(tuple)
)
some_surroundings = st.builds(Surroundings, some_changes, st.integers(1, 64), st.integers(4, 300))


@given(st.one_of(st.integers(0, 200), st.integers(0, MAX_SIZE)))
def test_a_class_and_an_offset_for_each_size(size: int) -> None:
    size_class, offset, bits = class_of(size)
    smallest, same_bits = smallest_of(size_class)
    assert size_class < CLASSES and bits == same_bits and 0 <= offset < 1 << bits
    assert smallest + offset == size


def test_the_last_class_ends_with_the_largest_size() -> None:
    assert class_of(MAX_SIZE)[0] == CLASSES - 1
    assert [class_of(size)[0] for size in range(10)] == [0, 1, 2, 3, 4, 5, 5, 6, 6, 7]


@given(st.integers(0, 1 << 30))
def test_logarithm_in_whole_numbers(value: int) -> None:
    assert abs(whole_log(value) - 16 * np.log2(value + 1)) < 2.5
    assert whole_log(value) <= whole_log(value + 1)
    assert MODEL.log(value) == whole_log(value)


def test_logarithm_is_exact_at_powers_of_two() -> None:
    assert [whole_log((1 << power) - 1) for power in range(20)] == [16 * power for power in range(20)]


@given(some_residuals, some_surroundings)
def test_residuals_come_back(residuals: list[int], around: Surroundings) -> None:
    coder = RangeEncoder()
    encode_residuals(MODEL, coder, residuals, around)
    decoder = RangeDecoder(coder.finish())
    assert decode_residuals(MODEL, decoder, around) == residuals
    decoder.check_end()


def test_a_still_face_after_a_still_face_costs_next_to_nothing() -> None:
    coder = RangeEncoder()
    encode_residuals(MODEL, coder, [0] * POINT_SIZE, Surroundings((0,) * POINT_SIZE, 1, 10))
    assert coder.finish() == b""


def test_what_moved_is_expected_to_move() -> None:
    """The faster a face moved, the larger the spread that is expected of it; and the longer ago that was."""

    def spread(change: int, lag: int) -> int:
        return sum(MODEL.before(Surroundings((change,) * POINT_SIZE, lag, 10)))

    assert spread(0, 1) < spread(10, 1) < spread(100, 1)
    assert spread(10, 1) < spread(10, 2) < spread(10, 8)


def test_large_residuals_cost_more_than_small_ones() -> None:
    def size(residual: int) -> int:
        coder = RangeEncoder()
        encode_residuals(MODEL, coder, [residual] * POINT_SIZE, Surroundings((0,) * POINT_SIZE, 1, 10))
        return len(coder.finish())

    sizes = [size(residual) for residual in (0, 1, 4, 40, 4000, MAX_SIZE)]
    assert sizes == sorted(sizes) and sizes[1] > 5


def test_the_tables_of_a_code_are_made_once() -> None:
    assert residual_model(shipped_code()) is residual_model(shipped_code())
