"""A training sample in, the same sample mirrored or in other colours out."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.train.samples import Sample

# Exponent of the levels, gain of all and of each channel: standard deviations of their logarithms.
_MIRROR = np.array([-1, 1, 1], np.float32)
_GAMMA, _GAIN, _TINT = 0.15, 0.12, 0.05


def mirrored(sample: Sample) -> Sample:
    """Left becomes right, in the pictures and in what they say: places, and the code's x."""
    return replace(
        sample,
        reference=sample.reference[..., ::-1].copy(),
        background=sample.background[..., ::-1].copy(),
        picture=sample.picture[..., ::-1].copy(),
        uncovered=sample.uncovered[..., ::-1].copy(),
        mouth=sample.mouth[..., ::-1].copy(),
        reference_code=_mirrored_code(sample.reference_code),
        code=_mirrored_code(sample.code),
        grid=sample.grid[..., ::-1, :] * _MIRROR[:2],
        mouth_box=sample.mouth_box * _MIRROR,
        face_box=sample.face_box * _MIRROR,
    )


def _mirrored_code(code: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes [N, C, H, W]; x of the mean face, 1 to 255 from one ear to the other, changes sides."""
    flipped = code[..., ::-1].copy()
    if _is_sketch(flipped):
        return flipped
    channels = 4 if flipped.shape[1] % 4 == 0 else 3
    x = flipped[:, ::channels]
    flipped[:, ::channels] = np.where(x > 0, 256 - x.astype(np.int32), 0).astype(np.uint8)
    return flipped


def _is_sketch(code: NDArray[np.uint8]) -> bool:
    """Whether it is a sketch of landmarks, which is all but empty, and no coordinate code."""
    return float((code[:, 2] > 0).mean()) < 0.03


def recoloured(sample: Sample, random: np.random.Generator) -> Sample:
    """Another light and another camera's colours, the same for all pictures of the sample."""
    gamma = np.exp(random.normal(0, _GAMMA))
    gains = np.exp(random.normal(0, _GAIN) + random.normal(0, _TINT, 3))
    levels = np.linspace(0, 1, 256)[:, None] ** gamma * gains
    table = np.rint(np.clip(levels, 0, 1) * 255).astype(np.uint8)  # [256, 3]
    return replace(
        sample,
        reference=_looked_up(sample.reference, table),
        background=_looked_up(sample.background, table),
        picture=_looked_up(sample.picture, table),
    )


def _looked_up(planes: NDArray[np.uint8], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Planes [N, 3, H, W] with each channel through its own table [256, 3]."""
    changed = np.empty_like(planes)
    for channel in range(3):
        changed[:, channel] = cv2.LUT(planes[:, channel], np.ascontiguousarray(table[:, channel]))
    return changed
