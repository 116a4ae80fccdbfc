"""Frames of the camera in, the crop and the face parameters of each out.

frame ── FaceTracker ── One-Euro ── FaceFitter ── FaceParams
   └──────── Crop ───────────────────────────── crop
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.codec.stage_times import StageTimes, percentiles
from headgan.models.crop import Crop, crop_around, parse_crop, whole_frame
from headgan.models.detail import LARGE_SIZE
from headgan.models.fitting import MAX_FIT_ERROR, FaceFitter
from headgan.models.identity import estimate_identity
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.models.reconstruct import ReferenceImage
from headgan.models.reference_quality import reference_quality
from headgan.models.same_person import SamePerson, face_signature
from headgan.models.smoothing import OneEuroFilter, OneEuroSettings
from headgan.models.tracker import FaceTracker, TrackedFace
from headgan.proto.errors import FaceError
from headgan.sender.recognise import is_same_person
from headgan.sender.sources import Source

# The identity is estimated from this many frames at the start of a call and then held.
IDENTITY_FRAMES = 12
# A file without a face for this long is given up.
MAX_SEARCH_MS = 60_000.0
# A reference with open eyes, seen from the front, is looked for so long; then the best so far has to do.
REFERENCE_SEARCH_MS = 2000.0
# Side of a crop in pixels of the camera from which on it has detail that 256 pixels do not hold.
MIN_LARGE_CROP = 384
_LEARN_EVERY = 25
# An hour of frames for the statistics.
_KEPT_ERRORS = 90_000
_NOTICE_MS = 2000.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class AnalysedFrame:
    """One frame of the call.

    Attributes:
        crop_rgb: uint8 [256, 256, 3].
        params: the face in it, or None if there is none, or not the caller's.
        large_rgb: uint8 [512, 512, 3], the crop at twice the size, where it is wanted.
    """

    crop_rgb: NDArray[np.uint8]
    params: FaceParams | None
    large_rgb: NDArray[np.uint8] | None = None


@dataclass(eq=False)
class _Start:
    """What the first frames of a call have shown so far.

    Attributes:
        crop: chosen at the first of them.
        pts_ms: the time of the first of them.
        points: float32 [478, 3] of each, in half crop widths.
        best_quality: of the best reference among them.
        best_points: its points.
        best_crop_rgb: its picture.
        best_large_rgb: its picture at twice the size, where the camera has the pixels.
    """

    crop: Crop
    pts_ms: float
    points: list[NDArray[np.float32]] = field(default_factory=list)
    best_quality: float = -1.0
    best_points: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 3), np.float32))
    best_crop_rgb: NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, 0, 3), np.uint8))
    best_large_rgb: NDArray[np.uint8] | None = None

    @property
    def is_enough(self) -> bool:
        """Whether the identity can be estimated."""
        return len(self.points) == IDENTITY_FRAMES


class FaceAnalyser:
    """Follows the caller through a call: `settle` once, then `analyse` each frame. Not thread-safe."""

    def __init__(
        self,
        model: MorphableModel,
        tracker: FaceTracker,
        *,
        crop: str,
        smoothing: OneEuroSettings | None,
        clock_ms: Callable[[], float],
        kept: Sequence[ReferenceImage] = (),
        size: int = CROP_SIZE,
    ) -> None:
        """Prepares for a call.

        Args:
            model: the morphable model.
            tracker: finds faces.
            crop: `auto`, `none` or `x,y,size`.
            smoothing: None for none.
            clock_ms: a monotonic clock.
            kept: of earlier calls.
            size: 512 for crops of that size too, where the camera has the pixels.

        Raises:
            UsageError: `crop` is none of these.
        """
        self.times = StageTimes(clock_ms)
        self.is_large = size == LARGE_SIZE  # whether crops come at twice the size too
        self.reframed = 0
        self.faces_lost = 0
        self._fit_errors: deque[float] = deque(maxlen=_KEPT_ERRORS)
        self._tracker = tracker
        self._fitter = FaceFitter(model)
        self._kept = kept
        self._model = model
        self._filter = OneEuroFilter(smoothing) if smoothing else None
        self._clock_ms = clock_ms
        self._follows_face = crop == "auto"
        self._takes_whole_frame = crop == "none"
        self._fixed_crop = None if self._takes_whole_frame else parse_crop(crop)
        self._crop: Crop | None = None
        self._caller = SamePerson()
        self._tracked_frames = 0
        self._has_face = False

    def settle(self, source: Source, stopping: threading.Event) -> ReferenceImage | None:
        """Reads `source` until the caller is known, and fixes crop and identity; a file is then rewound.

        Args:
            source: camera or file.
            stopping: ends it early.

        Returns:
            The first good frame as the reference, or None when stopped.

        Raises:
            FaceError: a file has no face, or none inside the crop that the user gave.
            UsageError: the crop lies outside the picture.
        """
        start = self._search(source, stopping)
        if stopping.is_set():
            return None
        if start is None:
            place = source.describe() + ("" if self._follows_face else " inside the crop that --crop gives")
            raise FaceError(f"no face found in {place}; the face has to be seen from the front")
        identity = self._identify(start)
        self._fitter.hold_identity(identity)
        params = self._fitter.fit(start.best_points).params
        self._fitter.reset()
        self._crop = start.crop
        if not source.is_live:
            source.rewind()
            self._tracker.reset()
        return ReferenceImage(start.best_crop_rgb, identity, params, start.best_large_rgb)

    def analyse(self, frame_rgb: NDArray[np.uint8], capture_ms: float) -> AnalysedFrame:
        """Crop and parameters of the next frame, uint8 [H, W, 3], taken at `capture_ms`; `settle` comes first."""
        if self._crop is None:
            raise ValueError("settle comes before analyse")
        with self.times.measure("track"):
            face = self._tracker.track(frame_rgb, lambda found: self._is_caller(frame_rgb, found))
        if face is not None and not self._crop.holds(face.points):
            self._reframe(face, frame_rgb)
        with self.times.measure("crop"):
            crop_rgb = self._crop.cut(frame_rgb)
            # A crop that was framed anew may have fewer pixels than the first; the chain keeps its size.
            large_rgb = self._crop.cut(frame_rgb, LARGE_SIZE) if self.is_large else None
        with self.times.measure("fit"):
            params = None if face is None else self._fit(self._crop.normalise(face.points), capture_ms)
        if params is None:
            self._lose_face()
        elif face is not None:
            self._has_face = True
            self._learn(frame_rgb, face)
        return AnalysedFrame(crop_rgb, params, large_rgb)

    def newest_ms(self) -> dict[str, float]:
        """How long the stages of the newest frame took."""
        newest = self.times.newest_ms()
        return {stage: newest[stage] for stage in ("track", "crop", "fit") if stage in newest}

    def fit_error_px(self) -> dict[str, float | None]:
        """Percentiles and mean of the fit's mean distance to the tracked points, in pixels of the crop."""
        errors = list(self._fit_errors)
        mean = round(float(np.mean(errors)), 3) if errors else None
        return {**percentiles(errors), "mean": mean}

    def _identify(self, start: _Start) -> NDArray[np.float32]:
        """The caller's identity: that of earlier calls, if it is the same person, so that their references fit."""
        fresh = estimate_identity(self._model, start.points)
        best = start.best_crop_rgb, start.best_points
        if self._kept and is_same_person(self._model, self._kept, start.points, fresh, *best):
            return self._kept[0].identity
        return fresh

    def _search(self, source: Source, stopping: threading.Event) -> _Start | None:
        """Reads frames until one person was seen long enough, and, within limits, as a reference should look."""
        start: _Start | None = None
        notice_due_ms: float | None = self._clock_ms() + _NOTICE_MS
        while not stopping.is_set() and (frame := source.read()) is not None:
            if notice_due_ms is not None and start is None and self._clock_ms() > notice_due_ms:
                log.info("no face found yet in %s; still looking", source.describe())
                notice_due_ms = None
            face = self._tracker.track(frame.frame_rgb)
            if face is None or not self._is_inside(face, frame.frame_rgb):
                if start is not None and start.is_enough:
                    return start
                # A person's frames have to hang together.
                start = None
                self._caller = SamePerson()
                if not source.is_live and frame.pts_ms > MAX_SEARCH_MS:
                    return None
                continue
            start = start or _Start(self._choose_crop(face.points, frame.frame_rgb), frame.pts_ms)
            self._add(start, frame.frame_rgb, face)
            is_late = frame.pts_ms - start.pts_ms > REFERENCE_SEARCH_MS
            if start.is_enough and (start.best_quality >= 1 or is_late):
                return start
        return start

    def _is_inside(self, face: TrackedFace, frame_rgb: NDArray[np.uint8]) -> bool:
        """Whether the face is in the crop that the user gave; one around the face always holds it."""
        return self._follows_face or self._choose_crop(face.points, frame_rgb).holds(face.points)

    def _add(self, start: _Start, frame_rgb: NDArray[np.uint8], face: TrackedFace) -> None:
        points = start.crop.normalise(face.points)
        if not start.is_enough:
            start.points.append(points)
            self._caller.learn(face_signature(frame_rgb, face.points))
        quality = reference_quality(self._model, points)
        if quality > start.best_quality and start.best_quality < 1:
            start.best_quality, start.best_points = quality, points
            start.best_crop_rgb = start.crop.cut(frame_rgb)
            if self.is_large and start.crop.size >= MIN_LARGE_CROP:
                start.best_large_rgb = start.crop.cut(frame_rgb, LARGE_SIZE)

    def _choose_crop(self, points: NDArray[np.float32], frame_rgb: NDArray[np.uint8]) -> Crop:
        height, width = frame_rgb.shape[:2]
        if self._takes_whole_frame:
            return whole_frame(width, height)
        crop = self._fixed_crop
        if crop is None:
            return crop_around(points, width, height)
        crop.check_inside(width, height)
        return crop

    def _is_caller(self, frame_rgb: NDArray[np.uint8], face: TrackedFace) -> bool:
        return self._caller.matches(face_signature(frame_rgb, face.points))

    def _learn(self, frame_rgb: NDArray[np.uint8], face: TrackedFace) -> None:
        self._tracked_frames += 1
        if self._tracked_frames % _LEARN_EVERY == 0:
            self._caller.learn(face_signature(frame_rgb, face.points))

    def _reframe(self, face: TrackedFace, frame_rgb: NDArray[np.uint8]) -> None:
        """Moves the crop after a face that left it; a crop that the user gave stays."""
        if not self._follows_face:
            return
        height, width = frame_rgb.shape[:2]
        moved = crop_around(face.points, width, height)
        if moved == self._crop:
            return
        self._crop = moved
        self.reframed += 1
        self._forget_motion()

    def _fit(self, points: NDArray[np.float32], capture_ms: float) -> FaceParams | None:
        smooth = self._filter.smooth(points, capture_ms) if self._filter else points
        fit = self._fitter.fit(smooth)
        if fit.error > MAX_FIT_ERROR or fit.params.fault() is not None:
            return None
        self._fit_errors.append(fit.error * CROP_SIZE / 2)
        return fit.params

    def _lose_face(self) -> None:
        if self._has_face:
            self.faces_lost += 1
        self._has_face = False
        self._forget_motion()

    def _forget_motion(self) -> None:
        """The next face is not where the last one was: fit and filter start anew."""
        self._fitter.reset()
        if self._filter:
            self._filter.reset()
