"""`headgan-bench side-by-side`: original and reconstruction of a call in, one video of both out, with its sound."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headgan.codec.sound_copy import copy_sound
from headgan.codec.video import VideoWriter, probe_video, read_video
from headgan.proto.errors import DeviceError
from headgan.proto.options import argument, required


@dataclass(frozen=True)
class SideBySideOptions:
    """Options of `headgan-bench side-by-side`."""

    original: Path = argument("what headgan-send --save-crop wrote")
    shown: Path = argument("what headgan-recv --record wrote")
    output: Path = required("the video to write, MP4", flag="-o", metavar="FILE")


def join_side_by_side(options: SideBySideOptions) -> int:
    """Writes both videos beside each other; the one that ends first holds its last picture."""
    info = probe_video(options.original)
    shown_frames = read_video(options.shown)
    last = None
    count = 0
    with VideoWriter(
        options.output, width=2 * info.width, height=info.height, rate_fps=info.rate_fps
    ) as writer:
        for frame in read_video(options.original):
            if (shown := next(shown_frames, None)) is not None:
                last = shown.frame_rgb
            if last is None or last.shape != frame.frame_rgb.shape:
                raise DeviceError(f"{options.shown} does not belong to {options.original}")
            writer.write(np.hstack([frame.frame_rgb, last]))
            count += 1
    copy_sound(options.output, options.shown)
    sys.stdout.write(f"{options.output}: {count} frames, original left, reconstruction right\n")
    return 0
