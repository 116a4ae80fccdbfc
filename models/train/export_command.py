"""`headgan export`: a checkpoint in, the ONNX files that a call runs out."""

import sys
from dataclasses import dataclass
from pathlib import Path

from headgan.proto.errors import UsageError
from headgan.proto.options import argument, option, required
from headgan.proto.program import check_writable


@dataclass(frozen=True)
class ExportOptions:
    """Options of `headgan export`."""

    checkpoint: Path = argument("a checkpoint of headgan train")
    output: Path = required("NAME.onnx; NAME.reference.onnx is written beside it", flag="-o", metavar="FILE")
    weights: str = option("ema", "ema, the averaged weights, or last")
    precision: str = option("half", "how weights are stored: half or single")


def export(options: ExportOptions) -> int:
    """Writes both graphs of the checkpoint's generator."""
    try:
        from headgan.models.nets.export import export_generator
        from headgan.models.nets.head_gan import HeadGan
        from headgan.models.train.checkpoint import load_checkpoint
    except ImportError as exc:
        raise UsageError("export needs torch and onnx; run: pip install 'headgan[train]'") from exc
    if options.output.suffix != ".onnx":
        raise UsageError(f"-o {options.output}: the name ends in .onnx")
    if options.weights not in ("ema", "last") or options.precision not in ("half", "single"):
        raise UsageError("--weights is ema or last, --precision half or single")
    check_writable(options.output, "-o")
    checkpoint = load_checkpoint(options.checkpoint)
    generator = HeadGan(checkpoint.config.network)
    generator.load_state_dict(checkpoint.ema if options.weights == "ema" else checkpoint.generator)
    try:
        exported = export_generator(generator, half=options.precision == "half")
    except ValueError as exc:
        raise UsageError(f"{options.checkpoint} cannot be exported: {exc}") from exc
    reference_path = options.output.with_suffix(".reference.onnx")
    for path, data in ((reference_path, exported.reference), (options.output, exported.frame)):
        part = path.with_name(path.name + ".part")
        part.write_bytes(data)
        part.replace(path)
        sys.stdout.write(f"{path}: {len(data) / 1e6:.2f} MB\n")
    return 0
