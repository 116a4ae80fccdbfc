"""Two videos of one call in, how close the second is to the first out."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.codec.video import probe_video, read_video
from headgan.models.metrics.pictures import psnr
from headgan.proto.errors import HeadganError


@dataclass(frozen=True)
class Fidelity:
    """Mean PSNR in dB over every frame after the first, which is the reference.

    Attributes:
        frames: frames of the original.
        shown_frames: frames of the reconstruction.
        psnr: of the reconstruction.
        psnr_repeat: of showing the original's first frame all the time.
        psnr_worst: of the worst frame.
    """

    frames: int
    shown_frames: int
    psnr: float
    psnr_repeat: float
    psnr_worst: float


def measure_fidelity(original: Path, shown: Path) -> Fidelity:
    """Compares the videos frame by frame; a reconstruction that ends early holds its last picture.

    Raises:
        HeadganError: there is nothing to compare.
    """
    shown_frames = read_video(shown)
    reference = last = None
    ours: list[float] = []
    repeated: list[float] = []
    shown_count = frame_count = 0
    for frame in read_video(original):
        frame_count += 1
        if (next_shown := next(shown_frames, None)) is not None:
            last, shown_count = next_shown.frame_rgb, shown_count + 1
        if last is None:
            raise HeadganError(f"{shown} has no pictures")
        if reference is None:
            reference = frame.frame_rgb
            continue
        ours.append(psnr(frame.frame_rgb, last))
        repeated.append(psnr(frame.frame_rgb, reference))
    shown_count += sum(1 for _ in shown_frames)
    if not ours:
        raise HeadganError(f"{original} has fewer than two pictures")
    return Fidelity(frame_count, shown_count, float(np.mean(ours)), float(np.mean(repeated)), min(ours))


def draw_sheet(calls: list[tuple[str, Path, Path]], path: Path, columns: int = 6) -> None:
    """Writes a picture of `columns` moments of each call: the original above, the reconstruction below.

    Args:
        calls: name, original and reconstruction of each call.
        path: the PNG file.
        columns: moments, evenly spread.
    """
    rows = []
    for name, original, shown in calls:
        places = np.linspace(0, _common_length(original, shown) - 1, columns).astype(int)
        rows.append(_row(name, original, shown, places.tolist()))
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


def draw_strips(calls: list[tuple[str, Path, Path]], path: Path, moments_s: list[float]) -> None:
    """The same at moments that are given, in seconds of the videos; beyond the end it is the last frame."""
    rows = []
    for name, original, shown in calls:
        rate_fps, last = probe_video(original).rate_fps, _common_length(original, shown) - 1
        rows.append(_row(name, original, shown, [min(round(at_s * rate_fps), last) for at_s in moments_s]))
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


def _common_length(original: Path, shown: Path) -> int:
    return min(sum(1 for _ in read_video(path)) for path in (original, shown))


def _row(name: str, original: Path, shown: Path, places: list[int]) -> NDArray[np.uint8]:
    above, below = (_strip(path, places) for path in (original, shown))
    return np.vstack([_label(name, above.shape[1]), above, below])


def _strip(path: Path, places: list[int]) -> NDArray[np.uint8]:
    """The frames of a video at `places`, beside each other; a place may come twice."""
    wanted = {index: frame.frame_rgb for index, frame in enumerate(read_video(path)) if index in places}
    return np.hstack([wanted[place] for place in places])


def _label(text: str, width: int) -> NDArray[np.uint8]:
    strip = np.full((24, width, 3), 255, np.uint8)
    cv2.putText(strip, text, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return strip
