"""Warped features, the warped picture, a driving code and sound in, the finished picture out: the network R.

`PaperRender` is the published R. `LiveRender` works at an eighth to a half of the resolution; no layer of it runs at
the whole, where a processor spends its time on moving numbers:

    warped RGB, code, mouth, uncovered ── stride 4 ─────┐
    h^(2) warped, F's features ─────────────────────────┴─ 64² ─ 32², AdaIN ─ Up ─ 64² ─ Up ─ 128² ─ shuffle ─ 256²
                                                                  h^(3)              warped RGB        │
                                                                                             mask, what is added

It adds to the warped picture, of which a mask first takes away as much as it likes: R may overrule the warp anywhere.
Adding is what it learns from the start; a blend of two pictures, tried first, gives up the worse one before it is any
good.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from headgan.models.cut_frames import STARTS_CLOSED
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


@dataclass(frozen=True, eq=False)
class Warped:
    """What F leaves for R, of each reference or fused.

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

    def each(self, change: Callable[[Tensor], Tensor]) -> "Warped":
        """The same with everything changed."""
        return Warped(
            change(self.picture), self.features.each(change), change(self.hints), change(self.decoded)
        )


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
        assert features.fine is not None  # The published encoder has it.
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
        third, quarter = w * 2 // 5 // 8 * 8 or 8, w * 2 // 3 // 8 * 8
        half = third
        # Patches of 4x4 pixels become features by convolutions of stride 4: faster than moving pixels to channels.
        self.picture_in = nn.Conv2d(3, quarter, 4, stride=4)
        self.code_in = nn.Conv2d(config.code_channels + 2, quarter, 4, stride=4)
        self.features_in = nn.Conv2d(w // 2 + third, quarter, 1)
        self.quarter_in = PlainResBlock(quarter)
        self.down = nn.Conv2d(quarter, w, 3, stride=2, padding=1)
        self.join = nn.Conv2d(2 * w, w, 1)
        self.coarse_in = PlainResBlock(w)
        self.listen = ListeningBlock(w, AUDIO_SIZE) if config.audio else None
        self.coarse_out = nn.Sequential(PlainResBlock(w), PlainResBlock(w))
        self.up_quarter = Up(w, quarter)
        self.quarter_out = PlainResBlock(quarter)
        self.up_half = Up(quarter, half)
        self.half_in = nn.Conv2d(half, half, 3, padding=1)
        self.picture_again = nn.Conv2d(3, half, 6, stride=2, padding=2)
        self.half_out = nn.Conv2d(half, half, 3, padding=1)
        self.output = ZeroConv(half, 4 * 4, 3, padding=1)  # Starts as the warped picture.

    def forward(self, warped: Warped, code: Tensor, audio: Tensor) -> Tensor:
        """[B, 3, H, W], about -1 to 1; code: [B, Z, H, W], of which the newest frame is used; audio: [B, 300]."""
        return self.changed(warped.picture, self.changes(warped, code, audio))

    def changes(self, warped: Warped, code: Tensor, audio: Tensor) -> Tensor:
        """[B, 16, H/2, W/2]: of each pixel what is added to its colours, and whether they are taken away before."""
        newest = code[:, : self.code_channels]
        quarter = (
            self.picture_in(warped.picture)
            + self.code_in(torch.cat([newest, warped.hints], dim=1))
            + self.features_in(torch.cat([warped.features.middle, warped.decoded], dim=1))
        )
        quarter = self.quarter_in(quarter)  # [B, quarter, H/4, W/4]
        coarse = torch.cat([self.down(activate(quarter)), warped.features.coarse], dim=1)
        coarse = self.coarse_in(self.join(activate(coarse)))  # [B, w, H/8, W/8]
        if self.listen is not None:
            coarse = self.listen(coarse, audio)
        coarse = self.coarse_out(coarse)
        quarter = self.quarter_out(quarter + self.up_quarter(activate(coarse)))
        half = self.half_in(activate(self.up_half(activate(quarter)))) + self.picture_again(warped.picture)
        half = half + self.half_out(activate(half))  # [B, half, H/2, W/2]
        changes: Tensor = self.output(activate(half))
        return changes

    def changed(self, warped: Tensor, changes: Tensor) -> Tensor:
        """[B, 3, H, W]: the picture `warped`, [B, 3, H, W], with its changes."""
        output = functional.pixel_shuffle(changes, 2).float()  # [B, 4, H, W]
        taken_away = torch.sigmoid(output[:, 3:] - STARTS_CLOSED)
        picture: Tensor = warped * (1 - taken_away) + output[:, :3]
        return picture
