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
        lesson=sample.lesson[..., ::-1, :] * _MIRROR,
        person=sample.person[..., ::-1].copy(),
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


def cut_window(sample: Sample, x: int, y: int, side: int) -> Sample:
    """The square of `side` pixels whose upper left corner is (x, y); what is fetched from outside it repeats its edge.

    Args:
        sample: of whole pictures.
        x: a multiple of 4.
        y: a multiple of 4.
        side: a multiple of 4.
    """
    whole = sample.picture.shape[-1]
    scale = np.float32(whole / side)
    center = np.array([2 * x + side, 2 * y + side], np.float32) / whole - 1

    def planes(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return array[..., y : y + side, x : x + side].copy()

    def box(array: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([array[:, :2] - center, array[:, 2:]], axis=1) * scale

    lesson = sample.lesson[..., y // 4 : (y + side) // 4, x // 4 : (x + side) // 4, :]
    return replace(
        sample,
        reference=planes(sample.reference),
        background=planes(sample.background),
        reference_code=planes(sample.reference_code),
        picture=planes(sample.picture),
        code=planes(sample.code),
        grid=(sample.grid[..., y : y + side, x : x + side, :] - center) * scale,
        uncovered=planes(sample.uncovered),
        mouth=planes(sample.mouth),
        mouth_box=box(sample.mouth_box),
        face_box=box(sample.face_box),
        lesson=lesson * np.array([scale, scale, 1], np.float32),
        person=planes(sample.person),
    )


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
