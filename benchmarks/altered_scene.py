"""A clip in, the same clip with something that happens in calls out: the light changes, or a hand covers the mouth.

The hand is drawn, in the colour of the person's own skin. Where it is to be, the face was tracked before it came.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.codec.video import VideoWriter, probe_video, read_video
from headgan.models.mouth import INNER_LIPS
from headgan.models.tracker import MediaPipeTracker, TrackedFace

Picture = NDArray[np.uint8]
# Of the tracked points: between the brows, and the ends of the face left and right.
_GLABELLA, _LEFT, _RIGHT = 9, 234, 454
# A lamp from the right, warmer and brighter than what was there.
_GAIN = np.array([1.25, 1.02, 0.78], np.float32)
_SHADE, _LIT = 0.45, 1.2
# The hand moves in and out in this time.
_REACH_S = 0.4


@dataclass(frozen=True)
class Span:
    """A part of a clip, in seconds of it."""

    begin_s: float
    end_s: float


def change_light(source: Path, target: Path, span: Span) -> None:
    """Writes `target`: `source` with another lamp on during `span`."""

    def change(frame_rgb: Picture, _face: TrackedFace | None, time_s: float) -> Picture:
        if not span.begin_s <= time_s < span.end_s:
            return frame_rgb
        across = np.linspace(_SHADE, _LIT, frame_rgb.shape[1], dtype=np.float32)[None, :, None]
        lit: Picture = np.clip(frame_rgb * across * _GAIN, 0, 255).astype(np.uint8)
        return lit

    _write_changed(source, target, change)


def cover_mouth(source: Path, target: Path, span: Span) -> None:
    """Writes `target`: `source` with a hand before the mouth during `span`, which never rests."""

    def change(frame_rgb: Picture, face: TrackedFace | None, time_s: float) -> Picture:
        reached = min(time_s - span.begin_s, span.end_s - time_s) / _REACH_S
        if face is None or reached <= 0:
            return frame_rgb
        return with_hand(frame_rgb, face.points, min(reached, 1.0), time_s)

    _write_changed(source, target, change)


def _write_changed(
    source: Path, target: Path, change: Callable[[Picture, TrackedFace | None, float], Picture]
) -> None:
    info = probe_video(source)
    with VideoWriter(
        target, width=info.width // 2 * 2, height=info.height // 2 * 2, rate_fps=info.rate_fps
    ) as out:
        for frame_rgb, face, time_s in _tracked(source):
            height, width = (side // 2 * 2 for side in frame_rgb.shape[:2])
            out.write(np.ascontiguousarray(change(frame_rgb, face, time_s)[:height, :width]))


def _tracked(source: Path) -> Iterator[tuple[Picture, TrackedFace | None, float]]:
    tracker = MediaPipeTracker()
    first_ms: float | None = None
    for frame in read_video(source):
        first_ms = frame.pts_ms if first_ms is None else first_ms
        yield frame.frame_rgb, tracker.track(frame.frame_rgb), (frame.pts_ms - first_ms) / 1000


def with_hand(frame_rgb: Picture, points: NDArray[np.float32], reached: float, time_s: float) -> Picture:
    """A hand with its fingers across the mouth, `reached` of the way from below the picture, 0 to 1.

    Args:
        frame_rgb: uint8 [H, W, 3].
        points: float32 [478, 3] of the face, x y in pixels of the frame.
        reached: 0 to 1.
        time_s: the hand rubs the mouth to and fro.
    """
    width = float(np.linalg.norm(points[_RIGHT, :2] - points[_LEFT, :2]))
    mouth = points[list(INNER_LIPS), :2].mean(axis=0)
    skin = _skin(frame_rgb, points[_GLABELLA, :2], width)
    rub = 0.08 * width * np.sin(2 * np.pi * 0.8 * time_s)
    centre = mouth + np.array([rub, (1 - reached) * 2 * width], np.float32)
    shade = np.zeros(frame_rgb.shape[:2], np.float32)
    inside = np.zeros(frame_rgb.shape[:2], np.uint8)

    def at(x: float, y: float) -> tuple[int, int]:
        place = centre + width * np.array([x, y], np.float32)
        return round(float(place[0])), round(float(place[1]))

    # Wrist and back of the hand from below, then the fingers over it, each darker at its edges.
    shapes = [
        (at(0.75, 1.4), at(0.45, 0.45), 0.36),
        (at(0.45, 0.45), at(0.30, 0.15), 0.44),
        *((at(0.38, 0.26 - 0.13 * finger), at(-0.42, 0.20 - 0.14 * finger), 0.145) for finger in range(4)),
        (at(0.35, 0.35), at(0.30, -0.24), 0.16),
    ]
    for begin, end, thickness in shapes:
        one = np.zeros_like(inside)
        cv2.line(one, begin, end, 255, max(1, round(thickness * width)), cv2.LINE_AA)
        depth = cv2.distanceTransform((one > 127).astype(np.uint8), cv2.DIST_L2, 3)
        rounded = 0.55 + 0.5 * np.sqrt(np.clip(depth / (0.5 * thickness * width), 0, 1))
        shade = np.where(one > 127, rounded, shade)
        inside = np.maximum(inside, one)
    alpha = cv2.GaussianBlur(inside, (0, 0), max(0.6, width / 200)).astype(np.float32)[..., None] / 255
    hand = np.clip(skin * cv2.GaussianBlur(shade, (0, 0), max(0.6, width / 120))[..., None], 0, 255)
    covered: Picture = (frame_rgb + alpha * (hand - frame_rgb)).astype(np.uint8)
    return covered


def _skin(frame_rgb: Picture, forehead: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """Float32 [3], the colour between the brows."""
    x, y = (round(float(value)) for value in forehead)
    reach = max(2, round(0.04 * width))
    patch = frame_rgb[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach]
    if not patch.size:
        return np.array([200, 160, 140], np.float32)
    color: NDArray[np.float32] = np.median(patch.reshape(-1, 3), axis=0).astype(np.float32)
    return color
