"""`headgan decode`: a .hgn file in, the video of the person in it out."""

import dataclasses
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from headgan.models.generator import OnnxGenerator
from headgan.models.hgn_decode import decode_to_video
from headgan.models.runtime import PROVIDER_CHOICES
from headgan.proto.errors import DeviceError, UsageError
from headgan.proto.options import argument, option, required
from headgan.proto.program import check_writable
from headgan.proto.wire import MAX_NAMED_REFERENCES

log = logging.getLogger(__name__)

_MAX_SECONDS = 1e6


@dataclass(frozen=True)
class DecodeOptions:
    """Options of `headgan decode`."""

    file: Path = argument("the .hgn file")
    output: Path = required("the video to write, .mp4", flag="-o", metavar="FILE")
    # `from` is a word of Python's own: no field can have this name.
    start: float = dataclasses.field(
        default=0.0,
        metadata={**option(0.0, "where to begin, in seconds", metavar="S").metadata, "flag": "--from"},
    )
    end: float | None = dataclasses.field(
        default=None,
        metadata={
            **option(None, "where to end (default: the end of the file)", metavar="S").metadata,
            "flag": "--to",
        },
    )
    fused: int = option(1, "draw from so many references at once, if the file names as many")
    provider: str = option("auto", "what runs the networks", choices=PROVIDER_CHOICES)
    generator: Path | None = option(
        None, "another generator than the one that ships, as ONNX", metavar="FILE"
    )


def decode_file(options: DecodeOptions) -> int:
    """Draws the video and says what the file lacked."""
    if options.output.suffix.lower() != ".mp4":
        raise UsageError(f"-o {options.output}: the name ends in .mp4")
    check_writable(options.output, "-o")
    if not options.file.exists():
        raise DeviceError(f"{options.file}: no such file")
    if not 1 <= options.fused <= MAX_NAMED_REFERENCES:
        raise UsageError(f"--fused {options.fused}: give 1 to {MAX_NAMED_REFERENCES}")
    for flag, seconds in (("--from", options.start), ("--to", options.end)):
        if seconds is not None and not 0 <= seconds < _MAX_SECONDS:
            raise UsageError(f"{flag} {seconds:g}: give seconds, 0 or more")
    generator = OnnxGenerator(options.generator, provider=options.provider, in_halves=options.fused > 1)
    result = decode_to_video(
        options.file,
        options.output,
        generator,
        start_s=options.start,
        end_s=options.end,
        fused=options.fused,
    )
    for fault in result.faults:
        log.warning("%s: %s", options.file, fault)
    sound = "with sound" if result.has_sound else "without sound"
    sys.stdout.write(f"{options.output}: {result.frames} frames, {result.held} without a face, {sound}\n")
    return 0
