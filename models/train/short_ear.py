"""Lessons of many clips in, a small network that hears speech out: a student of hama's.

lessons ── windows of a second that end anywhere ── ShortEar ── cross entropy, total variation ── ONNX in float16

Only what a frame is told of counts: the last 320 ms of each window.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from headgan.models.nets.short_ear import ShortEar
from headgan.models.speech_mel import BANDS, mel_levels
from headgan.models.speech_phonemes import HOPS_A_PART, PARTS
from headgan.models.train.hear_teacher import Lesson

# 20 ms each: of a window, and of those at its end that count.
WINDOW, COUNTED = 50, PARTS * HOPS_A_PART
# As in headgan.models.speech: quieter sound is left quieter.
QUIETEST_PEAK = 0.02


@dataclass(frozen=True)
class ShortEarTraining:
    """How it is trained.

    Attributes:
        steps: how many.
        batch: windows a step.
        rate: of learning, at most.
        decay: of the weights.
        variation: what the total variation of parts of 40 ms counts for, beside the cross entropy.
        seed: of all that is by chance.
    """

    steps: int = 3500
    batch: int = 64
    rate: float = 2e-3
    decay: float = 0.02
    variation: float = 1.0
    seed: int = 0


def train_short_ear(
    learned: Sequence[Lesson],
    checked: Sequence[Lesson],
    settings: ShortEarTraining,
    start: Path | None = None,
) -> tuple[ShortEar, dict[str, float]]:
    """The student, and how far it is from the teacher on lessons that it has not seen; start: a file to go on from."""
    torch.manual_seed(settings.seed)
    net = ShortEar()
    if start is not None:
        _take_weights(net, start)
    optimiser = torch.optim.AdamW(net.parameters(), lr=settings.rate, weight_decay=settings.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.rate, settings.steps, pct_start=0.1)
    bar = tqdm(_batches(learned, settings), desc="learning", unit="step", total=settings.steps)
    for number, (levels, shares) in enumerate(bar):
        loss = _loss(net(levels)[:, -COUNTED:], shares, settings.variation)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if number % 500 == 499:
            bar.set_postfix(check(net, checked))
    return net, check(net, checked)


def check(net: ShortEar, lessons: Sequence[Lesson]) -> dict[str, float]:
    """Total variation of parts of 40 ms: of all eight, and of the one that ends 80 ms before the window does."""
    net.eval()
    sums, count = np.zeros(2), 0
    with torch.no_grad():
        for lesson in lessons:
            ends = range(WINDOW, len(lesson.shares) + 1, 5)
            if not ends:
                continue
            levels, shares = _stacked([_window(lesson, end) for end in ends])
            apart = _variation(net(levels)[:, -COUNTED:].softmax(2), shares)  # [B, 8]
            sums += len(apart) * np.array([float(apart.mean()), float(apart[:, -3].mean())])
            count += len(apart)
    net.train()
    eight, newest = sums / max(1, count)
    return {"eight": round(float(eight), 4), "newest": round(float(newest), 4)}


def export_short_ear(net: ShortEar, path: Path, notes: dict[str, str]) -> None:
    """Writes it with weights of 16 bits, and `notes` as metadata."""
    net.eval()
    given = torch.zeros(1, 2 * WINDOW, BANDS)
    shares = torch.nn.Sequential(net, torch.nn.Softmax(2))
    with warnings.catch_warnings():
        # The other exporter needs one package more.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            shares,
            (given,),
            str(path),
            input_names=["levels"],
            output_names=["shares"],
            dynamic_axes={"levels": {1: "frames"}, "shares": {1: "outputs"}},
            opset_version=17,
            dynamo=False,
        )
    graph = onnx.load(path)
    _halve(graph.graph)
    for key, value in notes.items():
        graph.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


def _take_weights(net: ShortEar, path: Path) -> None:
    """Those of a file that `export_short_ear` wrote."""
    kept = {
        item.name.removesuffix(".half").removeprefix("0."): onnx.numpy_helper.to_array(item)
        for item in onnx.load(path).graph.initializer
    }
    state = net.state_dict()
    for name, value in state.items():
        if name in kept:
            state[name] = torch.from_numpy(kept[name].astype(np.float32)).reshape(value.shape)
    net.load_state_dict(state)


def _halve(graph: onnx.GraphProto) -> None:
    """Keeps large weights in 16 bits; they are made 32 again when the file is opened."""
    for item in list(graph.initializer):
        array = onnx.numpy_helper.to_array(item)
        if array.dtype != np.float32 or array.size < 1024:
            continue
        name = item.name
        graph.initializer.remove(item)
        graph.initializer.append(onnx.numpy_helper.from_array(array.astype(np.float16), f"{name}.half"))
        cast = onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT)
        graph.node.insert(0, cast)


def _batches(lessons: Sequence[Lesson], settings: ShortEarTraining) -> Iterator[tuple[Tensor, Tensor]]:
    """Windows from all over, each moment as likely as another."""
    chance = np.random.default_rng(settings.seed)
    lessons = [lesson for lesson in lessons if len(lesson.shares) >= COUNTED]
    lengths = np.array([len(lesson.shares) for lesson in lessons])
    shares = lengths / lengths.sum()
    for _ in range(settings.steps):
        chosen = chance.choice(len(lessons), settings.batch, p=shares)
        yield _stacked(
            [_window(lessons[one], int(chance.integers(COUNTED, lengths[one] + 1))) for one in chosen]
        )


def _window(lesson: Lesson, end: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Levels [2 WINDOW, 40] up to output `end`, silence before the clip; shares [COUNTED, 27]."""
    start = max(0, end - WINDOW)
    gain = np.float32(1 / max(float(lesson.peaks[end - 1]), QUIETEST_PEAK))
    power = np.zeros((2 * WINDOW, BANDS), np.float32)
    power[2 * (WINDOW - end + start) :] = lesson.power[2 * start : 2 * end] * gain**2
    return mel_levels(power), lesson.shares[end - COUNTED : end]


def _stacked(windows: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> tuple[Tensor, Tensor]:
    levels, shares = zip(*windows, strict=True)
    return torch.from_numpy(np.stack(levels)), torch.from_numpy(np.stack(shares))


def _loss(logits: Tensor, shares: Tensor, variation: float) -> Tensor:
    crossed = -(shares * logits.log_softmax(2)).sum(2).mean()
    return crossed + variation * _variation(logits.softmax(2), shares).mean()


def _variation(one: Tensor, other: Tensor) -> Tensor:
    """[B, 8], of parts of 40 ms of [B, 16, 27]."""
    apart: Tensor = (one - other).reshape(-1, PARTS, HOPS_A_PART, one.shape[2]).mean(2).abs().sum(2) / 2
    return apart
