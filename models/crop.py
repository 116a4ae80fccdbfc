"""Frames of any size in, the crop of head and shoulders out, 256x256 or larger, and points moved along with it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.pncc import CROP_SIZE
from headgan.proto.errors import UsageError

# The crop's side over the longer side of the face's box: room for hair, neck and some movement.
FACE_TO_CROP = 2.0
# The face's centre lies this share of the crop above its middle, so that shoulders show.
RISE = 0.04
# A face is out of the crop when less than this share of its points is inside.
MIN_INSIDE = 0.85


@dataclass(frozen=True)
class Crop:
    """A square of the frame.

    Attributes:
        left: x of the square's left edge in pixels of the frame.
        top: y of its top edge.
        size: its side.
    """

    left: float
    top: float
    size: float

    def cut(self, frame_rgb: NDArray[np.uint8], side: int = CROP_SIZE) -> NDArray[np.uint8]:
        """Uint8 [side, side, 3]: the square of `frame_rgb`, uint8 [H, W, 3]; outside it repeats the edge.

        Raises:
            UsageError: nothing of the square is in the frame.
        """
        height, width = frame_rgb.shape[:2]
        left, top, size = round(self.left), round(self.top), round(self.size)
        right, bottom = left + size, top + size
        inside = frame_rgb[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
        if inside.size == 0:
            raise UsageError(
                f"the crop {left},{top},{size} is outside the picture of {width}x{height} pixels; "
                "give a --crop x,y,size inside it"
            )
        if inside.shape[:2] != (size, size):
            inside = cv2.copyMakeBorder(
                inside,
                max(-top, 0),
                max(bottom - height, 0),
                max(-left, 0),
                max(right - width, 0),
                cv2.BORDER_REPLICATE,
            )
        method = cv2.INTER_AREA if size > side else cv2.INTER_CUBIC
        cut: NDArray[np.uint8] = cv2.resize(inside, (side, side), interpolation=method)
        return cut

    def check_inside(self, width: int, height: int) -> None:
        """Raises UsageError unless the square lies inside a frame of `width` x `height` pixels."""
        if self.left + self.size > width or self.top + self.size > height:
            raise UsageError(
                f"--crop {self.left:g},{self.top:g},{self.size:g} reaches outside the picture, "
                f"which is {width}x{height}"
            )

    def normalise(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points [N, 3] of the frame (pixels) in half crop widths from the crop's centre."""
        half = self.size / 2
        moved = points / np.float32(half)
        moved[:, 0] += np.float32((0.5 - self.left) / half - 1)
        moved[:, 1] += np.float32((0.5 - self.top) / half - 1)
        return moved.astype(np.float32)

    def holds(self, points: NDArray[np.float32]) -> bool:
        """Whether the face with these points [N, 3] of the frame (pixels) is in the crop."""
        local = self.normalise(points)[:, :2]
        return float((np.abs(local) < 1).all(axis=1).mean()) >= MIN_INSIDE


def crop_around(points: NDArray[np.float32], width: int, height: int) -> Crop:
    """The crop of head and shoulders around a face, inside the frame as far as it fits.

    Args:
        points: float32 [N, 3] of the face in pixels of the frame.
        width: of the frame in pixels.
        height: of the frame in pixels.
    """
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    size = round(min(float((high - low).max()) * FACE_TO_CROP, width, height))
    center_x, center_y = (low + high) / 2
    left = np.clip(center_x - size / 2, 0, width - size)
    top = np.clip(center_y - size * (0.5 - RISE), 0, height - size)
    return Crop(float(round(left)), float(round(top)), float(size))


def whole_frame(width: int, height: int) -> Crop:
    """The largest centred square of the frame."""
    size = min(width, height)
    return Crop(float((width - size) // 2), float((height - size) // 2), float(size))


def parse_crop(text: str) -> Crop | None:
    """The crop named by `--crop x,y,size`, or None for `auto`; `none` is the caller's: it needs the frame.

    Raises:
        UsageError: `text` is neither.
    """
    if text == "auto":
        return None
    parts = text.split(",")
    try:
        # Whole pixels, as `cut` takes them; what is no number or endless has no whole number.
        left, top, size = (float(round(float(part))) for part in parts)
    except (OverflowError, ValueError) as exc:
        raise UsageError(f"--crop {text}: give auto, none, or x,y,size in pixels of the camera") from exc
    if not (size >= 32 and left >= 0 and top >= 0):
        raise UsageError(f"--crop {text}: the corner cannot be negative and the size is at least 32")
    return Crop(left, top, size)
