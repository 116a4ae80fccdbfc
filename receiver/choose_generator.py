"""The user's wish and this machine's speed in, a generator that can draw a call in time out.

The trained networks draw better, the geometry alone draws on anything. A picture that comes too late is not shown at
all, so a machine that is too slow for the networks is better off without them.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headgan.codec.params import EXPRESSION_SIZE, GAZE_SIZE, FaceParams
from headgan.models.generator import PRIOR_GENERATOR, Generator, OnnxGenerator
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.models.precision import open_networks
from headgan.models.reconstruct import Reconstructor, ReferenceImage
from headgan.models.timed_draws import shortest_ms
from headgan.models.weights import weights_path
from headgan.proto.errors import UsageError

DRAW_CHOICES = ("auto", "networks", "geometry")
# Of the time between two frames; the rest is for the network stack, the page and the recording.
_SHARE_FOR_DRAWING = 0.85
# The same where a frame is drawn from several references, which is better but not needed.
_SHARE_FOR_FUSING = 0.5
MAX_FUSED = 3
_TIMED_DRAWS, _TIMED_FUSED_DRAWS = 15, 5


@dataclass(frozen=True, eq=False)
class Chosen:
    """What draws a call.

    Attributes:
        generator: warmed up.
        fuses: from how many references to draw one frame, at most.
        fuses_at_first: from how many it was found to draw one in time, before a call.
    """

    generator: Generator
    fuses: int
    fuses_at_first: int


def check_fused(fused: int) -> None:
    """Raises UsageError unless `--fused` names a number of references, or 0 for as many as are in time."""
    if not 0 <= fused <= MAX_FUSED:
        raise UsageError(
            f"--fused {fused}: give 1 to {MAX_FUSED}, or 0 for as many as this machine draws in time"
        )


def choose_generator(
    model: MorphableModel,
    draw: str,
    path: Path | None,
    *,
    fused: int = 0,
    provider: str,
    precision: str = "auto",
    rate_fps: float,
    program: str,
    size: int = CROP_SIZE,
) -> Chosen:
    """A generator that has been warmed up; says on stderr what was chosen.

    Args:
        model: the morphable model.
        draw: one of `DRAW_CHOICES`; `auto` takes the networks if they can draw `rate_fps` frames a second here.
        path: a generator of the user's, which is taken as it is.
        fused: from how many references to draw one frame; 0 for as many as are in time.
        provider: see `OnnxGenerator`.
        precision: one of `PRECISION_CHOICES`; `auto` takes what this machine was found to draw fastest with.
        rate_fps: frames a second to draw.
        program: whose name to put before what is said.
        size: side of the pictures to draw.

    Raises:
        ModelError: a file is missing, damaged, or asks for inputs that nobody has.
        UsageError: the provider cannot be had on this machine.
    """
    geometry = weights_path(PRIOR_GENERATOR)
    if draw == "geometry" and path is None:
        generator = OnnxGenerator(geometry, provider=provider)
    else:
        in_halves = fused != 1 or size > CROP_SIZE
        generator = open_networks(model, path, provider, precision, in_halves=in_halves)
    draw_ms = _draw_ms(model, generator, size=size)
    affordable_ms = _SHARE_FOR_DRAWING * 1000 / rate_fps
    if draw == "auto" and path is None and draw_ms > affordable_ms:
        sys.stderr.write(
            f"{program}: the networks need {draw_ms:.0f} ms a frame on {generator.provider}, {affordable_ms:.0f} are "
            "there; drawing from the geometry alone (--draw networks takes them all the same)\n"
        )
        generator = OnnxGenerator(geometry, provider=provider)
        draw_ms = _draw_ms(model, generator, size=size)
    sys.stderr.write(
        f"{program}: drawing by {generator.name}, {draw_ms:.0f} ms a frame on {generator.provider}\n"
    )
    if not generator.fuses:
        return Chosen(generator, 1, 1)
    in_time = _fused_in_time(model, generator, size, draw_ms, _SHARE_FOR_FUSING * 1000 / rate_fps)
    return Chosen(generator, fused or MAX_FUSED, min(fused or in_time, in_time))


def _fused_in_time(
    model: MorphableModel, generator: Generator, size: int, draw_ms: float, affordable_ms: float
) -> int:
    """From how many references a frame can be drawn in `affordable_ms`."""
    count = 1
    while count < MAX_FUSED and draw_ms <= affordable_ms:
        draw_ms = _draw_ms(model, generator, count + 1, size=size)
        count += draw_ms <= affordable_ms
    return count


def _draw_ms(model: MorphableModel, generator: Generator, count: int = 1, *, size: int = CROP_SIZE) -> float:
    """Time to draw a face that nobody sees from `count` references, at `size`.

    What is compiled or loaded for it, a caller need not wait for.
    The shortest of some: much else runs on a machine while a call begins, and only then.
    """
    camera = np.array([1, 0, 0, 0, 1, 0, 0], np.float32)
    params = FaceParams(np.zeros(EXPRESSION_SIZE, np.float32), camera, np.zeros(GAZE_SIZE, np.float32))
    blank = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
    nobody = ReferenceImage(blank, np.zeros(model.identity_size, np.float32), params)
    reconstructor = Reconstructor(model, generator, nobody, size)
    others = [reconstructor] * (count - 1)
    reconstructor.draw(params, *others)
    turns = _TIMED_DRAWS if count == 1 else _TIMED_FUSED_DRAWS
    return shortest_ms({"": lambda moved: reconstructor.draw(moved, *others)}, params, turns)[""]
