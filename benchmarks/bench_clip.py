"""A clip in, what a sender would code of it out: 256x256 crops at 25 frames a second and the face in each.

read_video ── RateGrid ── FaceTracker ──┬─ Crop, chosen at the first face ── picture
                                        └─ One-Euro ── FaceFitter ── params
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.codec.params import FaceParams
from headgan.codec.rate_grid import on_grid
from headgan.codec.video import read_video
from headgan.models.crop import Crop, crop_around
from headgan.models.detail import LARGE_SIZE
from headgan.models.fitting import MAX_FIT_ERROR, FaceFitter
from headgan.models.identity import estimate_identity
from headgan.models.metrics.clip_memory import Moment
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import to_pixels
from headgan.models.smoothing import OneEuroFilter, smoothing_settings
from headgan.models.tracker import FaceTracker
from headgan.proto.errors import FaceError
from headgan.sender.analysis import IDENTITY_FRAMES
from headgan.sender.cli import SendOptions

Picture = NDArray[np.uint8]
RATE_FPS = 25


@dataclass(frozen=True, eq=False)
class BenchFrame:
    """One frame of the call.

    Attributes:
        picture_rgb: uint8 [256, 256, 3], the crop.
        points: float32 [478, 3] of the face in pixels of it; None without a face in it.
        params: what a sender fits to the face; None where it sends none.
        large_rgb: uint8 [512, 512, 3], the crop at twice the size, where that was asked for.
    """

    picture_rgb: Picture
    points: NDArray[np.float32] | None
    params: FaceParams | None
    large_rgb: Picture | None = None


@dataclass(frozen=True, eq=False)
class BenchClip:
    """A clip, ready to be coded.

    Attributes:
        identity: float32 [n_id] of the person, from the first frames, as a sender estimates it.
        frames: 25 a second, from the first with a face.
        crop_px: side of the crop in pixels of the clip.
    """

    identity: NDArray[np.float32]
    frames: tuple[BenchFrame, ...]
    crop_px: float

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return len(self.frames) / RATE_FPS

    @property
    def pictures(self) -> list[Picture]:
        """Of all frames."""
        return [frame.picture_rgb for frame in self.frames]

    @property
    def moments(self) -> dict[int, Moment]:
        """Frames with parameters, by their place, as a reference memory takes them."""
        return {
            place: Moment(1000 * place / RATE_FPS, frame.picture_rgb, frame.params, frame.large_rgb)
            for place, frame in enumerate(self.frames)
            if frame.params is not None
        }


def read_bench_clip(
    path: Path, seconds: float, tracker: FaceTracker, model: MorphableModel, *, is_large: bool = False
) -> BenchClip:
    """The first `seconds` of a clip, counted from its first face; is_large: whether with crops of 512 pixels too.

    Raises:
        DeviceError: the clip cannot be read.
        FaceError: it shows a face in fewer than two frames.
    """
    crop: Crop | None = None
    tracker.reset()
    seen: list[tuple[Picture, Picture | None, NDArray[np.float32] | None]] = []
    wanted = round(seconds * RATE_FPS)
    with tqdm(total=wanted, desc="tracking", unit="frame", leave=False) as bar:
        for frame_rgb in _on_grid(path):
            face = tracker.track(frame_rgb)
            if face is not None and crop is None:
                crop = crop_around(face.points, frame_rgb.shape[1], frame_rgb.shape[0])
            if crop is None:
                continue
            is_inside = face is not None and crop.holds(face.points)
            points = crop.normalise(face.points) if face is not None and is_inside else None
            seen.append((crop.cut(frame_rgb), crop.cut(frame_rgb, LARGE_SIZE) if is_large else None, points))
            bar.update()
            if len(seen) == wanted:
                break
    found = [points for *_, points in seen if points is not None]
    if crop is None or len(found) < 2:
        raise FaceError(f"{path}: a face in {len(found)} of the frames to code; two are needed")
    identity = estimate_identity(model, found[:IDENTITY_FRAMES])
    return BenchClip(identity, tuple(_fitted(seen, FaceFitter(model, identity))), crop.size)


def _on_grid(path: Path) -> Iterator[Picture]:
    """The frames of the clip, repeated or left out so that they come at 25 a second."""
    read = ((frame.pts_ms, frame.frame_rgb) for frame in read_video(path))
    for slots, frame_rgb in on_grid(read, RATE_FPS):
        yield from (frame_rgb for _ in slots)


def _fitted(
    seen: list[tuple[Picture, Picture | None, NDArray[np.float32] | None]], fitter: FaceFitter
) -> Iterator[BenchFrame]:
    """The frames with what a sender fits to them."""
    settings = smoothing_settings(SendOptions.smoothing)
    smoother = OneEuroFilter(settings) if settings else None
    for place, (picture, large, points) in enumerate(seen):
        if points is None:
            fitter.reset()
            if smoother:
                smoother.reset()
            yield BenchFrame(picture, None, None, large)
            continue
        fit = fitter.fit(smoother.smooth(points, 1000 * place / RATE_FPS) if smoother else points)
        is_sent = fit.error <= MAX_FIT_ERROR and fit.params.fault() is None
        yield BenchFrame(picture, to_pixels(points), fit.params if is_sent else None, large)
