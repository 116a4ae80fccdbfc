"""A network and its inputs in, its parameters and multiply-accumulates out."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


def parameter_count(module: nn.Module) -> int:
    """Trainable numbers."""
    return sum(parameter.numel() for parameter in module.parameters())


def multiply_accumulates(module: nn.Module, run: Callable[[], Any]) -> int:
    """Multiply-accumulates of the convolutions and linear layers of `module` while `run()` uses it."""
    total = 0

    def count(layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            inputs = layer.in_channels // layer.groups
            total += output.numel() * inputs * layer.kernel_size[0] * layer.kernel_size[1]
        elif isinstance(layer, nn.Linear):
            total += output.numel() * layer.in_features

    hooks = [
        layer.register_forward_hook(count)
        for layer in module.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return total
