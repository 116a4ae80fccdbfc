"""`headgan encode`: a clip of a person in, a .hgn file at about a kilobit a second out."""

import sys
from dataclasses import dataclass
from pathlib import Path

from headgan.codec.hgn_header import MAX_RATE_FPS
from headgan.codec.hgn_sound import DEFAULT_SOUND_KBPS, check_sound_kbps
from headgan.codec.hgn_usage import measure_usage
from headgan.codec.memory import DEFAULT_CAPACITY, check_capacity
from headgan.codec.param_encoder import DEFAULT_QUALITY
from headgan.codec.quantizer import step_of
from headgan.models.crop import parse_crop
from headgan.models.hgn_encode import EncodeSettings, encode_clip
from headgan.proto.errors import DeviceError, UsageError
from headgan.proto.options import argument, option, required
from headgan.proto.program import check_writable
from headgan.proto.wire import MAX_NAMED_REFERENCES

_MIN_KBPS = 0.1


@dataclass(frozen=True)
class EncodeOptions:
    """Options of `headgan encode`."""

    video: Path = argument("the clip")
    output: Path = required("the file to write, .hgn", flag="-o", metavar="FILE")
    kbps: float | None = option(
        None,
        "kbit/s of parameters and of all references but the first, at most; sound comes on top "
        "(default: what the quality needs, and up to 8 of references)",
        metavar="K",
    )
    quality: float = option(DEFAULT_QUALITY, "of the parameters, 0 (coarse) to 1 (fine), at most")
    references: int = option(DEFAULT_CAPACITY, "how many a decoder holds; 1 for the first picture only")
    fused: int = option(1, "how many each frame names, so that decode --fused can draw from as many")
    crop: str = option("auto", "auto, none (largest square), or x,y,size in pixels of the clip")
    fps: float = option(25.0, "frames a second, at most")
    sound_kbps: float = option(DEFAULT_SOUND_KBPS, "kbit/s of sound")
    no_sound: bool = option(False, "leave the sound out")
    save_crop: Path | None = option(None, "write an MP4 of what was encoded, to compare with", metavar="FILE")


def encode_file(options: EncodeOptions) -> int:
    """Encodes a clip and says what it came to."""
    _check(options)
    settings = EncodeSettings(
        quality=options.quality,
        kbps=options.kbps,
        references=options.references,
        named=options.fused,
        max_fps=options.fps,
        crop=options.crop,
        sound_kbps=None if options.no_sound else options.sound_kbps,
    )
    result = encode_clip(options.video, options.output, settings, save_crop=options.save_crop)
    with options.output.open("rb") as file:
        usage = measure_usage(file)
    seconds = usage.seconds or 1.0
    rest = usage.parameter_bytes + usage.reference_bytes - usage.first_bytes
    sys.stdout.write(
        f"{options.output}: {usage.size} bytes, {usage.seconds:.1f} s, {result.frames} frames, "
        f"{result.without_face} without a face; first picture {usage.first_bytes} bytes, parameters and "
        f"{usage.references - 1} more {rest * 8 / 1000 / seconds:.2f} kbit/s, "
        f"sound {usage.sound_bytes * 8 / 1000 / seconds:.2f} kbit/s\n"
    )
    return 0


def _check(options: EncodeOptions) -> None:
    """Tells of mistakes that show without the clip before anything is loaded."""
    if options.output.suffix.lower() != ".hgn":
        raise UsageError(f"-o {options.output}: the name ends in .hgn")
    check_writable(options.output, "-o")
    if options.save_crop is not None:
        if options.save_crop.suffix.lower() != ".mp4":
            raise UsageError(f"--save-crop {options.save_crop}: the name ends in .mp4")
        check_writable(options.save_crop, "--save-crop")
        if options.save_crop.resolve() == options.video.resolve():
            raise UsageError(f"--save-crop {options.save_crop}: this is the clip itself; give another name")
    if not options.video.exists():
        raise DeviceError(f"{options.video}: no such file")
    step_of(options.quality)
    check_capacity(options.references)
    check_sound_kbps(options.sound_kbps)
    if options.kbps is not None and not options.kbps >= _MIN_KBPS:
        raise UsageError(f"--kbps {options.kbps:g}: give {_MIN_KBPS:g} or more")
    if not 1 <= options.fps <= MAX_RATE_FPS:
        raise UsageError(f"--fps {options.fps:g}: give 1 to {MAX_RATE_FPS}")
    if not 1 <= options.fused <= MAX_NAMED_REFERENCES:
        raise UsageError(f"--fused {options.fused}: give 1 to {MAX_NAMED_REFERENCES}")
    if options.crop != "none":
        parse_crop(options.crop)
