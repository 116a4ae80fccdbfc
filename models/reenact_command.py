"""`headgan reenact`: a photograph and a clip of anybody in, the person of the photograph moving as in the clip out."""

import sys
from dataclasses import dataclass
from pathlib import Path

from headgan.models.avatar import Avatar
from headgan.models.crop import parse_crop
from headgan.models.detail import check_size
from headgan.models.pncc import CROP_SIZE
from headgan.models.portrait import read_portrait
from headgan.models.reenactment import reenact
from headgan.models.runtime import PROVIDER_CHOICES
from headgan.models.smoothing import smoothing_settings
from headgan.proto.errors import UsageError
from headgan.proto.options import option, required
from headgan.proto.program import check_writable


@dataclass(frozen=True)
class ReenactOptions:
    """Options of `headgan reenact`."""

    reference: Path = required("photograph of the person to show", metavar="PHOTO")
    driving: Path = required("clip of the person who moves", metavar="CLIP")
    output: Path = required("the video to write, .mp4", flag="-o", metavar="FILE")
    relative: bool = option(
        False,
        "add the clip's motion to the photograph's own pose and expression, instead of taking the clip's",
    )
    place: str = option(
        "photo",
        "where the face is and how large, on average: as in the photograph, or as in the clip",
        choices=("photo", "clip"),
    )
    smoothing: float = option(0.0, "calms the tracked face, 0 (off) to 1 (strong)")
    crop: str = option("auto", "auto, none (largest square), or x,y,size in pixels of the clip")
    reference_crop: str = option("auto", "the same for the photograph")
    side_by_side: bool = option(False, "show the photograph and the clip beside the result")
    size: int = option(CROP_SIZE, "pixels of the picture's sides; 512 keeps more of the photograph's detail")
    provider: str = option("auto", "what runs the networks", choices=PROVIDER_CHOICES)
    generator: Path | None = option(
        None, "another generator than the one that ships, as ONNX", metavar="FILE"
    )


def reenact_clip(options: ReenactOptions) -> int:
    """Draws the video and says how many frames had no face."""
    if options.output.suffix.lower() != ".mp4":
        raise UsageError(f"-o {options.output}: the name ends in .mp4")
    check_writable(options.output, "-o")
    if options.output.resolve() == options.driving.resolve():
        raise UsageError(f"-o {options.output}: this is the clip itself; give another name")
    if options.relative and options.place == "clip":
        raise UsageError("--place clip: with --relative the face stays where the photograph has it")
    # Mistakes that show without the files are told before anything is loaded.
    smoothing_settings(options.smoothing)
    check_size(options.size)
    if options.crop != "none":
        parse_crop(options.crop)
    portrait = read_portrait(
        options.reference, crop=options.reference_crop, option="--reference", crop_option="--reference-crop"
    )
    avatar = Avatar.from_portrait(
        portrait, generator=options.generator, provider=options.provider, size=options.size
    )
    result = reenact(
        avatar,
        options.driving,
        options.output,
        relative=options.relative,
        placed=options.place == "photo",
        smoothing=options.smoothing,
        crop=options.crop,
        side_by_side=options.side_by_side,
    )
    sound = "with the clip's sound" if result.has_sound else "the clip has no sound"
    sys.stdout.write(
        f"{options.output}: {result.frames} frames, {result.without_face} of the clip without a face, {sound}\n"
    )
    return 0
