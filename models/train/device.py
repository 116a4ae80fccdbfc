"""Where a process trains: its device, the layout and the precision that are fastest there."""

import time
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)
# Layers as the networks have them, measured as often as tells them apart on a busy machine.
_CHANNELS, _SIDE, _FRAMES, _TRIALS = 48, 32, 8, 5


@dataclass(frozen=True)
class Place:
    """Where a process runs.

    Attributes:
        device: of its networks.
        rank: its number among `world` processes.
        world: how many there are.
    """

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0


def placed(module: Module, device: torch.device) -> Module:
    """`module` on `device`, in the layout in which convolutions are fastest."""
    module.to(device)
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.to(memory_format=torch.channels_last)
    return module


def is_bf16_faster(device: torch.device) -> bool:
    """Whether convolutions are faster in bfloat16, measured in a fraction of a second.

    A processor without instructions of its own for it (AVX512-BF16, AMX) converts every number, and is slower. A GPU is
    not measured: it has them or not.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    layers = placed(nn.Sequential(*(nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1) for _ in range(2))), device)
    planes = torch.ones(_FRAMES, _CHANNELS, _SIDE, _SIDE, device=device)
    planes = planes.to(memory_format=torch.channels_last)
    for bf16 in (False, True):  # What is made at the first call is not measured.
        _seconds(layers, planes, bf16=bf16)
    # Both in turn: what else runs on the machine disturbs them alike.
    trials = [[_seconds(layers, planes, bf16=bf16) for bf16 in (False, True)] for _ in range(_TRIALS)]
    single, half = (min(times) for times in zip(*trials, strict=True))
    return bool(half < single)


def _seconds(layers: nn.Module, planes: torch.Tensor, *, bf16: bool) -> float:
    """Of a step forwards and backwards."""
    begin = time.perf_counter()
    with torch.autocast(planes.device.type, torch.bfloat16, enabled=bf16):
        total = layers(planes).float().square().mean()
    total.backward()
    return time.perf_counter() - begin
