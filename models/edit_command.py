"""`headgan edit`: a photograph in, the same person in another pose, with another expression or gaze out."""

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from headgan.models.avatar import Avatar
from headgan.models.detail import check_size
from headgan.models.face_edit import SCALAR_NAMES, FaceEdit, beyond_reach
from headgan.models.morphable import MorphableModel
from headgan.models.picture_file import check_picture_name, write_picture
from headgan.models.pncc import CROP_SIZE
from headgan.models.portrait import read_portrait
from headgan.models.runtime import PROVIDER_CHOICES
from headgan.models.sweep import VIDEO_SUFFIX, Sweep, check_strip, parse_sweep, write_sweep
from headgan.proto.errors import UsageError
from headgan.proto.options import option, required
from headgan.proto.program import check_writable

log = logging.getLogger(__name__)

Key = TypeVar("Key", int, str)


@dataclass(frozen=True)
class EditOptions:
    """Options of `headgan edit`."""

    reference: Path = required("photograph of the person", metavar="PHOTO")
    output: Path = required("the picture to write; for a sweep also .mp4", flag="-o", metavar="FILE")
    yaw: float = option(0.0, "degrees to turn the head by, + to the viewer's right")
    pitch: float = option(0.0, "degrees to turn it by, + up")
    roll: float = option(0.0, "degrees to tilt it by, + clockwise as you see it")
    gaze_x: float = option(0.0, "half eye widths to move the irises by, + to the viewer's right")
    gaze_y: float = option(0.0, "the same, + up")
    smile: float = option(0.0, "-1 to 1: 0 is as in the photograph, 1 a full smile more")
    jaw_open: float = option(0.0, "-1 to 1: the mouth")
    blink: float = option(0.0, "-1 to 1: both eyelids")
    brow_up: float = option(0.0, "-1 to 1: both brows")
    brow_down: float = option(0.0, "-1 to 1: a frown of both brows")
    pucker: float = option(0.0, "-1 to 1: the lips, as for a kiss")
    blendshape: str | None = option(
        None, "any other movement by its ARKit name, -1 to 1", metavar="NAME=VALUE[,...]"
    )
    expression: str | None = option(
        None, "components of the expression, 0 to 27, in standard deviations", metavar="N=VALUE[,...]"
    )
    sweep: str | None = option(
        None,
        "draw one of these parameters at many values: a strip of pictures, or an MP4 there and back; "
        "NAME is an option above, expressionN or a blendshape",
        metavar="NAME=FROM:TO:COUNT",
    )
    crop: str = option("auto", "auto, none (largest square), or x,y,size in pixels of the photograph")
    size: int = option(CROP_SIZE, "pixels of the picture's sides; 512 keeps more of the photograph's detail")
    provider: str = option("auto", "what runs the networks", choices=PROVIDER_CHOICES)
    generator: Path | None = option(
        None, "another generator than the one that ships, as ONNX", metavar="FILE"
    )


def edit_picture(options: EditOptions) -> int:
    """Draws the person of the photograph with what was asked for changed."""
    check_size(options.size)
    edit = _edit(options)
    sweep = parse_sweep(options.sweep) if options.sweep is not None else None
    if sweep is None or options.output.suffix.lower() != VIDEO_SUFFIX:
        check_picture_name(options.output, "-o")
    check_writable(options.output, "-o")
    edits = _edits(options, edit, sweep)
    for name, reach in beyond_reach(MorphableModel.load(), edits).items():
        log.info("%s is a guess beyond %.2f", name, reach)
    portrait = read_portrait(options.reference, crop=options.crop, option="--reference", crop_option="--crop")
    avatar = Avatar.from_portrait(
        portrait, generator=options.generator, provider=options.provider, size=options.size
    )
    if sweep is None:
        write_picture(options.output, avatar.edit(edit))
    else:
        progress = tqdm(edits, desc="drawing", unit="picture", leave=False)
        write_sweep(options.output, [avatar.edit(step) for step in progress])
    pose = avatar.pose
    sys.stdout.write(
        f"{options.output}: from a photograph with yaw {pose.yaw_deg:.0f}, pitch {pose.pitch_deg:.0f}, "
        f"roll {pose.roll_deg:.0f} degrees\n"
    )
    return 0


def _edit(options: EditOptions) -> FaceEdit:
    scalars = {name: getattr(options, name) for name in SCALAR_NAMES}
    return FaceEdit(
        **scalars,
        expression=_pairs("--expression", options.expression, int),
        blendshapes=_pairs("--blendshape", options.blendshape, str),
    )


def _edits(options: EditOptions, edit: FaceEdit, sweep: Sweep | None) -> list[FaceEdit]:
    """The edits of a sweep; made before anything is loaded, so that a mistake shows at once."""
    if sweep is None:
        return [edit]
    check_strip(options.output, len(sweep.values))
    return [edit.with_value(sweep.name, value) for value in sweep.values]


def _pairs(name: str, text: str | None, key: Callable[[str], Key]) -> dict[Key, float]:
    """`a=1,b=2` as a dictionary.

    Raises:
        UsageError: `text` is no such list.
    """
    pairs: dict[Key, float] = {}
    for part in text.split(",") if text else ():
        word, equals, value = part.partition("=")
        try:
            pairs[key(word.strip())] = float(value)
        except ValueError as exc:
            raise UsageError(f"{name} {text}: give {name} NAME=VALUE, more of them after commas") from exc
        if not (equals and word.strip()):
            raise UsageError(f"{name} {text}: give {name} NAME=VALUE, more of them after commas")
    return pairs
