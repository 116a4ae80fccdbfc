"""`headgan-bench said` and `headgan said-code`: what is counted is decoded, and worse is told to be worse."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("matplotlib", reason="the bench extra brings matplotlib")

from headgan.benchmarks import said_command, said_measure
from headgan.benchmarks.cli import main
from headgan.benchmarks.said_measure import ToldClip, measure_said
from headgan.codec.said_code import SaidCode, shipped_said_code
from headgan.models import said_command as code_command
from headgan.models.cli import main as headgan
from headgan.models.clip_sound import NO_SOUND, ClipSound
from headgan.proto.errors import HeadganError

RATE = 16_000
CODE = shipped_said_code()


class Loudness:
    """Hears how loud each 20 ms are."""

    def shares(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        rows = np.abs(sound[: len(sound) // 320 * 320]).reshape(-1, 320).mean(axis=1)
        shares = np.zeros((len(rows), 27), np.float32)
        shares[:, 3], shares[:, 26] = rows, 1 - rows
        return shares


def talk(seconds: float, seed: int = 0) -> ClipSound:
    """Noise that swells and fades, and silence in the middle."""
    random = np.random.default_rng(seed)
    times = np.arange(round(RATE * seconds)) / RATE
    sound = random.normal(size=len(times)) * (1 + np.sin(9 * times)) * (abs(times - seconds / 2) > 0.6)
    return ClipSound((3000 * sound).clip(-32767, 32767).astype(np.int16), 0.0)


def test_a_clip_is_measured() -> None:
    clip = ToldClip.of(talk(4), Loudness())
    result = measure_said(clip, CODE)
    assert result["frames"] == 100 and 10 < result["pauses"] < 30
    assert 0 < result["pause"]["record_bytes"] < 60 < result["speech"]["record_bytes"]
    steps = list(result["steps"].values())
    for finer, coarser in pairwise(steps):
        assert finer["record_bytes"] > coarser["record_bytes"] and finer["low"] < coarser["low"]
    calls = result["calls"]
    assert calls["late enough, 0, moved on"] == calls["late enough, 0, held"]
    for half in ("low", "heard"):
        assert calls["late enough, 0, moved on"][half] < calls["at once, 0, moved on"][half]
        assert calls["at once, 0, moved on"][half] < calls["at once, 0, no sound"][half]
        assert calls["late enough, 0, moved on"][half] <= calls["late enough, 0.15, moved on"][half]


def test_a_record_that_says_something_else_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = ToldClip.of(talk(1), Loudness())
    monkeypatch.setattr(said_measure, "decode_said", lambda code, _data: np.zeros(len(code.steps), np.int64))
    with pytest.raises(HeadganError, match="record 0 does not say what was coded"):
        measure_said(clip, CODE)


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Clips of a minute, of 2 s, and one without sound."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("long", "short", "silent"):
        (folder / f"{name}.mp4").write_bytes(b"not looked at")
    sounds = {"long": talk(62, 1), "short": talk(2), "silent": NO_SOUND}
    for module in (said_command, code_command):
        monkeypatch.setattr(module, "read_sound", lambda path: sounds[path.stem])
        monkeypatch.setattr(module, "PhonemeNet", Loudness)
    return folder


def test_the_report(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["said", str(clips / "short.mp4"), str(clips / "silent.mp4"), "-o", str(tmp_path / "report")]
    assert main(words) == 0
    report = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert [name.split("-")[-1] for name in report["clips"]] == ["short"]
    assert (
        report["kbps"]["speech_packet"]
        > report["kbps"]["speech_record"]
        > 10 * report["kbps"]["pause_record"]
    )
    assert (tmp_path / "report" / "said.png").stat().st_size > 1000
    assert "1 clips, 50 times 40 ms" in (tmp_path / "report" / "table.md").read_text()

    def fail(*_: Any) -> Any:
        raise AssertionError("measured again")

    monkeypatch.setattr(said_command, "measure_said", fail)
    assert main(words) == 0


def test_without_sound_it_says_so(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["said", str(clips / "silent.mp4"), "-o", str(tmp_path / "report")]) == 1
    assert "none of the 1 clips has sound" in capsys.readouterr().err


def test_a_code_is_learned_from_clips(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "code.npz"
    assert headgan(["said-code", str(clips), "-o", str(file)]) == 0
    code = SaidCode.load(file)
    assert f"code {code.code_id.hex()}" in capsys.readouterr().out
    assert code.code_id != CODE.code_id and len(code.steps) == len(CODE.steps)
    assert headgan(["said-code", str(clips / "short.mp4"), "-o", str(file)]) == 1
    assert "clips have 1 s of speech; give a minute at least" in capsys.readouterr().err.splitlines()[-1]
    assert headgan(["said-code", str(clips / "silent.mp4"), "-o", str(file)]) == 1
    assert headgan(["said-code", str(clips), "-o", str(tmp_path / "code.bin")]) == 2
    assert "code.bin: the name ends in .npz" in capsys.readouterr().err
