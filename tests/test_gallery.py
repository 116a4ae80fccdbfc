"""The gallery of two people who are one photograph, seen from two sides."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from headgan.benchmarks import gallery
from headgan.benchmarks.cli import main
from headgan.benchmarks.gallery import DRIVEN, EDITS, FRONTAL, MOMENTS, Verdict, summary
from headgan.codec.video import VideoWriter
from headgan.models.generator import PRIOR_GENERATOR
from headgan.models.picture_file import read_picture
from headgan.models.weights import weights_path

FACE = read_picture(Path(__file__).parent.parent / "docs" / "face.jpg", "face")


def write_clip(path: Path, *, shift: int = 0) -> Path:
    """The photograph, half a pixel lower each frame."""
    path.parent.mkdir(parents=True)
    with VideoWriter(path, width=256, height=256, rate_fps=25) as writer:
        small = cv2.resize(FACE, (256, 256), interpolation=cv2.INTER_AREA)
        for frame in range(MOMENTS + 2):
            moved = np.array([[1, 0, shift], [0, 1, frame / 2]], np.float64)
            writer.write(
                cv2.warpAffine(small, moved, (256, 256), borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)
            )
    return path


def test_both_sheets_and_what_they_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gallery, "_APART", 1)
    write_clip(tmp_path / "clips" / "anna" / "a.mp4")
    write_clip(tmp_path / "clips" / "berta" / "b.mp4", shift=12)
    output, prior = tmp_path / "report", weights_path(PRIOR_GENERATOR)
    words = [tmp_path / "clips", "-o", output, "--generator", prior, "--provider", "cpu"]
    assert main(["gallery", *map(str, words)]) == 0
    report = json.loads((output / "gallery.json").read_text())
    assert list(report["people"]) == ["anna-a", "berta-b"]
    for verdicts in report["people"].values():
        assert [verdict["what"] for verdict in verdicts] == [DRIVEN] * MOMENTS + [*EDITS, FRONTAL]
        by_name = {verdict["what"]: verdict for verdict in verdicts}
        assert by_name["as it is"]["change_levels"] < 1 < by_name["yaw 20"]["change_levels"]
        assert all(verdict["pose_error_degrees"] < 5 for verdict in verdicts)
        assert by_name["jaw open 0.4"]["gains"]["jawOpen"] > 0.03
    for name, columns in (("reenactment.png", 1 + 2 * MOMENTS), ("edits.png", 2 + len(EDITS))):
        sheet = cv2.imread(str(output / name))
        assert sheet is not None and sheet.shape[1] == columns * 176 and sheet.std() > 30
    assert "frontalised" in capsys.readouterr().out


def test_a_face_that_is_not_found_is_told() -> None:
    lost, seen = Verdict("yaw 20", None, 9.0, {}), Verdict("yaw 20", 2.0, 11.0, {"jawOpen": 0.25})
    assert "no face in 1 of 2" in summary([lost, seen]) and "10.0 levels" in summary([lost, seen])
    assert "+0.25" in summary([lost, seen])
    assert "no face found" in summary([lost])


def test_one_person_is_not_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(tmp_path / "anna" / "a.mp4")
    assert main(["gallery", str(tmp_path / "anna"), "-o", str(tmp_path / "report")]) == 2
    assert "two people" in capsys.readouterr().err
