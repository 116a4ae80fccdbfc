"""`headgan train`: a configuration and a prepared training set in, a trained generator out."""

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from headgan.proto.errors import ModelError, UsageError
from headgan.proto.options import argument, option, required


@dataclass(frozen=True)
class TrainOptions:
    """Options of `headgan train`."""

    config: Path = argument("a TOML file; see docs/training.md")
    data: Path = required("a training set from headgan prepare", metavar="DIR")
    output: Path = required("the run's folder; a run that is there goes on", flag="-o", metavar="DIR")
    # Not --start: torchrun takes that for one of its own.
    init: Path | None = option(None, "begin with the weights of this checkpoint", metavar="FILE")
    device: str = option("auto", "auto, cpu, or cuda")
    threads: int = option(0, "CPU threads of the networks, 0: all cores")


def train(options: TrainOptions) -> int:
    """Trains until all steps are done or the user stops it; 0 in both cases, the checkpoint is written."""
    try:
        import torch
        import torch.distributed as dist
    except ImportError as exc:
        raise UsageError("training needs torch; run: pip install 'headgan[train]'") from exc
    from headgan.models.nets.vgg import load_perceptual
    from headgan.models.train.config import load_config
    from headgan.models.train.trainer import Trainer

    config = load_config(options.config)
    if not options.data.is_dir():
        raise UsageError(f"--data {options.data} does not exist; make a training set with headgan prepare")
    if options.threads:
        torch.set_num_threads(options.threads)
    # Numbers too small to matter would each cost a hundred times as much.
    torch.set_flush_denormal(True)
    place = _place(options.device)
    if place.device.type == "cuda":
        # Shapes are few: what cuDNN finds out about each serves for hours. TF32 has the digits that matrices need here.
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    loss = config.loss
    needs_vgg = loss.vgg or loss.vgg_warped or loss.lpips
    try:
        perceptual = load_perceptual()
    except ModelError:
        if needs_vgg:
            raise
        perceptual = None
    stopping = _StopSignal()
    try:
        trainer = Trainer(
            config, options.data, options.output, place=place, perceptual=perceptual, start=options.init
        )
        trainer.run(stopping)
        if place.world > 1:
            # The first one may still be writing: nobody takes the connections down before all are done.
            dist.barrier()
    finally:
        if dist.is_available() and dist.is_initialized():
            dist.destroy_process_group()
    if place.is_first:
        sys.stdout.write(
            f"{options.output / 'last.pt'}: step {trainer.step} of {config.run.steps}, {trainer.hours:.2f} hours\n"
        )
    return 0


class _StopSignal:
    """True from the first Ctrl-C or SIGTERM on; the second ends the process at once."""

    def __init__(self) -> None:
        self._stopped = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def __call__(self) -> bool:
        return self._stopped

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        self._stopped = True
        signal.signal(number, signal.SIG_DFL)
        sys.stderr.write("stopping after this step; once more to stop at once\n")


def _place(device_name: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
    """This process's place; under torchrun one of several."""
    import torch
    import torch.distributed as dist

    from headgan.models.train.device import Place

    if device_name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {device_name}: auto, cpu or cuda")
    has_cuda = torch.cuda.is_available()
    if device_name == "cuda" and not has_cuda:
        raise UsageError("--device cuda: torch sees no CUDA device; use cpu, or install torch with CUDA")
    kind = "cuda" if has_cuda and device_name != "cpu" else "cpu"
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Place(torch.device(kind))
    dist.init_process_group("nccl" if kind == "cuda" else "gloo")
    local = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device(kind, local) if kind == "cuda" else torch.device(kind)
    return Place(device, dist.get_rank(), world)
