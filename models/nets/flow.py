"""Features of references and a driving code in, where to fetch each pixel out: the dense flow network F.

`PaperFlow` is the published F. `LiveFlow` does the same at an eighth to a quarter of the resolution:

    code ── stride 4 ─────┐
    start - identity ─────┼─ 64² ── conv, stride 2 ──┬─ 32² ─ 16² ─ 32² ─ Up ─ 64² ── heads: residual, trust
    uncovered, mouth ─────┘                          │                    │
    h^(3) warped by the start ───────────────────────┘        skip at 64²─┘

What it finds is added to the start: the mesh's flow prior, or nothing moved.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from headgan.models.nets.blocks import (
    ConvNormRelu,
    PlainResBlock,
    SpadeResBlock,
    Up,
    ZeroConv,
    activate,
)
from headgan.models.nets.config import NetConfig
from headgan.models.nets.inputs import Features
from headgan.models.nets.warp import enlarge, identity_grid, shrink, to_grid, to_planes, warp

# The live F counts in these pixels, so that its numbers are near one. Pixels, and not shares of the picture's width: it
# has to mean the same in a window cut out for training and in the whole picture.
_PIXELS = 8


@dataclass(frozen=True, eq=False)
class Flow:
    """What F finds for N references.

    Attributes:
        grid: [N, H, W, 2], each pixel's place in the reference.
        residual: [N, 2, h, w], what was added to the start, in half picture widths.
        trust: [N, 1, h, w], how much the reference is trusted, before the softmax over the references.
        decoded: [N, C, h, w], F's last features.
        mask: [N, 1, H, W], 0 to 1, where the published F lets anything move; the live F has none.
        seen: what the live F was shown, each at its own size: the start [N, 2, h, w], the hints [N, 2, h, w], and
            h^(3) warped by the start [N, C, h/2, w/2]; the published F has none.
    """

    grid: Tensor
    residual: Tensor
    trust: Tensor
    decoded: Tensor
    mask: Tensor | None = None
    seen: tuple[Tensor, Tensor, Tensor] | None = None


class PaperEncoder(nn.Module):
    """Three scales of features: 7x7 to w at full size, 3x3 stride 2 to 4w, 3x3 stride 2 to 16w."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.fine = ConvNormRelu(inputs, width, 7)
        self.middle = ConvNormRelu(width, 4 * width, 3, stride=2)
        self.coarse = ConvNormRelu(4 * width, 16 * width, 3, stride=2)

    def forward(self, x: Tensor) -> Features:
        """x: [N, inputs, H, W]."""
        fine = self.fine(x)
        middle = self.middle(fine)
        return Features(fine, middle, self.coarse(middle))


class PaperFlow(nn.Module):
    """The published F: SPADE blocks that the driving code modulates, then flow and mask."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        w, condition, hidden = config.width, config.driving_channels, config.hidden
        self.blocks = nn.ModuleList([SpadeResBlock(16 * w, condition, hidden) for _ in range(3)])
        self.block_middle = SpadeResBlock(4 * w, condition, hidden)
        self.up = nn.PixelShuffle(2)
        self.flow = nn.Conv2d(w, 2, 7, padding=3, padding_mode="reflect")
        self.mask = nn.Conv2d(w, 1, 7, padding=3, padding_mode="reflect")

    def forward(self, features: Features, code: Tensor, start: Tensor, hints: Tensor) -> Flow:
        """features: of N references; code: [N, Z, H, W]; start: [N, H, W, 2]; hints are not used here."""
        del hints
        x = features.coarse
        for block in self.blocks:
            x = block(x, code)
        x = self.block_middle(self.up(x), code)  # [N, 4w, H/2, W/2]
        x = self.up(x)  # [N, w, H, W]
        decoded = functional.leaky_relu(x, 0.2)
        trust = self.mask(decoded).float()
        mask = torch.sigmoid(2 * trust)
        # The published flow is in pixels.
        residual = self.flow(decoded).float() * mask * (2 / int(code.shape[-1]))
        return Flow(start + to_grid(residual), residual, trust, decoded, mask)


class LiveEncoder(nn.Module):
    """Two scales of features, at a quarter and an eighth of the picture's size."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        fine, middle = width // 4, width // 2
        self.fine = nn.Sequential(nn.Conv2d(4 * inputs, fine, 3, padding=1), PlainResBlock(fine))
        self.middle = nn.Sequential(nn.Conv2d(fine, middle, 3, stride=2, padding=1), PlainResBlock(middle))
        self.coarse = nn.Sequential(nn.Conv2d(middle, width, 3, stride=2, padding=1), PlainResBlock(width))

    def forward(self, x: Tensor) -> Features:
        """x: [N, inputs, H, W]."""
        fine = self.fine(functional.pixel_unshuffle(x, 2))
        middle = self.middle(activate(fine))
        return Features(None, middle, self.coarse(activate(middle)))


class LiveFlow(nn.Module):
    """A small F at an eighth of the resolution, with the reference's features warped by the start."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        w = config.width
        third, wide = w * 2 // 5 // 8 * 8 or 8, w * 5 // 3 // 8 * 8
        self.code_in = nn.Conv2d(config.driving_channels, 2 * third, 4, stride=4)
        # The start's displacement, uncovered and mouth.
        self.start_in = nn.Conv2d(4, 2 * third, 1)
        self.down = nn.Conv2d(2 * third, w, 3, stride=2, padding=1)
        self.join = nn.Conv2d(2 * w, w, 1)
        self.coarse_in = nn.Sequential(PlainResBlock(w), PlainResBlock(w))
        self.bottom = nn.Sequential(
            nn.Conv2d(w, wide, 3, stride=2, padding=1),
            PlainResBlock(wide),
            PlainResBlock(wide),
            PlainResBlock(wide),
            nn.Conv2d(wide, 4 * w, 1),
            nn.PixelShuffle(2),
        )
        self.coarse_out = PlainResBlock(w)
        self.up = Up(w, third)
        self.skip = nn.Conv2d(2 * third, third, 1)
        self.quarter = PlainResBlock(third)
        self.heads = ZeroConv(third, 3, 3, padding=1)

    def forward(self, features: Features, code: Tensor, start: Tensor, hints: Tensor) -> Flow:
        """features: of N references; code: [N, Z, H, W]; start: [N, H, W, 2]; hints: [N, 2, H, W]."""
        unit = _PIXELS * 2 / int(code.shape[-1])  # in half picture widths
        start_planes = shrink(to_planes(start), 4)  # [N, 2, H/4, W/4]
        moved = start_planes - to_planes(identity_grid(start_planes))
        few_hints = shrink(hints, 4)
        x = self.code_in(code) + self.start_in(torch.cat([moved / unit, few_hints], dim=1))
        started = warp(features.coarse, to_grid(shrink(start_planes, 2)))
        coarse = torch.cat([self.down(activate(x)), started], dim=1)
        coarse = self.coarse_in(self.join(activate(coarse)))
        coarse = self.coarse_out(coarse + self.bottom(activate(coarse)))  # [N, w, H/8, W/8]
        decoded = self.quarter(self.up(activate(coarse)) + self.skip(activate(x)))
        heads = self.heads(activate(decoded)).float()  # [N, 3, H/4, W/4]
        residual, trust = heads[:, :2] * unit, heads[:, 2:]
        grid = start + to_grid(enlarge(residual, 4))
        return Flow(grid, residual, trust, decoded, seen=(start_planes, few_hints, started))
