"""Telling pictures of each clip in, one picture of them all out: a row a clip."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.proto.errors import DeviceError

_TILE, _LABEL = 176, 20


def clip_row(
    reference_rgb: NDArray[np.uint8], moments: Sequence[dict[str, NDArray[np.uint8]]]
) -> NDArray[np.uint8]:
    """Uint8 [176, 176 N, 3]: the reference, then all pictures of each moment beside each other."""
    pictures = [reference_rgb, *(picture for moment in moments for picture in moment.values())]
    tiles = [cv2.resize(picture, (_TILE, _TILE), interpolation=cv2.INTER_AREA) for picture in pictures]
    return np.hstack(tiles).astype(np.uint8)


def column_titles(ways: Sequence[str]) -> list[str]:
    """What the columns of a row show; ways: of each moment."""
    moments = ("a third", "two thirds", "worst")
    return ["reference", *(f"{way}, {moment}" for moment in moments for way in ways)]


def read_row(path: Path) -> NDArray[np.uint8]:
    """A row that an earlier run has written, uint8 [H, W, 3].

    Raises:
        DeviceError: it is missing or damaged.
    """
    row = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if row is None:
        raise DeviceError(f"{path} is damaged; delete it and run the same again")
    return np.ascontiguousarray(row[..., ::-1], dtype=np.uint8)


def draw_sheet(rows: dict[str, NDArray[np.uint8]], titles: Sequence[str], path: Path) -> None:
    """Writes the PNG `path`: the titles on top, and each row under its name."""
    width = max(row.shape[1] for row in rows.values())
    heading = np.hstack([_label(title, _TILE) for title in titles])
    strips = [_padded(heading, width)]
    for name, row in rows.items():
        strips += [_label(name, width), _padded(row, width)]
    part = path.with_suffix(".part.png")
    cv2.imwrite(str(part), np.vstack(strips)[..., ::-1])
    part.replace(path)


def _padded(strip: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    return np.pad(strip, ((0, 0), (0, max(0, width - strip.shape[1])), (0, 0)), constant_values=255)[
        :, :width
    ]


def _label(text: str, width: int) -> NDArray[np.uint8]:
    strip = np.full((_LABEL, width, 3), 255, np.uint8)
    cv2.putText(strip, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return strip
