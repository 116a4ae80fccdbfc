"""The generator: sizes as published, options, K references, gradients everywhere."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'headgan[train]'")

from headgan.models.nets.config import LIVE, PAPER, NetConfig  # noqa: E402
from headgan.models.nets.cost import multiply_accumulates, parameter_count  # noqa: E402
from headgan.models.nets.head_gan import HeadGan  # noqa: E402
from headgan.models.nets.inputs import Drawn, Driving, Reference  # noqa: E402
from headgan.models.nets.warp import identity_grid, shrink, to_grid, to_planes, warp, warp_sharply  # noqa: E402
from headgan.proto.errors import UsageError  # noqa: E402

TINY_LIVE = replace(LIVE, width=24)
TINY_PAPER = replace(PAPER, width=8, hidden=8)
SIZE = 32


def make_inputs(
    config: NetConfig, *, people: int = 2, references: int = 1, frames: int = 1, size: int = SIZE
) -> tuple[Reference, Driving]:
    B, K, N, S = people, references, people * frames, size
    reference = Reference(
        torch.rand(B, K, 3, S, S) * 2 - 1,
        torch.rand(B, K, config.code_channels, S, S),
        torch.rand(B, K, 3, S, S) * 2 - 1,
    )
    grid = identity_grid(reference.picture).expand(N, K, -1, -1, -1) + 0.02 * torch.randn(N, K, S, S, 2)
    hints = torch.rand(2, N, K, 1, S, S)
    driving = Driving(
        torch.rand(N, config.driving_channels, S, S), grid, hints[0], hints[1], torch.randn(N, 300)
    )
    return reference, driving


def seeded(config: NetConfig, seed: int = 0) -> HeadGan:
    torch.manual_seed(seed)
    return HeadGan(config)


def untied(config: NetConfig) -> HeadGan:
    """A generator whose zero-initialised layers are not zero any more."""
    generator = seeded(config)
    with torch.no_grad():
        for parameter in generator.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.05)
    return generator.eval()


def meta_cost(config: NetConfig) -> tuple[int, int, int]:
    """Parameters, multiply-accumulates of everything and of a frame alone, at 256x256."""
    with torch.device("meta"):
        generator = HeadGan(config)
        reference, driving = make_inputs(config, people=1, size=256)
    whole = multiply_accumulates(generator, lambda: generator(reference, driving))
    features = generator.encode(reference)
    frame = multiply_accumulates(generator, lambda: generator.draw(features, reference, driving))
    return parameter_count(generator), whole, frame


def test_the_paper_configuration_has_the_published_size() -> None:
    parameters, whole, _ = meta_cost(PAPER)
    assert parameters == 51_750_502
    assert round(parameters / 1e6, 1) == 51.8
    assert round(whole / 1e9) == 309


def test_the_live_configuration_fits_two_cores() -> None:
    parameters, _, frame = meta_cost(LIVE)
    assert frame < 1.0e9
    assert 2 * parameters < 15e6


def test_an_untrained_live_generator_starts_at_the_flow_prior() -> None:
    reference, driving = make_inputs(TINY_LIVE)
    driving = replace(driving, uncovered=torch.zeros_like(driving.uncovered))
    for is_training, fetched in ((True, warp), (False, warp_sharply)):
        drawn = seeded(TINY_LIVE).train(is_training)(reference, driving)
        assert not drawn.residual.any()
        expected = fetched(reference.picture[:, 0], driving.grid[:, 0])
        torch.testing.assert_close(drawn.warped, expected)
        assert (drawn.picture - expected).abs().max() < 0.02


def test_where_the_head_left_the_background_shows() -> None:
    reference, driving = make_inputs(TINY_LIVE)
    drawn = seeded(TINY_LIVE)(reference, replace(driving, uncovered=torch.ones_like(driving.uncovered)))
    torch.testing.assert_close(drawn.warped, reference.background[:, 0])


OPTIONS = {
    "live": TINY_LIVE,
    "paper": TINY_PAPER,
    "live, no prior": replace(TINY_LIVE, prior=False),
    "paper on the prior": replace(TINY_PAPER, prior=True),
    "live, silent": replace(TINY_LIVE, audio=False),
    "paper, silent": replace(TINY_PAPER, audio=False),
    "live, landmarks": replace(TINY_LIVE, code="landmarks", gaze=False),
    "live, no F": replace(TINY_LIVE, flow=False),
    "paper, no F": replace(TINY_PAPER, flow=False),
    "live, past frames": replace(TINY_LIVE, past_frames=2),
    "paper, gaze": replace(TINY_PAPER, gaze=True),
}


@pytest.mark.parametrize("config", OPTIONS.values(), ids=OPTIONS.keys())
@pytest.mark.parametrize("references", [1, 3])
def test_every_option_draws_pictures_and_learns_everywhere(config: NetConfig, references: int) -> None:
    generator = untied(config)
    reference, driving = make_inputs(config, references=references)
    drawn = generator(reference, driving)
    assert drawn.picture.shape == drawn.warped.shape == (2, 3, SIZE, SIZE)
    assert drawn.picture.isfinite().all()
    torch.testing.assert_close(drawn.trust.sum(dim=1), torch.ones_like(drawn.trust[:, 0]))
    (drawn.picture.square().sum() + drawn.warped.square().sum()).backward()
    idle = {name for name, item in generator.named_parameters() if item.grad is None or not item.grad.any()}
    if not config.flow:
        idle -= {name for name in idle if name.startswith("flow_net")}
    # Layers before an InstanceNorm have biases that it takes out again; one reference needs no trust.
    idle -= {name for name in idle if name.endswith(".bias")}
    assert not idle


def test_without_flow_the_reference_stays_where_it_is() -> None:
    config = replace(TINY_LIVE, flow=False, prior=False)
    reference, driving = make_inputs(config)
    torch.testing.assert_close(untied(config)(reference, driving).warped, reference.picture[:, 0])


@pytest.mark.parametrize("config", [TINY_LIVE, TINY_PAPER], ids=["live", "paper"])
def test_frames_of_one_person_share_its_features(config: NetConfig) -> None:
    generator = untied(config)
    reference, driving = make_inputs(config, references=2, frames=3)
    assert driving.audio is not None
    together = generator(reference, driving).picture
    for index in range(6):
        person, frame = slice(index // 3, index // 3 + 1), slice(index, index + 1)
        alone = generator(
            Reference(reference.picture[person], reference.code[person], reference.background[person]),
            Driving(
                driving.code[frame],
                driving.grid[frame],
                driving.uncovered[frame],
                driving.mouth[frame],
                driving.audio[frame],
            ),
        )
        torch.testing.assert_close(together[frame], alone.picture, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("config", [TINY_LIVE, TINY_PAPER], ids=["live", "paper"])
def test_the_order_of_the_references_does_not_matter(config: NetConfig) -> None:
    generator = untied(config)
    reference, driving = make_inputs(config, references=3)
    order = torch.tensor([2, 0, 1])
    shuffled: Drawn = generator(
        Reference(reference.picture[:, order], reference.code[:, order], reference.background[:, order]),
        replace(
            driving,
            grid=driving.grid[:, order],
            uncovered=driving.uncovered[:, order],
            mouth=driving.mouth[:, order],
        ),
    )
    torch.testing.assert_close(shuffled.picture, generator(reference, driving).picture, atol=1e-4, rtol=1e-3)


def test_three_times_the_same_reference_is_one() -> None:
    generator = untied(TINY_LIVE)
    reference, driving = make_inputs(TINY_LIVE)
    thrice = generator(
        Reference(
            *(
                item.expand(-1, 3, -1, -1, -1)
                for item in (reference.picture, reference.code, reference.background)
            )
        ),
        replace(
            driving,
            grid=driving.grid.expand(-1, 3, -1, -1, -1),
            uncovered=driving.uncovered.expand(-1, 3, -1, -1, -1),
            mouth=driving.mouth.expand(-1, 3, -1, -1, -1),
        ),
    )
    torch.testing.assert_close(thrice.picture, generator(reference, driving).picture, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("config", [TINY_LIVE, TINY_PAPER], ids=["live", "paper"])
def test_sound_changes_the_picture_and_silence_is_zeros(config: NetConfig) -> None:
    generator = untied(config)
    reference, driving = make_inputs(config)
    loud = generator(reference, driving).picture
    silent = generator(reference, replace(driving, audio=None)).picture
    zeros = generator(reference, replace(driving, audio=torch.zeros(2, 300))).picture
    assert not torch.equal(loud, silent)
    torch.testing.assert_close(silent, zeros)


def test_a_warp_by_the_identity_changes_nothing_at_any_scale() -> None:
    picture = torch.rand(1, 3, 32, 32)
    grid = identity_grid(picture)
    torch.testing.assert_close(warp(picture, grid), picture)
    small = to_grid(shrink(to_planes(grid), 4))
    torch.testing.assert_close(small, identity_grid(torch.empty(8, 8)))


def test_a_sharp_warp_is_bicubic_and_stays_a_picture() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    planes = torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1)[None]
    pixels = rng.uniform(-4, SIZE + 3, (SIZE, SIZE, 2)).astype(np.float32)
    pixels = (np.round(32 * pixels) / 32).astype(np.float32)  # the places that OpenCV knows
    grid = torch.from_numpy((2 * pixels + 1) / SIZE - 1)[None]
    expected = cv2.remap(picture, pixels, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    warped = (warp_sharply(planes, grid)[0].permute(1, 2, 0).numpy() + 1) * 127.5
    assert np.abs(warped - expected).max() < 0.75
    assert warped.min() >= 0 and warped.max() <= 255


def test_a_warp_fetches_from_where_the_grid_says() -> None:
    picture = torch.rand(1, 3, 16, 16)
    one_left = identity_grid(picture) - torch.tensor([2 / 16, 0])
    torch.testing.assert_close(warp(picture, one_left)[..., 1:], picture[..., :-1])
    torch.testing.assert_close(warp(picture, one_left)[..., 0], picture[..., 0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"family": "huge"},
        {"code": "mesh"},
        {"width": 12},
        {"width": 0},
        {"hidden": 0},
        {"past_frames": -1},
    ],
)
def test_impossible_configurations_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(LIVE, **wrong)
