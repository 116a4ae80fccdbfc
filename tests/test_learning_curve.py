"""The learning curve is what the runs' reports say, one run after the other."""

import json
from pathlib import Path
from typing import Any

import pytest

from headgan.benchmarks.cli import main
from headgan.benchmarks.learning_curve import read_points


def scores(psnr: float) -> dict[str, Any]:
    one = {"psnr_db": psnr, "perceptual": 0.1, "mouth_l1": 10.0}
    return {"model": one, "prior": {**one, "psnr_db": 20.0}, "repeat": {**one, "psnr_db": 18.0}}


def write_run(folder: Path, *lines: dict[str, Any]) -> Path:
    folder.mkdir()
    (folder / "progress.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_a_second_run_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    first = write_run(
        tmp_path / "first",
        {"step": 10, "hours": 0.5, "scores": scores(20.5)},
        {"step": 20, "hours": 1.0, "losses": {"l1": 3.0}},
    )
    second = write_run(tmp_path / "second", {"step": 5, "hours": 0.25, "scores": scores(21.0)})
    points = read_points((first, second))
    assert [(point.run, point.hours, point.step) for point in points] == [
        ("first", 0.5, 10),
        ("second", 1.25, 5),
    ]
    assert points[1].scores["model"]["psnr_db"] == 21.0 and points[1].scores["prior"]["psnr_db"] == 20.0


def test_the_curve_is_written_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    cv2 = pytest.importorskip("cv2")
    run = write_run(tmp_path / "run", {"step": 10, "hours": 0.5, "scores": scores(20.5)})
    assert main(["learning-curve", str(run), "-o", str(tmp_path / "report")]) == 0
    report = json.loads((tmp_path / "report" / "learning_curve.json").read_text())
    assert report["points"][0]["scores"]["model"]["psnr_db"] == 20.5
    picture = cv2.imread(str(tmp_path / "report" / "learning_curve.png"))
    assert picture.shape[1] > 1000 and picture.std() > 10
    assert "psnr_db 20.500" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (None, 2, "cannot be read"),
        ("", 2, "no validation"),
        ('{"step": 1}\n', 1, "line 1"),
        ("half a li", 1, "line 1"),
    ],
)
def test_what_is_no_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, code: int, words: str
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    if text is not None:
        (run / "progress.jsonl").write_text(text)
    pytest.importorskip("matplotlib")
    assert main(["learning-curve", str(run), "-o", str(tmp_path / "report")]) == code
    assert words in capsys.readouterr().err
