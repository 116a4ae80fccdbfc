"""`headgan train-lips`: a prepared training set in, a network that reads lips, to judge drawn ones with, out."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from headgan.models.metrics.lip_judge import LipJudge
from headgan.models.morphable import MorphableModel
from headgan.models.speech_phonemes import PhonemeNet
from headgan.proto.errors import UsageError
from headgan.proto.options import argument, option, required
from headgan.proto.program import check_writable

if TYPE_CHECKING:
    from headgan.models.train.lip_set import LipClip


@dataclass(frozen=True)
class LipsOptions:
    """Options of `headgan train-lips`."""

    data: Path = argument("a training set from headgan prepare, with sound")
    output: Path = required("the file to write", flag="-o", metavar="FILE.onnx")
    steps: int = option(700, "batches of 16 stretches of 2.6 s; 0.35 s each on two cores that are free")
    held_out: float = option(0.2, "share of the people who speak to measure it on, 0 to 1")
    seed: int = option(0, "of what is chosen by chance")
    threads: int = option(0, "CPU threads, 0: all cores")


def train_lips_file(options: LipsOptions) -> int:
    """Trains on some of the people, writes the file, and prints how well it reads the lips of the others."""
    _check(options)
    try:
        import torch

        from headgan.models.nets.lip_export import export_lips
        from headgan.models.train.lip_set import read_lip_clips
        from headgan.models.train.lip_training import LipSettings, train_lips
        from headgan.models.train.lip_validation import validate_lips
    except ImportError as exc:
        raise UsageError("train-lips needs torch and onnx; run: pip install 'headgan[train]'") from exc
    from headgan.models.train.prepared_set import PreparedSet

    if options.threads:
        torch.set_num_threads(options.threads)
    # Numbers too small to matter would each cost a hundred times as much.
    torch.set_flush_denormal(True)
    clips = read_lip_clips(PreparedSet.open(options.data), PhonemeNet(), MorphableModel.load())
    learned, unseen = _split(clips, options)
    sys.stdout.write(f"trained on {_counted(learned)}; measured on {_counted(unseen)}\n\n")
    with tqdm(total=options.steps, desc="training", unit="batch") as bar:

        def tell(_: int, classes: float, sync: float) -> None:
            bar.set_postfix_str(f"classes {classes:.2f}, sync {sync:.2f}", refresh=False)
            bar.update()

        net = train_lips(learned, LipSettings(options.steps, options.seed), tell)
    part = options.output.with_name(options.output.name + ".part")
    part.write_bytes(export_lips(net))
    sys.stdout.write(validate_lips(LipJudge(part), unseen).table())
    part.replace(options.output)
    return 0


def _check(options: LipsOptions) -> None:
    if options.output.suffix != ".onnx":
        raise UsageError(f"-o {options.output}: the name ends in .onnx")
    if options.steps < 1:
        raise UsageError(f"--steps {options.steps}: give 1 or more")
    if not 0 < options.held_out < 1:
        raise UsageError(f"--held-out {options.held_out:g}: give more than 0 and less than 1")
    check_writable(options.output, "-o")


def _split(clips: "Sequence[LipClip]", options: LipsOptions) -> "tuple[list[LipClip], list[LipClip]]":
    """Clips to learn from, and those of every so many-th person."""
    people = sorted({clip.person for clip in clips})
    count = round(len(people) * options.held_out)
    if not 0 < count < len(people):
        raise UsageError(
            f"{options.data}: {len(people)} people speak in it, too few to hold {options.held_out:g} of them out; "
            "prepare more clips with speech"
        )
    held = {people[index] for index in np.linspace(0, len(people) - 1, count).round().astype(int)}
    learned = [clip for clip in clips if clip.person not in held]
    return learned, [clip for clip in clips if clip.person in held]


def _counted(clips: "Sequence[LipClip]") -> str:
    people, pictures = len({clip.person for clip in clips}), sum(len(clip.mouths) for clip in clips)
    return f"{people} people, {len(clips)} clips, {pictures} pictures"
