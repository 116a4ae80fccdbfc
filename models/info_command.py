"""`headgan info`: a .hgn file in, where its bits went out."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from headgan.codec.hgn_usage import HgnUsage, measure_usage
from headgan.proto.errors import DeviceError
from headgan.proto.options import argument, option


@dataclass(frozen=True)
class InfoOptions:
    """Options of `headgan info`."""

    file: Path = argument("the .hgn file")
    json: bool = option(False, "as JSON")


def show_usage(options: InfoOptions) -> int:
    """Prints what a file consists of."""
    try:
        with options.file.open("rb") as file:
            usage = measure_usage(file)
    except OSError as exc:
        raise DeviceError(f"{options.file}: cannot be read ({exc.strerror})") from exc
    sys.stdout.write((_json(usage) if options.json else _text(options.file, usage)) + "\n")
    return 0


def _json(usage: HgnUsage) -> str:
    return json.dumps(
        {
            "seconds": usage.seconds,
            "frames": usage.frames,
            "reference_bytes": usage.reference_bytes,
            "parameter_bytes": usage.parameter_bytes,
            "sound_bytes": usage.sound_bytes,
            "container_bytes": usage.container_bytes,
        }
    )


def _text(path: Path, usage: HgnUsage) -> str:
    rows = {
        "references": usage.reference_bytes,
        "parameters": usage.parameter_bytes,
        "sound": usage.sound_bytes,
        "container": usage.container_bytes,
        "all": usage.size,
    }
    lines = [f"{path}: {usage.seconds:.2f} s, {usage.frames} frames, {usage.keys} of them key frames"]
    for name, size in rows.items():
        kbps = size * 8 / 1000 / usage.seconds if usage.seconds else 0.0
        lines.append(f"  {name:<10} {size:>9} bytes  {kbps:8.2f} kbit/s")
    lines[1] += f"  ({usage.references}; the first, with the identity: {usage.first_bytes} bytes)"
    lines += [f"  {fault}" for fault in usage.faults] or ["  whole"]
    return "\n".join(lines)
