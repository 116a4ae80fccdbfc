"""Tracks in, bits and error of a naive coder of them out, to compare with.

The 36 raw numbers of a face are predicted from the frame before and rounded to steps that each move the mesh equally
far. Each number's differences cost their entropy over all clips: an ideal coder that knew how often each occurs, to
the fraction of a bit, without headers and without a thought for loss.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headgan.benchmarks.face_error import FaceErrors, FaceRuler
from headgan.benchmarks.param_measure import ParamMeasurer, compare, show
from headgan.benchmarks.param_tracks import RATE_FPS, Track
from headgan.codec.param_code import POINT_SIZE, params_from, shipped_code, vector_of
from headgan.codec.params import FaceParams
from headgan.models.morphable import MorphableModel

# In pixels that a step moves the mesh, root mean square over its vertices.
NAIVE_STEPS_PX = (0.06, 0.09, 0.13, 0.18, 0.25, 0.35, 0.5, 0.7, 1.0)
_SMALL = 1e-3


def naive_curve(measurer: ParamMeasurer) -> list[dict[str, Any]]:
    """`kbps` and the errors at each step size, fine to coarse."""
    model = MorphableModel.load()
    moves_px = axis_moves_px(model)
    points = []
    for step_px in NAIVE_STEPS_PX:
        coded = [code_naively(track, step_px / moves_px) for track in measurer.tracks]
        errors = FaceErrors.pooled(
            [
                compare(ruler, track, show(track, faces))
                for ruler, track, (_, faces) in zip(measurer.rulers, measurer.tracks, coded, strict=True)
            ]
        )
        bits = entropy_bits(np.concatenate([symbols for symbols, _ in coded]))
        frames = sum(len(track.params) for track in measurer.tracks)
        points.append(
            {"step_px": step_px, "kbps": round(bits * RATE_FPS / frames / 1000, 4), **errors.report()}
        )
    return points


def axis_moves_px(model: MorphableModel) -> NDArray[np.float64]:
    """Float64 [36]: how far a unit of each number moves the vertices of the mean face, root mean square."""
    rest = shipped_code().rest
    ruler = FaceRuler(model, np.zeros(model.identity_size))
    faces = [params_from(rest + _SMALL * row) for row in np.eye(POINT_SIZE)]
    points = ruler.points_px([params_from(rest), *faces]).astype(np.float64)
    moved = (points[1:] - points[0]) / _SMALL
    moves: NDArray[np.float64] = np.sqrt((moved**2).sum(axis=2).mean(axis=1))
    return moves


def code_naively(
    track: Track, steps: NDArray[np.float64]
) -> tuple[NDArray[np.int64], tuple[FaceParams | None, ...]]:
    """Int64 [N, 36], what is coded of each frame with a face, and the face that comes out; steps: float64 [36]."""
    shown = shipped_code().rest
    symbols: list[NDArray[np.int64]] = []
    faces: list[FaceParams | None] = []
    for face in track.params:
        if face is None:
            faces.append(None)
            continue
        symbols.append(np.rint((vector_of(face) - shown) / steps).astype(np.int64))
        shown = shown + symbols[-1] * steps
        faces.append(params_from(shown))
    return np.array(symbols), tuple(faces)


def entropy_bits(symbols: NDArray[np.int64]) -> float:
    """Bits of all symbols, [N, 36], each column by its own frequencies."""
    bits = 0.0
    for column in symbols.T:
        counts = np.unique(column, return_counts=True)[1]
        bits -= float((counts * np.log2(counts / counts.sum())).sum())
    return bits
