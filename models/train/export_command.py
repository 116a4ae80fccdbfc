"""`headgan export`: a checkpoint in, the ONNX files that a call runs out, or a smaller checkpoint."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headgan.proto.errors import UsageError
from headgan.proto.options import argument, option, required
from headgan.proto.program import check_writable

PRECISIONS = ("half", "single", "int8")

if TYPE_CHECKING:
    from headgan.models.train.checkpoint import Checkpoint


@dataclass(frozen=True)
class ExportOptions:
    """Options of `headgan export`."""

    checkpoint: Path = argument("a checkpoint of headgan train")
    output: Path = required(
        "NAME.onnx, beside which NAME.reference.onnx and, for processors, NAME.flow.onnx and NAME.render.onnx are "
        "written; or NAME.pt, a third of the size, to go on from",
        flag="-o",
        metavar="FILE",
    )
    weights: str = option("ema", "ema, the averaged weights, or last", choices=("ema", "last"))
    precision: str = option(
        "half", "half or single, how weights are stored; or int8, convolutions in 8 bits", choices=PRECISIONS
    )
    data: Path | None = option(
        None, "for int8: a training set from headgan prepare, to find the scales on", metavar="DIR"
    )


def export(options: ExportOptions) -> int:
    """Writes both graphs of the checkpoint's generator, or packs the checkpoint."""
    try:
        from headgan.models.train.checkpoint import load_checkpoint, packed, save_checkpoint
    except ImportError as exc:
        raise UsageError("export needs torch and onnx; run: pip install 'headgan[train]'") from exc
    if options.output.suffix not in (".onnx", ".pt"):
        raise UsageError(f"-o {options.output}: the name ends in .onnx or .pt")
    if options.precision == "int8" and options.data is None:
        raise UsageError("--precision int8 needs typical frames: give --data DIR, a set from headgan prepare")
    check_writable(options.output, "-o")
    checkpoint = load_checkpoint(options.checkpoint)
    if options.output.suffix == ".pt":
        save_checkpoint(options.output, packed(checkpoint))
        _tell(options.output)
        return 0
    _write_graphs(options, checkpoint)
    return 0


def _write_graphs(options: ExportOptions, checkpoint: "Checkpoint") -> None:
    from headgan.models.nets.export import cut_frame, export_generator, marked, whole_frame
    from headgan.models.nets.head_gan import HeadGan
    from headgan.models.nets.quantise import quantise
    from headgan.models.speech import speech_form
    from headgan.models.train.calibration import typical_frames

    generator = HeadGan(checkpoint.config.network)
    generator.load_state_dict(checkpoint.ema if options.weights == "ema" else checkpoint.generator)
    try:
        exported = export_generator(generator, half=options.precision == "half")
    except ValueError as exc:
        raise UsageError(f"{options.checkpoint} cannot be exported: {exc}") from exc
    frame, hears = exported.frame, checkpoint.config.hears
    if options.precision == "int8" and options.data is not None:
        feeds = typical_frames(exported, generator.config, options.data, hears=hears)
        frame = quantise(frame, feeds)
        exported = export_generator(generator)  # The reference's graph runs once: half precision will do.
    graphs = {".reference.onnx": exported.reference}
    if generator.config.family == "live" and generator.config.flow:
        graphs[".flow.onnx"], graphs[".render.onnx"] = cut_frame(frame)
    else:  # Halves of another generator would be run in its place.
        for suffix in (".flow.onnx", ".render.onnx"):
            options.output.with_suffix(suffix).unlink(missing_ok=True)
    graphs[".onnx"] = whole_frame(frame)  # The last one: where it is, the others are.
    for suffix, data in graphs.items():
        path = options.output.with_suffix(suffix)
        part = path.with_name(path.name + ".part")
        part.write_bytes(marked(data, speech_form()) if hears else data)
        part.replace(path)
        _tell(path)


def _tell(path: Path) -> None:
    sys.stdout.write(f"{path}: {path.stat().st_size / 1e6:.2f} MB\n")
