"""A clip of a person who speaks in, what a judge of lips says of them and of every way to draw them out.

clip ── tracked, fitted ─┬── the picture itself ──────────────── original ─┐
                         ├── generator, with its sound ───────── hearing ──┤
                         ├── generator, without ──────────────── deaf ─────┼── mouths, 25 a second ── LipJudge
                         ├── geometry alone ──────────────────── geometry ─┤                              │
                         └── always the first picture ────────── still ────┘                 sound ───────┘

A generator that was trained in silence has one way, `drawn`, in place of two. The still is what the judge makes of the
head's motion alone: its mouth does not move, and the view moves with the head as in all others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.models.clip_sound import read_sound
from headgan.models.generator import OnnxGenerator
from headgan.models.metrics.clip_frames import ClipFrames, Sampling, SeenFrame, read_clip
from headgan.models.metrics.drawers import Drawer, GeneratorDrawer, StillDrawer
from headgan.models.metrics.lip_judge import LipJudge
from headgan.models.metrics.lip_scores import OFFSETS, WINDOWS_S, distances, placed, told
from headgan.models.metrics.lip_sound import RATE_FPS, LipSound, listen, nearest
from headgan.models.metrics.mouth_error import mouth_error
from headgan.models.metrics.mouth_view import cut_mouth, mouth_views
from headgan.models.morphable import MorphableModel
from headgan.models.speech_phonemes import SpeechNet
from headgan.models.tracker import FaceTracker
from headgan.proto.errors import DeviceError

ORIGINAL, HEARING, DEAF, DRAWN, GEOMETRY, STILL = "original", "hearing", "deaf", "drawn", "geometry", "still"
# Below, a clip has no speech, or not enough of it.
SPEAKS = 0.15
SHORTEST_S = 2.0
# Where a face was lost for longer, a stretch of a clip ends.
_GAP_MS = 100.0
# Moments on the sheet, and how much larger mouths are shown there.
_SHOWN, _LARGER = 12, 1.25


class Wordless(Exception):  # noqa: N818 - no error: the clip is left out
    """Nobody speaks in the clip, or not for long."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """A person who speaks, 25 pictures a second.

    Attributes:
        clip: the references and all frames.
        frames: T of them, one for each 40 ms.
        views: float64 [T, 4], of `mouth_views`.
        sound: what is heard.
    """

    clip: ClipFrames
    frames: Sequence[SeenFrame]
    views: NDArray[np.float64]
    sound: LipSound


def read_stretch(
    path: Path,
    sampling: Sampling,
    tracker: FaceTracker,
    model: MorphableModel,
    net: SpeechNet,
    *,
    hears: bool,
) -> Stretch:
    """The longest stretch of a clip in which the face is always seen.

    Args:
        path: the clip.
        sampling: how references are taken.
        tracker: finds the face.
        model: the morphable model.
        net: tells the sounds of speech.
        hears: whether frames come with what a generator is told of the sound.

    Raises:
        Wordless: there is not enough speech in it.
        DeviceError: the clip cannot be read.
        FaceError: there is no face in it.
    """
    sound = read_sound(path)
    if not sound.samples.size:
        raise Wordless("no sound")
    clip = read_clip(path, sampling, tracker, model, hears=hears)
    frames = _longest([frame for frame, _ in clip.frames])
    pts_ms = np.array([frame.pts_ms for frame in frames])
    step_ms = 1000 / RATE_FPS
    times_ms = pts_ms[0] + step_ms * np.arange(int((pts_ms[-1] - pts_ms[0]) / step_ms + 1e-6) + 1)
    if len(times_ms) < SHORTEST_S * RATE_FPS:
        raise Wordless(f"{len(times_ms) / RATE_FPS:.1f} s with a face, {SHORTEST_S:g} are needed")
    chosen = [frames[place] for place in nearest(pts_ms, times_ms)]
    heard = listen(sound.between(float(times_ms[0]), float(times_ms[-1] + step_ms)), net)
    if heard.speaks < SPEAKS:
        raise Wordless(f"a sound of speech in {heard.speaks:.0%} of its pictures")
    views = mouth_views(model, clip.reference.identity, [frame.params for frame in chosen])
    return Stretch(clip, chosen, views, heard)


def drawers(
    model: MorphableModel, generator: OnnxGenerator, geometry: OnnxGenerator, clip: ClipFrames
) -> dict[str, Drawer]:
    """The ways to draw a clip, by name."""
    drawer = GeneratorDrawer(model, generator, clip)
    own: dict[str, Drawer] = {DRAWN: drawer}
    if generator.needs("audio"):
        own = {HEARING: drawer, DEAF: _Deaf(drawer)}
    return {**own, GEOMETRY: GeneratorDrawer(model, geometry, clip), STILL: StillDrawer(clip)}


@dataclass(frozen=True, eq=False)
class Mouths:
    """A stretch as it was drawn, for any judge to look at.

    Attributes:
        cut: by way, `original` first, uint8 [T, 48, 64].
        sound: what is heard.
        errors: of the drawn ones, the mean error around the mouth, levels of 255.
    """

    cut: Mapping[str, NDArray[np.uint8]]
    sound: LipSound
    errors: Mapping[str, float]

    def save(self, path: Path) -> None:
        """Writes what `load` reads, but for the errors."""
        part = path.with_suffix(".part.npz")
        cut = {f"mouths {way}": mouths for way, mouths in self.cut.items()}
        np.savez(part, shares=self.sound.shares, heard=self.sound.heard, **cut)  # type: ignore[arg-type]
        part.replace(path)

    @classmethod
    def load(cls, path: Path, errors: Mapping[str, float]) -> "Mouths":
        """Reads what was kept.

        Raises:
            DeviceError: it is missing or damaged.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                ways = (ORIGINAL, *errors)
                cut = {way: data[f"mouths {way}"] for way in ways}
                return cls(cut, LipSound(data["shares"], data["heard"]), errors)
        except Exception as exc:  # a damaged archive makes zipfile, zlib and numpy raise nearly everything
            json = path.with_suffix(".json").name
            raise DeviceError(f"{path} is damaged; delete {json} beside it and run the same again") from exc


def draw_mouths(stretch: Stretch, ways: Mapping[str, Drawer]) -> tuple[Mouths, NDArray[np.uint8]]:
    """The mouths of every way, and a picture of some of them: a row a way."""
    mouths: dict[str, list[NDArray[np.uint8]]] = {way: [] for way in (ORIGINAL, *ways)}
    errors: dict[str, list[float]] = {way: [] for way in ways}
    shown: dict[str, list[NDArray[np.uint8]]] = {way: [] for way in mouths}
    places = set(np.linspace(0, len(stretch.frames) - 1, _SHOWN + 2).astype(int)[1:-1].tolist())
    pairs = list(zip(stretch.frames, stretch.views, strict=True))
    for place, (frame, view) in enumerate(tqdm(pairs, desc="drawing", unit="frame", leave=False)):
        pictures = {ORIGINAL: frame.picture_rgb, **{way: drawer.draw(frame) for way, drawer in ways.items()}}
        for way, picture in pictures.items():
            mouths[way].append(cut_mouth(picture, view))
            if way in errors:
                errors[way].append(mouth_error(frame.picture_rgb, picture, frame.points))
            if place in places:
                shown[way].append(cut_mouth(picture, view, _LARGER))
    cut = {way: np.stack(each) for way, each in mouths.items()}
    means = {way: round(float(np.mean(each)), 4) for way, each in errors.items()}
    return Mouths(cut, stretch.sound, means), np.vstack([np.hstack(row) for row in shown.values()])


def judge_mouths(mouths: Mouths, judge: LipJudge) -> dict[str, Any]:
    """What is said of each way, as JSON."""
    result: dict[str, Any] = {}
    late = 0
    for way, cut in mouths.cut.items():
        result[way], own = _judged(cut, mouths.sound, judge, late)
        if (
            way == ORIGINAL and own
        ):  # The sound of the clip itself is late, and so it is for all that is drawn of it.
            late = own
            result[way], _ = _judged(cut, mouths.sound, judge, late)
        if way in mouths.errors:
            result[way]["mouth"] = mouths.errors[way]
    return result


def write_row(path: Path, row: NDArray[np.uint8]) -> None:
    """Writes the picture of mouths, grey."""
    cv2.imwrite(str(path), row)


class _Deaf:
    """Draws as another does, without sound."""

    def __init__(self, drawer: Drawer) -> None:
        self._drawer = drawer
        self.points = drawer.points

    def draw(self, frame: SeenFrame) -> NDArray[np.uint8]:
        """See `Drawer`."""
        return self._drawer.draw(replace(frame, audio=None))


def _judged(
    mouths: NDArray[np.uint8], sound: LipSound, judge: LipJudge, late: int
) -> tuple[dict[str, Any], int]:
    """What is said of mouths, and by how many pictures the sound is late for them; late: as it is in the clip."""
    look = judge.look(mouths, sound)
    seen = told(look.shares, sound.shares)
    apart = distances(look.lips, look.sound)
    course = np.nanmean(apart, axis=1)
    result = {
        "heard": seen.heard.tolist(),
        "likeliest": seen.likeliest.tolist(),
        "closed": np.round(seen.closed, 5).tolist(),
        "course": np.round(course, 5).tolist(),
        "placed": {f"{seconds:g}": placed(apart, sound.shares, seconds, late) for seconds in WINDOWS_S},
    }
    return result, int(OFFSETS[course.argmin()])


def _longest(frames: Sequence[SeenFrame]) -> list[SeenFrame]:
    """The longest run of frames that follow each other."""
    ends = [
        place for place in range(1, len(frames)) if frames[place].pts_ms - frames[place - 1].pts_ms > _GAP_MS
    ]
    runs = zip([0, *ends], [*ends, len(frames)], strict=True)
    start, end = max(runs, key=lambda run: run[1] - run[0])
    return list(frames[start:end])
