"""`headgan`: the commands that need no call."""

import sys
from collections.abc import Sequence

from headgan.models.morphable_command import BuildOptions, build_morphable_file
from headgan.models.track_command import TrackOptions, track_video
from headgan.proto.commands import Command, run_commands

COMMANDS = (
    Command(
        ("track",),
        TrackOptions,
        track_video,
        "Write the face parameters of a clip.",
        "headgan track clip.mp4 -o params.npz",
    ),
    Command(
        ("morphable", "build"),
        BuildOptions,
        build_morphable_file,
        "Build a morphable model from clips and photographs of many people, one folder a person.",
        "headgan morphable build clips/ photos/ -o model.npz",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `headgan`; returns the exit code."""
    return run_commands("headgan", "Faces to parameters and back.", COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
