"""`headgan-bench voice` on a drawn voice: its rulers, its line, its report."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.benchmarks import voice_command, voice_measure
from headgan.benchmarks.cli import main
from headgan.benchmarks.param_line import LineSettings
from headgan.benchmarks.voice_line import CONCEALED, COPIES, IN_BAND, SILENT, lose, receive, send
from headgan.benchmarks.voice_measure import VoiceMeasurer
from headgan.benchmarks.voice_scores import (
    PhonemeReader,
    edit_distance,
    is_speech,
    spectral_distances,
    to_16_khz,
)
from headgan.codec.libopus import RATE
from headgan.proto.errors import HeadganError

av: Any = pytest.importorskip("av")
Sound = NDArray[np.float32]
TRACK = {"wire_kbps": 58.0, "back_kbps": 1.0, "opus_kbps": 32.0, "header_kbps": 26.0}


class LoudnessReader:
    """Stands for an acoustic model: a "phoneme" for each 100 ms, by how loud it is."""

    def transcribe_waveform(self, sound: Sound, rate: int) -> Any:
        parts = sound[: len(sound) // (rate // 10) * (rate // 10)].reshape(-1, rate // 10)
        levels = np.digitize(np.sqrt((parts**2).mean(1)), [0.003, 0.01, 0.03])

        class Result:
            token_ids = levels.tolist()

        return Result()


@pytest.fixture
def reader() -> PhonemeReader:
    return PhonemeReader(LoudnessReader())


def write_clip(path: Path, sound: Sound) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for at in range(0, len(sound), 1024):
            part = np.asarray(sound[at : at + 1024] * 32767, np.int16)
            frame = av.AudioFrame.from_ndarray(part[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@given(one=st.lists(st.integers(0, 3), max_size=8), other=st.lists(st.integers(0, 3), max_size=8))
def test_edit_distance_is_a_distance(one: list[int], other: list[int]) -> None:
    distance = edit_distance(one, other)
    assert distance == edit_distance(other, one)
    assert (distance == 0) == (one == other)
    assert abs(len(one) - len(other)) <= distance <= max(len(one), len(other))
    assert edit_distance([*one, 9], [*other, 9]) == distance


def test_edit_distance_counts() -> None:
    assert edit_distance([1, 2, 3, 4], [1, 3, 5, 4]) == 2
    assert edit_distance([], [1, 2]) == 2


def test_resampling_keeps_what_is_below_8_khz() -> None:
    time_s = np.arange(RATE) / RATE
    low, high = (np.sin(2 * np.pi * hz * time_s).astype(np.float32) for hz in (1000, 11_000))
    got = to_16_khz(low + high)
    np.testing.assert_allclose(got, np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000), atol=1e-3)


def test_spectral_distance_is_in_decibels(voice: Sound) -> None:
    talking = voice[:RATE]
    assert spectral_distances(talking, talking).max() == 0
    distances = spectral_distances(talking * np.float32(0.5), talking)
    # Only what is above the floor differs.
    assert 4 < np.median(distances) <= 20 * np.log10(2) + 1e-3
    assert len(spectral_distances(voice[: 3 * RATE], voice[: 3 * RATE])) < 120
    assert not len(spectral_distances(np.zeros(RATE, np.float32), np.zeros(RATE, np.float32)))


def test_speech_is_told_by_its_level(voice: Sound) -> None:
    assert is_speech(voice)
    assert not is_speech(voice * np.float32(0.01))
    assert not is_speech(np.zeros(RATE, np.float32))
    assert not is_speech(np.zeros(0, np.float32))
    assert not is_speech(np.full(RATE, 0.5, np.float32))


@pytest.mark.parametrize("frames_per_packet", [1, 3])
def test_without_loss_nothing_is_concealed(voice: Sound, frames_per_packet: int) -> None:
    for way in (COPIES, IN_BAND, CONCEALED, SILENT):
        sent = send(voice, 24, way, 0.1, frames_per_packet)
        assert sent is not None
        assert len(sent.packets) == -(-150 // frames_per_packet)
        heard = receive(sent, [False] * len(sent.packets), conceals=way != SILENT)
        assert heard.counts.concealed == heard.counts.recovered == 0
        assert len(heard.sound) == 150 * 1920
        assert (sent.fec_share > 0.3) == (way == IN_BAND)
        has_copies = any(frame.is_copy for packet in sent.packets for frame in packet)
        assert has_copies == (way == COPIES)


@pytest.mark.parametrize("frames_per_packet", [1, 3])
def test_copies_are_in_another_packet_and_help(voice: Sound, frames_per_packet: int) -> None:
    talking = np.tile(voice[: 2 * RATE], 2)
    sent = send(talking, 24, COPIES, 0.3, frames_per_packet)
    assert sent is not None
    for number, packet in enumerate(sent.packets):
        for frame in packet:
            assert frame.number // frames_per_packet == number - frame.is_copy
    lost = [number % 3 == 1 for number in range(len(sent.packets))]
    counts = receive(sent, lost).counts
    assert counts.recovered > 0.8 * (100 - counts.decoded - counts.silent)
    plain = send(talking, 24, CONCEALED, 0.3, frames_per_packet)
    assert plain is not None
    assert receive(plain, lost).counts.recovered == 0


def test_silence_instead_is_silent(voice: Sound) -> None:
    sent = send(voice[: 2 * RATE], 12, SILENT, 0.1, 1)
    assert sent is not None
    lost = [number == 3 for number in range(50)]
    assert not receive(sent, lost, conceals=False).sound[3 * 1920 : 4 * 1920].any()
    assert receive(sent, lost).sound[3 * 1920 : 4 * 1920].any()


def test_opus_has_no_fec_at_the_rate_of_a_call(voice: Sound) -> None:
    assert send(voice, 12, IN_BAND, 0.3, 1) is None


def test_losses_are_as_asked_for() -> None:
    for burst in (0.0, 3.0):
        lost = lose(20_000, LineSettings(0.1, burst), "seed")
        assert np.mean(lost) == pytest.approx(0.1, abs=0.02)
        assert lost == lose(20_000, LineSettings(0.1, burst), "seed")


def test_clips_are_measured_once(
    voice: Sound, reader: PhonemeReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voice_measure, "LOSSES", (0.0, 0.3))
    clip = write_clip(tmp_path / "a.mkv", voice)
    clips = {"a": (clip, voice)}
    runs = VoiceMeasurer(tmp_path / "runs", reader, 2).measure(clips, (24.0,))
    assert len(runs) == 4 * 2 * 3
    by_way = {
        run["way"]: run
        for run in runs
        if (run["frames_per_packet"], run["loss"], run["burst"]) == (1, 0.3, 0)
    }
    assert by_way[CONCEALED]["phoneme_errors"] > 0
    assert by_way[COPIES]["recovered"] > 0.05 > by_way[CONCEALED]["recovered"]
    assert by_way[SILENT]["distance_db"] > by_way[CONCEALED]["distance_db"]
    for run in runs:
        assert run["decoded"] + run["recovered"] + run["concealed"] + run["silent"] == pytest.approx(1)
        if not run["loss"] and run["way"] in (CONCEALED, COPIES, SILENT):
            assert run["phoneme_errors"] == 0
    # From here on the folder is asked.
    monkeypatch.setattr(voice_measure, "send", None)
    assert VoiceMeasurer(tmp_path / "runs", reader, 2).measure(clips, (24.0,)) == runs


def test_broken_sound_is_noticed(voice: Sound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_clip(tmp_path / "a.mkv", voice)

    def deaf(sent: Any, lost: Any, *, conceals: bool = True) -> Any:
        heard = receive(sent, lost, conceals=conceals)
        heard.sound[:] = np.random.default_rng(0).normal(0, 0.1, len(heard.sound))
        return heard

    monkeypatch.setattr(voice_measure, "receive", deaf)
    with pytest.raises(HeadganError, match="a at 6 kbit/s: the decoded sound does not follow the clip"):
        VoiceMeasurer(tmp_path / "runs", None, 1).measure({"a": (clip, voice)})


@pytest.mark.parametrize("with_phonemes", [True, False])
def test_the_report(
    voice: Sound,
    reader: PhonemeReader,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    with_phonemes: bool,
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(voice_measure, "RATES_KBPS", (12.0, 24.0))
    monkeypatch.setattr(voice_measure, "LOSSES", (0.0, 0.1))
    monkeypatch.setattr(voice_command, "measure_track", lambda *_: TRACK)
    monkeypatch.setattr(PhonemeReader, "load", lambda: reader if with_phonemes else None)
    (tmp_path / "clips").mkdir()
    write_clip(tmp_path / "clips/talk.mkv", voice)
    write_clip(tmp_path / "clips/twice.mkv", voice)
    write_clip(tmp_path / "clips/silent.mkv", np.zeros(RATE, np.float32))
    folder = tmp_path / "report"
    arguments = ["voice", str(tmp_path / "clips"), "-o", str(folder), "--seeds", "1", "--seconds", "3"]
    assert main(arguments) == 0
    report = json.loads((folder / "metrics.json").read_text())
    assert report["clips"] == {"clips-talk": 3.0}
    assert report["webrtc"] == TRACK
    text = capsys.readouterr().out
    assert text == (folder / "table.md").read_text()
    assert "65 bytes a packet" in text
    assert "a track would cost 38.0" in text
    assert (" %" in text.split("kbit/s asked for")[1].splitlines()[2]) == with_phonemes
    for name in ("loss_1.png", "loss_3.png", "rates.png"):
        assert (folder / name).stat().st_size > 10_000
    assert all((run["phoneme_errors"] is not None) == with_phonemes for run in report["runs"])


def test_without_the_model_a_message_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "hama.asr", None)
    assert PhonemeReader.load() is None
    assert "pip install 'headgan[bench]'" in caplog.text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seconds", "0"], "--seconds 0: give 1 or more"),
        (["--seeds", "0"], "--seeds 0: give 1 or more"),
        ([], "nobody speaks in"),
    ],
)
def test_what_cannot_work_is_told(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    clip = write_clip(tmp_path / "quiet.mkv", np.zeros(RATE, np.float32))
    assert main(["voice", str(clip), "-o", str(tmp_path / "out"), *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_an_audio_track_is_measured(voice: Sound) -> None:
    from headgan.benchmarks.voice_webrtc import measure_track

    track = measure_track(voice[: 2 * RATE], 1.0)
    # IP, UDP, RTP and SRTP are 50 bytes or more, 50 times a second.
    assert 18 < track["header_kbps"] < 45
    assert track["wire_kbps"] == pytest.approx(track["opus_kbps"] + track["header_kbps"])
