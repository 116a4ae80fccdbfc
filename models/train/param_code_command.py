"""`headgan param-code`: parameters that `headgan track` wrote in, the code of parameter streams out."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.codec.param_code import vector_of
from headgan.codec.params import FaceParams
from headgan.models.morphable import MorphableModel
from headgan.proto.errors import DeviceError, UsageError
from headgan.proto.options import argument, option, required
from headgan.proto.program import check_writable

RATE_FPS = 25.0
# Shorter stretches with a face teach little.
_SHORTEST_FRAMES = 25


@dataclass(frozen=True)
class ParamCodeOptions:
    """Options of `headgan param-code`."""

    tracks: tuple[Path, ...] = argument(".npz files of headgan track, or folders of them", many=True)
    output: Path = required("the file to write", flag="-o", metavar="FILE.npz")
    seed: int = option(0, "of what is chosen by chance")


def build_param_code(options: ParamCodeOptions) -> int:
    """Learns how faces move, and how their parameters are coded best."""
    if options.output.suffix != ".npz":
        raise UsageError(f"-o {options.output}: the name ends in .npz")
    check_writable(options.output, "-o")
    try:
        from headgan.models.train.param_code_build import build_code
    except ImportError as exc:
        raise UsageError("learning a code needs torch: pip install 'headgan[train]'") from exc
    model = MorphableModel.load()
    runs = [run for path in _files(options.tracks) for run in read_runs(path)]
    if not runs:
        raise UsageError(f"no second with a face in {', '.join(map(str, options.tracks))}; track more clips")
    frames = sum(map(len, runs))
    sys.stdout.write(f"{frames} frames in {len(runs)} stretches\n")
    code = build_code(model, runs, _tell, options.seed)
    code.save(options.output)
    sys.stdout.write(f"{options.output}: {options.output.stat().st_size} bytes, code {code.code_id.hex()}\n")
    return 0


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def read_runs(path: Path) -> list[NDArray[np.float64]]:
    """Vectors, float64 [n, 36], of the stretches with a face, at 25 frames a second.

    Raises:
        DeviceError: the file is none that `headgan track` writes.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            values = np.concatenate([data["expression"], data["camera"], data["gaze"]], axis=1)
            pts_ms = data["pts_ms"]
    except Exception as exc:  # a damaged archive makes zipfile, zlib and numpy raise nearly everything
        raise DeviceError(f"{path} has no parameters ({exc}); write it with headgan track") from exc
    if len(values) == 0:
        return []
    times = np.arange(pts_ms[0], pts_ms[-1] + 1, 1000 / RATE_FPS)
    places = np.searchsorted(pts_ms, times + 1, side="right") - 1
    return [_vectors(values[run]) for run in _stretches(values, places) if len(run) >= _SHORTEST_FRAMES]


def _stretches(values: NDArray[np.float32], places: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    has_face = ~np.isnan(values[places, 0])
    for run in np.split(places, np.flatnonzero(np.diff(has_face)) + 1):
        if not np.isnan(values[run[0], 0]):
            yield run


def _vectors(values: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.stack([vector_of(FaceParams.from_array(row)) for row in values])


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        found = sorted(path.rglob("*.npz")) if path.is_dir() else [path]
        if not found:
            raise UsageError(f"{path}: there is no .npz in this folder; write some with headgan track")
        yield from found
