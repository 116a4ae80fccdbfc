"""`headgan-send` as a user calls it: one line for each mistake, the right exit code, and what it writes."""

import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.video import VideoWriter
from headgan.models.morphable import MorphableModel
from headgan.models.tracker import TrackedFace
from headgan.proto.errors import DeviceError
from headgan.sender import cli
from headgan.sender.call import SenderCall
from headgan.sender.camera import CameraInfo
from headgan.sender.microphone import Microphone
from headgan.sender.open_sound import open_sound
from headgan.sender.sources import FileSource, Source, SourceFrame

MODEL = MorphableModel.load()


class BlankClip:
    """A short clip of nothing."""

    is_live = False

    def __init__(self) -> None:
        self.left = 20
        self.is_closed = False

    def read(self) -> SourceFrame | None:
        self.left -= 1
        return SourceFrame(np.zeros((240, 320, 3), np.uint8), 40.0) if self.left >= 0 else None

    def rewind(self) -> None:
        self.left = 20

    def close(self) -> None:
        self.is_closed = True

    def describe(self) -> str:
        return "blank.mp4"


class SeesMeanFace:
    """A tracker that sees the model's mean face everywhere."""

    def track(
        self,
        frame_rgb: NDArray[np.uint8],  # noqa: ARG002
        is_wanted: Callable[[TrackedFace], bool] | None = None,  # noqa: ARG002
    ) -> TrackedFace | None:
        points = MODEL.mean * 30 + np.array([160, 110, 0], np.float32)
        return TrackedFace(points.astype(np.float32), 0.9)

    def reset(self) -> None:
        pass


@pytest.fixture(autouse=True)
def nobody_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have called somebody."""
    monkeypatch.setattr("headgan.models.contacts.data_folder", lambda: tmp_path / "data")


@pytest.fixture
def clip(monkeypatch: pytest.MonkeyPatch) -> BlankClip:
    """What every --camera opens."""
    blank = BlankClip()
    monkeypatch.setattr(cli, "open_source", lambda _spec, **_: blank)
    return blank


def run(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and what was written to stderr."""
    try:
        code = cli.main(line.split())
    except SystemExit as end:
        assert isinstance(end.code, int)
        code = end.code
    printed = capsys.readouterr()
    assert printed.out == ""
    return code, printed.err


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--crop 1,2", "--crop 1,2: give auto, none, or x,y,size"),
        ("--crop=-1,0,100", "the corner cannot be negative"),
        ("--crop 0,0,10", "the size is at least 32"),
        ("--peer nowhere", "address 'nowhere' must look like"),
        ("--peer host:0", "address 'host:0' must look like"),
        ("--peer host:70000", "must look like"),
        ("--smoothing 2", "--smoothing 2: give 0 (none) to 1 (strong)"),
        ("--smoothing nan", "--smoothing nan"),
        ("--fps 0", "--fps 0: give 1 to 120"),
        ("--references 0", "--references 0: give 1 to 64"),
        ("--kbps 0", "--kbps 0: give 0.1 to 10000"),
        ("--fps nan", "--fps nan: give 1 to 120"),
        ("--fps fast", "argument --fps: invalid float value: 'fast'"),
        ("--stun example.org", "STUN server 'example.org' must look like"),
        ("--turn turn:secret", "the TURN server must look like"),
        ("--remember --references 1", "--remember: there is nothing to remember with --references 1"),
        ("--voice-kbps 5", "--voice-kbps 5: give 6 to 32"),
        ("--voice-kbps nan", "--voice-kbps nan: give 6 to 32"),
        (
            "--microphone file --camera 1",
            "--microphone file: --camera 1 is no file; name a microphone, or none",
        ),
        ("--audio loud", "argument --audio: invalid choice: 'loud'"),
        ("--audio features --microphone none", "nothing is heard; name a microphone, or --audio none"),
        ("--audio none --microphone 1", "--audio none --microphone 1: no microphone is opened"),
        ("--audio none --microphone file --camera x.mp4", "no microphone is opened; leave one of them out"),
        ("--audio features --voice-kbps 24", "--audio features --voice-kbps 24: no voice is sent"),
        ("--microphone=", "--microphone: give a number or a name of headgan-send --list, none or file"),
        ("--colour", "unrecognized arguments: --colour"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    line: str, complaint: str, capsys: pytest.CaptureFixture[str], clip: BlankClip
) -> None:
    code, text = run(line, capsys)
    assert code == 2
    assert text.startswith("headgan-send: ")
    assert text.count("\n") == 1
    assert complaint in text
    assert "secret" not in text
    assert clip.left == 20


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--camera missing.mp4", "missing.mp4 is neither the number of a camera nor a file that exists"),
        ("--camera {here}", "the video cannot be read"),
        ("--camera {here}/text.mp4", "the video cannot be read"),
        ("--camera {here}/text.mp4 --stats {here}/no/stats.json", "--stats {here}/no/stats.json: the folder"),
        ("--camera {here}/text.mp4 --save-crop {here}", "--save-crop {here}: this is a folder"),
    ],
)
def test_what_cannot_be_opened_is_one_line_and_exit_code_1(
    line: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.mp4").write_text("this is no video")
    code, text = run(line.format(here=tmp_path), capsys)
    assert code == 1
    assert text.startswith("headgan-send: ")
    assert text.count("\n") == 1
    assert complaint.format(here=tmp_path) in text


@pytest.mark.skipif(sys.platform != "linux", reason="cameras are numbered by video4linux")
def test_a_missing_camera_says_how_to_list_them(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run("--camera 99", capsys)
    assert code == 1
    assert text.count("\n") == 1
    assert "camera 99 did not open: no such device" in text
    assert "--list" in text


def test_a_clip_without_a_face(clip: BlankClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stats = tmp_path / "stats.json"
    # The real tracker: not a word of its libraries may reach the user.
    code = cli.main(["--camera", "blank.mp4", "--stats", str(stats)])
    assert code == 1
    assert capfd.readouterr() == (
        "",
        "headgan-send: no face found in blank.mp4; the face has to be seen from the front\n",
    )
    assert clip.is_closed
    written = json.loads(stats.read_text())
    assert written["frames"]["sent"] == 0
    assert written["ended"] == "no face found in blank.mp4; the face has to be seen from the front"
    assert written["version"] == version("headgan")
    assert "kbps" not in written


def test_nobody_listens(
    clip: BlankClip, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "MediaPipeTracker", SeesMeanFace)
    code, text = run("--peer 127.0.0.1:9", capsys)
    assert code == 1
    assert text == (
        "headgan-send: 127.0.0.1:9 cannot be reached (connection refused); is headgan-recv running there?\n"
    )
    assert clip.is_closed


def test_a_place_that_cannot_be_written_is_told_before_the_call(
    clip: BlankClip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").write_text("")
    code, text = run("--remember", capsys)
    assert code == 1 and text.count("\n") == 1
    assert f"nothing can be remembered in {tmp_path}/data" in text
    assert clip.left == 20


def test_the_list_of_cameras(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cli, "list_cameras", lambda: [CameraInfo(2, "/dev/video2", "A camera")])
    assert cli.main(["--list-cameras"]) == 0
    assert capsys.readouterr().out == "2  /dev/video2  A camera\n"
    monkeypatch.setattr(cli, "list_cameras", list)
    assert cli.main(["--list-cameras"]) == 0
    assert capsys.readouterr().err == "headgan-send: no camera found\n"


def test_the_list_of_cameras_and_microphones(
    sounds: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "list_cameras", lambda: [CameraInfo(2, "/dev/video2", "A camera")])
    assert cli.main(["--list"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "cameras\n2  /dev/video2  A camera\nmicrophones\n"
    assert printed.err == "headgan-send: no microphone found\n"
    sounds.plug("Speakers", outputs=2)
    sounds.plug("Headset", inputs=1)
    sounds.plug("Webcam", inputs=2)
    sounds.default.device = (2, 0)
    assert cli.main(["--list"]) == 0
    assert capsys.readouterr().out.partition("microphones\n")[2] == (
        "1  Headset (Fake API)\n2  Webcam (Fake API), the default\n"
    )
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert cli.main(["--list"]) == 1
    printed = capsys.readouterr()
    assert printed.out == "cameras\n2  /dev/video2  A camera\nmicrophones\n"
    assert printed.err == "headgan-send: the package sounddevice is missing: pip install sounddevice\n"


def test_which_sound_a_call_has(sounds: Any, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    with VideoWriter(clip, width=64, height=64, rate_fps=25) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8))
    source, camera = FileSource(clip), BlankClip()
    camera.is_live = True
    sounds.plug("Webcam", inputs=1)
    sounds.plug("Headset", inputs=1)
    sounds.default.device = (0, -1)

    def opened(microphone: str | None, where: Source) -> str | None:
        sound = open_sound(microphone, where, lambda: None)
        if sound is None:
            return None
        if isinstance(sound, Microphone):
            sounds.open_stream()
        text = sound.describe()
        sound.close()
        return text

    assert opened(None, source) == opened("file", source) == "sound of clip.mp4"
    assert opened(None, camera) == "microphone Webcam, 48 kHz"
    assert opened("1", camera) == opened("head", source) == "microphone Headset, 48 kHz"
    assert opened("none", camera) is opened("none", source) is None


@pytest.mark.parametrize(
    ("words", "audio"),
    [
        ("", "voice"),
        ("--audio voice", "voice"),
        ("--audio features", "features"),
        ("--audio features --microphone 1", "features"),
        ("--audio none", "none"),
        ("--audio none --microphone none", "none"),
        ("--microphone none", "none"),
    ],
)
def test_what_is_sent_of_the_sound(
    words: str,
    audio: str,
    clip: BlankClip,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls: list[SenderCall] = []

    class Kept(SenderCall):
        def __post_init__(self) -> None:
            super().__post_init__()
            calls.append(self)

    monkeypatch.setattr(cli, "SenderCall", Kept)
    assert run(words, capsys)[0] == 1  # there is no face in the clip
    assert clip.left < 20
    (made,) = calls
    assert made.settings.audio == audio
    # No microphone is opened where nothing is sent.
    assert (made.open_sound is None) is (audio == "none")


def test_an_error_while_the_stats_are_written_is_told(
    clip: BlankClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise DeviceError("the statistics cannot be written")

    monkeypatch.setattr(cli, "MediaPipeTracker", SeesMeanFace)
    monkeypatch.setattr(cli, "write_stats", fail)
    code, text = run(f"--peer 127.0.0.1:9 --stats {tmp_path}/stats.json", capsys)
    assert (code, text) == (1, "headgan-send: the statistics cannot be written\n")
    assert clip.is_closed


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for argument in ("--help", "--version"):
        with pytest.raises(SystemExit) as end:
            cli.main([argument])
        assert end.value.code == 0
    text = capsys.readouterr().out
    assert "example:\n  headgan-send --camera 0 --peer 192.168.1.20:7000" in text
    assert text.endswith(f"headgan-send {version('headgan')}\n")
