"""Tracks, a way to code and a line in, bits and the error of what is shown out.

A frame that cannot be read is hidden: the last face that could be read is held, as calls do, or, for comparison, moves
on more and more slowly.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headgan.benchmarks.face_error import FaceErrors, FaceRuler
from headgan.benchmarks.kept import Kept
from headgan.benchmarks.param_line import Coding, LineSettings, Received, transmit
from headgan.benchmarks.param_tracks import FRAME_MS, Track
from headgan.codec.param_code import params_from, shipped_code, vector_of
from headgan.codec.params import FaceParams
from headgan.models.morphable import MorphableModel

# By what a hidden face's speed is multiplied from frame to frame; 0 holds it.
DAMPINGS = (0.0, 0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True, eq=False)
class Shown:
    """What a receiver shows of a track.

    Attributes:
        numbers: of the frames that can be judged: those with a face, from the first on that was read.
        faces: what is shown at each.
        is_hidden: bool [N], whether that is not what was sent.
    """

    numbers: tuple[int, ...]
    faces: tuple[FaceParams, ...]
    is_hidden: NDArray[np.bool_]


class ParamMeasurer:
    """Measures runs over the same tracks; one that was measured before comes from the folder."""

    def __init__(self, tracks: Sequence[Track], kept: Kept, seed: int) -> None:
        self.tracks = tracks
        model = MorphableModel.load()
        self.rulers = [FaceRuler(model, track.identity) for track in tracks]
        self._kept = kept
        self.seed = seed
        self._depends = {
            "tracks": [track.digest for track in tracks],
            "model": shipped_code().id_with(model.model_id).hex(),
            "seed": seed,
        }

    def run(self, coding: Coding, line: LineSettings, *, hides: bool = False) -> dict[str, Any]:
        """Rates and errors over all tracks; hides: whether to compare ways to hide what is missing."""
        depends = {"coding": asdict(coding), "line": asdict(line), "hides": hides}
        return self.kept("run", depends, lambda: self._measure(coding, line, hides=hides))

    def kept(
        self, kind: str, depends: Mapping[str, Any], measure: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """A result that depends on the tracks, the seed and `depends`, JSON."""
        words = [kind, *(f"{value:g}" for value in _numbers(depends))]
        return self._kept.get("_".join(words), self._depends | dict(depends), measure)

    def _measure(self, coding: Coding, line: LineSettings, *, hides: bool) -> dict[str, Any]:
        received = [transmit(track, coding, line, self.seed) for track in self.tracks]
        result = rates(received) | losses(self.tracks, received)
        held = self._errors(received, 0.0)
        result |= held.report()
        if hides:
            hidden = np.concatenate(
                [show(track, one.read).is_hidden for track, one in zip(self.tracks, received, strict=True)]
            )
            result["hidden"] = {
                f"{damping:g}": _of_hidden(self._errors(received, damping), hidden) for damping in DAMPINGS
            }
        return result

    def _errors(self, received: Sequence[Received], damping: float) -> FaceErrors:
        return FaceErrors.pooled(
            [
                compare(ruler, track, show(track, one.read, damping))
                for ruler, track, one in zip(self.rulers, self.tracks, received, strict=True)
            ]
        )


def compare(ruler: FaceRuler, track: Track, shown: Shown) -> FaceErrors:
    """What is shown of a track against the track itself."""
    real = [face for number in shown.numbers if (face := track.params[number]) is not None]
    return ruler.compare(real, shown.faces, shown.numbers)


def show(track: Track, read: Sequence[FaceParams | None], damping: float = 0.0) -> Shown:
    """What is shown at the time of each frame.

    Args:
        track: what was sent.
        read: of each frame the face that could be read.
        damping: by what the speed of a face that is hidden is multiplied from frame to frame.
    """
    numbers, faces, is_hidden = [], [], []
    last: tuple[int, NDArray[np.float64]] | None = None
    speed = np.zeros(0)
    shown: FaceParams | None = None
    for number, face in enumerate(read):
        if face is not None:
            vector = vector_of(face)
            speed = np.zeros_like(vector) if last is None else (vector - last[1]) / (number - last[0])
            last, shown = (number, vector), face
        elif last is not None and damping:
            far = sum(damping**step for step in range(1, number - last[0] + 1))
            shown = params_from(last[1] + far * speed)
        if shown is not None and track.params[number] is not None:
            numbers.append(number)
            faces.append(shown)
            is_hidden.append(face is None)
    return Shown(tuple(numbers), tuple(faces), np.array(is_hidden, bool))


def rates(received: Sequence[Received]) -> dict[str, float]:
    """kbit/s of records and of packets with their headers, and packets a second."""
    seconds = sum(len(one.read) for one in received) * FRAME_MS / 1000
    records = sum(sum(one.record_bytes) for one in received)
    packets = sum(sum(one.packet_bytes) for one in received)
    count = sum(len(one.packet_bytes) for one in received)
    return {
        "kbps": round(records * 8 / 1000 / seconds, 4),
        "packet_kbps": round(packets * 8 / 1000 / seconds, 4),
        "packets_per_s": round(count / seconds, 3),
    }


def losses(tracks: Sequence[Track], received: Sequence[Received]) -> dict[str, Any]:
    """Shares of frames that did not come, or came and could not be read, and how long that lasted."""
    lost = unread = frames = refreshes = 0
    longest_unread = longest_missing = longest_lost = 0
    for track, one in zip(tracks, received, strict=True):
        has_face = np.array([face is not None for face in track.params])
        is_read = np.array([face is not None for face in one.read])
        is_unread = has_face & one.has_arrived & ~is_read
        frames += int(has_face.sum())
        lost += int((has_face & ~one.has_arrived).sum())
        unread += int(is_unread.sum())
        refreshes += one.refreshes
        longest_unread = max(longest_unread, longest_run(is_unread))
        longest_missing = max(longest_missing, longest_run(has_face & ~is_read))
        longest_lost = max(longest_lost, longest_run(has_face & ~one.has_arrived))
    return {
        "lost": round(lost / frames, 4),
        "unread": round(unread / frames, 4),
        "missing": round((lost + unread) / frames, 4),
        "unread_ms": longest_unread * FRAME_MS,
        "missing_ms": longest_missing * FRAME_MS,
        "lost_ms": longest_lost * FRAME_MS,
        "refreshes": refreshes,
    }


def longest_run(values: NDArray[np.bool_]) -> int:
    """How many in a row are true, at most."""
    longest = run = 0
    for value in values.tolist():
        run = run + 1 if value else 0
        longest = max(longest, run)
    return longest


def value_at(points: Sequence[tuple[float, float]], place: float) -> float | None:
    """The value at a place between points, logarithms of both being linear there; None outside of them."""
    places, values = np.array(sorted(points), float).T
    if not places[0] <= place <= places[-1]:
        return None
    return round(float(np.exp(np.interp(np.log(place), np.log(places), np.log(values)))), 4)


def _of_hidden(errors: FaceErrors, hidden: NDArray[np.bool_]) -> dict[str, float]:
    """Errors of all frames, and of those alone that are hidden."""
    report = {"px": float(errors.mean_px.mean()), "px_p95": float(np.percentile(errors.mean_px, 95))}
    if hidden.any():
        report["hidden_px"] = float(errors.mean_px[hidden].mean())
    report["tremble_px"] = float(errors.tremble_px[1].mean())
    return {name: round(value, 4) for name, value in report.items()}


def _numbers(depends: Mapping[str, Any]) -> list[float]:
    """The numbers in it, in order, for a name."""
    found: list[float] = []
    for value in depends.values():
        if isinstance(value, Mapping):
            found += _numbers(value)
        elif isinstance(value, int | float):
            found.append(value)
    return found
