"""A clip in, what a call would make of it out: a reference, and the frames to draw from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.codec.params import FaceParams
from headgan.codec.still import decode_still, encode_still
from headgan.codec.video import probe_video, read_video
from headgan.models.clip_speech import speech_of_clip
from headgan.models.crop import Crop, crop_around
from headgan.models.fitting import FaceFitter
from headgan.models.identity import estimate_identity
from headgan.models.metrics.clip_drift import with_drift
from headgan.models.metrics.clip_memory import ClipMemory, MemorySettings, Moment, fill_memory
from headgan.models.morphable import MorphableModel
from headgan.models.morphable_data import CLIP_SUFFIXES
from headgan.models.motion_transfer import PlacedMotion
from headgan.models.pncc import to_pixels
from headgan.models.reconstruct import ReferenceImage
from headgan.models.reference_quality import reference_quality
from headgan.models.smoothing import OneEuroFilter, OneEuroSettings
from headgan.models.tracker import FaceTracker
from headgan.proto.errors import FaceError, UsageError

# As `headgan track` does it: the identity is taken from all over the clip.
IDENTITY_FRAMES = 40
# Frames a second that a memory may choose from, and of which the drift is looked for.
_CANDIDATES_FPS = 5


@dataclass(frozen=True)
class Sampling:
    """What to take of a clip.

    Attributes:
        every: take each `every`-th frame, counted from the first with a face.
        frames: at most so many; 0 takes all.
        best_reference: take the best of the frames as the reference, the first if False.
        smoothing: of the tracked points; None for none.
        memory: how many references, and what they may cost; with more than one the first frame is the first of them.
        drift: whether frames say how the rest of the picture moved.
    """

    every: int = 1
    frames: int = 0
    best_reference: bool = False
    smoothing: OneEuroSettings | None = None
    memory: MemorySettings = field(default_factory=MemorySettings)
    drift: bool = False


@dataclass(frozen=True, eq=False)
class SeenFrame:
    """A frame of the clip with a face in it.

    Attributes:
        picture_rgb: uint8 [256, 256, 3], the crop.
        points: float32 [478, 3], as tracked, in pixels of the crop.
        params: the face as it was fitted.
        references: which of the clip's references it is drawn from, the best one first.
        audio: float32 [300], what is heard (`headgan.models.speech`); None if nobody listens, or the clip is silent.
        pts_ms: its time in the clip.
    """

    picture_rgb: NDArray[np.uint8]
    points: NDArray[np.float32]
    params: FaceParams
    references: tuple[int, ...] = (0,)
    audio: NDArray[np.float32] | None = None
    pts_ms: float = 0.0


@dataclass(frozen=True, eq=False)
class ClipFrames:
    """A clip, ready to be drawn.

    Attributes:
        references: the person, with pictures as they come out of a call, in the order in which they were sent.
        reference_points: float32 [478, 3] of the face in the first of them, in pixels of it.
        frames: each frame to draw, and the one before it in the clip, None if there is no face in that.
        rate_fps: of `frames`.
        memory: what its references cost; None for a single one.
    """

    references: tuple[ReferenceImage, ...]
    reference_points: NDArray[np.float32]
    frames: Sequence[tuple[SeenFrame, SeenFrame | None]]
    rate_fps: float
    memory: ClipMemory | None = None

    @property
    def reference(self) -> ReferenceImage:
        """The first one."""
        return self.references[0]


@dataclass(frozen=True, eq=False)
class SeenClip:
    """All that a call would see of a clip.

    Attributes:
        identity: float32 [n_id] of the person.
        frames: those with a face and a picture, in order of time.
        moments: the same as a memory takes them.
        taken: places in `frames` of each so many-th frame of the clip, as it was asked for.
    """

    identity: NDArray[np.float32]
    frames: tuple[SeenFrame, ...]
    moments: tuple[Moment, ...]
    taken: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Tracked:
    """One frame with a face.

    Attributes:
        place: in the clip, from 0.
        pts_ms: its time.
        points: float32 [478, 3] in half crop widths.
        picture_rgb: uint8 [256, 256, 3], the crop; None if nobody needs it, or the face is not in it.
    """

    place: int
    pts_ms: float
    points: NDArray[np.float32]
    picture_rgb: NDArray[np.uint8] | None


def find_clips(inputs: Sequence[Path]) -> dict[str, Path]:
    """Clips by a short name that no other has, in the order given.

    Raises:
        UsageError: a path does not exist, or there are no clips.
    """
    clips: dict[str, Path] = {}
    for given in inputs:
        if not given.exists():
            raise UsageError(f"{given} does not exist; give clips or folders of them")
        for path in sorted(given.rglob("*")) if given.is_dir() else [given]:
            if path.suffix.lower() in CLIP_SUFFIXES:
                name = f"{path.absolute().parent.name}-{path.stem}"
                clips[name if name not in clips else f"{name}-{len(clips)}"] = path
    if not clips:
        raise UsageError(f"no clips in {', '.join(map(str, inputs))}")
    return clips


def read_clip(
    path: Path, sampling: Sampling, tracker: FaceTracker, model: MorphableModel, *, hears: bool = False
) -> ClipFrames:
    """Tracks and fits `path`, crops it as a call does, and chooses the reference.

    Args:
        path: the clip.
        sampling: what to take of it.
        tracker: finds the face.
        model: the morphable model.
        hears: whether frames come with what is heard.

    Raises:
        DeviceError: the clip cannot be read.
        FaceError: it shows no face in at least two of the frames to take.
    """
    rate_fps = probe_video(path).rate_fps
    tracked = _track(path, sampling, tracker, rate_fps)
    with_picture = [item.place for item in tracked if item.picture_rgb is not None]
    taken = [place for place in with_picture if (place - tracked[0].place) % sampling.every == 0]
    if len(taken) < 2:
        raise FaceError(f"{path}: a face in {len(taken)} of the frames to compare; two are needed")
    identity = _identity(tracked, model)
    seen = _fit(tracked, FaceFitter(model, identity), sampling.smoothing)
    if hears:
        seen = _heard(path, seen, {item.place: item.pts_ms for item in tracked})
    chosen = taken[0]
    if sampling.best_reference:
        chosen = max(taken, key=lambda place: reference_quality(model, seen[place].points))
    references: tuple[ReferenceImage, ...]
    memory = None
    pts_ms = {item.place: item.pts_ms for item in tracked}
    moments = [Moment(pts_ms[place], frame.picture_rgb, frame.params) for place, frame in seen.items()]
    if sampling.memory.references > 1:
        memory = fill_memory(model, identity, moments, sampling.memory)
        seen = {
            place: replace(frame, references=used)
            for (place, frame), used in zip(seen.items(), memory.used, strict=True)
        }
        references = memory.references
    else:
        picture = seen[chosen].picture_rgb
        if not sampling.memory.uncoded:
            still = encode_still(picture)
            picture = decode_still(still.data, still.media_type)
        references = (ReferenceImage(picture, identity, seen[chosen].params),)
    if sampling.drift:
        used = [frame.references for frame in seen.values()]
        originals = memory.originals if memory else ()
        params, references = with_drift(model, moments, used, references, originals)
        seen = {
            place: replace(frame, params=one)
            for (place, frame), one in zip(seen.items(), params, strict=True)
        }
    return ClipFrames(
        references,
        seen[chosen].points,
        [(seen[place], seen.get(place - 1)) for place in taken if place != chosen],
        rate_fps / sampling.every,
        memory,
    )


def placed(driving: ClipFrames, own: FaceParams) -> ClipFrames:
    """`driving` with its face moved to where, on average, `own` is, to move another person by it."""
    motion = PlacedMotion([frame.params for frame, _ in driving.frames], own)

    def moved(frame: SeenFrame) -> SeenFrame:
        return replace(frame, params=motion(frame.params))

    frames = [(moved(frame), before and moved(before)) for frame, before in driving.frames]
    return replace(driving, frames=frames)


def see_clip(
    path: Path, every: int, tracker: FaceTracker, model: MorphableModel, *, hears: bool = False
) -> SeenClip:
    """Tracks and fits `path`, and crops each `every`-th frame and those that a memory may choose from.

    Frames come with what is heard where somebody `hears`.

    Raises:
        DeviceError: the clip cannot be read.
        FaceError: it shows no face in at least two of them.
    """
    sampling = Sampling(every, memory=MemorySettings(references=2))
    tracked = _track(path, sampling, tracker, probe_video(path).rate_fps)
    pictures = sum(item.picture_rgb is not None for item in tracked)
    if pictures < 2:
        raise FaceError(f"{path}: a face in {pictures} of the frames to see; two are needed")
    identity = _identity(tracked, model)
    seen = _fit(tracked, FaceFitter(model, identity), smoothing=None)
    pts_ms = {item.place: item.pts_ms for item in tracked}
    if hears:
        seen = _heard(path, seen, pts_ms)
    return SeenClip(
        identity,
        tuple(seen.values()),
        tuple(Moment(pts_ms[place], frame.picture_rgb, frame.params) for place, frame in seen.items()),
        tuple(index for index, place in enumerate(seen) if (place - tracked[0].place) % every == 0),
    )


def _heard(path: Path, seen: Mapping[int, SeenFrame], pts_ms: Mapping[int, float]) -> dict[int, SeenFrame]:
    """The frames with what is heard at their time; as they are, if the clip has no sound."""
    features = speech_of_clip(path, [pts_ms[place] for place in seen])
    if features is None:
        return dict(seen)
    return {
        place: replace(frame, audio=audio)
        for (place, frame), audio in zip(seen.items(), features, strict=True)
    }


def _identity(tracked: Sequence[_Tracked], model: MorphableModel) -> NDArray[np.float32]:
    spread = np.linspace(0, len(tracked) - 1, min(IDENTITY_FRAMES, len(tracked))).astype(int)
    return estimate_identity(model, [tracked[index].points for index in spread])


def _track(path: Path, sampling: Sampling, tracker: FaceTracker, rate_fps: float) -> list[_Tracked]:
    """The frames with a face, up to the last that is needed."""
    looks_between = sampling.drift or sampling.memory.references > 1
    stride = max(1, round(rate_fps / _CANDIDATES_FPS)) if looks_between else None
    tracker.reset()
    tracked: list[_Tracked] = []
    crop: Crop | None = None
    missing = sampling.frames + 1  # the reference is one more
    for place, frame in enumerate(tqdm(read_video(path), desc="tracking", unit="frame", leave=False)):
        face = tracker.track(frame.frame_rgb)
        if face is None:
            continue
        height, width = frame.frame_rgb.shape[:2]
        crop = crop or crop_around(face.points, width, height)
        offset = place - (tracked[0].place if tracked else place)
        # The frame before each that is taken is needed as well: flicker is between the two.
        is_inside = crop.holds(face.points)
        is_needed = is_inside and offset % sampling.every in (0, sampling.every - 1)
        is_candidate = is_inside and stride is not None and offset % stride == 0
        picture = crop.cut(frame.frame_rgb) if is_needed or is_candidate else None
        tracked.append(_Tracked(place, frame.pts_ms, crop.normalise(face.points), picture))
        missing -= is_needed and offset % sampling.every == 0
        if sampling.frames and not missing:
            break
    return tracked


def _fit(
    tracked: Sequence[_Tracked], fitter: FaceFitter, smoothing: OneEuroSettings | None
) -> dict[int, SeenFrame]:
    """Those of the frames that have a picture, by their place in the clip."""
    smoother = OneEuroFilter(smoothing) if smoothing else None
    seen: dict[int, SeenFrame] = {}
    last = -1
    for item in tracked:
        if item.place != last + 1:  # the face was lost between
            fitter.reset()
            if smoother:
                smoother.reset()
        last = item.place
        points = smoother.smooth(item.points, item.pts_ms) if smoother else item.points
        fit = fitter.fit(points)
        if item.picture_rgb is not None:
            seen[item.place] = SeenFrame(
                item.picture_rgb, to_pixels(item.points), fit.params, pts_ms=item.pts_ms
            )
    return seen
