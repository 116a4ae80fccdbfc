"""What is said, in bytes: exact to the step, the same on every machine, and harmless whatever a peer sends."""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.codec.range_coder import TOTAL
from headgan.codec.said_code import FEATURES, MOST_STEPS, SaidCode, shipped_said_code
from headgan.codec.said_record import ROUNDED_UP_FROM, decode_said, encode_said, steps_of
from headgan.codec.said_stream import REFRESH_EVERY, Pauses, SaidStream
from headgan.models.said_build import bits_of, build_said_code
from headgan.models.speech import speech_form
from headgan.proto.errors import ModelError, WireError
from headgan.proto.said import MAX_RECORD_BYTES

CODE = shipped_said_code()
repeatable = settings(derandomize=True, deadline=None, database=None)
some_steps = st.lists(
    st.one_of(st.just(0), st.integers(-3, 3), st.integers(-MOST_STEPS, MOST_STEPS)),
    min_size=len(CODE.steps),
    max_size=len(CODE.steps),
)


def features(seed: int, size: float = 1.0) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    low = random.normal(0, size, 84).clip(-4, 4)
    heard = random.choice([0, 0, 0.3, 0.9], 216) * min(size, 1)
    return np.concatenate([low, heard]).astype(np.float32)


@repeatable
@given(st.integers(0, 2**31), st.floats(0, 6))
def test_a_record_says_each_coordinate_to_the_step(seed: int, size: float) -> None:
    told = features(seed, size)
    steps = steps_of(CODE, told)
    data = encode_said(CODE, steps)
    assert 1 <= len(data) <= MAX_RECORD_BYTES
    assert np.array_equal(decode_said(CODE, data), steps)
    point = CODE.point_of(told)
    is_cut = np.abs(steps) == MOST_STEPS
    assert np.all((np.abs(point - steps) <= ROUNDED_UP_FROM + 1e-9) | is_cut)
    # The axes stand upright on each other, so that is what comes back.
    back = CODE.point_of(CODE.features_of(steps))
    assert np.abs(back - steps).max() < 0.02 * (1 + np.abs(steps).max())


@repeatable
@given(some_steps)
def test_whatever_is_coded_fits_and_comes_back(steps: list[int]) -> None:
    data = encode_said(CODE, steps)
    assert len(data) <= MAX_RECORD_BYTES
    assert decode_said(CODE, data).tolist() == steps


@repeatable
@given(
    st.integers(0, 99),
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 255)), max_size=4),
    st.binary(max_size=3),
)
def test_damaged_records_raise_nothing_but_wire_error(
    seed: int, changes: list[tuple[int, int]], more: bytes
) -> None:
    data = bytearray(encode_said(CODE, steps_of(CODE, features(seed))))
    for place, value in changes:
        data[place % len(data)] = value
    with contextlib.suppress(WireError):
        steps = decode_said(CODE, bytes(data) + more)
        assert steps.shape == CODE.steps.shape and np.abs(steps).max() <= MOST_STEPS
        assert np.abs(CODE.features_of(steps)).max() < 1000


@repeatable
@given(st.binary(max_size=MAX_RECORD_BYTES))
def test_random_records_raise_nothing_but_wire_error(data: bytes) -> None:
    with contextlib.suppress(WireError):
        assert np.abs(decode_said(CODE, data)).max() <= MOST_STEPS


def test_bytes_after_a_record_are_refused() -> None:
    with pytest.raises(WireError, match="features of speech: coded symbols"):
        decode_said(CODE, encode_said(CODE, steps_of(CODE, features(1))) + bytes(9))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_not_coded(bad: float) -> None:
    told = features(0)
    told[123] = bad
    with pytest.raises(ValueError, match=r"features of speech \(300,\): give .* all finite"):
        steps_of(CODE, told)
    with pytest.raises(ValueError, match="features of speech"):
        steps_of(CODE, np.zeros(299, np.float32))


def test_golden_bytes() -> None:
    golden = {
        (): "7fff3b7c",
        ((0, 1),): "cc11328a",
        ((0, -3), (1, 2), (5, 1), (56, 2), (60, -1), (119, 1)): "03c97dfcd90a",
    }
    for places, data in golden.items():
        steps = np.zeros(len(CODE.steps), np.int64)
        for place, value in places:
            steps[place] = value
        assert encode_said(CODE, steps).hex() == data
        assert np.array_equal(decode_said(CODE, bytes.fromhex(data)), steps)


def test_the_code_that_ships_is_for_the_features_that_are_computed() -> None:
    """If this fails, features are made otherwise than before: build the code anew with headgan said-code."""
    assert str(CODE.form) == speech_form()


def test_codes_differ_if_anything_does(tmp_path: Path) -> None:
    CODE.save(tmp_path / "code.npz")
    assert SaidCode.load(tmp_path / "code.npz").code_id == CODE.code_id
    others = [
        replace(CODE, form=np.array("another")),
        replace(CODE, mean=CODE.mean + np.float32(1e-6)),
        CODE.with_steps(2),
        replace(CODE, frequencies=CODE.frequencies[::-1]),
    ]
    assert len({CODE.code_id, *(other.code_id for other in others)}) == 5


def test_a_file_that_is_no_code_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "code.npz").write_bytes(b"no code")
    with pytest.raises(ModelError, match=r"code\.npz is no code of speech .*; install headgan anew"):
        SaidCode.load(tmp_path / "code.npz")
    with pytest.raises(ModelError, match="axes is"):
        replace(CODE, axes=CODE.axes[:, :9])
    with pytest.raises(ModelError, match=f"add up to {TOTAL}"):
        replace(CODE, frequencies=CODE.frequencies - 1)
    with pytest.raises(ModelError, match="steps above 0"):
        replace(CODE, steps=-CODE.steps)


def test_what_is_learned_suits_what_it_was_learned_from() -> None:
    random = np.random.default_rng(0)
    mixed = random.normal(size=(8, FEATURES)) * 0.3
    spoken = (random.normal(size=(600, 8)) @ mixed).astype(np.float32)
    code = build_said_code(spoken)
    steps = steps_of(code, spoken)
    assert np.sqrt(((code.features_of(steps) - spoken) ** 2).mean()) < 0.5 * spoken.std()
    sizes = [len(encode_said(code, row)) for row in steps]
    assert 8 * np.mean(sizes) == pytest.approx(bits_of(code, spoken).sum(), abs=8)
    assert bits_of(code, spoken).sum() < 0.7 * bits_of(CODE, spoken).sum()
    assert np.array_equal(build_said_code(spoken).axes, code.axes)


def test_shorter_steps_cost_more_and_say_more() -> None:
    told = np.stack([features(seed) for seed in range(20)])
    fine = CODE.with_steps(0.5)

    def apart(code: SaidCode) -> float:
        return float(((code.features_of(steps_of(code, told)) - told) ** 2).mean())

    assert apart(fine) < apart(CODE) < apart(CODE.with_steps(2))
    assert bits_of(fine, told).sum() > bits_of(CODE, told).sum()


def test_pauses_are_told_from_speech() -> None:
    pauses, loud, hiss = Pauses(), np.full(1920, 0.3), np.full(1920, 0.012)
    assert [pauses.is_pause(block) for block in [hiss] * 3] == [False] * 3  # it may be all there is
    assert [pauses.is_pause(block) for block in [loud, *[hiss] * 9]] == [False] * 8 + [True] * 2
    assert [pauses.is_pause(np.zeros(1920)) for _ in range(99)][-1]
    assert not Pauses().is_pause(loud) and Pauses().is_pause(np.zeros(0))


def test_a_pause_costs_next_to_nothing() -> None:
    stream, asked = SaidStream(CODE), []

    def tell(place: int, *, is_pause: bool) -> int | None:
        def told() -> NDArray[np.float32]:
            asked.append(place)
            return features(place)

        record = stream.next(40.0 * place, told, is_pause=is_pause)
        assert record is None or (record.number, record.start_ms) == (place, 40.0 * place)
        return None if record is None else len(record.data)

    sent = [tell(place, is_pause=3 <= place < 40) for place in range(42)]
    told = [0, 1, 2, 3, 3 + REFRESH_EVERY, 40, 41]
    assert asked == told
    assert [place for place, size in enumerate(sent) if size] == told
    assert [place for place, size in enumerate(sent) if size == 0] == [4, 4 + REFRESH_EVERY]
    stream.skip(10)
    assert stream.next(0.0, lambda: features(0), is_pause=True).number == 52  # type: ignore[union-attr]


def test_features_that_are_no_numbers_are_not_sent() -> None:
    with pytest.raises(ValueError, match="all finite"):
        SaidStream(CODE).next(0.0, lambda: np.full(300, np.nan), is_pause=False)
