"""`headgan-bench report`: what fps, latency, two-way and memory measured in, one table of it in a README out."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgan.benchmarks.markdown import markdown_table
from headgan.benchmarks.performance import HEADS, Performance, read_performance, row_of
from headgan.benchmarks.report_files import write_text
from headgan.proto.errors import DeviceError, UsageError
from headgan.proto.options import argument, option

BEGIN = "<!-- performance: written by headgan-bench report -->"
END = "<!-- /performance -->"
# In this order whatever the folders are called.
_ORDER = ("fps", "latency", "two-way", "memory")
# What makes two reports those of one machine and one program.
_OF_MACHINE = ("cpu", "cores", "system", "python", "onnxruntime", "commit")


@dataclass(frozen=True)
class ReportOptions:
    """Options of `headgan-bench report`."""

    folders: tuple[Path, ...] = argument(
        "folders that headgan-bench fps, latency, two-way and memory wrote", many=True, metavar="DIR"
    )
    readme: Path | None = option(
        None, f"replace what stands between {BEGIN} and {END} in this file", metavar="FILE"
    )


def bench_report(options: ReportOptions) -> int:
    """Prints the table, and puts it into the README if one is given."""
    text = performance_text(read_folders(options.folders))
    if options.readme is not None:
        try:
            readme = options.readme.read_text()
        except OSError as exc:
            raise DeviceError(f"--readme {options.readme}: cannot be read ({exc.strerror})") from exc
        write_text(options.readme, with_text(readme, text, str(options.readme)))
    sys.stdout.write(text)
    return 0


def read_folders(folders: Sequence[Path]) -> list[tuple[dict[str, Any], Performance]]:
    """All reports in these folders.

    Raises:
        UsageError: a folder has none.
    """
    found = []
    for folder in folders:
        reports = [read_performance(path) for path in sorted(folder.glob("*.json"))]
        here = [report for report in reports if report is not None]
        if not here:
            raise UsageError(f"{folder}: no report in this folder; run: headgan-bench fps CLIP -o {folder}")
        found += here
    return found


def performance_text(reports: Sequence[tuple[dict[str, Any], Performance]]) -> str:
    """Markdown: for each machine its name and a table."""
    of_machines: dict[str, list[Performance]] = {}
    for run, measured in reports:
        of_machines.setdefault(machine_line(run), []).append(measured)
    parts = []
    for machine, on_it in of_machines.items():
        ordered = sorted(on_it, key=_place)
        rows = [
            row_of(figure, one.command) for one in ordered for figure in one.figures if not figure.is_detail
        ]
        notes = list(dict.fromkeys(note for one in ordered for note in one.notes))
        parts.append("\n".join([machine, "", *markdown_table(HEADS, rows), *(f"\n{note}" for note in notes)]))
    return "\n\n".join(parts) + "\n"


def machine_line(run: dict[str, Any]) -> str:
    """A machine and the program on it, in a sentence."""
    known = {name: run.get(name) for name in _OF_MACHINE}
    return (
        f"{known['cpu']}, {known['cores']} cores, {known['system']}; Python {known['python']}, "
        f"onnxruntime {known['onnxruntime']}, commit {known['commit']}."
    )


def with_text(readme: str, text: str, name: str) -> str:
    """`readme` with `text` between the two marks.

    Raises:
        UsageError: the marks are not there, once each and in their order.
    """
    begin, end = readme.find(BEGIN), readme.find(END)
    if readme.count(BEGIN) != 1 or readme.count(END) != 1 or end < begin:
        raise UsageError(f"--readme {name}: write {BEGIN} and below it {END} where the table is to stand")
    return f"{readme[: begin + len(BEGIN)]}\n\n{text}\n{readme[end:]}"


def _place(measured: Performance) -> int:
    word = measured.command.split()[-1]
    return _ORDER.index(word) if word in _ORDER else len(_ORDER)
