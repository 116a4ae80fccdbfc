"""Pictures with their codes in, scores and features out: D, which sees the picture, and Dm, which sees the mouth.

[picture, code] ─┬─ conv 4x4 s2, s2, s2, s1, 1 ── scores     scale 1
                 └─ average pool ── the same ──── scores     scale 2
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

MOUTH_SIZE = 64


@dataclass(frozen=True, eq=False)
class Judgement:
    """Of each scale: the map of scores, and the features of the layers before."""

    scores: tuple[Tensor, ...]
    features: tuple[tuple[Tensor, ...], ...]


class PatchDiscriminator(nn.Module):
    """Two-scale PatchGAN; each score judges a patch of 70 pixels."""

    def __init__(self, inputs: int, width: int = 64, scales: int = 2) -> None:
        super().__init__()
        self.scales = nn.ModuleList([_layers(inputs, width) for _ in range(scales)])
        self.halve = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)

    def forward(self, picture: Tensor, condition: Tensor | None) -> Judgement:
        """picture: [B, 3, H, W], -1 to 1; condition: [B, Z, H, W], or [B, Z] to be tiled, None for zeros."""
        x, tiled = picture, condition
        if condition is not None and condition.dim() == 4:
            x, tiled = torch.cat([picture, condition], dim=1), None
        scores, features = [], []
        for layers in self.scales:
            maps = _run(layers, x, tiled)
            scores.append(maps[-1])
            features.append(tuple(maps[:-1]))
            x = self.halve(x)
        return Judgement(tuple(scores), tuple(features))


def _layers(inputs: int, width: int) -> nn.ModuleList:
    def middle(before: int, after: int, stride: int) -> nn.Sequential:
        conv = spectral_norm(nn.Conv2d(before, after, 4, stride=stride, padding=2))
        return nn.Sequential(conv, nn.InstanceNorm2d(after), nn.LeakyReLU(0.2))

    return nn.ModuleList(
        [
            _First(inputs, width),
            middle(width, 2 * width, 2),
            middle(2 * width, 4 * width, 2),
            middle(4 * width, 8 * width, 1),
            nn.Conv2d(8 * width, 1, 4, padding=2),
        ]
    )


class _First(nn.Module):
    """The first layer, which a vector may tell something of the whole picture.

    The vector is the same everywhere, so the sum over its numbers is made once for each place of the kernel and not for
    each pixel: over 300 numbers of sound that was most of Dm's time.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, width, 4, stride=2, padding=2)

    def forward(self, x: Tensor, tiled: Tensor | None = None) -> Tensor:
        """x: [B, C, H, W]; tiled: [B, inputs - C], or None for zeros."""
        C, weight = x.shape[1], self.conv.weight
        y = functional.conv2d(x, weight[:, :C], self.conv.bias, stride=2, padding=2)
        if tiled is not None:
            kernels = torch.einsum("ozhw,bz->bohw", weight[:, C:], tiled)
            places = functional.conv2d(
                x.new_ones(1, 1, *x.shape[2:]),
                kernels.flatten(0, 1)[:, None],
                stride=2,
                padding=2,
            )
            y = y + places.reshape(y.shape)  # [B, width, H/2, W/2]
        return functional.leaky_relu(y, 0.2)


def _run(layers: nn.Module, x: Tensor, tiled: Tensor | None) -> list[Tensor]:
    first, *others = layers.children()
    maps = [first(x, tiled)]
    for layer in others:
        maps.append(layer(maps[-1]))
    return maps
