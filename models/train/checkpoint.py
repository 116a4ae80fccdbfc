"""A training run's whole state in, one file out, and back; a run goes on from it as if it had never stopped."""

from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from headgan.models.train.config import TrainConfig, config_from_dict
from headgan.proto.errors import ModelError, UsageError

_FORMAT = 1
State = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """State of a run after `step` steps.

    Attributes:
        config: what the run was started with.
        step: generator steps done.
        hours: spent on them.
        generator: state of the generator.
        ema: its averaged weights.
        objective: state of the discriminators.
        optimisers: states of the generator's and the discriminators' optimiser; empty in a packed one.
    """

    config: TrainConfig
    step: int
    hours: float
    generator: State
    ema: State
    objective: State
    optimisers: list[State]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes the file whole or not at all."""
    part = path.with_name(path.name + ".part")
    torch.save(
        {
            "format": _FORMAT,
            "config": asdict(checkpoint.config),
            "step": checkpoint.step,
            "hours": checkpoint.hours,
            "generator": checkpoint.generator,
            "ema": checkpoint.ema,
            "objective": checkpoint.objective,
            "optimisers": checkpoint.optimisers,
        },
        part,
    )
    part.replace(path)


def load_checkpoint(path: Path) -> Checkpoint:
    """What `save_checkpoint` wrote.

    Raises:
        ModelError: the file is missing, damaged or of another version.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["format"] != _FORMAT:
            raise ModelError(f"{path}: checkpoint format {state['format']}, need {_FORMAT}")
        return Checkpoint(
            config_from_dict(state["config"], str(path)),
            state["step"],
            state["hours"],
            state["generator"],
            state["ema"],
            state["objective"],
            state["optimisers"],
        )
    except (OSError, EOFError, KeyError, RuntimeError, TypeError, UnpicklingError, UsageError) as exc:
        raise ModelError(f"{path} is no checkpoint of this version ({exc!r})") from exc


def packed(checkpoint: Checkpoint) -> Checkpoint:
    """The same run in a third of the bytes: half precision, and the optimisers' second moments only.

    A run that goes on from it is not the same to the bit: weights lose digits far below a step of the optimiser, and
    the first moments, which remember few steps, start anew.
    """

    def halved(state: State, kind: torch.dtype) -> State:
        return {
            name: value.to(kind) if torch.is_tensor(value) and value.is_floating_point() else value
            for name, value in state.items()
        }

    optimisers = []
    for optimiser in checkpoint.optimisers:
        moments = {
            index: {
                **item,
                "exp_avg": torch.zeros((), dtype=torch.bfloat16).expand(item["exp_avg"].shape),
                # Muon has none.
                **{name: item[name].to(torch.bfloat16) for name in ("exp_avg_sq",) if name in item},
            }
            for index, item in optimiser["state"].items()
        }
        optimisers.append({"state": moments, "param_groups": optimiser["param_groups"]})
    return Checkpoint(
        checkpoint.config,
        checkpoint.step,
        checkpoint.hours,
        halved(checkpoint.generator, torch.float16),
        halved(checkpoint.ema, torch.float16),
        halved(checkpoint.objective, torch.float16),
        optimisers,
    )
