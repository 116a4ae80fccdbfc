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
            change = self._matrix_step if group["is_matrix"] else self._adam_step
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.add_(change(parameter, group), alpha=-group["lr"])

    def _matrix_step(self, parameter: Tensor, _group: dict[str, Any]) -> Tensor:
        gradient = parameter.grad
        assert gradient is not None  # Checked by `step`.
        state = self.state[parameter]
        if not state:
            state["exp_avg"] = torch.zeros_like(parameter)
        state["exp_avg"].lerp_(gradient, 1 - _MOMENTUM)
        ahead = gradient.lerp(state["exp_avg"], _MOMENTUM)
        matrix = ahead.reshape(len(ahead), -1)  # [out, in k k]
        scale = _STEP_OF_ADAM * max(matrix.shape) ** 0.5
        change: Tensor = scale * orthogonalised(matrix).reshape(parameter.shape)
        return change

    def _adam_step(self, parameter: Tensor, group: dict[str, Any]) -> Tensor:
        gradient = parameter.grad
        assert gradient is not None  # Checked by `step`.
        state = self.state[parameter]
        if not state:
            state |= {
                "step": 0,
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        first, second = group["betas"]
        state["step"] += 1
        state["exp_avg"].lerp_(gradient, 1 - first)
        state["exp_avg_sq"].lerp_(gradient.square(), 1 - second)
        mean = state["exp_avg"] / (1 - first ** state["step"])
        size = (state["exp_avg_sq"] / (1 - second ** state["step"])).sqrt()
        change: Tensor = mean / (size + 1e-8)
        return change


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
    """`matrix` [m, n] with its singular values near one (0.7 to 1.2), by Newton-Schulz iterations."""
    a, b, c = _QUINTIC
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if is_tall else matrix
    x = x / (x.norm() + 1e-12)
    for _ in range(_ITERATIONS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    result: Tensor = x.T if is_tall else x
    return result
