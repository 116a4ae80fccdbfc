"""A generator and people it was not trained on in, how well it draws them out, beside the prior and a still."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headgan.models.codes import CodeRenderer
from headgan.models.morphable import MorphableModel
from headgan.models.mouth import MOUTH_COLOR
from headgan.models.nets.config import NetConfig
from headgan.models.nets.head_gan import HeadGan
from headgan.models.nets.inputs import Driving, Reference
from headgan.models.nets.losses import cut_boxes
from headgan.models.nets.vgg import PerceptualDistance
from headgan.models.nets.warp import warp
from headgan.models.train.batches import Batch, held_out_people
from headgan.models.train.prepared_set import PreparedSet
from headgan.models.train.samples import SampleMaker

_PAIRS_AT_ONCE = 4
_SHEET_ROWS = 10
_METHODS = ("model", "prior", "repeat")


@dataclass(frozen=True)
class Score:
    """Means over the validation pairs.

    Attributes:
        psnr_db: peak signal to noise ratio.
        perceptual: ST-LPIPS.
        mouth_l1: mean absolute difference around the mouth, levels of 255.
    """

    psnr_db: float
    perceptual: float
    mouth_l1: float


class Validation:
    """A fixed set of held-out pairs: the first frame of a segment, and frames from all over it."""

    def __init__(
        self,
        folder: Path,
        network: NetConfig,
        held_out: float,
        pairs: int,
        perceptual: PerceptualDistance | None,
        *,
        hears: bool = False,
        drifts: bool = False,
        codes: bool = False,
    ) -> None:
        """Prepares the pairs.

        Args:
            folder: the training set.
            network: what the generator is told.
            held_out: share of the people that the pairs are of.
            pairs: how many, at most.
            perceptual: without it that score is NaN.
            hears: whether there is sound.
            drifts: whether geometry follows drift.
            codes: whether references are as the other end of a call sees them.
        """
        prepared = PreparedSet.open(folder)
        people = held_out_people(prepared, held_out)
        renderer = CodeRenderer(MorphableModel.load(), code=network.code, gaze=network.gaze)
        maker = SampleMaker(
            prepared, renderer, past_frames=network.past_frames, hears=hears, drifts=drifts, codes=codes
        )
        segments = [segment for segment in prepared.segments if segment.person in people]
        each = -(-pairs // max(len(segments), 1))
        samples = []
        for segment in segments:
            frames = np.linspace(segment.frames - 1, 0, each, endpoint=False).round().astype(int)
            samples += [maker.make(segment, np.zeros(1, np.int64), np.array([frame])) for frame in frames]
        chosen = np.linspace(0, len(samples) - 1, min(pairs, len(samples))).round().astype(int)
        self._batches = [
            Batch.of([samples[index] for index in chosen[start : start + _PAIRS_AT_ONCE]])
            for start in range(0, len(chosen), _PAIRS_AT_ONCE)
        ]
        self._perceptual = perceptual
        self._fixed: dict[int, dict[str, Score]] = {}

    def __len__(self) -> int:
        """Number of pairs."""
        return sum(len(batch.picture) for batch in self._batches)

    @torch.no_grad()
    def score(self, generator: HeadGan, size: int) -> tuple[dict[str, Score], NDArray[np.uint8]]:
        """Scores of `model`, `prior` and `repeat`, and a sheet of pictures, uint8 [H, W, 3].

        A row of the sheet: reference, truth, model, warped only, prior.
        """
        device = next(generator.parameters()).device
        # What needs no generator scores the same every time.
        methods = _METHODS[:1] if size in self._fixed else _METHODS
        found: dict[str, list[tuple[float, float, float]]] = {method: [] for method in methods}
        rows = []
        for batch in self._batches:
            reference, driving, truth = batch.to(device).inputs(size)
            drawn = generator.eval()(reference, driving)
            still = reference.picture[:, 0]
            prior = prior_picture(reference, driving)
            boxes = batch.mouth_box.flatten(0, 1).to(device)
            pictures = dict(zip(_METHODS, (drawn.picture, prior, still), strict=True))
            for method in methods:
                found[method] += self._measure(pictures[method].float(), truth, boxes)
            columns = torch.cat([still, truth, drawn.picture.float(), drawn.warped.float(), prior], dim=3)
            rows += [_levels(row) for row in columns]
        scores = {method: Score(*np.mean(values, axis=0).tolist()) for method, values in found.items()}
        scores |= self._fixed.setdefault(size, {method: scores[method] for method in methods[1:]})
        spread = np.linspace(0, len(rows) - 1, min(_SHEET_ROWS, len(rows))).astype(int)
        return scores, np.concatenate([rows[index] for index in spread])

    def _measure(self, picture: Tensor, truth: Tensor, boxes: Tensor) -> list[tuple[float, float, float]]:
        rounded = ((picture.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1
        squared = (rounded - truth).square().mean(dim=(1, 2, 3)).clamp(min=1e-8)
        psnr = 10 * torch.log10(4 / squared)
        distance = torch.full_like(psnr, torch.nan)
        if self._perceptual is not None:
            distance = self._perceptual((rounded + 1) / 2, (truth + 1) / 2)
        mouth = (cut_boxes(rounded, boxes, 64) - cut_boxes(truth, boxes, 64)).abs().mean(
            dim=(1, 2, 3)
        ) * 127.5
        return list(zip(psnr.tolist(), distance.tolist(), mouth.tolist(), strict=True))


def prior_picture(reference: Reference, driving: Driving) -> Tensor:
    """[B, 3, H, W]: what the geometry alone draws of the first reference; see `prior_graph`."""
    picture = warp(reference.picture[:, 0], driving.grid[:, 0])
    picture = picture + driving.uncovered[:, 0] * (reference.background[:, 0] - picture)
    dark = torch.tensor(MOUTH_COLOR, device=picture.device).view(1, 3, 1, 1) / 127.5 - 1
    return picture + driving.mouth[:, 0] * (dark - picture)


def write_sheet(path: Path, sheet_rgb: NDArray[np.uint8]) -> None:
    """Writes a picture, uint8 [H, W, 3]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), sheet_rgb[..., ::-1])


def _levels(planes: Tensor) -> NDArray[np.uint8]:
    """Uint8 [H, W, 3] of [3, H, W], -1 to 1."""
    levels: NDArray[np.uint8] = (
        ((planes.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
    )
    return levels
