"""`yaw=-30:30:9` in, the values of one parameter out, and what is drawn with them: a strip or a video."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.codec.video import VideoWriter
from headgan.models.picture_file import write_picture
from headgan.proto.errors import UsageError

VIDEO_SUFFIX = ".mp4"
RATE_FPS = 25.0
# A picture file can hold a strip so long; a video of one sweep is a minute at most.
MAX_STRIP, MAX_FRAMES = 60, 1500


@dataclass(frozen=True)
class Sweep:
    """A parameter and the values it runs through."""

    name: str
    values: tuple[float, ...]


def parse_sweep(text: str) -> Sweep:
    """The sweep named by `--sweep NAME=FROM:TO:COUNT`.

    Raises:
        UsageError: `text` is none.
    """
    name, _, numbers = text.partition("=")
    try:
        first, last, count = numbers.split(":")
        start, end, steps = float(first), float(last), int(count)
    except ValueError as exc:
        raise UsageError(f"--sweep {text}: give NAME=FROM:TO:COUNT, such as yaw=-30:30:9") from exc
    if not (name and math.isfinite(start) and math.isfinite(end) and 2 <= steps <= MAX_FRAMES):
        raise UsageError(f"--sweep {text}: the values have to be numbers, and COUNT 2 to {MAX_FRAMES}")
    return Sweep(name, tuple(float(value) for value in np.linspace(start, end, steps)))


def write_sweep(path: Path, pictures_rgb: Sequence[NDArray[np.uint8]]) -> None:
    """Writes pictures, uint8 [size, size, 3] each, side by side, or there and back if `path` is an MP4.

    Raises:
        UsageError: too many for a strip, or the name's ending is not known.
        DeviceError: the file cannot be written.
    """
    if path.suffix.lower() != VIDEO_SUFFIX:
        check_strip(path, len(pictures_rgb))
        write_picture(path, np.hstack(pictures_rgb))
        return
    there_and_back = [*pictures_rgb, *reversed(pictures_rgb[1:-1])]
    size = len(pictures_rgb[0])
    with VideoWriter(path, width=size, height=size, rate_fps=RATE_FPS) as writer:
        for picture_rgb in there_and_back:
            writer.write(picture_rgb)


def check_strip(path: Path, count: int) -> None:
    """Raises UsageError if `path` would become a strip of more pictures than a file can hold."""
    if path.suffix.lower() != VIDEO_SUFFIX and count > MAX_STRIP:
        raise UsageError(f"-o {path}: {count} pictures make no strip; give {MAX_STRIP} at most, or an .mp4")
