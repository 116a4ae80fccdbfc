"""`headgan frontalise`: a photograph in, the same person looking into the camera out."""

import sys
from dataclasses import dataclass
from pathlib import Path

from headgan.models.avatar import Avatar
from headgan.models.detail import check_size
from headgan.models.picture_file import check_picture_name, write_picture
from headgan.models.pncc import CROP_SIZE
from headgan.models.portrait import read_portrait
from headgan.models.runtime import PROVIDER_CHOICES
from headgan.proto.options import argument, option, required
from headgan.proto.program import check_writable


@dataclass(frozen=True)
class FrontaliseOptions:
    """Options of `headgan frontalise`."""

    photo: Path = argument("photograph of the person")
    output: Path = required("the picture to write", flag="-o", metavar="FILE")
    crop: str = option("auto", "auto, none (largest square), or x,y,size in pixels of the photograph")
    size: int = option(CROP_SIZE, "pixels of the picture's sides; 512 keeps more of the photograph's detail")
    provider: str = option("auto", "what runs the networks", choices=PROVIDER_CHOICES)
    generator: Path | None = option(
        None, "another generator than the one that ships, as ONNX", metavar="FILE"
    )


def frontalise_picture(options: FrontaliseOptions) -> int:
    """Draws the person of the photograph from the front, with the same expression."""
    check_size(options.size)
    check_picture_name(options.output, "-o")
    check_writable(options.output, "-o")
    portrait = read_portrait(options.photo, crop=options.crop, option="photograph", crop_option="--crop")
    avatar = Avatar.from_portrait(
        portrait, generator=options.generator, provider=options.provider, size=options.size
    )
    write_picture(options.output, avatar.frontal())
    pose = avatar.pose
    sys.stdout.write(
        f"{options.output}: turned from yaw {pose.yaw_deg:.0f}, pitch {pose.pitch_deg:.0f}, "
        f"roll {pose.roll_deg:.0f} degrees to the front\n"
    )
    return 0
