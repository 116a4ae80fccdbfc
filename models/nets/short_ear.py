"""Levels of 40 bands of sound, 100 times a second, in, shares of 27 classes of sounds, 50 times a second, out.

levels ── each two as one ── convolution ── 8 residual ones, 1, 2, 4, 8, 1, 2, 4, 8 apart ── 27 logits

It looks both ways within the second that it is given, so that older outputs make use of the sound after them; what it
says of the newest is what can be said without. It is trained as it is used: on windows that end anywhere. None ships:
it is three times as fast as hama's and not as good (docs/speech.md).
"""

import torch
from torch import Tensor, nn

from headgan.models.speech_classes import CLASSES
from headgan.models.speech_mel import BANDS

DILATIONS = (1, 2, 4, 8, 1, 2, 4, 8)


class ShortEar(nn.Module):
    """A small network that hears speech.

    Args:
        width: channels.
        dropout: share of the channels that are left out in training.
    """

    def __init__(self, width: int = 112, dropout: float = 0.1) -> None:
        super().__init__()
        self.first = nn.Conv1d(2 * BANDS, width, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in DILATIONS)
        self.layers = nn.ModuleList(
            nn.Conv1d(width, width, 3, padding=apart, dilation=apart) for apart in DILATIONS
        )
        self.dropout = nn.Dropout1d(dropout)
        self.last = nn.Conv1d(width, CLASSES, 1)

    def forward(self, levels: Tensor) -> Tensor:
        """Logits [B, T, 27] of `levels` [B, 2 T, 40]."""
        batch, frames, bands = levels.shape
        x = levels.reshape(batch, frames // 2, 2 * bands).transpose(1, 2)  # [B, 80, T]
        x = torch.relu(self.first(x))
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = x + self.dropout(torch.relu(layer(norm(x))))
        logits: Tensor = self.last(x).transpose(1, 2)  # [B, T, 27]
        return logits
