"""Tracked clips in, what both ends of a call know of faces beforehand out: codec/param_code.npz.

tracks ── axes: what moves the picture, and what moves together ── points
points ── coded with the code so far ── residuals and what was known before each ── weights, tables ── the next code
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from headgan.codec.param_code import (
    CLASSES,
    FEATURES,
    POINT_SIZE,
    SCALES,
    SIGN_CONTEXTS,
    UNITS_PER_PX,
    ParamCode,
    params_from,
)
from headgan.codec.param_record import FaceState, Record, RecordCoder, surroundings
from headgan.codec.quantizer import quantize
from headgan.codec.range_coder import TOTAL
from headgan.codec.residual_coder import Surroundings, class_of, smallest_of, whole_log
from headgan.models.eyes import LIDS
from headgan.models.fitting import project
from headgan.models.morphable import MorphableModel
from headgan.models.mouth import INNER_LIPS, OUTER_LIPS
from headgan.models.pncc import CROP_SIZE

ROUNDS = 3
# A vertex of lips and lids counts so many times one of the rest.
_MOUTH_AND_LIDS = 3.0
# What moves the picture less than this for a whole unit of a parameter is taken to move it so much: beyond small steps
# it is not linear.
_FAINTEST_PX = 1.0
# A movement of more pixels than this counts as one of so many: one that is torn from its place is no rule for others.
_LARGE_PX = 1.0
# What is coded for practice: how old the earlier frame is, and the steps.
_PRACTISED_LAGS = (1, 1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 12, 20)
_PRACTISED_STEPS = range(3, 22)
_FROM_NOTHING = 0.03
_FIT_STEPS, _BATCH, _RATE = 1500, 4096, 0.03
# A scale's table is worth so many residuals before the first was counted.
_PRIOR = 200.0
_MIDDLE = SCALES // 2


@dataclass(frozen=True, eq=False)
class Practice:
    """Residuals of one kind, with what was known before each.

    Attributes:
        known: int32 [N, 36, FEATURES], in the order of residual_coder.py.
        residuals: int32 [N, 36].
        change: int32 [N, 36], of the earlier frame.
    """

    known: NDArray[np.int32]
    residuals: NDArray[np.int32]
    change: NDArray[np.int32]


def build_code(
    model: MorphableModel,
    runs: Sequence[NDArray[np.float64]],
    tell: Callable[[str], None],
    seed: int = 0,
) -> ParamCode:
    """Learns a code.

    Args:
        model: the morphable model that the tracks are of.
        runs: float64 [n, 36] each, vectors (`vector_of`) of frames that follow each other at 25 a second.
        tell: takes a line of progress.
        seed: of what is chosen by chance.
    """
    random = np.random.default_rng(seed)
    code = _unpractised(*_axes(model, runs))
    for number in range(ROUNDS):
        following, fresh = practise(code, [*runs, *runs], random)
        code = learn(code, following, fresh, seed)
        bits = np.mean([measure(code, practice) for practice in (following, fresh)], axis=0)
        tell(f"round {number + 1} of {ROUNDS}: {bits:.1f} bits a frame over all practised steps and lags")
    return code


def _axes(
    model: MorphableModel, runs: Sequence[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The vector at rest, and the matrix that takes vectors to points, in pixels."""
    everything = np.concatenate(runs)
    rest = np.median(everything, axis=0)
    rest[:31] = 0  # the mean face, from the front
    metric = _metric(model, rest)
    size, axes = np.linalg.eigh(metric)
    size = np.sqrt(np.maximum(size, _FAINTEST_PX**2))
    root = axes * size @ axes.T
    moved = np.concatenate([np.diff(run, axis=0) for run in runs]) @ root
    moved /= np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), _LARGE_PX)
    together = np.linalg.eigh(moved.T @ moved)[1][:, ::-1]
    return rest, root @ together


def _metric(model: MorphableModel, rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Float64 [36, 36]: the mean squared movement of vertices, in pixels, as a quadratic form of the vector's."""
    weights = np.ones(len(model.mean))
    weights[[*INNER_LIPS, *OUTER_LIPS, *LIDS]] = _MOUTH_AND_LIDS
    identity = np.zeros(model.identity_size)
    tiny = 1e-3

    def pixels(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        return project(model, identity, params_from(vector))[:, :2].astype(np.float64) * CROP_SIZE / 2

    slopes = np.stack(
        [(pixels(rest + tiny * one) - pixels(rest - tiny * one)) / (2 * tiny) for one in np.eye(POINT_SIZE)]
    )
    metric: NDArray[np.float64] = np.einsum("ivc,v,jvc->ij", slopes, weights / weights.sum(), slopes)
    return metric


def _unpractised(rest: NDArray[np.float64], to_point: NDArray[np.float64]) -> ParamCode:
    """A code to begin with: the spread follows the change of the earlier frame and what was coded before."""
    weights = np.zeros((2, POINT_SIZE, FEATURES), np.int64)
    weights[0] = np.array([0.3, 0.1, 0.2, 0.2, 0.2, -1.0]) * 256
    weights[1] = np.array([0, 0, 0, 0, 0, -1.0]) * 256
    biases = np.stack([np.full(POINT_SIZE, one * 4096 + _MIDDLE * 512) for one in (0, 8)])
    return ParamCode(
        rest,
        to_point,
        weights,
        biases.astype(np.int64),
        _tables(np.zeros((SCALES, CLASSES))),
        np.full(SIGN_CONTEXTS, TOTAL // 2),
    )


def practise(
    code: ParamCode, runs: Sequence[NDArray[np.float64]], random: np.random.Generator
) -> tuple[Practice, Practice]:
    """Codes the runs at steps and lags by chance: frames that follow others, and frames from nothing."""
    coder = RecordCoder(code)
    kinds: tuple[list[tuple[NDArray[np.int32], ...]], ...] = ([], [])
    for run in runs:
        points = (run - code.rest) @ code.to_point * UNITS_PER_PX
        step = int(random.choice(_PRACTISED_STEPS))
        usual = int(random.choice(_PRACTISED_LAGS))
        states: list[FaceState] = []
        for place, point in enumerate(points):
            lag = usual if random.random() < 0.8 else int(random.choice(_PRACTISED_LAGS))
            if lag > place or random.random() < _FROM_NOTHING:
                lag = 0
            earlier = states[place - lag] if lag else None
            around = surroundings(earlier, lag, step)
            quantized = quantize(coder.model, point, earlier.values if earlier else (0,) * POINT_SIZE, around)
            states.append(Record(lag, step, (), quantized.residuals).state(earlier))
            kinds[0 if lag else 1].append(_known(quantized.residuals, around))
    following, fresh = (Practice(*(np.stack(parts) for parts in zip(*kind, strict=True))) for kind in kinds)
    return following, fresh


def _known(residuals: Sequence[int], around: Surroundings) -> tuple[NDArray[np.int32], ...]:
    """What was known before each residual, the residuals, and the changes."""
    change = around.change or (0,) * POINT_SIZE
    known = np.zeros((POINT_SIZE, FEATURES), np.int32)
    so_far = just_before = 0
    for place, residual in enumerate(residuals):
        known[place, 0] = whole_log(abs(change[place]))
        known[place, 2], known[place, 3] = whole_log(so_far), whole_log(just_before)
        so_far += abs(residual) * around.step
        just_before = (just_before >> 1) + abs(residual) * around.step
    known[:, 1] = whole_log(sum(map(abs, change)))
    known[:, 4], known[:, 5] = whole_log(around.lag - 1), whole_log(around.step)
    return known, np.array(residuals, np.int32), np.array(change, np.int32)


def learn(code: ParamCode, following: Practice, fresh: Practice, seed: int) -> ParamCode:
    """The code that would have suited the practice best."""
    kinds = [
        _fit(practice, seed, np.arange(FEATURES) if place == 0 else np.array([2, 3, 5]))
        for place, practice in enumerate((following, fresh))
    ]
    weights, biases = (np.stack(parts) for parts in zip(*kinds, strict=True))
    counts = np.zeros((SCALES, CLASSES))
    for practice, weight, bias in zip((following, fresh), weights, biases, strict=True):
        np.add.at(counts, (_scales(practice, weight, bias), _classes(practice)), 1)
    return replace(code, weights=weights, biases=biases, classes=_tables(counts), same_sign=_signs(following))


def measure(code: ParamCode, practice: Practice) -> float:
    """Bits a frame, by the tables."""
    kind = 0 if practice.known[..., 0].any() else 1
    scales = _scales(practice, code.weights[kind], code.biases[kind])
    classes = _classes(practice)
    offsets = np.array([smallest_of(one)[1] for one in range(CLASSES)])
    bits = -np.log2(code.classes / TOTAL)[scales, classes] + offsets[classes] + (classes > 0)
    return float(bits.sum(axis=1).mean())


def _scales(practice: Practice, weights: NDArray[np.int64], biases: NDArray[np.int64]) -> NDArray[np.int64]:
    known = (practice.known * weights).sum(axis=-1) + biases
    scales: NDArray[np.int64] = np.clip(known >> 9, 0, SCALES - 1)
    return scales


def _classes(practice: Practice) -> NDArray[np.int64]:
    sizes, inverse = np.unique(np.abs(practice.residuals), return_inverse=True)
    classes: NDArray[np.int64] = np.array([class_of(int(size))[0] for size in sizes])[inverse]
    return classes.reshape(practice.residuals.shape)


def _fit(
    practice: Practice, seed: int, used: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Weights and biases, for which a two-sided exponential spread explains the residuals best."""
    torch.manual_seed(seed)
    known = torch.tensor(practice.known[..., used] / 16, dtype=torch.float32)
    sizes = torch.tensor(np.abs(practice.residuals), dtype=torch.float32)
    weights = torch.zeros(POINT_SIZE, len(used), requires_grad=True)
    biases = torch.zeros(POINT_SIZE, requires_grad=True)
    optimiser = torch.optim.Adam([weights, biases], lr=_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=_FIT_STEPS)
    for _ in range(_FIT_STEPS):
        chosen = torch.randint(0, len(known), (_BATCH,))
        spread = torch.exp2(((known[chosen] * weights).sum(-1) + biases).clamp(-6, 12))
        size = sizes[chosen]
        inside = torch.where(
            size == 0,
            1 - torch.exp(-0.5 / spread),
            torch.exp(-(size - 0.5) / spread) - torch.exp(-(size + 0.5) / spread),
        )
        loss = -torch.log2(inside.clamp_min(1e-9)).sum(1).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    full = np.zeros((POINT_SIZE, FEATURES), np.int64)
    full[:, used] = np.rint(weights.detach().numpy() * 256).astype(np.int64)
    return full, np.rint(biases.detach().numpy() * 4096 + _MIDDLE * 512).astype(np.int64)


def _tables(counts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Frequencies of classes at each scale: what was counted there and beside, over a two-sided exponential spread."""
    spread = 2.0 ** ((np.arange(SCALES)[:, None] + 0.5 - _MIDDLE) / 8)
    smallest = np.array([smallest_of(one)[0] for one in range(CLASSES)] + [1 << 24])
    beyond = np.exp(-np.maximum(smallest - 0.5, 0) / spread)
    prior = beyond[:, :-1] - beyond[:, 1:]
    padded = np.pad(counts, ((1, 1), (0, 0)))
    near = padded[1:-1] + 0.5 * (padded[:-2] + padded[2:])
    share = near + _PRIOR * prior
    share /= share.sum(axis=1, keepdims=True)
    return np.stack([_whole(row) for row in share])


def _whole(share: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole frequencies, none 0, that add up to TOTAL."""
    frequency = 1 + np.floor(share * (TOTAL - len(share))).astype(np.int64)
    frequency[np.argmax(frequency)] += TOTAL - frequency.sum()
    return frequency


def _signs(practice: Practice) -> NDArray[np.int64]:
    """Frequency of going on in the same direction, by how large the last change was."""
    moved = (practice.residuals != 0) & (practice.change != 0)
    is_same = (np.sign(practice.residuals) == np.sign(practice.change))[moved]
    contexts = np.array(
        [min(whole_log(abs(int(one))) >> 3, SIGN_CONTEXTS - 1) for one in practice.change[moved]]
    )
    same = np.bincount(contexts, weights=is_same, minlength=SIGN_CONTEXTS) + 10
    total = np.bincount(contexts, minlength=SIGN_CONTEXTS) + 20
    return np.clip(np.rint(same / total * TOTAL), TOTAL // 50, TOTAL - TOTAL // 50).astype(np.int64)
