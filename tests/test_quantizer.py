"""The quantizer: within a step of the truth, still where only noise moves, at once where a face does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.codec.param_code import POINT_SIZE, UNITS_PER_PX, params_from, shipped_code, vector_of
from headgan.codec.quantizer import STEPS, quantize, step_from_wire, step_of, step_on_wire
from headgan.codec.residual_coder import ResidualModel, Surroundings
from headgan.models.eyes import LIDS
from headgan.models.fitting import project
from headgan.models.morphable import MorphableModel
from headgan.models.mouth import INNER_LIPS, OUTER_LIPS
from headgan.proto.errors import UsageError

CODE = shipped_code()
MODEL = ResidualModel(CODE)
STILL = (0,) * POINT_SIZE


def test_quality_is_a_step() -> None:
    assert step_of(1) == 0 and step_of(0) == len(STEPS) - 1
    assert list(STEPS) == sorted(set(STEPS))
    for quality in (-0.1, 1.1, float("nan")):
        with pytest.raises(UsageError, match="quality"):
            step_of(quality)


def test_each_step_has_its_number_on_the_wire() -> None:
    numbers = [step_on_wire(index) for index in range(len(STEPS))]
    assert sorted(numbers) == list(range(len(STEPS))) and len(STEPS) <= 32
    assert [step_from_wire(number) for number in numbers] == list(range(len(STEPS)))
    # As PROTOCOL.md has it.
    assert [STEPS[step_from_wire(number)] for number in (0, 5, 25, 26, 28)] == [4, 10, 304, 1, 3]


@given(
    st.lists(st.floats(-3000, 3000), min_size=POINT_SIZE, max_size=POINT_SIZE),
    st.sampled_from(STEPS),
    st.booleans(),
)
def test_values_are_within_a_step(wanted: list[float], step: int, has_earlier: bool) -> None:
    around = Surroundings(STILL if has_earlier else None, 1, step)
    earlier = tuple(range(POINT_SIZE))
    quantized = quantize(MODEL, np.array(wanted), earlier, around)
    assert np.abs(np.array(quantized.values) - wanted).max() <= step
    assert quantized.values == tuple(
        one + step * residual for one, residual in zip(earlier, quantized.residuals, strict=True)
    )
    error = ((np.array(quantized.values) - wanted) ** 2).sum() / UNITS_PER_PX**2
    assert quantized.error == pytest.approx(error, rel=1e-6, abs=1e-9)


def test_trembling_below_half_a_step_costs_nothing() -> None:
    noise = np.random.default_rng(0).uniform(-4, 4, (50, POINT_SIZE))
    for point in noise:
        quantized = quantize(MODEL, point, STILL, Surroundings(STILL, 1, 10))
        assert quantized.residuals == STILL and quantized.bits < 8


def test_a_unit_is_so_much_of_a_pixel() -> None:
    """A move of half a pixel along an axis moves the vertices by about so much, lips and lids counted three times."""
    model = MorphableModel.load()
    weights = np.ones(len(model.mean))
    weights[[*INNER_LIPS, *OUTER_LIPS, *LIDS]] = 3

    def pixels(point: NDArray[np.float64]) -> NDArray[np.float32]:
        return (
            project(model, np.zeros(model.identity_size), CODE.params_of(np.rint(point).astype(int)))[:, :2]
            * 128
        )

    rest, sizes = pixels(np.zeros(POINT_SIZE)), []
    for axis in np.eye(POINT_SIZE):
        moved = ((pixels(axis * UNITS_PER_PX / 2) - rest) ** 2).sum(axis=1)
        sizes.append(float(np.sqrt((moved * weights).sum() / weights.sum())))
    # The last ones are hardly seen at all, and taken to be seen more.
    assert sizes[:16] == pytest.approx([0.5] * 16, abs=0.05)
    assert max(sizes) < 0.6


@given(st.integers(0, 10**6))
def test_a_point_is_a_face_and_back(seed: int) -> None:
    random = np.random.default_rng(seed)
    vector = np.concatenate(
        [
            random.normal(0, 0.5, 28),
            random.normal(0, 0.4, 3),
            random.uniform(0.2, 0.6, 1),
            random.normal(0, 0.2, 4),
        ]
    )
    params = params_from(vector)
    assert params.fault() is None
    np.testing.assert_allclose(vector_of(params), vector, atol=1e-5)
    again = CODE.params_of(np.rint(CODE.point_of(params)).astype(int))
    np.testing.assert_allclose(vector_of(again), vector, atol=0.2)
    # A rotation is one whatever was rounded.
    assert np.linalg.norm(again.quaternion) == pytest.approx(1, abs=1e-6)
