"""A training set and a configuration in, checkpoints and a learning curve out: the training loop.

A folder of a run holds

    last.pt          the newest checkpoint; a run that is started again goes on from it
    progress.jsonl   a line for every report: step, hours, losses; validations with scores
    samples/         a sheet for every validation
    tensorboard/     the same numbers and pictures for TensorBoard
"""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from headgan.models.nets.head_gan import HeadGan
from headgan.models.nets.vgg import PerceptualDistance
from headgan.models.train.batches import Batch, BatchMaker
from headgan.models.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from headgan.models.train.config import TrainConfig
from headgan.models.train.device import Place, is_bf16_faster, placed
from headgan.models.train.muon import muon_for
from headgan.models.train.objective import Objective, Terms
from headgan.models.train.progress import Means, ProgressLog
from headgan.models.train.schedule import rate_factor, share_done
from headgan.models.train.validation import Validation
from headgan.proto.errors import UsageError

_REPORT_STEPS = 20


class Trainer:
    """One run. `run` ends when all steps are done, or soon after `should_stop` says so, with a checkpoint."""

    def __init__(
        self,
        config: TrainConfig,
        data: Path,
        folder: Path,
        *,
        place: Place,
        perceptual: PerceptualDistance | None,
        start: Path | None = None,
    ) -> None:
        """Builds the networks, and goes on from the folder's last checkpoint if there is one.

        Args:
            config: of the run.
            data: a prepared training set.
            folder: of the run.
            place: this process's.
            perceptual: needed where a loss asks for it.
            start: a checkpoint whose weights a new run begins with.

        Raises:
            UsageError: data, configuration and checkpoint do not fit each other.
        """
        self._config, self._folder, self._place = config, folder, place
        self._data = data
        torch.manual_seed(config.run.seed)
        self._generator = placed(HeadGan(config.network), place.device)
        self._objective = Objective(config.loss, config.network, perceptual).to(place.device)
        self._bf16 = config.run.bf16 and self._agree(is_bf16_faster(place.device))
        self._perceptual = perceptual
        if perceptual is not None:
            placed(perceptual, place.device)
        self._ema = copy.deepcopy(self._generator).requires_grad_(False)
        self._optimisers = self._make_optimisers()
        self.step, self.hours = 0, 0.0
        last = folder / "last.pt"
        if last.exists():
            self._restore(load_checkpoint(last), str(last))
        elif start is not None:
            self._start_from(load_checkpoint(start), str(start))
        self._forward: nn.Module = self._generator
        if place.world > 1:
            devices = [place.device.index] if place.device.type == "cuda" else None
            self._forward = nn.parallel.DistributedDataParallel(
                self._generator,
                device_ids=devices,
                broadcast_buffers=False,
                find_unused_parameters=not config.loss.needs_picture,
            )

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Trains to the last step, until its time is over or `should_stop`."""
        config, first = self._config, self._place.is_first
        validation = self._validation() if first else None
        log = ProgressLog(self._folder) if first else None
        saved = validated = began = time.monotonic()
        hours_before, losses = self.hours, Means()
        total = tqdm(
            total=config.run.steps, initial=self.step, desc="training", unit="step", disable=not first
        )
        with total:
            for batch in self._batches():
                losses.add(self._train_step(batch))
                total.update()
                now = time.monotonic()
                self.hours = self._latest(hours_before + (now - began) / 3600)
                if log is not None and self.step % _REPORT_STEPS == 0:
                    log.losses(self.step, self.hours, losses.take())
                stop = self._agree(should_stop() or share_done(config.run, self.step, self.hours) >= 1)
                if first and (stop or now - saved > 60 * config.run.checkpoint_minutes):
                    self._save()
                    saved = now
                is_due = stop or now - validated > 60 * config.run.validate_minutes
                if log is not None and validation is not None and is_due:
                    self._validate(validation, log)
                    validated = time.monotonic()
                    began += validated - now
                if stop:
                    break
        if log is not None:
            log.close()

    def _batches(self) -> Iterator[Batch]:
        data, run, place = self._config.data, self._config.run, self._place
        maker = BatchMaker(
            self._data,
            self._config.network,
            data,
            seed=run.seed,
            rank=place.rank,
            world=place.world,
            teaches=self._config.loss.flow > 0,
            masks=self._config.loss.mask > 0,
        )
        loader = DataLoader(
            maker,
            batch_size=None,
            sampler=range(self.step, run.steps),
            num_workers=data.workers,
            prefetch_factor=4 if data.workers else None,
            pin_memory=place.device.type == "cuda",
            worker_init_fn=_one_thread,
            multiprocessing_context="spawn" if data.workers else None,
        )
        return iter(loader)

    def _train_step(self, batch: Batch) -> Terms:
        config, device = self._config, self._place.device
        for group in self._optimisers[0].param_groups:
            group["lr"] = config.optimiser.rate * self._rate_factor()
        batch = batch.to(device)
        reference, driving, truth = batch.inputs(config.run.size)
        random = torch.Generator().manual_seed(config.run.seed * 1_000_003 + self.step)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._bf16):
            drawn = self._forward(reference, driving, renders=config.loss.needs_picture)
            terms = self._objective.of_generator(drawn, truth, driving.code, batch, random)
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            raise UsageError(
                f"step {self.step}: the loss is {float(loss.detach())}; lower [optimiser] rate and start again from "
                f"{self._folder / 'last.pt'}"
            )
        self._optimisers[0].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        limit = config.optimiser.clip or torch.inf
        norm = nn.utils.clip_grad_norm_(self._generator.parameters(), limit)
        self._optimisers[0].step()
        terms = {name: term.detach() for name, term in terms.items()} | {"gradient_norm": norm}
        if self._objective.has_discriminators and self.step % config.loss.generator_steps == 0:
            terms |= self._train_discriminators(drawn.picture.detach(), truth, driving.code, batch)
        self._average()
        self.step += 1
        return terms

    def _train_discriminators(self, picture: Tensor, truth: Tensor, code: Tensor, batch: Batch) -> Terms:
        optimiser = self._optimisers[1]
        for group in optimiser.param_groups:
            group["lr"] = self._config.optimiser.rate_discriminator * self._rate_factor()
        with torch.autocast(self._place.device.type, torch.bfloat16, enabled=self._bf16):
            terms = self._objective.of_discriminators(picture, truth, code, batch)
        # What the generator's step left there is thrown away.
        optimiser.zero_grad()
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        if self._place.world > 1:
            # Each discriminator runs twice before one backward pass, which DistributedDataParallel does not allow.
            for parameter in self._objective.parameters():
                if parameter.grad is not None:
                    dist.all_reduce(parameter.grad)
                    parameter.grad /= self._place.world
        optimiser.step()
        return {name: term.detach() for name, term in terms.items()}

    def _average(self) -> None:
        """Moves the averaged weights a little towards the new ones; faster in the first steps."""
        decay = min(self._config.optimiser.ema, (1 + self.step) / (10 + self.step))
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        average(list(self._ema.parameters()), list(self._generator.parameters()), self.step)
        for mine, new in zip(self._ema.buffers(), self._generator.buffers(), strict=True):
            mine.copy_(new)

    def _rate_factor(self) -> float:
        return rate_factor(self._config.optimiser, self._config.run, self.step, self.hours)

    def _make_optimisers(self) -> list[torch.optim.Optimizer]:
        settings = self._config.optimiser
        optimisers: list[torch.optim.Optimizer] = [
            muon_for(self._generator, settings.rate, settings.betas)
            if settings.muon
            else torch.optim.Adam(self._generator.parameters(), settings.rate, settings.betas)
        ]
        if self._objective.has_discriminators:
            optimisers.append(
                torch.optim.Adam(self._objective.parameters(), settings.rate_discriminator, settings.betas)
            )
        return optimisers

    def _validation(self) -> Validation | None:
        config = self._config
        if not config.data.held_out or not config.run.validation_pairs:
            return None
        validation = Validation(
            self._data,
            config.network,
            config.data.held_out,
            config.run.validation_pairs,
            self._perceptual,
            hears=config.hears,
            drifts=config.data.drift > 0,
            codes=config.data.coded > 0,
        )
        return validation if len(validation) else None

    def _validate(self, validation: Validation, log: ProgressLog) -> None:
        scores, sheet = validation.score(self._ema, self._config.run.size)
        log.scores(self.step, self.hours, {name: asdict(score) for name, score in scores.items()}, sheet)

    def _save(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        save_checkpoint(
            self._folder / "last.pt",
            Checkpoint(
                self._config,
                self.step,
                self.hours,
                self._generator.state_dict(),
                self._ema.state_dict(),
                self._objective.state_dict(),
                [optimiser.state_dict() for optimiser in self._optimisers],
            ),
        )

    def _restore(self, checkpoint: Checkpoint, where: str) -> None:
        self._start_from(checkpoint, where)
        self.step, self.hours = checkpoint.step, checkpoint.hours
        if len(checkpoint.optimisers) == len(self._optimisers):
            for optimiser, state in zip(self._optimisers, checkpoint.optimisers, strict=True):
                optimiser.load_state_dict(_moments_as_floats(state))

    def _start_from(self, checkpoint: Checkpoint, where: str) -> None:
        if checkpoint.config.network != self._config.network:
            raise UsageError(
                f"{where} is of another network ({checkpoint.config.network}); the configuration asks for "
                f"{self._config.network}"
            )
        self._generator.load_state_dict(checkpoint.generator)
        self._ema.load_state_dict(checkpoint.ema)
        if self._config.hears and not checkpoint.config.hears:
            self._generator.begin_to_hear()
            self._ema.begin_to_hear()
        if checkpoint.objective.keys() == self._objective.state_dict().keys():
            self._objective.load_state_dict(checkpoint.objective)

    def _latest(self, hours: float) -> float:
        """The most hours of any process where they matter: all have to train at one rate."""
        if self._place.world == 1 or not self._config.run.minutes:
            return hours
        clock = torch.tensor(hours, dtype=torch.float64, device=self._place.device)
        dist.all_reduce(clock, dist.ReduceOp.MAX)
        return float(clock)

    def _agree(self, wish: bool) -> bool:
        """Whether any process has the wish, to stop for example: all have to do the same at the same step."""
        if self._place.world == 1:
            return wish
        flag = torch.tensor(float(wish), device=self._place.device)
        dist.all_reduce(flag)
        return bool(flag > 0)


def _moments_as_floats(state: dict[str, Any]) -> dict[str, Any]:
    """A packed checkpoint has its moments in half precision, and they may be views."""
    moments = {
        index: {
            name: value.float().clone() if torch.is_tensor(value) else value for name, value in item.items()
        }
        for index, item in state["state"].items()
    }
    return {"state": moments, "param_groups": state["param_groups"]}


def _one_thread(_worker: int) -> None:
    import cv2

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
