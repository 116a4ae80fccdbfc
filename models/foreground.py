"""A picture and its face in, where the person is out: GrabCut started from the face.

GrabCut (Rother et al., SIGGRAPH 2004) is run once for a reference, at half the size or less: the mask's edge is moved
outwards further than that blurs it, and a hostile picture cannot hold it up for long. Doubt is settled for the person:
what is wrongly taken for background would be left behind by a moving head, what is wrongly taken for the person only
moves along a little.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.flow_prior import pixel_grid
from headgan.models.pncc import to_pixels


@dataclass(frozen=True)
class Care:
    """How carefully to look.

    Attributes:
        size: of the picture that GrabCut is given, in pixels.
        iterations: of GrabCut.
    """

    size: int
    iterations: int


# 23 ms of a core, and 5: the masks of the second differ from those of the first by 0.03 on average.
CAREFUL, QUICK = Care(128, 4), Care(64, 2)
# From here on of the mask a picture's own pixels are not its background.
HIDDEN = 0.02
# The face's box, in units of its half size from its centre: how far hair and body reach at most, and surely.
_HEAD_MAYBE = (1.9, 2.3)
_HEAD_LIKELY = (1.25, 1.55)
# The person's edge is moved outwards by this many pixels of 256.
_MARGIN = 7


def foreground_mask(
    picture_rgb: NDArray[np.uint8], points: NDArray[np.float32], care: Care = CAREFUL
) -> NDArray[np.float32]:
    """Float32 [256, 256], 1 where the person is, 0 where the background is, soft between.

    Args:
        picture_rgb: uint8 [256, 256, 3].
        points: float32 [V, 3] of the face in half crop widths.
        care: what is drawn from it wants it `CAREFUL`.
    """
    whole_size = picture_rgb.shape[1::-1]
    small = cv2.resize(picture_rgb, (care.size, care.size), interpolation=cv2.INTER_AREA)
    labels = _first_guess(points, care.size)
    is_background = (labels == cv2.GC_BGD) | (labels == cv2.GC_PR_BGD)
    if is_background.all() or not is_background.any():
        # GrabCut needs some of both; a face can fill the picture or, in untrusted parameters, be outside it.
        whole: NDArray[np.float32] = cv2.resize((~is_background).astype(np.float32), whole_size)
        return whole
    state = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(
        np.ascontiguousarray(small[..., ::-1]), labels, None, *state, care.iterations, cv2.GC_INIT_WITH_MASK
    )
    person = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)
    person = cv2.resize(_largest_part(person), whole_size, interpolation=cv2.INTER_NEAREST)
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _MARGIN + 1, 2 * _MARGIN + 1))
    person = cv2.dilate(cv2.morphologyEx(person, cv2.MORPH_CLOSE, ellipse), ellipse)
    mask: NDArray[np.float32] = cv2.GaussianBlur(person.astype(np.float32), (0, 0), 2.0)
    return mask


def inpaint_background(picture_rgb: NDArray[np.uint8], person: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Uint8 [256, 256, 3]: `picture_rgb` with the person replaced by what surrounds them (Telea, 2004).

    A blurred guess, good enough for the strip that a head uncovers. Done at half the size: it is blurred anyway.

    Args:
        picture_rgb: uint8 [256, 256, 3].
        person: float32 [256, 256] from `foreground_mask`.
    """
    half = (picture_rgb.shape[1] // 2, picture_rgb.shape[0] // 2)
    hole = cv2.resize((person > HIDDEN).astype(np.uint8), half, interpolation=cv2.INTER_NEAREST)
    small = cv2.resize(picture_rgb, half, interpolation=cv2.INTER_AREA)
    filled = cv2.inpaint(small, hole, 5, cv2.INPAINT_TELEA)
    large = cv2.resize(filled, picture_rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    background: NDArray[np.uint8] = np.where(person[..., None] > HIDDEN, large, picture_rgb)
    return background


def _first_guess(points: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
    """GrabCut's labels [size, size] from the face's box and hull alone."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    center, half = (low + high) / 2, (high - low) / 2
    x, y = np.moveaxis((pixel_grid(size) - center) / half, -1, 0)
    # Hair rises above the face more than it hangs beside it; the body is below the chin.
    y = np.where(y < 0, y, y * 0.9)
    labels = np.full((size, size), cv2.GC_PR_BGD, np.uint8)
    labels[(x / _HEAD_MAYBE[0]) ** 2 + (y / _HEAD_MAYBE[1]) ** 2 > 1] = cv2.GC_BGD
    body = y > 1.0
    labels[body] = cv2.GC_PR_BGD
    labels[body & (np.abs(x) < 0.8 + 1.2 * (y - 1.0))] = cv2.GC_PR_FGD
    labels[(x / _HEAD_LIKELY[0]) ** 2 + (y / _HEAD_LIKELY[1]) ** 2 < 1] = cv2.GC_PR_FGD
    hull = cv2.convexHull(np.rint(to_pixels(points[:, :2], size)).astype(np.int32))
    cv2.fillConvexPoly(labels, hull, int(cv2.GC_FGD))
    return labels


def _largest_part(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`mask` without the specks that do not hang together with its largest part."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count <= 1:
        return mask
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    part: NDArray[np.uint8] = (labels == largest).astype(np.uint8)
    return part
