"""Clips, or what `headgan track` wrote, in; faces at 25 frames a second, as a call's sender has them, out.

A clip is followed causally: its first frames fix crop and identity, and points are smoothed as the sender does unless
told otherwise. An .npz is taken as it is, each moment of the 25 a second filled by the newest frame.
"""

import hashlib
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.benchmarks.kept import Kept, file_state
from headgan.codec.params import CAMERA_SIZE, EXPRESSION_SIZE, PARAMS_SIZE, FaceParams
from headgan.codec.rate_grid import on_grid
from headgan.models.morphable import MorphableModel
from headgan.models.morphable_data import CLIP_SUFFIXES
from headgan.models.reconstruct import ReferenceImage
from headgan.models.smoothing import smoothing_settings
from headgan.models.track_command import read_params
from headgan.models.tracker import MediaPipeTracker
from headgan.proto.errors import DeviceError, FaceError, UsageError
from headgan.sender.analysis import AnalysedFrame, FaceAnalyser
from headgan.sender.cli import SendOptions
from headgan.sender.sources import FileSource

RATE_FPS = 25.0
FRAME_MS = 1000 / RATE_FPS
_TRACK_SUFFIX = ".npz"

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Track:
    """The faces of one clip.

    Attributes:
        name: short, of no other clip.
        identity: float32 [n_id] of the person.
        params: of each frame, 25 a second; None without a face.
    """

    name: str
    identity: NDArray[np.float32]
    params: tuple[FaceParams | None, ...]

    @cached_property
    def digest(self) -> str:
        """Stands for everything in it."""
        missing = np.full(PARAMS_SIZE, np.nan, np.float32)
        rows = [missing if one is None else one.to_array() for one in self.params]
        parts = self.name.encode(), self.identity.tobytes(), np.array(rows, np.float32).tobytes()
        return hashlib.sha256(b"/".join(parts)).hexdigest()


def find_tracks(inputs: Sequence[Path]) -> dict[str, Path]:
    """Clips and .npz files by a short name that no other has, in the order given.

    Raises:
        UsageError: a path does not exist, or there are none.
    """
    found: dict[str, Path] = {}
    for given in inputs:
        if not given.exists():
            raise UsageError(
                f"{given} does not exist; give clips, .npz files of headgan track, or folders of them"
            )
        for path in sorted(given.rglob("*")) if given.is_dir() else [given]:
            if path.suffix.lower() in (*CLIP_SUFFIXES, _TRACK_SUFFIX):
                name = f"{path.absolute().parent.name}-{path.stem}"
                found[name if name not in found else f"{name}-{len(found)}"] = path
    if not found:
        raise UsageError(f"neither clips nor .npz files of headgan track in {', '.join(map(str, inputs))}")
    return found


def load_tracks(found: dict[str, Path], folder: Path, seconds: float) -> list[Track]:
    """The faces of everything that was found.

    Args:
        found: by name.
        folder: where tracked clips are kept.
        seconds: at most so much of each, from its first face on; 0 takes all.

    Raises:
        FaceError: none of them shows a face for two frames.
    """
    tracks = []
    for name, path in tqdm(found.items(), desc="tracking", unit="clip"):
        try:
            track = _read(name, path) if path.suffix == _TRACK_SUFFIX else _kept_track(name, path, folder)
        except FaceError as error:
            log.warning("%s is left out: %s", name, error)
            continue
        track = _cut(track, seconds)
        if sum(one is not None for one in track.params) < 2:
            log.warning("%s is left out: no face in it, or in one frame alone", name)
            continue
        tracks.append(track)
    if not tracks:
        raise FaceError("no face in any of the clips; they have to show one from the front")
    return tracks


def follow(path: Path) -> tuple[ReferenceImage, Iterator[AnalysedFrame]]:
    """A clip as a call's sender sees it: the first reference, then 25 frames a second.

    Raises:
        FaceError: there is no face in it.
    """
    source = FileSource(path)
    smoothing = smoothing_settings(SendOptions.smoothing)
    analyser = FaceAnalyser(
        MorphableModel.load(), MediaPipeTracker(), crop="auto", smoothing=smoothing, clock_ms=lambda: 0.0
    )
    reference = analyser.settle(source, threading.Event())
    if reference is None:
        raise FaceError(f"no face found in {path}")

    def frames() -> Iterator[AnalysedFrame]:
        read = ((frame.pts_ms, frame.frame_rgb) for frame in iter(source.read, None))
        for slots, frame_rgb in on_grid(read, RATE_FPS):
            for slot in slots:
                yield analyser.analyse(frame_rgb, slot * FRAME_MS)

    return reference, frames()


def _kept_track(name: str, clip: Path, folder: Path) -> Track:
    """The track of a clip, from the folder if an earlier run has left it there."""
    kept, path = Kept(folder), folder / f"{name}{_TRACK_SUFFIX}"
    depends = {"clip": file_state(clip), "smoothing": SendOptions.smoothing, "rate_fps": RATE_FPS}

    def measure() -> dict[str, Any]:
        reference, frames = follow(clip)
        missing = np.full(PARAMS_SIZE, np.nan, np.float32)
        rows = [
            missing if frame.params is None else frame.params.to_array()
            for frame in tqdm(frames, desc=name, unit="frame", leave=False)
        ]
        values = np.array(rows, np.float32).reshape(-1, PARAMS_SIZE)
        expression, camera, gaze = np.split(values, [EXPRESSION_SIZE, EXPRESSION_SIZE + CAMERA_SIZE], axis=1)
        pts_ms = np.arange(len(values)) * FRAME_MS
        np.savez_compressed(
            path, expression=expression, camera=camera, gaze=gaze, pts_ms=pts_ms, identity=reference.identity
        )
        return {"sha256": _sha256(path)}

    if not path.is_file() or kept.get(name, depends, measure)["sha256"] != _sha256(path):
        (folder / f"{name}.json").unlink(missing_ok=True)
        kept.get(name, depends, measure)
    return _read(name, path)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(name: str, path: Path) -> Track:
    """The track in an .npz that `headgan track` wrote.

    Raises:
        DeviceError: it is none.
    """
    params = read_params(path)
    try:
        with np.load(path, allow_pickle=False) as data:
            identity, pts_ms = data["identity"].astype(np.float32), data["pts_ms"].tolist()
    except (OSError, KeyError, ValueError) as exc:
        raise DeviceError(f"{path} has no identity or times ({exc}); write it with headgan track") from exc
    if identity.shape != (MorphableModel.load().identity_size,) or len(pts_ms) != len(params):
        raise DeviceError(f"{path} does not fit the morphable model; write it anew with headgan track")
    filled: list[FaceParams | None] = []
    for slots, one in on_grid(zip(pts_ms, params, strict=True), RATE_FPS):
        filled += [one] * len(slots)
    return Track(name, identity, tuple(filled))


def _cut(track: Track, seconds: float) -> Track:
    first = next((place for place, one in enumerate(track.params) if one is not None), 0)
    stop = first + round(seconds * RATE_FPS) if seconds else None
    return replace(track, params=track.params[first:stop])
