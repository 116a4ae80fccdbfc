"""A long clip and a rate in, how a call over it goes second by second out: quality above, bits below.

clip ── SeenClip ── fill_memory ──┬─ used ── GeneratorDrawer ── picture ── PSNR, mouth ──┐
                                  └─ sent ── kbit of each second ────────────────────────┴─ Course
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.benchmarks.references_curve import FLAT
from headgan.codec.memory import DEFAULT_CAPACITY
from headgan.codec.params import FaceParams
from headgan.models.generator import Generator
from headgan.models.metrics.clip_drift import with_drift
from headgan.models.metrics.clip_frames import ClipFrames, SeenClip
from headgan.models.metrics.clip_memory import (
    ACKNOWLEDGED_AFTER_MS,
    ClipMemory,
    MemorySettings,
    Moment,
    fill_memory,
)
from headgan.models.metrics.compare import compare_pixels
from headgan.models.metrics.drawers import GeneratorDrawer
from headgan.models.morphable import MorphableModel
from headgan.proto.errors import HeadganError

Picture = NDArray[np.uint8]
QUALITY = {"psnr": "PSNR, dB", "psnr_face": "PSNR on the face, dB", "mouth": "mouth error, levels"}
# From which second of the call to which one.
SPANS = {"first 10 s": (0.0, 10.0), "10 to 30 s": (10.0, 30.0), "the rest": (30.0, float("inf"))}
# A budget of 0 is a call with nothing but the first picture.
FIRST_ONLY = 0.0


@dataclass(frozen=True)
class Course:
    """A call, played at one rate; lists of one length each describe frames, references and seconds.

    Attributes:
        kbps: the rate; 0 for a call with the first picture alone.
        frame_s: when each drawn frame was taken, from the first frame of the call.
        frame_held: how many references could be drawn from then.
        quality: by name, of each drawn frame; None where there was no face to compare.
        sent_s: when each reference was begun.
        sent_bytes: of each; the first one is there before the call's first frame.
        second_kbit: kbit of references sent in each second, without the first one.
    """

    kbps: float
    frame_s: list[float]
    frame_held: list[int]
    quality: dict[str, list[float | None]]
    sent_s: list[float]
    sent_bytes: list[int]
    second_kbit: list[float]

    def to_json(self) -> dict[str, Any]:
        """For a file; `Course(**...)` is the way back."""
        return asdict(self)

    def seconds(self, name: str) -> list[float | None]:
        """Mean `quality` of each second, None where no frame has any."""
        return [self._mean(name, second, second + 1) for second in range(len(self.second_kbit))]

    def held(self) -> list[int | None]:
        """How many references were held at the end of each second, None where no frame was drawn."""
        last: list[int | None] = [None] * len(self.second_kbit)
        for time_s, held in zip(self.frame_s, self.frame_held, strict=True):
            last[int(time_s)] = held
        return last

    def spans(self) -> dict[str, dict[str, float]]:
        """For each of `SPANS` that the call reaches: `kbps` of references, and mean qualities by name."""
        found = {}
        for title, (start, end) in SPANS.items():
            means = {name: self._mean(name, start, end) for name in self.quality}
            seconds = self.second_kbit[int(start) : None if np.isinf(end) else int(end)]
            if seconds:
                values = {name: value for name, value in means.items() if value is not None}
                found[title] = {"kbps": float(np.mean(seconds)), **values}
        return found

    def _mean(self, name: str, start_s: float, end_s: float) -> float | None:
        values = [
            value
            for time_s, value in zip(self.frame_s, self.quality[name], strict=True)
            if start_s <= time_s < end_s and value is not None
        ]
        return float(np.mean(values)) if values else None


def play_course(
    model: MorphableModel, generator: Generator, seen: SeenClip, kbps: float, shown: Sequence[int] = ()
) -> tuple[Course, list[Picture]]:
    """Plays a call over `seen` at `kbps` with a memory of 16; draws its `taken` frames.

    Args:
        model: the morphable model.
        generator: of the call.
        seen: the clip.
        kbps: what references may cost; 0 for a single reference.
        shown: which of the drawn frames to hand out as pictures, uint8 [256, 256, 3].

    Raises:
        HeadganError: the pictures are flat, or a frame was drawn from what had not arrived.
    """
    settings = MemorySettings(1) if kbps == FIRST_ONLY else MemorySettings(DEFAULT_CAPACITY, kbps)
    memory = fill_memory(model, seen.identity, seen.moments, settings)
    check_causal(memory, seen.moments, settings.kbps)
    # One picture is the paper's way.
    params, references = [moment.params for moment in seen.moments], memory.references
    if settings.references > 1:
        params, references = with_drift(model, seen.moments, memory.used, references, memory.originals)
    memory = replace(memory, references=references)
    pictures: list[Picture] = []
    scores: list[dict[str, float]] = []
    for place, picture in _draw(model, generator, seen, memory, params):
        if picture.std(axis=(0, 1)).max() < FLAT:
            raise HeadganError(f"frame {place} was drawn flat, from reference {memory.used[place]}")
        if len(scores) in shown:
            pictures.append(picture)
        scores.append(compare_pixels(seen.frames[place], picture))
    start_ms = seen.moments[0].pts_ms
    frame_s = [(seen.moments[place].pts_ms - start_ms) / 1000 for place in seen.taken]
    sent_s = [(sent_ms - start_ms) / 1000 for sent_ms in memory.sent_ms]
    course = Course(
        kbps,
        frame_s,
        [memory.held[place] for place in seen.taken],
        {name: [score.get(name) for score in scores] for name in QUALITY},
        sent_s,
        list(memory.sent_bytes),
        spread_kbit(sent_s[1:], memory.sent_bytes[1:], settings.kbps, int(frame_s[-1]) + 1),
    )
    _check_rate(course)
    return course, pictures


def spread_kbit(sent_s: Sequence[float], sent_bytes: Sequence[int], kbps: float, seconds: int) -> list[float]:
    """Kbit of each second, of references that are sent at `kbps` from when they are begun; what comes later is cut."""
    spread = np.zeros(seconds)
    starts = np.arange(seconds)
    for begin_s, count in zip(sent_s, sent_bytes, strict=True):
        end_s = begin_s + count * 8 / 1000 / kbps
        spread += kbps * np.clip(np.minimum(end_s, starts + 1) - np.maximum(begin_s, starts), 0, None)
    return [float(kbit) for kbit in spread]


def check_causal(memory: ClipMemory, moments: Sequence[Moment], kbps: float) -> None:
    """Raises HeadganError where a frame is drawn from a reference whose bytes had not arrived at `kbps` by then."""
    for moment, used in zip(moments, memory.used, strict=True):
        for number in used:
            arrives_ms = memory.sent_ms[number] + memory.sent_bytes[number] * 8 / kbps + ACKNOWLEDGED_AFTER_MS
            is_there = number == 0 or arrives_ms <= moment.pts_ms
            if not is_there or memory.originals[number].pts_ms > moment.pts_ms:
                raise HeadganError(
                    f"the frame at {moment.pts_ms:.0f} ms is drawn from reference {number}, "
                    f"which comes at {arrives_ms:.0f} ms"
                )


def _draw(
    model: MorphableModel,
    generator: Generator,
    seen: SeenClip,
    memory: ClipMemory,
    params: Sequence[FaceParams],
) -> Iterator[tuple[int, Picture]]:
    """Places in `seen.frames` and what is drawn for them."""
    drawer = GeneratorDrawer(
        model, generator, ClipFrames(memory.references, seen.frames[0].points, [], rate_fps=0, memory=memory)
    )
    for place in tqdm(seen.taken, desc="drawing", unit="frame", leave=False):
        frame = seen.frames[place]
        yield place, drawer.draw(replace(frame, params=params[place], references=memory.used[place]))


def _check_rate(course: Course) -> None:
    numbers = [value for values in course.quality.values() for value in values if value is not None]
    if not numbers or not np.isfinite(numbers).all():
        raise HeadganError(f"{course.kbps:g} kbit/s: qualities that are no numbers, or none at all")
    # A reference that is begun when the one before is paid for never makes a second dearer than the rate.
    if max(course.second_kbit) > course.kbps * 1.01:
        raise HeadganError(
            f"{course.kbps:g} kbit/s: a second with {max(course.second_kbit):.2f} kbit of references"
        )
