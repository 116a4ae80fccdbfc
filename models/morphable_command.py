"""`headgan morphable build`: clips and photographs in, a morphable model file out."""

import sys
from dataclasses import dataclass
from pathlib import Path

from headgan.models.morphable_build import build_morphable
from headgan.models.morphable_data import collect_people
from headgan.models.tracker import MediaPipeTracker
from headgan.proto.errors import UsageError
from headgan.proto.options import argument, option, required
from headgan.proto.program import check_writable


@dataclass(frozen=True)
class BuildOptions:
    """Options of `headgan morphable build`."""

    clips: tuple[Path, ...] = argument(
        "clips, photographs or folders of them; one folder a person", many=True
    )
    output: Path = required("the model file to write", flag="-o", metavar="MODEL.npz")
    every: int = option(6, "use every so many frames of a clip")


def build_morphable_file(options: BuildOptions) -> int:
    """Tracks everything, builds the model, prints what it explains."""
    if options.every < 1:
        raise UsageError(f"--every {options.every}: give 1 or more")
    check_writable(options.output, "-o")
    people = list(collect_people(options.clips, MediaPipeTracker(), every=options.every))
    model = build_morphable(people)
    model.save(options.output)
    faces = sum(len(person.points) for person in people)
    sys.stdout.write(
        f"{options.output}: {len(people)} people, {faces} faces\n"
        f"identity: {model.identity_size} components explain {model.identity_explained:.4f}\n"
        f"expression: {model.expression_basis.shape[1]} components explain {model.expression_explained:.4f}\n"
    )
    return 0
