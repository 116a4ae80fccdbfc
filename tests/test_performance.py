"""Reports of what a machine can do, the table that they make, and its headlines in a README."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headgan.benchmarks.cli import main
from headgan.benchmarks.performance import Figure, Performance, read_performance, write_performance
from headgan.benchmarks.report_command import BEGIN, END, headline_text, performance_text, with_text
from headgan.proto.errors import HeadganError, UsageError

FPS = Performance(
    "headgan-bench fps",
    (
        Figure("receiver.cpu.fps", 41.234, "receiver on cpu", "frames a second"),
        Figure("receiver.cpu.rss_mb", 300.0, "its memory", "MB", is_detail=True),
    ),
    {"frames": 20},
    ("cuda was not measured: there is none.",),
)
LATENCY = Performance(
    "headgan-bench latency", (Figure("latency_ms.p50", None, "camera to display", "ms"),), {}
)


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    write_performance(FPS, tmp_path / "fps.json", tmp_path / "flat.json")
    read = read_performance(tmp_path / "fps.json")
    assert read is not None and read[1] == FPS
    flat = json.loads((tmp_path / "flat.json").read_text())
    assert flat["receiver.cpu.fps"] == 41.234 and flat["run"] == read[0]
    assert (
        "| receiver on cpu | 41.2 frames a second | `headgan-bench fps` |"
        in (tmp_path / "fps.md").read_text()
    )
    # Numbers by their keys alone are no report.
    assert read_performance(tmp_path / "flat.json") is None


@pytest.mark.parametrize(
    ("value", "text"), [(0.123, "0.12 ms"), (12.34, "12.3 ms"), (345.6, "346 ms"), (None, "not known")]
)
def test_numbers_have_as_many_digits_as_count(value: float | None, text: str) -> None:
    assert replace(LATENCY.figures[0], value=value).text == text


def test_a_damaged_report_is_named(tmp_path: Path) -> None:
    (tmp_path / "fps.json").write_text("{")
    with pytest.raises(HeadganError, match=r"fps\.json is damaged"):
        read_performance(tmp_path / "fps.json")
    other = {"run": {}, "command": "x", "details": {}, "figures": [{"name": "fps"}]}
    (tmp_path / "fps.json").write_text(json.dumps(other))
    with pytest.raises(HeadganError, match="another version"):
        read_performance(tmp_path / "fps.json")


def run_on(cpu: str) -> dict[str, Any]:
    return {"cpu": cpu, "cores": 2, "system": "Linux", "python": "3", "onnxruntime": "1", "commit": "abc"}


def test_each_machine_has_a_table_and_details_are_left_out() -> None:
    text = performance_text([(run_on("A"), LATENCY), (run_on("A"), FPS), (run_on("B"), FPS)])
    first, second = text.split("B, 2 cores")
    assert first.startswith("A, 2 cores, Linux; Python 3, onnxruntime 1, commit abc.\n\n| ")
    # fps comes first, whatever the order of the folders.
    assert first.index("receiver on cpu") < first.index("camera to display")
    assert "its memory" not in text and second.count("41.2") == 1
    assert "cuda was not measured" in first


def test_a_readme_is_told_the_headlines_in_their_order() -> None:
    plain = Figure("receiver.cpu.plain.fps", 39.0, "as one graph", "frames a second")
    start = Performance("headgan-bench memory", (Figure("receiver.cpu.start_s", 1.2, "its start", "s"),), {})
    fps = replace(FPS, figures=(plain, *FPS.figures))
    rest = replace(FPS, figures=(plain,))
    text = headline_text(
        [(run_on("A"), start), (run_on("A"), LATENCY), (run_on("B"), rest), (run_on("A"), fps)]
    )
    assert text.startswith("A, 2 cores, Linux; Python 3, onnxruntime 1, commit abc.\n\n| ")
    places = [text.index(label) for label in ("receiver on cpu", "camera to display", "its start")]
    assert places == sorted(places)
    # What is no headline, what has to be known of it, and machines that have none are for the whole table.
    for other in ("as one graph", "its memory", "was not measured", "B, 2 cores"):
        assert other not in text
    with pytest.raises(UsageError, match="no figure for a README"):
        headline_text([(run_on("B"), rest)])


def test_the_tables_stand_between_their_marks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = Figure("receiver.cpu.plain.fps", 39.0, "as one graph", "frames a second")
    write_performance(replace(FPS, figures=(*FPS.figures, other)), tmp_path / "fps.json")
    readme, page = tmp_path / "README.md", tmp_path / "performance.md"
    for path in (readme, page):
        path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    words = ["report", str(tmp_path), "--readme", str(readme), "--page", str(page)]
    assert main(words) == 0
    once = readme.read_text(), page.read_text()
    for text in once:
        assert text.startswith(f"before\n{BEGIN}\n\n") and text.endswith(f"\n{END}\nafter\n")
        assert "old" not in text and "41.2 frames a second" in text
    assert "as one graph" not in once[0] and "was not measured" not in once[0]
    assert "as one graph" in once[1] and "was not measured" in once[1]
    assert capsys.readouterr().out in once[1]
    assert main(words) == 0
    assert (readme.read_text(), page.read_text()) == once


@pytest.mark.parametrize("text", ["no marks", f"{END} {BEGIN}", f"{BEGIN} {BEGIN} {END}", BEGIN])
def test_a_readme_without_its_marks_is_left_alone(text: str) -> None:
    with pytest.raises(UsageError, match=r"--page README: write <!-- performance"):
        with_text(text, "table", "--page README")


def test_a_page_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_performance(FPS, tmp_path / "fps.json")
    assert main(["report", str(tmp_path), "--page", str(tmp_path / "none.md")]) == 1
    assert "none.md: cannot be read" in capsys.readouterr().err


def test_a_folder_without_reports_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "no report in this folder" in capsys.readouterr().err


def test_without_a_command_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert "give a command: fps, latency, bandwidth, two-way, memory, report" in error
