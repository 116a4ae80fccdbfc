"""Pictures in, the features of VGG16 out; and two pictures in, their perceptual distance out.

    picture ── conv conv ─┬─ pool conv conv ─┬─ pool conv conv conv ─┬─ ... ─┬─ ... ──┐
                       relu1_2            relu2_2                 relu3_3  relu4_3  relu5_3

The weights are those of ST-LPIPS (Ghildyal and Liu, ECCV 2022, BSD): a VGG16 whose pools are anti-aliased (Zhang, ICML
2019), so that a shift by a pixel counts for little, tuned to what people see, and a head for each of five levels. It is
not the LPIPS of the HeadGAN paper, and numbers of the two do not compare.
"""

import pickle
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from headgan.models.metrics.files import VGG_FILE, metrics_path
from headgan.proto.errors import ModelError

CHANNELS = (64, 128, 256, 512, 512)
_CONVOLUTIONS = (2, 2, 3, 3, 3)
# Of ImageNet, for RGB in 0..1.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
_EPSILON = 1e-10


class BlurPool(nn.Module):
    """Halves a feature map: maximum over 2x2 at every place, then a binomial blur of which each second is kept.

    The map is mirrored by two pixels on all sides, one more than the blur needs: [B, C, H, W] becomes
    [B, C, H // 2 + 1, W // 2 + 1].
    """

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C, H // 2 + 1, W // 2 + 1]; H and W are at least 4."""
        highest = functional.max_pool2d(x, 2, stride=1)
        mirrored = functional.pad(highest, (2, 2, 2, 2), mode="reflect")
        # The mean of two, of means of two, weighs 1 2 1: the binomial, several times as fast as a convolution.
        return functional.avg_pool2d(functional.avg_pool2d(mirrored, 2, stride=1), 2)


class VggFeatures(nn.Module):
    """The five stages of VGG16 with anti-aliased pools, frozen; gradients reach the picture, not the weights."""

    def __init__(self, channels: tuple[int, ...] = CHANNELS) -> None:
        """Args: channels: of each stage; others than VGG's are for tests."""
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)
        self.channels = channels
        widths = (3, *channels)
        self.stages = nn.ModuleList(
            _stage(before, after, count, pools=index > 0)
            for index, ((before, after), count) in enumerate(
                zip(pairwise(widths), _CONVOLUTIONS, strict=True)
            )
        )
        self.requires_grad_(False)

    def forward(self, x: Tensor, levels: int = 5) -> list[Tensor]:
        """The maps relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3 of `x`.

        Args:
            x: float [B, 3, H, W], RGB in 0..1.
            levels: how many of them, from the first; what is not asked for is not computed.
        """
        features = []
        x = (x - self.mean) / self.std
        for stage in self.stages[:levels]:
            x = stage(x)
            features.append(x)
        return features


def _stage(before: int, after: int, convolutions: int, *, pools: bool) -> nn.Sequential:
    layers: list[nn.Module] = [BlurPool()] if pools else []
    for index in range(convolutions):
        layers += [nn.Conv2d(after if index else before, after, 3, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class PerceptualDistance(nn.Module):
    """ST-LPIPS: 0 for equal pictures, about 0.01 for a shift by a pixel, about 0.6 for a strong blur; frozen.

    On each level the features of each pixel get unit length, their squared differences are weighted by the level's
    head and averaged over the picture; the levels add up.
    """

    def __init__(self, features: VggFeatures) -> None:
        """Args: features: the network; a loss may use it beside this."""
        super().__init__()
        self.features = features
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 1, bias=False) for width in features.channels)
        self.requires_grad_(False)

    def forward(self, one: Tensor, other: Tensor, levels: int = 5) -> Tensor:
        """Float [B]: the distances of two batches of pictures, both float [B, 3, H, W], RGB in 0..1.

        Args:
            one: pictures.
            other: the pictures to compare them with.
            levels: fewer than 5 cost less and are no longer ST-LPIPS.
        """
        return self.compare(self.features(one, levels), self.features(other, levels))

    def compare(self, one: list[Tensor], other: list[Tensor]) -> Tensor:
        """Float [B]: the distances of pictures whose features [B, C, H, W] are at hand already."""
        total = one[0].new_zeros(len(one[0]))
        for head, mine, others in zip(self.heads, one, other, strict=False):
            difference = (_unit_length(mine) - _unit_length(others)) ** 2
            total = total + head(difference).mean(dim=(1, 2, 3))  # [B, 1, H, W] to [B]
        return total


def _unit_length(features: Tensor) -> Tensor:
    # The small number inside the root keeps the gradient finite where all features are zero.
    length = torch.sqrt((features**2).sum(dim=1, keepdim=True) + _EPSILON**2)
    return features / (length + _EPSILON)


def load_vgg(path: Path | None = None) -> VggFeatures:
    """The trained features, on the CPU, in evaluation mode.

    Args:
        path: `vgg_shift_tolerant.pth` of the package stlpips-pytorch; the one that was fetched if left out.

    Raises:
        ModelError: the file is missing, damaged or of another network.
    """
    return load_perceptual(path).features


def load_perceptual(path: Path | None = None) -> PerceptualDistance:
    """The trained distance, on the CPU, in evaluation mode; see `load_vgg`."""
    path = path or metrics_path(VGG_FILE)
    network = PerceptualDistance(VggFeatures())
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(_renamed(network, state))
    except (OSError, RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as exc:
        raise ModelError(f"{path} is not ST-LPIPS's VGG ({exc}); run ./scripts/setup --train again") from exc
    return network.eval()


def _renamed(network: PerceptualDistance, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The arrays of stlpips-pytorch under this module's names; the layers come in the same order in both."""
    # Its file holds the blurs and the normalisation as well, which are constants here.
    theirs = [name for name in state if name.endswith((".weight", ".bias"))]
    ours = list(network.state_dict())
    if len(theirs) != len(ours):
        raise KeyError(f"{len(theirs)} arrays, need {len(ours)}")
    return {mine: state[name] for mine, name in zip(ours, theirs, strict=True)}
