"""`headgan-bench speech`: a network that looks nowhere loses nothing, and what was measured is not measured again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("matplotlib", reason="the bench extra brings matplotlib")

from headgan.benchmarks import speech_command
from headgan.benchmarks.cli import main
from headgan.benchmarks.speech_measure import Hearing, as_means, check_call
from headgan.models.clip_sound import NO_SOUND, ClipSound
from headgan.models.speech_classes import CLASSES, REST
from headgan.proto.errors import HeadganError


class NearNet:
    """Hears each 20 ms for itself: how often it crosses zero; with `late`, what was 20 ms later."""

    def __init__(self, late: int = 0) -> None:
        self._late = late

    def shares(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        rows = sound[: len(sound) // 320 * 320].reshape(-1, 320)
        crossings = (np.diff(np.sign(rows), axis=1) != 0).sum(axis=1)
        found = np.full((len(rows), CLASSES), 0.5 / (CLASSES - 1), np.float32)
        found[np.arange(len(rows)), crossings % REST] = 0.5
        return np.concatenate([found[self._late :], np.tile(found[-1:], (self._late, 1))])


def noise(seconds: float = 3.0) -> ClipSound:
    random = np.random.default_rng(0)
    return ClipSound(random.integers(-9000, 9000, round(16_000 * seconds)).astype(np.int16), 0.0)


def test_what_looks_nowhere_loses_nothing() -> None:
    hearing = Hearing(noise(), NearNet())
    for look_ahead_ms in (0, 80):
        means = as_means([hearing.compare(look_ahead_ms, 1.0)])
        assert means["newest"] == pytest.approx(0, abs=1e-6)
        assert means["eight"] == pytest.approx(0, abs=1e-6)
        assert (means["equal"], means["equal_sounds"]) == (1, 1)
        assert means["guess"] > 0.1
        assert means["moments"] == len(hearing.moments_ms) == 7


def test_what_looks_ahead_needs_to() -> None:
    hearing = Hearing(noise(), NearNet(late=2))
    blind, seeing = (as_means([hearing.compare(look_ahead_ms, 1.0)]) for look_ahead_ms in (0, 40))
    assert blind["newest"] > 0.1
    assert seeing["newest"] == pytest.approx(0, abs=1e-6)
    # The newest of the eight parts is told without its future in any case.
    assert 0 < seeing["eight"] < 0.5 * blind["newest"]


def test_a_call_that_is_told_otherwise_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_call(noise(), NearNet()) == 50
    monkeypatch.setattr(
        "headgan.benchmarks.speech_measure.clip_features", lambda *_, **__: np.zeros((50, 300), np.float32)
    )
    with pytest.raises(HeadganError, match="the two ways to compute them differ"):
        check_call(noise(), NearNet())


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Clips of 3 s and of 1 s, and one without sound."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("long", "short", "silent"):
        (folder / f"{name}.mp4").write_bytes(b"not looked at")
    sounds = {"long": noise(), "short": noise(1.0), "silent": NO_SOUND}
    monkeypatch.setattr(speech_command, "read_sound", lambda path: sounds[path.stem])
    return folder


def test_the_report(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["speech", str(clips), "-o", str(tmp_path / "report"), "--frames", "3"]
    assert main(words) == 0
    report = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert [name.split("-")[-1] for name in report["clips"]] == ["long"]
    assert len(report["hearing"]) == 15
    assert report["checked_frames"] == 50
    assert set(report["processor_ms"]) == {"frame", "network", "low_level"}
    assert (tmp_path / "report" / "look_ahead.png").stat().st_size > 1000
    table = (tmp_path / "report" / "table.md").read_text()
    assert "1 clips, 7 moments" in table

    def fail(*_: Any) -> Any:
        raise AssertionError("measured again")

    monkeypatch.setattr(speech_command, "_measure", fail)
    assert main(words) == 0
    (clips / "long.mp4").write_bytes(b"changed")
    with pytest.raises(AssertionError, match="measured again"):
        main(words)


def test_without_sound_it_says_so(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speech", str(clips / "short.mp4"), "-o", str(tmp_path / "report")]) == 1
    assert "none of the 1 clips has 2.4 s of sound" in capsys.readouterr().err
    assert main(["speech", str(clips), "-o", str(tmp_path / "report"), "--frames", "0"]) == 2
