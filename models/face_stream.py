"""A clip of any length in, crop and face parameters of its person out, frame by frame at a constant rate.

settle: the first minute ── crop, identity, the best first reference
frames: from the start ── RateGrid ── tracker ── Crop ── FaceFitter
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.codec.params import FaceParams
from headgan.codec.rate_grid import on_grid
from headgan.codec.video import probe_video, read_video
from headgan.models.crop import Crop, crop_around, parse_crop, whole_frame
from headgan.models.fitting import MAX_FIT_ERROR, FaceFitter
from headgan.models.identity import estimate_identity
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.models.reference_quality import reference_quality
from headgan.models.same_person import SamePerson, face_signature
from headgan.models.tracker import FaceTracker, MediaPipeTracker, TrackedFace
from headgan.proto.errors import FaceError

# The identity is estimated from so many frames of the first minute with the person, at most.
IDENTITY_FRAMES = 40
_SEARCH_MS = 60_000.0
_EVERY_MS = 200.0
# A reference with open eyes, seen from the front, is looked for so long; then the best so far has to do.
_REFERENCE_MS = 2000.0
_LEARN_EVERY = 25


@dataclass(frozen=True, eq=False)
class StreamFrame:
    """A frame at its place in the grid.

    Attributes:
        crop_rgb: uint8 [256, 256, 3].
        params: the face in it; None if there is none, or another person's.
    """

    crop_rgb: NDArray[np.uint8]
    params: FaceParams | None


@dataclass(eq=False)
class _Search:
    """What the first minute has shown so far; `seen` and `best` are points in half crop widths."""

    crop: Crop
    first_ms: float
    caller: SamePerson
    seen: list[NDArray[np.float32]] = field(default_factory=list)
    seen_ms: float = -np.inf
    best_quality: float = -1.0
    best: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 3), np.float32))
    best_crop_rgb: NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, 0, 3), np.uint8))


class FaceStream:
    """Follows one person through a clip: `settle` once, then `frames` once. Not thread-safe.

    Attributes:
        rate_fps: of the grid, that of the clip or less.
        start_ms: the time of the clip's first frame.
        frames_estimate: how many there will be, 0 if the clip does not tell.
        has_sound: whether the clip has a sound track.
    """

    def __init__(
        self,
        model: MorphableModel,
        path: Path,
        *,
        crop: str = "auto",
        max_fps: float = 25.0,
        keep_identity: Callable[[NDArray[np.float32]], NDArray[np.float32]] = lambda identity: identity,
    ) -> None:
        """Looks at the clip.

        Args:
            model: the morphable model.
            path: the clip.
            crop: `auto`, `none` for the largest square, or `x,y,size` in pixels of the clip.
            max_fps: of the grid, at most.
            keep_identity: what becomes of the identity before faces are fitted with it.

        Raises:
            DeviceError: the file is missing or no video.
            UsageError: the crop cannot be used.
        """
        self._model, self._path = model, path
        self._follows_face = crop == "auto"
        info = probe_video(path)
        self._size = info.width, info.height
        self._fixed = whole_frame(*self._size) if crop == "none" else parse_crop(crop)
        if self._fixed is not None:
            self._fixed.check_inside(*self._size)
        # 1001 keeps the television rates (30000/1001 and its kin) exact.
        self.rate_fps = Fraction(min(info.rate_fps, max_fps)).limit_denominator(1001)
        self.start_ms = next(read_video(path)).pts_ms
        self.frames_estimate = round(info.duration_s * float(self.rate_fps))
        self.has_sound = info.has_sound
        self._keep_identity = keep_identity
        self._tracker: FaceTracker = MediaPipeTracker()
        self._fitter = FaceFitter(model)
        self._crop: Crop | None = None
        self._caller = SamePerson()
        self._tracked = 0

    def settle(self) -> ReferenceImage:
        """Looks for the person; returns the first reference.

        Raises:
            FaceError: there is no face, or none inside the crop that was given.
        """
        search = self._search()
        if search is None:
            inside = "" if self._follows_face else " inside the crop that --crop gives"
            raise FaceError(f"no face in {self._path}{inside}; the face has to be seen from the front")
        spread = np.linspace(0, len(search.seen) - 1, min(IDENTITY_FRAMES, len(search.seen))).astype(int)
        identity = estimate_identity(self._model, [search.seen[index] for index in spread])
        self._fitter.hold_identity(self._keep_identity(identity))
        params = self._fitter.fit(search.best).params
        self._fitter.reset()
        self._tracker.reset()
        self._crop, self._caller = search.crop, search.caller
        return ReferenceImage(search.best_crop_rgb, self._fitter.identity, params)

    def frames(self) -> Iterator[StreamFrame]:
        """Every place of the grid; `settle` comes first."""
        read = ((frame.pts_ms, frame.frame_rgb) for frame in read_video(self._path))
        for slots, frame_rgb in on_grid(read, float(self.rate_fps)):
            if slots:
                analysed = self._analyse(frame_rgb)
                yield from (analysed for _ in slots)

    def _analyse(self, frame_rgb: NDArray[np.uint8]) -> StreamFrame:
        if self._crop is None:
            raise ValueError("settle comes before frames")
        face = self._tracker.track(
            frame_rgb, lambda found: self._caller.matches(face_signature(frame_rgb, found.points))
        )
        if face is not None and self._follows_face and not self._crop.holds(face.points):
            moved = crop_around(face.points, *self._size)
            if moved != self._crop:
                self._crop = moved
                self._fitter.reset()
        params = None if face is None else self._fit(self._crop.normalise(face.points))
        if params is None:
            self._fitter.reset()
        elif face is not None:
            self._tracked += 1
            if self._tracked % _LEARN_EVERY == 0:
                self._caller.learn(face_signature(frame_rgb, face.points))
        return StreamFrame(self._crop.cut(frame_rgb), params)

    def _fit(self, points: NDArray[np.float32]) -> FaceParams | None:
        fit = self._fitter.fit(points)
        return None if fit.error > MAX_FIT_ERROR or fit.params.fault() is not None else fit.params

    def _search(self) -> _Search | None:
        """All frames until there is a good reference, then some; up to a minute with the person."""
        search: _Search | None = None
        looked_ms = -np.inf
        for frame in tqdm(read_video(self._path), desc="looking for the person", unit="frame", leave=False):
            needs_all = search is None or (
                search.best_quality < 1 and frame.pts_ms - search.first_ms <= _REFERENCE_MS
            )
            if search is not None and frame.pts_ms - search.first_ms > _SEARCH_MS:
                break
            if not needs_all and frame.pts_ms - looked_ms < _EVERY_MS:
                continue
            looked_ms = frame.pts_ms
            face = self._tracker.track(frame.frame_rgb)
            if face is None:
                continue
            crop = search.crop if search else self._fixed or crop_around(face.points, *self._size)
            if not crop.holds(face.points):
                continue
            search = search or _Search(crop, frame.pts_ms, SamePerson())
            self._look(search, face, frame.frame_rgb, frame.pts_ms)
        return search

    def _look(self, search: _Search, face: TrackedFace, frame_rgb: NDArray[np.uint8], pts_ms: float) -> None:
        signature = face_signature(frame_rgb, face.points)
        if not search.caller.matches(signature):
            return
        points = search.crop.normalise(face.points)
        if pts_ms - search.seen_ms >= _EVERY_MS:
            search.caller.learn(signature)
            search.seen.append(points)
            search.seen_ms = pts_ms
        if pts_ms - search.first_ms <= _REFERENCE_MS and search.best_quality < 1:
            quality = reference_quality(self._model, points)
            if quality > search.best_quality:
                search.best_quality, search.best = quality, points
                search.best_crop_rgb = search.crop.cut(frame_rgb)
