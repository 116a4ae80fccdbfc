"""What a command measured of this machine in, its report as JSON files out, and as rows of the table of them all."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgan.benchmarks.markdown import markdown_table
from headgan.benchmarks.report_files import write_text
from headgan.models.machine import describe_run
from headgan.proto.errors import DeviceError, HeadganError

HEADS = ("", "measured", "by")


@dataclass(frozen=True)
class Figure:
    """One number that a user wants to know.

    Attributes:
        key: such as `receiver.cpu.fps`.
        value: the number; None where it could not be measured.
        label: what it says, for a table.
        unit: of the number, for a table.
        is_detail: whether a table that is to be short leaves it out.
    """

    key: str
    value: float | None
    label: str
    unit: str
    is_detail: bool = False

    @property
    def text(self) -> str:
        """The number with its unit, with three digits that count."""
        if self.value is None:
            return "not known"
        digits = 0 if abs(self.value) >= 100 else 1 if abs(self.value) >= 10 else 2
        return f"{self.value:.{digits}f} {self.unit}".strip()


@dataclass(frozen=True)
class Performance:
    """What one command measured.

    Attributes:
        command: such as `headgan-bench fps`.
        figures: each with a key of its own.
        details: whatever else is worth keeping, JSON.
        notes: what a reader has to know, a sentence each.
    """

    command: str
    figures: Sequence[Figure]
    details: Mapping[str, Any]
    notes: Sequence[str] = ()

    @property
    def table(self) -> str:
        """Markdown, a row for each figure, and the notes below."""
        rows = [row_of(figure, self.command) for figure in self.figures]
        return "\n".join([*markdown_table(HEADS, rows), *(f"\n{note}" for note in self.notes)]) + "\n"


def row_of(figure: Figure, command: str) -> tuple[str, str, str]:
    """The cells below `HEADS`."""
    return figure.label, figure.text, f"`{command}`"


def write_performance(measured: Performance, path: Path, flat: Path | None = None) -> None:
    """Writes the report `path`, `path` as a Markdown table, and, if asked for, its numbers by their keys alone.

    Args:
        measured: by one command.
        path: JSON.
        flat: JSON, an object of the machine, `run`, and of a number for each key; None for none.
    """
    run = describe_run()
    report = {
        "run": run,
        "command": measured.command,
        "figures": [vars(figure) for figure in measured.figures],
        "notes": list(measured.notes),
        "details": dict(measured.details),
    }
    write_text(path, json.dumps(report, indent=2, allow_nan=False) + "\n")
    write_text(path.with_suffix(".md"), measured.table)
    if flat is not None:
        numbers = {figure.key: figure.value for figure in measured.figures}
        write_text(flat, json.dumps({"run": run, **numbers}, indent=2, allow_nan=False) + "\n")


def read_performance(path: Path) -> tuple[dict[str, Any], Performance] | None:
    """The machine of a report and what was measured on it; None for a JSON file that is no such report.

    Raises:
        DeviceError: the file cannot be read.
        HeadganError: it is damaged.
    """
    try:
        report = json.loads(path.read_text())
    except OSError as exc:
        raise DeviceError(f"{path} cannot be read ({exc.strerror})") from exc
    except ValueError as exc:
        raise HeadganError(f"{path} is damaged ({exc}); measure it again") from exc
    if not isinstance(report, dict) or not {"run", "command", "figures", "details"} <= report.keys():
        return None
    try:
        figures = tuple(Figure(**figure) for figure in report["figures"])
    except TypeError as exc:
        raise HeadganError(f"{path} is a report of another version ({exc}); measure it again") from exc
    measured = Performance(report["command"], figures, report["details"], tuple(report.get("notes", ())))
    return report["run"], measured
