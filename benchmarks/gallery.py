"""`headgan-bench gallery`: clips of people in, sheets of the uses of one reference other than a call out.

reenactment.png   each person moved by the next one's clip
edits.png         each person turned, frontalised, and given expressions

gallery.json says of each picture how far what a tracker sees in it is from what was asked for.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.benchmarks.observer import Observer
from headgan.codec.params import FaceParams
from headgan.models.avatar import Avatar
from headgan.models.face_edit import FaceEdit, apply_edit
from headgan.models.generator import OnnxGenerator
from headgan.models.machine import describe_run
from headgan.models.metrics.clip_frames import ClipFrames, Sampling, find_clips, placed, read_clip
from headgan.models.metrics.sheet import clip_row, draw_sheet
from headgan.models.morphable import MorphableModel
from headgan.models.pose_edit import facing_front
from headgan.models.runtime import PROVIDER_CHOICES
from headgan.models.tracker import MediaPipeTracker
from headgan.proto.errors import FaceError, UsageError
from headgan.proto.options import argument, option, required

# A second of most clips lies between two moments: time for another expression.
MOMENTS, _APART = 4, 25
EDITS = {
    "as it is": FaceEdit(),
    "yaw -20": FaceEdit(yaw=-20),
    "yaw 20": FaceEdit(yaw=20),
    "pitch 12": FaceEdit(pitch=12),
    "roll 15": FaceEdit(roll=15),
    "smile 0.6": FaceEdit(smile=0.6),
    "jaw open 0.4": FaceEdit(jaw_open=0.4),
    "blink 0.8": FaceEdit(blink=0.8),
}
DRIVEN, FRONTAL = "reenacted", "frontalised"


@dataclass(frozen=True)
class GalleryOptions:
    """Options of `headgan-bench gallery`."""

    clips: tuple[Path, ...] = argument("clips, or folders of them, one folder a person", many=True)
    output: Path = required("folder for the sheets", flag="-o", metavar="DIR")
    people: int = option(6, "people to show, spread over those in the folders")
    generator: Path | None = option(None, "another generator than the one that ships, ONNX", metavar="FILE")
    provider: str = option("auto", "what runs the networks", choices=PROVIDER_CHOICES)


@dataclass(frozen=True)
class Verdict:
    """How well a picture shows what was asked for.

    Attributes:
        what: of `EDITS`, or another use.
        pose_error_degrees: mean absolute difference of the angles; None where no face was found.
        change_levels: mean absolute difference to the reference, of 255.
        gains: how much stronger than in the reference the movements asked for are, by their name.
    """

    what: str
    pose_error_degrees: float | None
    change_levels: float
    gains: dict[str, float]


class _Person:
    """One person who is drawn, and looked at afterwards."""

    def __init__(
        self, model: MorphableModel, clip: ClipFrames, observer: Observer, options: GalleryOptions
    ) -> None:
        self._model, self._observer = model, observer
        self._reference = clip.reference
        generator = OnnxGenerator(options.generator, provider=options.provider)
        self._avatar = Avatar(model, generator, clip.reference)
        self._at_rest = observer.see(self._avatar.picture_rgb, clip.reference.identity)
        self.verdicts: list[Verdict] = []

    def driven_row(self, driver: ClipFrames) -> NDArray[np.uint8]:
        """The reference, then each moment of `driver` and what it makes of this person."""
        return clip_row(
            self._avatar.picture_rgb,
            [
                {
                    "driving": frame.picture_rgb,
                    "drawn": self._draw(DRIVEN, frame.params, audio=frame.audio),
                }
                for frame, _ in placed(driver, self._reference.params).frames
            ],
        )

    def edits_row(self) -> NDArray[np.uint8]:
        """The reference, then each of `EDITS`, then the face from the front."""
        pictures = {
            what: self._draw(what, params, [name for name, _ in edit.movements()])
            for what, edit, params in self._edits()
        }
        return clip_row(self._avatar.picture_rgb, [pictures])

    def _edits(self) -> Iterator[tuple[str, FaceEdit, FaceParams]]:
        reference = self._reference
        for what, edit in EDITS.items():
            yield what, edit, apply_edit(self._model, reference.params, edit)
        yield FRONTAL, FaceEdit(), facing_front(reference.params)

    def _draw(
        self,
        what: str,
        params: FaceParams,
        movements: list[str] | None = None,
        audio: NDArray[np.float32] | None = None,
    ) -> NDArray[np.uint8]:
        picture = self._avatar.draw(params, audio)
        change = np.abs(picture.astype(np.int16) - self._avatar.picture_rgb).mean()
        seen, before = self._observer.see(picture, self._reference.identity), self._at_rest
        gains = {}
        if seen is not None and before is not None:
            gains = {name: round(seen.scores[name] - before.scores[name], 3) for name in movements or ()}
        error = None if seen is None else round(seen.pose_error(params), 2)
        self.verdicts.append(Verdict(what, error, round(float(change), 2), gains))
        return picture


def bench_gallery(options: GalleryOptions) -> int:
    """Writes reenactment.png, edits.png and gallery.json.

    Raises:
        FaceError: fewer than two of the people have a face in enough frames.
        UsageError: there are fewer than two people.
    """
    model = MorphableModel.load()
    hears = OnnxGenerator(options.generator, provider=options.provider).needs("audio")
    clips = _read_people(model, options, hears=hears)
    options.output.mkdir(parents=True, exist_ok=True)
    observer = Observer(model)
    driven, edited, verdicts = {}, {}, {}
    names = list(clips)
    for name, driver in zip(tqdm(names, desc="drawing", unit="person"), [*names[1:], names[0]], strict=True):
        person = _Person(model, clips[name], observer, options)
        driven[f"{name}, moved by {driver}"] = person.driven_row(clips[driver])
        edited[name] = person.edits_row()
        verdicts[name] = person.verdicts
    draw_sheet(driven, ["reference", *["driving", "drawn"] * MOMENTS], options.output / "reenactment.png")
    draw_sheet(edited, ["reference", *EDITS, FRONTAL], options.output / "edits.png")
    report = {
        "run": describe_run(),
        "people": {name: [asdict(verdict) for verdict in of_person] for name, of_person in verdicts.items()},
    }
    (options.output / "gallery.json").write_text(json.dumps(report, indent=2) + "\n")
    everything = [verdict for of_person in verdicts.values() for verdict in of_person]
    for what in (DRIVEN, *EDITS, FRONTAL):
        sys.stdout.write(summary([verdict for verdict in everything if verdict.what == what]))
    return 0


def summary(verdicts: list[Verdict]) -> str:
    """A line on all pictures of one kind; verdicts: one or more."""
    errors = [item.pose_error_degrees for item in verdicts if item.pose_error_degrees is not None]
    gains = [gain for item in verdicts for gain in item.gains.values()]
    line = f"{verdicts[0].what:14}"
    line += f"pose {np.mean(errors):5.2f} degrees off" if errors else "no face found"
    if errors and len(errors) < len(verdicts):
        line += f", no face in {len(verdicts) - len(errors)} of {len(verdicts)}"
    line += f", blendshape {np.mean(gains):+.2f}" if gains else ""
    return line + f", changed by {np.mean([item.change_levels for item in verdicts]):.1f} levels\n"


def _read_people(model: MorphableModel, options: GalleryOptions, *, hears: bool) -> dict[str, ClipFrames]:
    """One clip of each of the people chosen, by name."""
    first_clips: dict[Path, tuple[str, Path]] = {}
    for name, path in find_clips(options.clips).items():
        first_clips.setdefault(path.absolute().parent, (name, path))
    count = min(options.people, len(first_clips))
    if count < 2:
        raise UsageError(
            f"--people {options.people} of {len(first_clips)}: give two people or more, a folder for each"
        )
    tracker = MediaPipeTracker()
    found: dict[str, ClipFrames] = {}
    spread = np.linspace(0, len(first_clips) - 1, count).astype(int)
    for name, path in tqdm(
        [list(first_clips.values())[index] for index in spread], desc="reading", unit="clip"
    ):
        try:
            found[name] = read_clip(path, Sampling(every=_APART, frames=MOMENTS), tracker, model, hears=hears)
        except FaceError as exc:
            sys.stderr.write(f"{name} is left out: {exc}\n")
    if len(found) < 2:
        raise FaceError("fewer than two clips show a face long enough; see the messages above")
    return found
