"""Muon: steps of equal size in every direction, Adam where it should be, and a loss that falls faster."""

import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'headgan[train]'")

from torch import Tensor, nn  # noqa: E402

from headgan.models.nets.blocks import ZeroConv  # noqa: E402
from headgan.models.train.muon import muon_for, orthogonalised  # noqa: E402


@pytest.mark.parametrize("shape", [(16, 72), (72, 16), (24, 24)])
def test_all_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    skewed = torch.randn(shape) * torch.logspace(0, -2, shape[1])
    values = torch.linalg.svdvals(orthogonalised(skewed))
    assert values.max() < 1.3
    assert values.median() > 0.6


def test_matrices_that_are_stacked_are_made_even_each_for_itself() -> None:
    torch.manual_seed(0)
    stack = torch.randn(3, 16, 40) * torch.tensor([1.0, 1e-3, 30.0])[:, None, None]
    alone = torch.stack([orthogonalised(matrix) for matrix in stack])
    torch.testing.assert_close(orthogonalised(stack), alone)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.LeakyReLU(0.2),
        ZeroConv(16, 3, 3, padding=1),
    )


def weight(net: nn.Sequential, layer: int) -> Tensor:
    return next(iter(net[layer].parameters()))


def test_only_inner_convolutions_are_matrices() -> None:
    net = network()
    matrices, others = (group["params"] for group in muon_for(net, 1e-3, (0.9, 0.99)).param_groups)
    assert [id(item) for item in matrices] == [id(weight(net, 2))]
    assert len(others) == 5


def test_what_is_no_matrix_is_stepped_as_adam_does() -> None:
    one, other = network(), network()
    muon = muon_for(one, 1e-2, (0.9, 0.99))
    adam = torch.optim.Adam(other.parameters(), 1e-2, (0.9, 0.99))
    x = torch.randn(2, 3, 8, 8)
    for net, optimiser in ((one, muon), (other, adam)):
        optimiser.zero_grad()
        (net(x) - x).square().mean().backward()
        optimiser.step()
    torch.testing.assert_close(weight(one, 4), weight(other, 4))
    torch.testing.assert_close(weight(one, 0), weight(other, 0))


def test_a_step_has_the_size_that_the_rate_says() -> None:
    net = network()
    optimiser = muon_for(net, 1e-2, (0.9, 0.99))
    nn.init.normal_(weight(net, 4))
    before = weight(net, 2).detach().clone()
    net(torch.randn(2, 3, 8, 8)).square().mean().backward()
    optimiser.step()
    step = (weight(net, 2) - before).square().mean().sqrt()
    assert 0.5 * 0.2e-2 < step < 1.5 * 0.2e-2


def test_its_state_survives_a_checkpoint() -> None:
    net = network()
    optimiser = muon_for(net, 1e-2, (0.9, 0.99))
    for _ in range(2):
        optimiser.zero_grad()
        net(torch.ones(1, 3, 8, 8)).square().mean().backward()
        optimiser.step()
    twin = network()
    twin.load_state_dict(net.state_dict())
    other = muon_for(twin, 1e-2, (0.9, 0.99))
    other.load_state_dict(optimiser.state_dict())
    for net_, optimiser_ in ((net, optimiser), (twin, other)):
        optimiser_.zero_grad()
        net_(torch.ones(1, 3, 8, 8)).square().mean().backward()
        optimiser_.step()
    for mine, theirs in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)
