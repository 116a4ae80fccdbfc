"""Mouths of people who speak in, a network that reads lips, as far as so few teach it, out.

Two things are learned together: which sounds the lips show, and which moment of the sound is theirs, among all moments
of 2.6 s of the same clip. The pictures are moved, turned, mirrored, made lighter, darker and blurred, a whole stretch
alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from headgan.models.metrics.lip_sound import SOUND
from headgan.models.metrics.mouth_view import MOUTH_HEIGHT, MOUTH_WIDTH
from headgan.models.nets.lips import LipNet
from headgan.models.speech_classes import CLASSES, REST
from headgan.models.train.lip_set import MARGIN, LipClip

# Pictures of a stretch, and stretches of a batch.
_STRETCH, _BATCH = 64, 16
_RATE, _DECAY = 2e-3, 0.05
_WARM_UP = 0.05  # share of the steps
# How far a view is moved, as a share of its half, turned (radians) and made larger or smaller, at most.
_SHIFT, _TURN, _ZOOM = 0.12, 0.12, 0.12
_BLURRED, _MOST_BLUR_PX = 0.4, 1.2
_NOISE = 4.0  # levels
# What a picture with a sound counts, over one without; rare sounds count more, by this power of their share.
_SPOKEN, _RARE = 4.0, 0.5
# What sync counts against classes.
_SYNC = 0.5
# Moments so near the true one are neither right nor wrong.
_NEIGHBOURS = 1


@dataclass(frozen=True)
class LipSettings:
    """Of a training.

    Attributes:
        steps: how many batches.
        seed: of what is chosen by chance.
    """

    steps: int
    seed: int = 0


def train_lips(
    clips: Sequence[LipClip], settings: LipSettings, tell: Callable[[int, float, float], None]
) -> LipNet:
    """Trains a network.

    Args:
        clips: of the people to train on.
        settings: how long.
        tell: takes the number of steps done and the losses of classes and sync.
    """
    torch.manual_seed(settings.seed)
    random = np.random.default_rng(settings.seed)
    net = LipNet().train()
    optimizer = torch.optim.AdamW(net.parameters(), _RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _RATE, total_steps=settings.steps, pct_start=_WARM_UP
    )
    weights = _class_weights(clips)
    lengths = np.array([len(clip.mouths) for clip in clips], np.float64)
    for step in range(settings.steps):
        chosen = random.choice(len(clips), _BATCH, p=lengths / lengths.sum())
        mouths, shares, heard, known = _batch([clips[place] for place in chosen], random)
        logits, lips, sound = net(changed(mouths, random), heard)
        told = classes_loss(logits, shares, weights, known)
        apart = sync_loss(lips, sound, net.sharpness.exp(), known)
        optimizer.zero_grad()
        loss = told + _SYNC * apart
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        tell(step + 1, told.item(), apart.item())
    return net.eval()


def classes_loss(logits: Tensor, shares: Tensor, weights: Tensor, known: Tensor) -> Tensor:
    """Cross entropy; pictures with a sound count more.

    Args:
        logits: [B, T, 27].
        shares: [B, T, 27], what is heard.
        weights: [27].
        known: bool [B, T].
    """
    counts = (1 + _SPOKEN * (1 - shares[..., REST])) * known
    entropy = -(shares * weights * logits.log_softmax(dim=-1)).sum(dim=-1)
    return (entropy * counts).sum() / counts.sum()


def sync_loss(lips: Tensor, sound: Tensor, sharpness: Tensor, known: Tensor) -> Tensor:
    """InfoNCE, both ways, over the moments of each stretch.

    Args:
        lips: [B, T, 64].
        sound: [B, T, 64].
        sharpness: what cosines are multiplied by.
        known: bool [B, T].
    """
    T = lips.shape[1]
    cosines = sharpness * lips @ sound.transpose(1, 2)  # [B, T, T]
    apart = (torch.arange(T)[:, None] - torch.arange(T)).abs()
    is_near, is_empty = apart <= _NEIGHBOURS, ~(known[:, :, None] & known[:, None, :])
    left_out = (is_near | is_empty) & (apart > 0)
    cosines = cosines.masked_fill(left_out, -1e4)
    right = torch.arange(T).expand(len(lips), T)
    both = [
        functional.cross_entropy(scores.flatten(0, 1), right.flatten(), reduction="none")
        for scores in (cosines, cosines.transpose(1, 2))
    ]
    counts = known.flatten().float()
    return ((both[0] + both[1]) * counts).sum() / (2 * counts.sum())


def changed(mouths: Tensor, random: np.random.Generator) -> Tensor:
    """Float [B, T, 48, 64]: pictures as another camera might have taken them; mouths: float [B, T, 60, 80]."""
    B, T, H, W = mouths.shape
    turn, zoom = random.uniform(-_TURN, _TURN, B), np.exp(random.uniform(-_ZOOM, _ZOOM, B)) / MARGIN
    side = random.choice([-1.0, 1.0], B)
    ratio = H / W
    theta = np.zeros((B, 2, 3), np.float32)
    theta[:, 0, 0], theta[:, 0, 1] = side * np.cos(turn) * zoom, -np.sin(turn) * zoom * ratio
    theta[:, 1, 0], theta[:, 1, 1] = side * np.sin(turn) * zoom / ratio, np.cos(turn) * zoom
    theta[:, :, 2] = random.uniform(-_SHIFT, _SHIFT, (B, 2))
    grid = functional.affine_grid(
        torch.from_numpy(theta), [B, T, MOUTH_HEIGHT, MOUTH_WIDTH], align_corners=False
    )
    seen = functional.grid_sample(mouths, grid, padding_mode="border", align_corners=False)
    gamma = torch.from_numpy(np.exp(random.uniform(-0.4, 0.4, (B, 1, 1, 1))).astype(np.float32))
    seen = 255 * (seen.clamp(0, 255) / 255) ** gamma
    seen = torch.stack([_blurred(stretch, random) for stretch in seen])
    return seen + _NOISE * float(random.random()) * torch.randn_like(seen)


def _blurred(stretch: Tensor, random: np.random.Generator) -> Tensor:
    """A stretch [T, H, W] as a coder or a network might leave it; some stay sharp."""
    if random.random() > _BLURRED:
        return stretch
    width = random.uniform(0.4, _MOST_BLUR_PX)
    weights = torch.exp(-0.5 * (torch.arange(-3, 4) / width) ** 2)
    weights = weights / weights.sum()
    rows = functional.conv2d(stretch[:, None], weights.reshape(1, 1, 1, 7), padding=(0, 3))
    return functional.conv2d(rows, weights.reshape(1, 1, 7, 1), padding=(3, 0))[:, 0]


def _class_weights(clips: Sequence[LipClip]) -> Tensor:
    shares = np.concatenate([clip.sound.shares for clip in clips])
    spoken = shares[1 - shares[:, REST] >= SOUND].mean(axis=0)
    weights = np.ones(CLASSES)
    weights[:REST] = (spoken[:REST].mean() / np.maximum(spoken[:REST], 1e-3)) ** _RARE
    return torch.from_numpy(weights.astype(np.float32))


def _batch(clips: Sequence[LipClip], random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A stretch of each: mouths [B, T, 60, 80], shares [B, T, 27], heard [B, T, 150], and where it is known [B, T]."""
    arrays: list[tuple[NDArray[np.generic], ...]] = []
    for clip in clips:
        first = int(random.integers(max(len(clip.mouths) - _STRETCH, 0) + 1))
        places = np.arange(first, first + _STRETCH)
        known = places < len(clip.mouths)
        places = np.minimum(places, len(clip.mouths) - 1)
        arrays.append(
            (
                clip.mouths[places].astype(np.float32),
                clip.sound.shares[places],
                clip.sound.heard[places],
                known,
            )
        )
    mouths, shares, heard, known_all = (
        torch.from_numpy(np.stack(part)) for part in zip(*arrays, strict=True)
    )
    return mouths, shares, heard, known_all
