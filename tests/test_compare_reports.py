"""Reports of the same frames stand side by side; others are refused."""

import json
from pathlib import Path
from typing import Any

import cv2
import pytest

from headgan.benchmarks.cli import main
from headgan.benchmarks.compare_reports import read_rows


def write_report(folder: Path, psnr: float, *, frames: int = 5, **config: Any) -> Path:
    folder.mkdir()
    report = {
        "mean": {
            "model": {"psnr": psnr, "frechet_x": 0.5},
            "prior": {"psnr": 20.0, "frechet_x": 0.6},
            "real": {"csim": 0.9},
        },
        "config": {"every": 50, "driving": "self", **config},
        "clips": {"anna": {"frames": frames}},
    }
    (folder / "metrics.json").write_text(json.dumps(report))
    return folder


def test_models_then_what_is_the_same_for_all(tmp_path: Path) -> None:
    rows = read_rows((write_report(tmp_path / "full", 22.0), write_report(tmp_path / "no_flow", 19.0)))
    assert list(rows) == ["full", "no_flow", "prior"]
    assert [row["psnr"] for row in rows.values()] == [22.0, 19.0, 20.0]


def test_the_table_is_written_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    folders = [str(write_report(tmp_path / name, 20 + place)) for place, name in enumerate(("one", "two"))]
    assert main(["compare", *folders, "-o", str(tmp_path / "report")]) == 0
    table = (tmp_path / "report" / "compare.md").read_text()
    assert "| two | 21.00 | 0.500 |" in table
    assert capsys.readouterr().out == table
    assert json.loads((tmp_path / "report" / "compare.json").read_text())["mean"]["one"]["psnr"] == 20
    picture = cv2.imread(str(tmp_path / "report" / "compare.png"))
    assert picture is not None and picture.std() > 10


@pytest.mark.parametrize(
    ("change", "words"),
    [({"frames": 4}, "other clips or frames"), ({"every": 10}, "--every 50 and 10")],
)
def test_reports_that_do_not_compare(change: dict[str, Any], words: str, tmp_path: Path, capsys: Any) -> None:
    folders = [write_report(tmp_path / "one", 20.0), write_report(tmp_path / "two", 21.0, **change)]
    assert main(["compare", *map(str, folders), "-o", str(tmp_path / "report")]) == 2
    assert words in capsys.readouterr().err


def test_what_is_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, other = write_report(tmp_path / "one", 20.0), tmp_path / "two"
    (tmp_path / "again").mkdir()
    twin = write_report(tmp_path / "again" / "one", 20.0)

    def code(*folders: Path) -> int:
        return main(["compare", *map(str, folders), "-o", str(tmp_path / "report")])

    assert code(good, other) == 2 and "cannot be read" in capsys.readouterr().err
    assert code(good, twin) == 2 and "two reports are called one" in capsys.readouterr().err
    write_report(other, 20.0)
    (other / "metrics.json").write_text("{}")
    assert code(good, other) == 1 and "no report" in capsys.readouterr().err
