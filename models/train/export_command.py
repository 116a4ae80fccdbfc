"""`headgan export`: a checkpoint in, the ONNX files that a call runs out, or a smaller checkpoint."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headgan.models.frame_graphs import MADE_FROM_KEY
from headgan.proto.errors import UsageError
from headgan.proto.options import argument, option, required
from headgan.proto.program import check_writable

PRECISIONS = ("half", "single", "int8")

_HALVES = (".flow.onnx", ".render.onnx", ".flow.int8.onnx", ".render.int8.onnx")

if TYPE_CHECKING:
    from headgan.models.nets.config import NetConfig
    from headgan.models.nets.export import ExportedGenerator
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
        "half",
        "half or single, how weights are stored; int8: half, and beside it NAME.flow.int8.onnx and "
        "NAME.render.int8.onnx, convolutions in 8 bits for processors",
        choices=PRECISIONS,
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
    from headgan.models.nets.export import cut_frame, export_generator, is_cut, marked, whole_frame
    from headgan.models.nets.head_gan import HeadGan
    from headgan.models.speech import speech_form

    generator = HeadGan(checkpoint.config.network)
    generator.load_state_dict(checkpoint.ema if options.weights == "ema" else checkpoint.generator)
    hears = checkpoint.config.hears
    try:
        exported = export_generator(generator, half=options.precision != "single")
    except ValueError as exc:
        raise UsageError(f"{options.checkpoint} cannot be exported: {exc}") from exc

    def finished(data: bytes) -> bytes:
        return marked(data, speech_form()) if hears else data

    graphs = {".reference.onnx": finished(exported.reference)}
    # Halves of another generator would be run in its place.
    for suffix in _HALVES:
        options.output.with_suffix(suffix).unlink(missing_ok=True)
    if is_cut(generator.config):
        graphs |= zip(_HALVES, map(finished, cut_frame(exported.frame)), strict=False)
        if options.precision == "int8" and options.data is not None:
            single = tuple(graphs[suffix] for suffix in _HALVES[:2])
            small = _in_eight_bits(exported, single, generator.config, options.data, hears=hears)
            graphs |= zip(_HALVES[2:], map(finished, small), strict=True)
    elif options.precision == "int8":
        raise UsageError(
            "--precision int8: only live networks with a flow prior have halves to make 8-bit ones of"
        )
    graphs[".onnx"] = finished(whole_frame(exported.frame))  # The last one: where it is, the others are.
    for suffix, data in graphs.items():
        path = options.output.with_suffix(suffix)
        part = path.with_name(path.name + ".part")
        part.write_bytes(data)
        part.replace(path)
        _tell(path)


def _in_eight_bits(
    exported: "ExportedGenerator",
    single: tuple[bytes, ...],
    network: "NetConfig",
    folder: Path,
    *,
    hears: bool,
) -> list[bytes]:
    """Both halves in 8 bits; single: the halves as they are written, which these belong to."""
    from headgan.models.nets.export import cut_for_bytes
    from headgan.models.nets.quantise import digest_of, quantised
    from headgan.models.train.calibration import typical_frames

    feeds = typical_frames(exported, network, folder, hears=hears)
    properties = {MADE_FROM_KEY: digest_of(*single)}
    return [quantised(half, feeds, properties) for half in cut_for_bytes(exported.frame)]


def _tell(path: Path) -> None:
    sys.stdout.write(f"{path}: {path.stat().st_size / 1e6:.2f} MB\n")
