"""A person and a clip of somebody else in, a video of the person making the clip's motion out.

clip ─┬─ ClipFaces ── motion transfer ─┬─ Avatar.draw ── VideoWriter ── the clip's sound
      └─ speech, for R that listens ───┘
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.codec.params import FaceParams
from headgan.codec.sound_copy import copy_sound
from headgan.codec.video import VideoWriter, read_video
from headgan.models.avatar import Avatar
from headgan.models.clip_faces import ClipFaces, fit_clip
from headgan.models.clip_speech import speech_of_clip
from headgan.models.morphable import MorphableModel
from headgan.models.motion_transfer import PlacedMotion, RelativeMotion, calmest

# Some files count in thousands of frames a second; more than this nobody sees.
_MAX_RATE_FPS = 60.0


@dataclass(frozen=True)
class ReenactResult:
    """What was written.

    Attributes:
        frames: of the video.
        without_face: frames of the clip in which no face was found; the last picture is held there.
        has_sound: whether the clip had sound and it was copied.
    """

    frames: int
    without_face: int
    has_sound: bool


def reenact(
    reference: Avatar | Path | str,
    driving: Path | str,
    output: Path | str,
    *,
    relative: bool = False,
    placed: bool = True,
    smoothing: float = 0.0,
    crop: str = "auto",
    side_by_side: bool = False,
) -> ReenactResult:
    """Draws the person of `reference` with the motion of the clip `driving`.

    The video can be played while it grows, and if this is interrupted; its sound comes last.

    Args:
        reference: the person, or a picture of one.
        driving: a clip of anybody.
        output: the MP4 to write.
        relative: add the clip's motion, from its calmest frame on, to the pose and expression of the reference,
            instead of taking the clip's own.
        placed: if not `relative`, show the face where, and as large as, it is in the reference on average; otherwise
            where it is in the clip.
        smoothing: calms the tracked face, 0 (off) to 1 (strong).
        crop: of the clip: `auto`, `none` for the largest square, or `x,y,size` in pixels.
        side_by_side: the reference and the clip beside the result.

    Raises:
        DeviceError: a file cannot be read or written.
        FaceError: a face is missing, or the reference has several.
        UsageError: the crop or the smoothing cannot be used.
    """
    driving, output = Path(driving), Path(output)
    avatar = reference if isinstance(reference, Avatar) else Avatar.from_picture(reference)
    model = MorphableModel.load()
    faces = fit_clip(model, driving, crop=crop, smoothing=smoothing)
    transfer: Callable[[FaceParams], FaceParams] | None = None
    seen = [params for params in faces.params if params is not None]
    if relative:
        transfer = RelativeMotion(calmest(seen, model.expression_std), avatar.params)
    elif placed:
        transfer = PlacedMotion(seen, avatar.params)
    rate_fps = min(faces.rate_fps, _MAX_RATE_FPS)
    order = frames_at_rate(faces.pts_ms, rate_fps)
    width = avatar.size * (3 if side_by_side else 1)
    with VideoWriter(output, width=width, height=avatar.size, rate_fps=rate_fps) as writer:
        originals = _crops(driving, faces, avatar.size) if side_by_side else None
        heard = speech_of_clip(driving, faces.pts_ms) if avatar.listens else None
        for picture_rgb in tqdm(
            _pictures(avatar, faces, order, transfer, originals, heard),
            desc="drawing",
            unit="frame",
            total=len(order),
        ):
            writer.write(picture_rgb)
    has_sound = copy_sound(output, driving, start_ms=float(faces.pts_ms[0]))
    return ReenactResult(len(order), faces.without_face, has_sound)


def frames_at_rate(pts_ms: NDArray[np.float64], rate_fps: float) -> NDArray[np.intp]:
    """For each picture of a video of constant rate the frame that is shown then, the latest that has begun.

    Args:
        pts_ms: float64 [N], times of the frames; the first is the video's start.
        rate_fps: of the video.
    """
    places = np.rint((np.maximum.accumulate(pts_ms) - pts_ms[0]) * rate_fps / 1000)
    return np.searchsorted(places, np.arange(int(places[-1]) + 1), side="right") - 1


def _pictures(
    avatar: Avatar,
    faces: ClipFaces,
    order: NDArray[np.intp],
    transfer: Callable[[FaceParams], FaceParams] | None,
    originals: Iterator[NDArray[np.uint8]] | None,
    heard: NDArray[np.float32] | None,
) -> Iterator[NDArray[np.uint8]]:
    """The video's pictures, one for each entry of `order`; each frame of the clip is drawn once."""
    drawn, original, at = avatar.picture_rgb, avatar.picture_rgb, -1
    for index in order:
        if index != at and (params := faces.params[index]) is not None:
            audio = None if heard is None else heard[index]
            drawn = avatar.draw(transfer(params) if transfer else params, audio)
        while originals is not None and at < index:
            original, at = next(originals), at + 1
        at = int(index)
        yield drawn if originals is None else np.hstack([avatar.picture_rgb, original, drawn])


def _crops(path: Path, faces: ClipFaces, size: int) -> Iterator[NDArray[np.uint8]]:
    """Uint8 [size, size, 3]: the part of each frame of the clip that was tracked."""
    return (faces.crop.cut(frame.frame_rgb, size) for frame in read_video(path))
