"""Losses and scores of a run in, its progress.jsonl, sample sheets and TensorBoard files out."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headgan.models.train.validation import write_sheet


class Means:
    """Averages terms between two reports."""

    def __init__(self) -> None:
        self._terms: dict[str, list[Tensor]] = {}

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """The terms of one more step."""
        for name, value in terms.items():
            self._terms.setdefault(name, []).append(value.float())

    def take(self) -> dict[str, float]:
        """The means by name; counting begins anew."""
        means = {name: float(torch.stack(values).mean()) for name, values in self._terms.items()}
        self._terms = {}
        return means


class ProgressLog:
    """Writes what a run has to say; each line is on the disk when its method returns."""

    def __init__(self, folder: Path) -> None:
        """Args: folder: of the run; lines of an earlier part of the run stay."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lines = (folder / "progress.jsonl").open("a")
        self._board = _tensorboard(folder / "tensorboard")

    def losses(self, step: int, hours: float, losses: dict[str, float]) -> None:
        """Means of the loss's terms since the last report."""
        self._write({"step": step, "hours": round(hours, 4), "losses": losses})
        for name, value in losses.items():
            if self._board is not None:
                self._board.add_scalar(f"loss/{name}", value, step)

    def scores(
        self, step: int, hours: float, scores: dict[str, dict[str, float]], sheet_rgb: NDArray[np.uint8]
    ) -> None:
        """Scores of a validation by method, and its sheet, uint8 [H, W, 3]."""
        self._write({"step": step, "hours": round(hours, 4), "scores": scores})
        write_sheet(self._folder / "samples" / f"{step:07d}.png", sheet_rgb)
        if self._board is None:
            return
        for method, values in scores.items():
            for name, value in values.items():
                self._board.add_scalar(f"{name}/{method}", value, step)
        self._board.add_image("samples", sheet_rgb, step, dataformats="HWC")

    def close(self) -> None:
        """Closes the files."""
        self._lines.close()
        if self._board is not None:
            self._board.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._lines.write(json.dumps(line) + "\n")
        self._lines.flush()


def _tensorboard(folder: Path) -> Any:  # noqa: ANN401
    """TensorBoard's writer, or None where it is not installed: progress.jsonl has the same numbers."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
