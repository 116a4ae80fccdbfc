"""A clip in, its usable pieces out: segments in which one face stays in one crop, and what was rejected and why.

frames ─ thin to 25..30 a second ─ cut? ─ face? ─ alone? ─ in the crop? ─┬─ Piece: crops, points, times
                                                                          └─ Rejection: span and reason
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.codec.video import DecodedFrame, probe_video, read_video
from headgan.models.crop import Crop, crop_around
from headgan.models.train.prepare_cuts import CutDetector
from headgan.models.train.prepare_faces import MIN_FACE_PX, Box, FaceFinder, box_of
from headgan.models.train.shard_pictures import encode_picture

MIN_PIECE_FRAMES = 20
# A minute at 25 frames a second; bounds what is held in memory.
MAX_PIECE_FRAMES = 1500
# How often it is asked whether somebody else is there; what lies between two answers goes with the worse one.
_LOOK_AROUND_EVERY = 5
_USUAL_FPS = 28.0
_FASTEST_FPS = 31.0

NO_FACE = "no face"
SMALL_FACE = f"face smaller than {MIN_FACE_PX} px"
SEVERAL_FACES = "several faces"
TOO_SHORT = f"piece shorter than {MIN_PIECE_FRAMES} frames"


@dataclass(frozen=True)
class Rejection:
    """Frames of a clip that were left out.

    Attributes:
        reason: why.
        first_frame: index of the first of them in the file.
        last_frame: index of the last.
        frames: how many of those that were looked at.
        start_ms: time of the first.
        end_ms: time of the last.
    """

    reason: str
    first_frame: int
    last_frame: int
    frames: int
    start_ms: float
    end_ms: float


@dataclass(frozen=True, eq=False)
class Piece:
    """Frames in a row of one face in one crop.

    Attributes:
        crop: the square of the clip's frames.
        pictures: JPEG bytes of each frame's crop, 256x256.
        points: float32 [N, 478, 3] in half crop widths from the crop's centre.
        pts_ms: float64 [N].
        first_frame: index in the file of the first frame.
        last_frame: index of the last.
    """

    crop: Crop
    pictures: list[bytes]
    points: NDArray[np.float32]
    pts_ms: NDArray[np.float64]
    first_frame: int
    last_frame: int


@dataclass(eq=False)
class _Growing:
    """A piece while frames are added; `cleared` is how many of them were seen to be without others."""

    crop: Crop
    box: Box
    pictures: list[bytes] = field(default_factory=list)
    points: list[NDArray[np.float32]] = field(default_factory=list)
    frames: list[tuple[int, float]] = field(default_factory=list)
    cleared: int = 0


def thinning(rate_fps: float) -> int:
    """Keeps every n-th frame: what brings more than 30 frames a second nearest to the usual rate."""
    return 1 if rate_fps <= _FASTEST_FPS else max(1, round(rate_fps / _USUAL_FPS))


def read_pieces(
    path: Path, finder: FaceFinder, *, every: int = 1, check: Callable[[], None] = lambda: None
) -> Iterator[Piece | Rejection]:
    """The pieces and the rejected spans of the clip at `path`, each as soon as it has ended.

    Args:
        path: the clip.
        finder: follows its face; reset here.
        every: keeps every `every`-th frame of those left after thinning to 30 a second.
        check: called for each frame; what it raises ends the work.

    Raises:
        DeviceError: the clip cannot be read.
    """
    step = thinning(probe_video(path).rate_fps) * every
    splitter = _Splitter(finder)
    for index, frame in enumerate(read_video(path)):
        check()
        if index % step == 0:
            yield from splitter.add(index, frame)
    yield from splitter.end()


class _Splitter:
    def __init__(self, finder: FaceFinder) -> None:
        self._finder = finder
        self._finder.reset()
        self._cuts = CutDetector()
        self._piece: _Growing | None = None
        self._bad: list[tuple[int, float]] = []
        self._bad_reason = ""

    def add(self, index: int, frame: DecodedFrame) -> Iterator[Piece | Rejection]:
        """Takes the next frame; yields what it ended."""
        piece, moment = self._piece, (index, frame.pts_ms)
        picture = None if piece is None else piece.crop.cut(frame.frame_rgb)
        if piece is not None and picture is not None and self._cuts.is_cut(picture):
            self._finder.reset()
            yield from self._close()
            piece = None
        points = self._finder.points(frame.frame_rgb)
        if points is None or box_of(points).side < MIN_FACE_PX:
            yield from self._close()
            yield from self._reject(NO_FACE if points is None else SMALL_FACE, [moment])
            return
        box = box_of(points)
        if piece is not None and (piece.box.jumped(box) or not piece.crop.holds(points)):
            yield from self._close()
            piece = None
        if piece is None or picture is None:
            height, width = frame.frame_rgb.shape[:2]
            piece = _Growing(crop_around(points, width, height), box)
            picture = piece.crop.cut(frame.frame_rgb)
            self._cuts.start_from(picture)
        if len(piece.frames) % _LOOK_AROUND_EVERY == 0:
            if not self._finder.is_alone(frame.frame_rgb, piece.crop, box):
                yield from self._close(keep=piece.cleared)
                yield from self._reject(SEVERAL_FACES, [moment])
                return
            piece.cleared = len(piece.frames) + 1
        yield from self._end_rejection()
        self._piece = piece
        piece.box = box
        piece.pictures.append(encode_picture(picture))
        piece.points.append(piece.crop.normalise(points))
        piece.frames.append(moment)
        if len(piece.frames) == MAX_PIECE_FRAMES:
            yield from self._close()

    def end(self) -> Iterator[Piece | Rejection]:
        """Yields what the end of the clip ends."""
        yield from self._close()
        yield from self._end_rejection()

    def _close(self, keep: int | None = None) -> Iterator[Piece | Rejection]:
        """Ends the piece; of its frames the first `keep` stay, the others were with somebody else."""
        piece, self._piece = self._piece, None
        if piece is None:
            return
        kept = len(piece.frames) if keep is None else keep
        if kept < MIN_PIECE_FRAMES:
            yield from self._reject(TOO_SHORT, piece.frames[:kept])
        else:
            yield Piece(
                piece.crop,
                piece.pictures[:kept],
                np.stack(piece.points[:kept]),
                np.array([pts_ms for _, pts_ms in piece.frames[:kept]]),
                piece.frames[0][0],
                piece.frames[kept - 1][0],
            )
        yield from self._reject(SEVERAL_FACES, piece.frames[kept:])

    def _reject(self, reason: str, frames: list[tuple[int, float]]) -> Iterator[Rejection]:
        """Adds `frames` to the span that is being rejected, which another reason ends."""
        if not frames:
            return
        if reason != self._bad_reason:
            yield from self._end_rejection()
        self._bad_reason = reason
        self._bad.extend(frames)

    def _end_rejection(self) -> Iterator[Rejection]:
        bad, self._bad = self._bad, []
        reason, self._bad_reason = self._bad_reason, ""
        if bad:
            (first, start_ms), (last, end_ms) = bad[0], bad[-1]
            yield Rejection(reason, first, last, len(bad), start_ms, end_ms)
