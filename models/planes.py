"""Pictures and features in, what networks read them as and what becomes of their answers out: loops over pixels.

All of them keep a pixel's channels side by side. numba runs them; NumPy and onnxruntime would take several times as
long, most of it to move bytes from one order to another.
"""

import numba
import numpy as np
from numpy.typing import NDArray


def patches(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Uint8 [1, H / side, W / side, side side C]: squares of `side` pixels, each row by row; picture: [H, W, C]."""
    height, width, channels = picture.shape
    made = np.empty((1, height // side, width // side, side * side * channels), np.uint8)
    # A run of each row of a square is moved in the largest pieces that it is made of.
    piece = next(kind for kind in (np.uint32, np.uint16, np.uint8) if side * channels % kind().nbytes == 0)
    rows = np.ascontiguousarray(picture).reshape(height, -1).view(piece)
    _patches(rows, side, made[0].view(piece))
    return made


def fetched(features: NDArray[np.float32], grid: NDArray[np.float32]) -> NDArray[np.float32]:
    """Float32 [1, h, w, C]: features fetched bilinearly; at their border they repeat.

    Args:
        features: float32 [h w, C], of each pixel, row by row.
        grid: float32 [h, w, 2], x-y of what to fetch, -1 to 1.
    """
    height, width = grid.shape[:2]
    made = np.empty((1, height, width, features.shape[1]), np.float32)
    _fetch(features, grid, made[0])
    return made


def add_share(total: NDArray[np.float32], part: NDArray[np.generic], share: NDArray[np.float32]) -> None:
    """Adds to `total`, float32 [h, w, C], `part`, [h, w, C], times `share`, float32 [h, w]."""
    _add_share(total, part, share)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _patches(rows, side, made) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    run = made.shape[2] // side
    for y in range(made.shape[0]):
        for row in range(side):
            for x in range(made.shape[1]):
                for piece in range(run):
                    made[y, x, row * run + piece] = rows[y * side + row, x * run + piece]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _fetch(features, grid, made) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    height, width, channels = made.shape
    for row in range(height):
        for column in range(width):
            x, y = (
                (grid[row, column, 0] + 1) * (width / 2) - 0.5,
                (grid[row, column, 1] + 1) * (height / 2) - 0.5,
            )
            # Written so that what is no number is no place outside of the features either.
            x = min(x, width - 1.0) if x > 0 else 0.0
            y = min(y, height - 1.0) if y > 0 else 0.0
            left, top = int(x), int(y)
            across, down = np.float32(x - left), np.float32(y - top)
            right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
            here, beside = features[top * width + left], features[top * width + right]
            under, across_under = features[bottom * width + left], features[bottom * width + right]
            for channel in range(channels):
                upper = here[channel] + across * (beside[channel] - here[channel])
                lower = under[channel] + across * (across_under[channel] - under[channel])
                made[row, column, channel] = upper + down * (lower - upper)


@numba.njit(cache=True, nogil=True, fastmath=True)  # type: ignore[untyped-decorator]
def _add_share(total, part, share) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    height, width, channels = total.shape
    for row in range(height):
        for column in range(width):
            weight = share[row, column]
            for channel in range(channels):
                total[row, column, channel] += weight * part[row, column, channel]


class Changer:
    """Makes the picture of what R says in bytes: a table for each of its channels says what a byte means."""

    def __init__(self, zero: int, scales: NDArray[np.float32], starts_closed: float) -> None:
        """Prepares the tables.

        Args:
            zero: the byte that stands for nothing.
            scales: float32 [16], of each channel: four places for each colour, then for what is taken away.
            starts_closed: see `STARTS_CLOSED`.
        """
        values = (np.arange(256)[:, None] - zero) * scales[None]  # [256, 16]
        # One half for rounding.
        self._added = (values[:, :12] * 127.5 + 128).astype(np.float32)
        taken_away = 1 / (1 + np.exp(starts_closed - values[:, 12:]))
        self._kept = (1 - taken_away).astype(np.float32)

    def changed(self, warped_rgb: NDArray[np.uint8], changes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Uint8 [H, W, 3]; warped_rgb: uint8 [H, W, 3]; changes: uint8 [H / 2, W / 2, 16]."""
        made = np.empty_like(warped_rgb)
        _change(warped_rgb, changes, self._added, self._kept, made)
        return made


@numba.njit(cache=True, nogil=True, fastmath=True)  # type: ignore[untyped-decorator]
def _change(warped, changes, added, kept, made) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    for row in range(changes.shape[0]):
        for column in range(changes.shape[1]):
            said = changes[row, column]
            for place in range(4):
                y, x = 2 * row + place // 2, 2 * column + place % 2
                share = kept[said[12 + place], place]
                for color in range(3):
                    channel = 4 * color + place
                    level = (warped[y, x, color] - np.float32(127.5)) * share + added[said[channel], channel]
                    made[y, x, color] = np.uint8(min(max(level, np.float32(0)), np.float32(255)))
