"""`headgan morphable blendshapes`: clips of many people in, what named movements do to the expression out."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import EXPRESSION_SIZE, GAZE_SIZE, FaceParams
from headgan.models.blendshape_build import build_blendshapes, measure_people
from headgan.models.blendshape_map import BlendshapeMap
from headgan.models.blendshapes import BLENDSHAPE_NAMES, BlendshapeNet
from headgan.models.fitting import project
from headgan.models.morphable import MorphableModel
from headgan.models.morphable_data import collect_people
from headgan.models.tracker import MediaPipeTracker
from headgan.proto.errors import UsageError
from headgan.proto.options import argument, option, required
from headgan.proto.program import check_writable

# What is asked of the mean face, to see what comes of it.
_ASKED = 0.5


@dataclass(frozen=True)
class BlendshapeOptions:
    """Options of `headgan morphable blendshapes`."""

    clips: tuple[Path, ...] = argument("clips or folders of them; one folder a person", many=True)
    output: Path = required("the file to write", flag="-o", metavar="FILE.npz")
    every: int = option(10, "use every so many frames of a clip")
    model: Path | None = option(None, "another morphable model than the one that ships", metavar="MODEL.npz")


def build_blendshape_file(options: BlendshapeOptions) -> int:
    """Tracks everything, learns the directions, prints how well they do what they say."""
    if options.every < 1:
        raise UsageError(f"--every {options.every}: give 1 or more")
    if options.output.suffix != ".npz":
        raise UsageError(f"-o {options.output}: the name ends in .npz")
    check_writable(options.output, "-o")
    model, net = MorphableModel.load(options.model), BlendshapeNet()
    faces = collect_people(options.clips, MediaPipeTracker(), every=options.every)
    people = measure_people(model, net, faces)
    shapes = build_blendshapes(model, people)
    shapes.save(options.output)
    count = sum(len(person.scores) for person in people)
    sys.stdout.write(
        f"{options.output}: {len(people)} people, {count} faces\n"
        f"explained for people left out: {shapes.explained:.4f}\n\n{_table(model, net, shapes)}"
    )
    return 0


def _table(model: MorphableModel, net: BlendshapeNet, shapes: BlendshapeMap) -> str:
    """How far each movement was seen, and by how much its score rises on the mean face if half is asked for."""
    rest = _scores(model, net, np.zeros(EXPRESSION_SIZE, np.float32))
    lines = [f"| blendshape | seen up to | asked {_ASKED:g}, measured |", "| --- | --- | --- |"]
    for name, reach in zip(shapes.names, shapes.reach, strict=True):
        rise = _scores(model, net, shapes.offset({name: _ASKED})) - rest
        lines.append(f"| {name} | {reach:.2f} | {rise[BLENDSHAPE_NAMES.index(name)]:+.2f} |")
    return "\n".join(lines) + "\n"


def _scores(
    model: MorphableModel, net: BlendshapeNet, expression: NDArray[np.float32]
) -> NDArray[np.float32]:
    camera = np.array([1, 0, 0, 0, 0.35, 0, 0], np.float32)
    params = FaceParams(expression, camera, np.zeros(GAZE_SIZE, np.float32))
    return net.scores(project(model, np.zeros(model.identity_size), params))
