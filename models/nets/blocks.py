"""The building blocks of HeadGAN, section 3.3: SPADE and AdaIN, and the plain ones of the `live` networks."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2


class Spade(nn.Module):
    """Spatially adaptive normalisation (Park et al., 2019): n (1 + gamma(z)) + beta(z), n without mean and scale."""

    def __init__(self, channels: int, condition: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels)
        self.shared = nn.Conv2d(condition, hidden, 3, padding=1)
        self.gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x: [B, C, H, W]; condition: [B, Z, any, any], resized to x (nearest)."""
        # Whole numbers, so that an exported graph has them too, and no part of it has to tell another its size.
        size = [int(side) for side in x.shape[2:]]
        resized = functional.interpolate(condition, size=size, mode="nearest")
        hidden = functional.relu(self.shared(resized))
        modulated: Tensor = self.norm(x) * (1 + self.gamma(hidden)) + self.beta(hidden)
        return modulated


class SpadeResBlock(nn.Module):
    """x + two times [SPADE, LeakyReLU, spectral conv 3x3]."""

    def __init__(self, channels: int, condition: int, hidden: int) -> None:
        super().__init__()
        self.spade_0 = Spade(channels, condition, hidden)
        self.conv_0 = spectral_norm(nn.Conv2d(channels, channels, 3, padding=1))
        self.spade_1 = Spade(channels, condition, hidden)
        self.conv_1 = spectral_norm(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x: [B, C, H, W]; condition: [B, Z, any, any]."""
        change = self.conv_0(functional.leaky_relu(self.spade_0(x, condition), SLOPE))
        change = self.conv_1(functional.leaky_relu(self.spade_1(change, condition), SLOPE))
        changed: Tensor = x + change
        return changed


class AdaIn(nn.Module):
    """Adaptive instance normalisation (Huang and Belongie, 2017) by a vector."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels)
        self.affine = nn.Linear(condition, 2 * channels)

    def forward(self, x: Tensor, vector: Tensor) -> Tensor:
        """x: [B, C, H, W]; vector: [B, Z]."""
        gamma, beta = self.affine(vector)[:, :, None, None].chunk(2, dim=1)
        modulated: Tensor = self.norm(x) * (1 + gamma) + beta
        return modulated


class AdaInResBlock(nn.Module):
    """Two times [AdaIN, LeakyReLU, spectral conv 3x3], without a skip, as published."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.adain_0 = AdaIn(channels, condition)
        self.conv_0 = spectral_norm(nn.Conv2d(channels, channels, 3, padding=1))
        self.adain_1 = AdaIn(channels, condition)
        self.conv_1 = spectral_norm(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor, vector: Tensor) -> Tensor:
        """x: [B, C, H, W]; vector: [B, Z]."""
        x = self.conv_0(functional.leaky_relu(self.adain_0(x, vector), SLOPE))
        changed: Tensor = self.conv_1(functional.leaky_relu(self.adain_1(x, vector), SLOPE))
        return changed


class ConvNormRelu(nn.Sequential):
    """Spectral conv without bias, affine InstanceNorm, ReLU: a layer of the paper's encoders."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> None:
        conv = nn.Conv2d(
            inputs,
            outputs,
            kernel,
            stride=stride,
            padding=kernel // 2,
            bias=False,
            padding_mode="reflect" if kernel == 7 else "zeros",
        )
        super().__init__(spectral_norm(conv), nn.InstanceNorm2d(outputs, affine=True), nn.ReLU(inplace=True))


class PlainResBlock(nn.Module):
    """x + scale * conv(act(conv(act(x)))), without normalisation; starts near the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_0 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.scale: nn.Parameter | None = nn.Parameter(torch.full((channels, 1, 1), 0.2))

    def forward(self, x: Tensor) -> Tensor:
        """x: [B, C, H, W]."""
        change: Tensor = self.conv_1(activate(self.conv_0(activate(x))))
        return x + (change if self.scale is None else self.scale * change)

    @torch.no_grad()
    def fold(self) -> None:
        """Multiplies the scale into the second convolution: the same function, one operator fewer; done once."""
        if self.scale is not None:
            for parameter in self.conv_1.parameters():
                parameter.mul_(self.scale.reshape(-1, *[1] * (parameter.dim() - 1)))
            self.scale = None


class ListeningBlock(nn.Module):
    """x + conv(act(AdaIN(x, vector))); starts as the identity, so that silence costs nothing."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.adain = AdaIn(channels, condition)
        self.conv = ZeroConv(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, vector: Tensor) -> Tensor:
        """x: [B, C, H, W]; vector: [B, Z]."""
        change: Tensor = self.conv(activate(self.adain(x, vector)))
        return x + change


class Up(nn.Sequential):
    """Conv to four times the channels, then PixelShuffle: [B, C, H, W] to [B, outputs, 2H, 2W]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Conv2d(inputs, 4 * outputs, 3, padding=1), nn.PixelShuffle(2))


def activate(x: Tensor) -> Tensor:
    """LeakyReLU 0.2."""
    return functional.leaky_relu(x, SLOPE)


class ZeroConv(nn.Conv2d):
    """A convolution that starts as nothing: the last layer of what is added to something."""

    def reset_parameters(self) -> None:
        """Sets weights and biases to zero."""
        nn.init.zeros_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


def keep_variance(module: nn.Module) -> None:
    """Initial weights for networks without normalisation: what goes through keeps its size (He et al., 2015).

    With torch's own, each layer halves it, and the deep ones learn nothing for a long time.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d) and not isinstance(layer, ZeroConv):
            nn.init.kaiming_normal_(layer.weight, a=SLOPE)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
