"""`headgan-bench report`: what fps, latency, two-way and memory measured in; a table of it, and its headlines, out."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgan.benchmarks.markdown import markdown_table
from headgan.benchmarks.performance import HEADS, Figure, Performance, read_performance, row_of
from headgan.benchmarks.report_files import write_text
from headgan.proto.errors import DeviceError, UsageError
from headgan.proto.options import argument, option

BEGIN = "<!-- performance: written by headgan-bench report -->"
END = "<!-- /performance -->"
# In this order whatever the folders are called.
_ORDER = ("fps", "latency", "two-way", "memory")
# The figures that a README tells, in the order in which it tells them; the whole table is too long for one.
HEADLINES = (
    "sender.one_core.ms",
    "sender.cores",
    "receiver.cpu.fps",
    "receiver.cpu.fused.fps",
    "receiver.cpu.gain.cpu",
    "receiver.cuda.fps",
    "receiver.tensorrt.fps",
    "receiver.cpu.paper.fps",
    "latency_ms.p50",
    "latency_ms.p95",
    "latency_ms.voice.p50",
    "two_way.fps",
    "two_way.fps_min",
    "two_way.idle_percent",
    "two_way.a_sends.rss_mb",
    "two_way.a_receives.rss_mb",
    "receiver.cpu.start_s",
)
# What makes two reports those of one machine and one program.
_OF_MACHINE = ("cpu", "cores", "system", "python", "onnxruntime", "commit")
# Of each report the machine, and what was measured on it.
Reports = Sequence[tuple[dict[str, Any], Performance]]


@dataclass(frozen=True)
class ReportOptions:
    """Options of `headgan-bench report`."""

    folders: tuple[Path, ...] = argument(
        "folders that headgan-bench fps, latency, two-way and memory wrote", many=True, metavar="DIR"
    )
    readme: Path | None = option(
        None, f"put the headlines between {BEGIN} and {END} in this file", metavar="FILE"
    )
    page: Path | None = option(
        None, "put the whole table between the same marks in this file", metavar="FILE"
    )


def bench_report(options: ReportOptions) -> int:
    """Prints the table, and puts it and its headlines where they are asked for."""
    reports = read_folders(options.folders)
    text = performance_text(reports)
    if options.readme is not None:
        _put(options.readme, headline_text(reports), "--readme")
    if options.page is not None:
        _put(options.page, text, "--page")
    sys.stdout.write(text)
    return 0


def read_folders(folders: Sequence[Path]) -> Reports:
    """All reports in these folders.

    Raises:
        UsageError: a folder has none.
    """
    found: list[tuple[dict[str, Any], Performance]] = []
    for folder in folders:
        reports = [read_performance(path) for path in sorted(folder.glob("*.json"))]
        here = [report for report in reports if report is not None]
        if not here:
            raise UsageError(f"{folder}: no report in this folder; run: headgan-bench fps CLIP -o {folder}")
        found += here
    return found


def performance_text(reports: Reports) -> str:
    """Markdown: for each machine its name, a table, and what has to be known of it."""
    parts = []
    for machine, on_it in _by_machine(reports).items():
        rows = [row_of(figure, command) for command, figure in _figures(on_it) if not figure.is_detail]
        notes = list(dict.fromkeys(note for one in on_it for note in one.notes))
        parts.append("\n".join([machine, "", *markdown_table(HEADS, rows), *(f"\n{note}" for note in notes)]))
    return "\n\n".join(parts) + "\n"


def headline_text(reports: Reports) -> str:
    """Markdown: for each machine its name and a table of the `HEADLINES`, as far as they were measured on it.

    Raises:
        UsageError: none was.
    """
    parts = []
    for machine, on_it in _by_machine(reports).items():
        found = {figure.key: row_of(figure, command) for command, figure in _figures(on_it)}
        rows = [found[key] for key in HEADLINES if key in found]
        if rows:
            parts.append("\n".join([machine, "", *markdown_table(HEADS, rows)]))
    if not parts:
        raise UsageError("these reports have no figure for a README; run: headgan-bench fps CLIP -o DIR")
    return "\n\n".join(parts) + "\n"


def machine_line(run: dict[str, Any]) -> str:
    """A machine and the program on it, in a sentence."""
    known = {name: run.get(name) for name in _OF_MACHINE}
    return (
        f"{known['cpu']}, {known['cores']} cores, {known['system']}; Python {known['python']}, "
        f"onnxruntime {known['onnxruntime']}, commit {known['commit']}."
    )


def with_text(page: str, text: str, name: str) -> str:
    """`page` with `text` between the two marks; `name` is what an error calls it.

    Raises:
        UsageError: the marks are not there, once each and in their order.
    """
    begin, end = page.find(BEGIN), page.find(END)
    if page.count(BEGIN) != 1 or page.count(END) != 1 or end < begin:
        raise UsageError(f"{name}: write {BEGIN} and below it {END} where the table is to stand")
    return f"{page[: begin + len(BEGIN)]}\n\n{text}\n{page[end:]}"


def _put(path: Path, text: str, option_name: str) -> None:
    name = f"{option_name} {path}"
    try:
        page = path.read_text()
    except OSError as exc:
        raise DeviceError(f"{name}: cannot be read ({exc.strerror})") from exc
    write_text(path, with_text(page, text, name))


def _by_machine(reports: Reports) -> dict[str, list[Performance]]:
    """Of each machine what was measured on it, in the order of the commands."""
    of_machines: dict[str, list[Performance]] = {}
    for run, measured in reports:
        of_machines.setdefault(machine_line(run), []).append(measured)
    return {machine: sorted(on_it, key=_place) for machine, on_it in of_machines.items()}


def _figures(measured: Sequence[Performance]) -> list[tuple[str, Figure]]:
    """All figures, each with the command that measured it."""
    return [(one.command, figure) for one in measured for figure in one.figures]


def _place(measured: Performance) -> int:
    word = measured.command.split()[-1]
    return _ORDER.index(word) if word in _ORDER else len(_ORDER)
