"""Mouths and sound of one clip in, which sounds the lips show, and how well both go together, out.

mouths [T, 48, 64] ── 5 pictures at once ── 3 x halved ── [T, 128] ── 3 x 3 moments ─┬── 27 classes of sounds
                                                                                     └── lips [T, 64] ───┐
heard [T, 150] ─────────────────────────────────────────────────────── 3 x 3 moments ─── sound [T, 64] ──┴── distance

An answer depends on 11 pictures, 0.44 s. Lips and sounds are unit vectors that are near each other where they are of
one moment, as in SyncNet (Chung and Zisserman, 2016).
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from headgan.models.metrics.lip_sound import HEARD_SIZE
from headgan.models.metrics.mouth_view import MOUTH_HEIGHT, MOUTH_WIDTH
from headgan.models.speech_classes import CLASSES

EMBEDDING = 64
_CHANNELS = (16, 32, 48, 64)
_WIDTH = 128
_DROPPED = 0.3


class LipNet(nn.Module):
    """Looks at lips and listens."""

    def __init__(self) -> None:
        super().__init__()
        first = _CHANNELS[0]
        self.front = nn.Sequential(
            nn.Conv3d(1, first, 5, (1, 2, 2), 2, bias=False), nn.BatchNorm3d(first), nn.ReLU()
        )
        self.still = nn.Sequential(*(_halving(few, many) for few, many in pairwise(_CHANNELS)))
        cells = _CHANNELS[-1] * (MOUTH_HEIGHT // 16) * (MOUTH_WIDTH // 16)
        self.gather = nn.Sequential(nn.Dropout(_DROPPED), nn.Linear(cells, _WIDTH), nn.ReLU())
        self.course = _course(_WIDTH, _WIDTH)
        self.classes = nn.Linear(_WIDTH, CLASSES)
        self.lips = nn.Linear(_WIDTH, EMBEDDING)
        self.hearing = _course(HEARD_SIZE, EMBEDDING)
        self.sound = nn.Linear(EMBEDDING, EMBEDDING)
        self.sharpness = nn.Parameter(
            torch.tensor(2.0)
        )  # logarithm of what cosines are multiplied by in training

    def forward(self, mouths: Tensor, heard: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits [B, T, 27], and unit vectors [B, T, 64] of lips and of sounds.

        Args:
            mouths: float [B, T, 48, 64], any scale: they are brought to mean 0 and deviation 1 over all T.
            heard: float [B, T, 150].
        """
        B, T, H, W = mouths.shape
        mean = mouths.mean(dim=(1, 2, 3), keepdim=True)
        deviation = (mouths - mean).square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        x = ((mouths - mean) / (deviation + 1)).unsqueeze(1)  # [B, 1, T, H, W]
        x = self.front(x).transpose(1, 2)  # [B, T, 16, H / 2, W / 2]
        x = self.still(x.reshape(B * T, _CHANNELS[0], H // 2, W // 2))
        x = self.gather(x.flatten(1)).reshape(B, T, _WIDTH)
        x = self.course(x.transpose(1, 2)).transpose(1, 2)  # [B, T, 128]
        y = self.hearing(heard.transpose(1, 2)).transpose(1, 2)  # [B, T, 64]
        lips, sound = (functional.normalize(part, dim=-1) for part in (self.lips(x), self.sound(y)))
        return self.classes(x), lips, sound


def _halving(few: int, many: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(few, many, 3, 2, 1, bias=False), nn.BatchNorm2d(many), nn.ReLU())


def _course(few: int, many: int) -> nn.Module:
    """Three convolutions over time; [B, few, T] to [B, many, T]."""
    layers: list[nn.Module] = []
    for place in range(3):
        layers += [
            nn.Conv1d(many if place else few, many, 3, padding=1, bias=False),
            nn.BatchNorm1d(many),
            nn.ReLU(),
            nn.Dropout(_DROPPED),
        ]
    return nn.Sequential(*layers)
