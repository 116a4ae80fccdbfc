"""`headgan-bench cut`: what it says of a voice that waits, and that it asks for one."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.benchmarks import cut_command
from headgan.benchmarks.cut_command import CutOptions, bench_cut, summarise
from headgan.benchmarks.cut_measure import CutCourse
from headgan.proto.errors import HeadganError, UsageError


def test_a_report_says_what_cutting_in_time_brings(
    tmp_path: Path,
    voice: NDArray[np.float32],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(cut_command, "read_sound", lambda *_: iter([voice]))
    monkeypatch.setattr(cut_command, "PHASES", 2)
    monkeypatch.setattr(cut_command, "_SETTLED_S", 4.0)
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"a clip")
    assert bench_cut(CutOptions(clip, tmp_path / "out", seconds=9.0)) == 0
    ways = json.loads((tmp_path / "out" / "metrics.json").read_text())["ways"]
    waits = {name: max(row["wait_ms"] for row in rows) for name, rows in ways.items()}
    assert waits["40 ms, in time"] < 18 and waits["40 ms, in time"] <= waits["40 ms, as it comes"]
    assert (tmp_path / "out" / "cut.png").stat().st_size > 1000
    assert "40 ms, in time" in capsys.readouterr().out
    monkeypatch.setattr(cut_command, "read_sound", lambda *_: iter([]))
    with pytest.raises(UsageError, match="has no sound"):
        bench_cut(CutOptions(clip, tmp_path / "out"))
    with pytest.raises(UsageError, match="--seconds"):
        bench_cut(CutOptions(clip, tmp_path / "out", seconds=1.0))


def test_packets_without_sound_are_no_measurement() -> None:
    with pytest.raises(HeadganError, match="hardly any packet"):
        summarise(CutCourse(), 40)
