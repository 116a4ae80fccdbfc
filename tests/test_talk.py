"""When lips and sound are: the report of headgan-bench talk."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.benchmarks import lip_time
from headgan.benchmarks.cli import main
from headgan.benchmarks.lip_time import lips_later, mouth_course, sound_later
from headgan.benchmarks.run_call import CallFiles
from headgan.benchmarks.talk_command import measure_call, summarise, talk_table
from headgan.codec.libopus import RATE
from headgan.codec.timed_writer import TimedWriter
from headgan.models.morphable import MorphableModel
from headgan.models.tracker import TrackedFace
from headgan.proto.errors import HeadganError

MODEL = MorphableModel.load()


def syllables(count: int, rate_hz: float, seed: int = 0) -> NDArray[np.float64]:
    """A course that nowhere looks like elsewhere."""
    time_s = np.arange(count) / rate_hz
    phases = np.random.default_rng(seed).uniform(0, 6, 5)
    waves = [
        np.sin(2 * np.pi * f * time_s + p) for f, p in zip((1.1, 1.7, 2.3, 3.1, 4.3), phases, strict=True)
    ]
    return np.asarray(np.sum(waves, axis=0))


@pytest.mark.parametrize("later_ms", [0.0, 30.0, -55.0, 412.0])
def test_how_much_later_a_course_is(later_ms: float) -> None:
    fine = syllables(12_000, 1000)
    at = 1000 + np.arange(0, 10_000, 40)
    lips = lips_later(fine[at], fine[at - round(later_ms)])
    assert lips.ms == pytest.approx(later_ms, abs=4) and lips.is_sure
    other = lips_later(syllables(250, 25), np.random.default_rng(1).normal(size=250))
    assert not other.is_sure


def test_how_much_later_sound_is(voice: NDArray[np.float32]) -> None:
    later = np.concatenate([np.zeros(1234), 0.5 * voice[:-1234].astype(float)])
    sound = sound_later(voice.astype(float), later)
    assert sound.ms == pytest.approx(1234 / 48, abs=0.05) and sound.alike > 0.95


class Lips:
    """A tracker that sees a mouth as open as the picture is bright; no face in a black one."""

    def track(self, frame_rgb: NDArray[np.uint8]) -> TrackedFace | None:
        if frame_rgb.mean() < 10:
            return None
        points = MODEL.mean.copy() * 100
        points[14, 1] += float(frame_rgb.mean()) / 10
        return TrackedFace(points.astype(np.float32), 1.0)


def film(path: Path, brightness: NDArray[np.float64], sound: NDArray[np.float32] | None = None) -> Path:
    with TimedWriter(path, size=64, rate_fps=25, start_ms=0, has_sound=sound is not None) as writer:
        for place, level in enumerate(brightness):
            writer.write(np.full((64, 64, 3), level, np.uint8), place * 40.0)
            if sound is not None:
                writer.write_sound(sound[place * 1920 : (place + 1) * 1920], place * 40.0)
    return path


@pytest.fixture
def lips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lip_time, "MediaPipeTracker", Lips)


@pytest.mark.usefixtures("lips")
def test_a_mouth_is_followed_and_where_no_face_is_seen_it_goes_on(tmp_path: Path) -> None:
    levels = 120 + 20 * syllables(50, 25)
    levels[20:23] = 0
    course = mouth_course(film(tmp_path / "a.mp4", levels))
    assert len(course) == 50 and np.isfinite(course).all()
    assert course[20] < max(course[19], course[23]) + 1e-6
    assert np.corrcoef(np.delete(course, [20, 21, 22]), np.delete(levels, [20, 21, 22]))[0, 1] > 0.98
    with pytest.raises(HeadganError, match="no face is seen"):
        mouth_course(film(tmp_path / "b.mp4", np.zeros(5)))


def played(**more: int) -> dict[str, Any]:
    counts = {"decoded": 90, "recovered": 6, "concealed": 4, **more}
    return {**counts, "ahead_of_picture_ms": {"p50": -1.0, "p95": 4.0}}


@pytest.mark.usefixtures("lips")
def test_a_recording_is_measured_against_what_was_sent(tmp_path: Path, voice: NDArray[np.float32]) -> None:
    levels = 120 + 20 * syllables(150, 25)
    clip = film(tmp_path / "clip.mp4", levels, voice)
    # One frame late in both, and the sound 10 ms more.
    late = np.concatenate([np.zeros(50 * 48, np.float32), voice])[: 150 * 1920]
    recording = film(tmp_path / "out.mp4", np.concatenate([levels[:1], levels[:-1]]), late)
    sender = {"voice": {"kbps": 10.0, "copies": 3}, "params": {"loss": 0.05}, "kbps": {"wire_sent": 40.0}}
    receiver = {
        "voice": played(),
        "latency_ms": {"p50": 90.0, "p95": 120.0},
        "playout_delay_ms": 60.0,
    }

    class Reader:
        def read(self, sound: NDArray[np.float32]) -> list[int]:
            return [1, 2, 3, 4] if abs(len(sound) - 6 * RATE) < RATE else []

    call = measure_call(CallFiles(clip, recording, sender, receiver, None), clip, Reader())  # type: ignore[arg-type]
    assert call["lips_later_ms"] == pytest.approx(40, abs=4)
    assert call["sound_later_ms"] == pytest.approx(50, abs=1)
    assert call["apart_ms"] == pytest.approx(10, abs=4)
    lossy = {**call, "phonemes": [1, 3, 4], "apart_ms": -25.0}
    summary = summarise({"clip": lossy}, {"clip": call})
    assert summary["phoneme_error"] == 0.25 == summary["phoneme_error_said"]
    assert (summary["recovered"], summary["concealed"]) == (0.06, 0.04)
    assert summary["apart_ms_most"] == 25 and summary["unsure"] == 0
    assert "| 40 ms | 25.0 (25.0) ms | -1.0 ms | 6.0% | 4.0% | 25.0% |" in talk_table({"40 ms": summary})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--losses", "0,half"], "--losses 0,half: give shares"),
        (["--losses", "0.7"], "from 0 to 0.5"),
        (["--jitter", "-1"], "--jitter -1"),
    ],
)
def test_bad_options_are_told(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["talk", "clip.mp4", "-o", "report", *words]) == 2
    assert message in capsys.readouterr().err


def test_clips_in_which_nobody_speaks_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film(tmp_path / "still.mp4", np.full(30, 100.0))
    assert main(["talk", str(tmp_path / "still.mp4"), "-o", str(tmp_path / "report")]) == 2
    assert "nobody speaks" in capsys.readouterr().err
