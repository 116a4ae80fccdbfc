"""Gradients in, steps of equal size in every direction of a layer out: Muon for convolutions, Adam for all else.

A gradient is mostly a few strong directions, and Adam follows those; Muon (Jordan et al., 2024) makes all singular
values of a layer's averaged gradient one before it takes the step, so that the weak directions, fine detail among them,
are learned as fast. Steps are scaled to the size that Adam's have (Liu et al., 2025, "Muon is scalable for LLM
training"), so that one rate serves both.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from headgan.models.nets.blocks import ZeroConv

# Of the quintic iteration that takes singular values near one, and how often.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_MOMENTUM = 0.95
# The root mean square of a step of Adam, in units of the rate.
_STEP_OF_ADAM = 0.2
# Layers that read fewer channels are inputs, whose directions are not alike.
_FEWEST_CHANNELS = 8


class Muon(torch.optim.Optimizer):
    """Two groups: `matrices`, stepped by Muon, and the rest, by Adam."""

    def __init__(
        self, matrices: Iterable[Tensor], others: Iterable[Tensor], rate: float, betas: tuple[float, float]
    ) -> None:
        groups: list[dict[str, Any]] = [
            {"params": list(matrices), "is_matrix": True},
            {"params": list(others), "is_matrix": False},
        ]
        super().__init__(groups, {"lr": rate, "betas": betas})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # noqa: ANN401
        """One step from the gradients that are there; closures are not supported."""
        del closure
        for group in self.param_groups:
            seen = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not seen:
                continue
            changes = self._matrix_changes(seen) if group["is_matrix"] else self._adam_changes(seen, group)
            torch._foreach_add_(seen, changes, alpha=-group["lr"])

    def _matrix_changes(self, parameters: list[Tensor]) -> list[Tensor]:
        gradients, means = _gradients(parameters), self._moments(parameters, "exp_avg")
        torch._foreach_lerp_(means, gradients, 1 - _MOMENTUM)
        ahead = torch._foreach_lerp(gradients, means, _MOMENTUM)
        # Layers of one shape go together: a GPU has as much to do with one call as with twenty.
        of_shape: dict[torch.Size, list[int]] = {}
        for index, parameter in enumerate(parameters):
            of_shape.setdefault(parameter.shape, []).append(index)
        changes = list(ahead)
        for shape, indices in of_shape.items():
            matrices = torch.stack(
                [ahead[index].reshape(shape[0], -1) for index in indices]
            )  # [n, out, in k k]
            scale = _STEP_OF_ADAM * max(matrices.shape[1:]) ** 0.5
            for index, change in zip(indices, scale * orthogonalised(matrices), strict=True):
                changes[index] = change.reshape(shape)
        return changes

    def _adam_changes(self, parameters: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
        gradients = _gradients(parameters)
        means, squares = self._moments(parameters, "exp_avg"), self._moments(parameters, "exp_avg_sq")
        steps = []
        for parameter in parameters:
            state = self.state[parameter]
            state["step"] = state.get("step", 0) + 1
            steps.append(state["step"])
        first, second = group["betas"]
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_lerp_(squares, torch._foreach_mul(gradients, gradients), 1 - second)
        sizes = torch._foreach_sqrt(torch._foreach_div(squares, [1 - second**step for step in steps]))
        torch._foreach_add_(sizes, 1e-8)
        changes = torch._foreach_div(torch._foreach_div(means, [1 - first**step for step in steps]), sizes)
        return list(changes)

    def _moments(self, parameters: list[Tensor], name: str) -> list[Tensor]:
        """The moment `name` of each, zeros at first."""
        for parameter in parameters:
            if name not in self.state[parameter]:
                self.state[parameter][name] = torch.zeros_like(parameter)
        return [self.state[parameter][name] for parameter in parameters]


def _gradients(parameters: list[Tensor]) -> list[Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def muon_for(module: nn.Module, rate: float, betas: tuple[float, float]) -> Muon:
    """An optimiser of `module`: Muon for its inner convolutions, Adam for inputs, last layers, biases and the rest."""
    matrices = {
        id(layer.weight)
        for layer in module.modules()
        if isinstance(layer, nn.Conv2d)
        and not isinstance(layer, ZeroConv)
        and layer.weight.shape[1] >= _FEWEST_CHANNELS
    }
    parameters = list(module.parameters())
    return Muon(
        [item for item in parameters if id(item) in matrices],
        [item for item in parameters if id(item) not in matrices],
        rate,
        betas,
    )


def orthogonalised(matrix: Tensor) -> Tensor:
    """Matrices [..., m, n] with their singular values near one (0.7 to 1.2), by Newton-Schulz iterations."""
    a, b, c = _QUINTIC
    is_tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.mT if is_tall else matrix
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-12)
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    result: Tensor = x.mT if is_tall else x
    return result
