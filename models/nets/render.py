"""Warped features, the warped picture, a driving code and sound in, the finished picture out: the network R.

`PaperRender` is the published R. `LiveRender` works at a quarter of the resolution, and its full-resolution tail is
thin:

    warped RGB, code, mouth, uncovered ── unshuffle 4 ──┐
    h^(2) warped, F's features ─────────────────────────┴─ 64² ─ 32², AdaIN ─ Up ─ 64² ─ Up ─ 128² ─ Up ─ 256²
                                                                  h^(3)                   h^(1)         │
                                                                                             mask, what is added

It adds to the warped picture, of which a mask first takes away as much as it likes: R may overrule the warp anywhere.
Adding is what it learns from the start; a blend of two pictures, tried first, gives up the worse one before it is any
good.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from headgan.models.nets.blocks import (
    AdaInResBlock,
    ListeningBlock,
    PlainResBlock,
    SpadeResBlock,
    Up,
    ZeroConv,
    activate,
)
from headgan.models.nets.config import AUDIO_SIZE, NetConfig
from headgan.models.nets.flow import PaperEncoder
from headgan.models.nets.inputs import Features

_STARTS_CLOSED = 4.0


@dataclass(frozen=True, eq=False)
class Warped:
    """What F leaves for R, fused over the references.

    Attributes:
        picture: [B, 3, H, W], -1 to 1.
        features: the reference's features, warped.
        hints: [B, 2, H, W], uncovered and mouth.
        decoded: [B, C, h, w], F's last features.
    """

    picture: Tensor
    features: Features
    hints: Tensor
    decoded: Tensor


class PaperRender(nn.Module):
    """The published R: SPADE blocks that the warped features modulate, AdaIN by the sound between them."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        w, hidden = config.width, config.hidden
        self.encoder = PaperEncoder(config.driving_channels, w)
        self.spade_coarse = SpadeResBlock(16 * w, 16 * w, hidden)
        self.spade_middle = SpadeResBlock(4 * w, 4 * w, hidden)
        self.spade_fine = SpadeResBlock(w, w, hidden)
        self.spade_picture = SpadeResBlock(w, 3, hidden)
        self.listen = nn.ModuleList(
            [AdaInResBlock(channels, AUDIO_SIZE) for channels in (16 * w, 4 * w, w)] if config.audio else []
        )
        self.up = nn.PixelShuffle(2)
        self.output = nn.Conv2d(w, 3, 7, padding=3, padding_mode="reflect")

    def forward(self, warped: Warped, code: Tensor, audio: Tensor) -> Tensor:
        """[B, 3, H, W], -1 to 1; code: [B, Z, H, W]; audio: [B, 300]."""
        x = self.encoder(code).coarse  # [B, 16w, H/4, W/4]
        features = warped.features
        x = self._listen(0, self.spade_coarse(x, features.coarse), audio)
        x = self._listen(1, self.spade_middle(self.up(x), features.middle), audio)  # [B, 4w, H/2, W/2]
        x = self._listen(2, self.spade_fine(self.up(x), features.fine), audio)  # [B, w, H, W]
        x = self.spade_picture(x, warped.picture)
        return torch.tanh(self.output(functional.leaky_relu(x, 0.2)).float())

    def _listen(self, stage: int, x: Tensor, audio: Tensor) -> Tensor:
        if not self.listen:
            return x
        heard: Tensor = self.listen[stage](x, audio)
        return heard


class LiveRender(nn.Module):
    """A small R whose work is done at a quarter and an eighth of the resolution."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        w = config.width
        self.code_channels = config.code_channels
        third, quarter, half, thin = w // 3 // 8 * 8 or 8, w * 2 // 3 // 8 * 8, w // 4, w // 12 // 2 * 2 or 2
        planes = 3 + config.code_channels + 2
        self.inputs = nn.Conv2d(16 * planes + w // 2 + third, quarter, 1)
        self.quarter_in = PlainResBlock(quarter)
        self.down = nn.Conv2d(quarter, w, 3, stride=2, padding=1)
        self.join = nn.Conv2d(2 * w, w, 1)
        self.coarse_in = PlainResBlock(w)
        self.listen = ListeningBlock(w, AUDIO_SIZE) if config.audio else None
        self.coarse_out = nn.Sequential(PlainResBlock(w), PlainResBlock(w))
        self.up_quarter = Up(w, quarter)
        self.quarter_out = PlainResBlock(quarter)
        self.up_half = Up(quarter, half)
        self.half_in = nn.Conv2d(2 * half + 4 * 3, half, 3, padding=1)
        self.half_out = nn.Conv2d(half, half, 3, padding=1)
        self.up_whole = Up(half, thin)
        self.output = ZeroConv(thin + 3, 4, 3, padding=1)  # Starts as the warped picture.

    def forward(self, warped: Warped, code: Tensor, audio: Tensor) -> Tensor:
        """[B, 3, H, W], about -1 to 1; code: [B, Z, H, W], of which the newest frame is used; audio: [B, 300]."""
        newest = code[:, : self.code_channels]
        planes = functional.pixel_unshuffle(torch.cat([warped.picture, newest, warped.hints], dim=1), 4)
        x = self.inputs(torch.cat([planes, warped.features.middle, warped.decoded], dim=1))
        quarter = self.quarter_in(x)  # [B, quarter, H/4, W/4]
        coarse = torch.cat([self.down(activate(quarter)), warped.features.coarse], dim=1)
        coarse = self.coarse_in(self.join(activate(coarse)))  # [B, w, H/8, W/8]
        if self.listen is not None:
            coarse = self.listen(coarse, audio)
        coarse = self.coarse_out(coarse)
        quarter = self.quarter_out(quarter + self.up_quarter(activate(coarse)))
        fine = activate(torch.cat([self.up_half(activate(quarter)), warped.features.fine], dim=1))
        half = self.half_in(torch.cat([fine, functional.pixel_unshuffle(warped.picture, 2)], dim=1))
        half = half + self.half_out(activate(half))  # [B, half, H/2, W/2]
        whole = torch.cat([activate(self.up_whole(activate(half))), warped.picture], dim=1)
        output = self.output(whole).float()  # [B, 4, H, W]
        taken_away = torch.sigmoid(output[:, 3:] - _STARTS_CLOSED)
        picture: Tensor = warped.picture * (1 - taken_away) + output[:, :3]
        return picture
