"""A frame as the networks drew it and its references at twice the size in, the frame at twice the size out.

references, 512 ── fetched by F's flow ── fused ──┬───────────── what 256 cannot hold ──┐
                                                  └─ shrunk ──┐                         × ── + ── frame, 512
drawn, 256 ───┬──────────────────────────────── agreement ────┴─────────────────────────┘    │
              └───────────────────────────────── enlarged ───────────────────────────────────┘

The networks see and draw 256 x 256 pixels, whatever is shown. What they put in the place of what a reference has, the
inside of a mouth, what a head uncovers, has no detail there: it is enlarged and nothing is added. Shrunk again the
frame is the networks' picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.drawn_frame import DrawnFrame
from headgan.models.flow_prior import pixel_grid
from headgan.models.pncc import CROP_SIZE, to_pixels
from headgan.proto.errors import UsageError
from headgan.proto.hello import LARGE_PICTURE_PX

LARGE_SIZE = LARGE_PICTURE_PX
SIZES = (CROP_SIZE, LARGE_SIZE)
# Where the picture is this many levels from the warped reference, over some pixels, a third of the detail is left.
_DOUBT_LEVELS = 20.0
# Over how many pixels of 256 agreement is looked for: less, and the networks' grain would show in it.
_AROUND_PX = 3.0


@dataclass(frozen=True, eq=False)
class Unknown:
    """Where no reference shows what is drawn.

    Attributes:
        uncovered: float32 [256, 256], 0 to 1.
        mouth: float32 [256, 256], 0 to 1.
    """

    uncovered: NDArray[np.float32]
    mouth: NDArray[np.float32]


def check_size(size: int) -> None:
    """Raises UsageError unless `--size` names a side that pictures can have."""
    if size not in SIZES:
        raise UsageError(f"--size {size}: give 256, or 512 for detail that the references have")


def shrunk(picture_rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Uint8 [256, 256, 3] of uint8 [512, 512, 3]: means of 2 x 2 pixels in whole numbers, the same everywhere."""
    pairs = picture_rgb.reshape(CROP_SIZE, 2, CROP_SIZE, 2, 3).astype(np.uint16)
    small: NDArray[np.uint8] = ((pairs.sum(axis=(1, 3), dtype=np.uint16) + 2) >> 2).astype(np.uint8)
    return small


def enlarged(picture_rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Uint8 [512, 512, 3] of uint8 [256, 256, 3], or the picture itself if it is large."""
    if len(picture_rgb) == LARGE_SIZE:
        return picture_rgb
    large: NDArray[np.uint8] = cv2.resize(
        picture_rgb, (LARGE_SIZE, LARGE_SIZE), interpolation=cv2.INTER_CUBIC
    )
    return large


def add_detail(
    drawn: DrawnFrame, references: Sequence[NDArray[np.uint8]], unknown: Unknown
) -> NDArray[np.uint8]:
    """Uint8 [512, 512, 3]: the frame `drawn` with the detail of `references`, uint8 [512, 512, 3] each.

    Args:
        drawn: at 256.
        references: those that it was drawn from; of more than tell where they went, the first.
        unknown: where there is nothing to add.
    """
    warped = _fused(drawn, references)
    small = cv2.resize(warped, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA)
    share = _agreement(drawn.picture, small, unknown)
    rest = drawn.picture - share[..., None] * small
    whole = (LARGE_SIZE, LARGE_SIZE)
    large = cv2.resize(rest, whole, interpolation=cv2.INTER_CUBIC)
    large_share = cv2.resize(share, whole, interpolation=cv2.INTER_CUBIC)
    added = cv2.multiply(warped, cv2.merge([large_share] * 3), dtype=cv2.CV_32F)
    shown: NDArray[np.uint8] = cv2.add(large, added, dtype=cv2.CV_8U)
    return shown


def _fused(drawn: DrawnFrame, references: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Uint8 [512, 512, 3]: the references where the frame has them, each with its share."""
    warped = [_warped(picture, grid) for grid, picture in zip(drawn.grids, references, strict=False)]
    if len(warped) == 1:
        return warped[0]
    total = np.zeros((LARGE_SIZE, LARGE_SIZE, 3), np.float32)
    for picture, share in zip(warped, drawn.shares, strict=True):
        large = cv2.resize(share, (LARGE_SIZE, LARGE_SIZE), interpolation=cv2.INTER_LINEAR)
        total += cv2.multiply(picture, cv2.merge([large] * 3), dtype=cv2.CV_32F)
    fused: NDArray[np.uint8] = cv2.add(total, 0.0, dtype=cv2.CV_8U)
    return fused


def _warped(picture: NDArray[np.uint8], grid: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Uint8 [512, 512, 3]: the picture fetched at `grid`, float32 [256, 256, 2], -1 to 1."""
    # The displacement is enlarged, not the place, which would stand still beyond the outermost pixels' centres.
    moved = cv2.resize(grid - pixel_grid(CROP_SIZE), (LARGE_SIZE, LARGE_SIZE), interpolation=cv2.INTER_LINEAR)
    places = to_pixels(moved + pixel_grid(LARGE_SIZE), LARGE_SIZE)
    warped: NDArray[np.uint8] = cv2.remap(
        picture, places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return warped


def _agreement(
    picture: NDArray[np.uint8], warped: NDArray[np.uint8], unknown: Unknown
) -> NDArray[np.float32]:
    """Float32 [256, 256], 0 to 1: how far the picture shows what the warped reference shows."""
    apart = cv2.absdiff(picture, warped).astype(np.float32).mean(axis=-1)
    doubt = cv2.GaussianBlur(apart, (0, 0), _AROUND_PX) / np.float32(_DOUBT_LEVELS)
    known = (1 - unknown.uncovered) * (1 - unknown.mouth)
    agreement: NDArray[np.float32] = np.exp(-doubt * doubt) * known
    return agreement
