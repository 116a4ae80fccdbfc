"""Pictures, features and scores in, the terms of the generator's and the discriminators' losses out (section 3.4)."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

# Of relu1 to relu5, as published with the first layers of each stage (Wang et al., 2018).
VGG_LEVEL_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)


def masked_l1(picture: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean absolute difference; each pixel counts `weight` times.

    Args:
        picture: [B, 3, H, W].
        truth: [B, 3, H, W].
        weight: [B, 1, H, W], at least 0; the mean is over the weights, everything counts once if left out.
    """
    return _weighted_mean((picture - truth).abs(), weight)


def masked_l2(picture: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean squared difference; see `masked_l1`."""
    return _weighted_mean((picture - truth).square(), weight)


def _weighted_mean(difference: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return difference.mean()
    return (difference * weight).sum() / (weight.sum() * difference.shape[1]).clamp(min=1)


def vgg_distance(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Weighted L1 between two pictures' features of the VGG, relu1_2 to relu5_3, each [B, C, h, w]."""
    terms = [
        weight * functional.l1_loss(one.float(), other.float())
        for weight, one, other in zip(VGG_LEVEL_WEIGHTS, found, wanted, strict=True)
    ]
    return torch.stack(terms).sum()


def gradient_l1(picture: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference of the differences of neighbouring pixels; both [B, 3, H, W]."""
    difference = picture - truth
    across = (difference[..., :, 1:] - difference[..., :, :-1]).abs().mean()
    down = (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()
    return across + down


def smoothness(flow: Tensor) -> Tensor:
    """Mean squared difference of neighbouring vectors of a flow [N, 2, h, w]."""
    across = (flow[..., :, 1:] - flow[..., :, :-1]).square().mean()
    down = (flow[..., 1:, :] - flow[..., :-1, :]).square().mean()
    return across + down


def taught_flow(residual: Tensor, lesson: Tensor) -> Tensor:
    """Mean distance of a residual flow to the one that was taught, in sixteenths of half a picture's width.

    Args:
        residual: [N, 2, h, w], in half picture widths.
        lesson: [N, H, W, 3]: x-y in the same unit and their weight; averaged down to the residual's size.
    """
    planes = lesson.permute(0, 3, 1, 2)
    planes = functional.interpolate(planes, size=residual.shape[2:], mode="area")
    distance = (residual - planes[:, :2]).square().sum(dim=1).add(1e-8).sqrt()  # [N, h, w]
    return 16 * (distance * planes[:, 2]).mean()


def mask_distance(mask: Tensor, person: Tensor) -> Tensor:
    """Mean absolute difference of F's mask [N, 1, h, w] to where the person is, [N, 1, H, W]; both 0 to 1."""
    return functional.l1_loss(mask, functional.interpolate(person, size=mask.shape[2:], mode="area"))


def hinge_of_discriminator(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Hinge loss (Lim and Ye, 2017) over the scales' score maps, real above 1 and fake below -1."""
    terms = [
        functional.relu(1 - one).mean() + functional.relu(1 + other).mean()
        for one, other in zip(real, fake, strict=True)
    ]
    return torch.stack(terms).mean()


def hinge_of_generator(fake: Sequence[Tensor]) -> Tensor:
    """What the generator lowers: the negative mean of the scores."""
    return torch.stack([-scores.mean() for scores in fake]).mean()


def feature_matching(real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """Mean absolute difference of a discriminator's features, 4 / (layers + 1) a layer, mean over the scales."""
    terms = [
        functional.l1_loss(other, one.detach()) * (4 / (len(ones) + 1))
        for ones, others in zip(real, fake, strict=True)
        for one, other in zip(ones, others, strict=True)
    ]
    return torch.stack(terms).sum() / len(real)


def cut_boxes(planes: Tensor, boxes: Tensor, size: int) -> Tensor:
    """[B, C, size, size]: squares of `planes` [B, C, H, W]; boxes [B, 3]: centre x-y and half side, -1 to 1."""
    axis = (2 * torch.arange(size, device=planes.device, dtype=torch.float32) + 1) / size - 1
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    local = torch.stack([columns, rows], dim=-1)[None]  # [1, size, size, 2]
    grid = boxes[:, None, None, :2] + local * boxes[:, None, None, 2:]
    return functional.grid_sample(
        planes.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
