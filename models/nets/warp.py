"""Pictures and the places to fetch them from in, warped pictures out.

A grid is [N, H, W, 2], each pixel's x-y in the source, -1 at the source's left or upper edge and 1 at the other;
pixel i of n has its centre at (2 i + 1) / n - 1, so that a grid may be averaged down with the picture.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.nn import functional

# Fewer channels than this are faster by GridSample.
_GATHER_CHANNELS = 8
_gathers: ContextVar[bool] = ContextVar("gathers", default=False)


def identity_grid(like: Tensor) -> Tensor:
    """[1, H, W, 2]: every pixel's own place, for pictures of the size of `like`, [..., H, W]."""
    height, width = like.shape[-2:]
    y = (2 * torch.arange(height, device=like.device, dtype=torch.float32) + 1) / height - 1
    x = (2 * torch.arange(width, device=like.device, dtype=torch.float32) + 1) / width - 1
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([columns, rows], dim=-1)[None]


def warp(source: Tensor, grid: Tensor) -> Tensor:
    """[N, C, h, w]: `source` [N, C, H, W] fetched at `grid` [N, h, w, 2]; bilinear, its border repeats."""
    # Half precision has too few digits for a place among 256 pixels.
    source, grid = source.float(), grid.float()
    if _gathers.get() and source.shape[1] >= _GATHER_CHANNELS:
        return torch.cat([_gathered(one, places) for one, places in zip(source, grid, strict=True)])
    return functional.grid_sample(source, grid, mode="bilinear", padding_mode="border", align_corners=False)


def warp_sharply(picture: Tensor, grid: Tensor) -> Tensor:
    """[N, C, h, w]: pictures [N, C, H, W], -1 to 1, fetched at `grid` as `warp` does, but bicubic: hair stays sharp."""
    fetched = functional.grid_sample(
        picture.float(), grid.float(), mode="bicubic", padding_mode="border", align_corners=False
    )
    return fetched.clamp(-1, 1)


@contextmanager
def gathering() -> Iterator[None]:
    """Within it `warp` gathers rows of a table instead: the same numbers by operators that run fast in ONNX."""
    token = _gathers.set(True)
    try:
        yield
    finally:
        _gathers.reset(token)


def _gathered(source: Tensor, grid: Tensor) -> Tensor:
    """[1, C, h, w] of `source` [C, H, W] at `grid` [h, w, 2]."""
    # Whole numbers, so that the graph's shapes are known before it runs.
    channels, height, width = (int(side) for side in source.shape)
    padded = functional.pad(source[None], (0, 1, 0, 1), mode="replicate")[0]
    corners = [padded[:, :-1, :-1], padded[:, :-1, 1:], padded[:, 1:, :-1], padded[:, 1:, 1:]]
    table = (
        torch.cat(corners).reshape(4 * channels, height * width).T
    )  # [H W, 4 C]: each pixel, and those right of it and below
    x = ((grid[..., 0] + 1) * (width / 2) - 0.5).clamp(0, width - 1)
    y = ((grid[..., 1] + 1) * (height / 2) - 0.5).clamp(0, height - 1)
    left, top = x.floor(), y.floor()
    # Places in the table are whole numbers: half precision counts to 2048 only.
    rows = table[(top.long() * width + left.long()).flatten()]  # [h w, 4 C]
    across, down = (x - left).flatten()[:, None], (y - top).flatten()[:, None]
    one, right, below, last = torch.split(rows, channels, dim=1)
    upper, lower = one + across * (right - one), below + across * (last - below)
    rows_of_grid, columns_of_grid = (int(side) for side in grid.shape[:2])
    fetched: Tensor = (upper + down * (lower - upper)).T.reshape(1, channels, rows_of_grid, columns_of_grid)
    return fetched


def to_planes(grid: Tensor) -> Tensor:
    """[N, 2, H, W] of a grid."""
    return grid.permute(0, 3, 1, 2)


def to_grid(planes: Tensor) -> Tensor:
    """[N, H, W, 2] of [N, 2, H, W]."""
    return planes.permute(0, 2, 3, 1)


def shrink(planes: Tensor, factor: int) -> Tensor:
    """[N, C, H / factor, W / factor], averaged."""
    return planes if factor == 1 else functional.avg_pool2d(planes, factor)


def enlarge(planes: Tensor, factor: int) -> Tensor:
    """[N, C, H factor, W factor], bilinear."""
    if factor == 1:
        return planes
    return functional.interpolate(planes, scale_factor=factor, mode="bilinear", align_corners=False)
