"""`headgan-recv` as a user calls it: one line for each mistake, the right exit code, and Ctrl-C while it waits."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.fitting import project
from headgan.models.morphable import MorphableModel
from headgan.models.tracker import MediaPipeTracker, TrackedFace
from headgan.proto.errors import DeviceError, FaceError
from headgan.receiver import cli
from headgan.receiver.open_sound import open_speaker
from headgan.receiver.reference_photo import ReferencePhoto, read_reference

MODEL = MorphableModel.load()


def run(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and what was written to stderr."""
    try:
        code = cli.main(line.split())
    except SystemExit as end:
        assert isinstance(end.code, int)
        code = end.code
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--listen nowhere", "address 'nowhere' must look like"),
        ("--listen 0.0.0.0:0", "address '0.0.0.0:0' must look like"),
        ("--viewer television", "argument --viewer: invalid choice: 'television'"),
        ("--viewer-address here", "address 'here' must look like"),
        ("--provider abacus", "argument --provider: invalid choice: 'abacus'"),
        (
            "--provider tensorrt",
            "--provider tensorrt does not work here: this onnxruntime was built without it",
        ),
        ("--stun example.org", "STUN server 'example.org' must look like"),
        ("--speaker=", "--speaker: give a number or a name of headgan-recv --list, or none"),
        ("--remember ../ana", "contact '../ana': a name has 1 to 40 letters, digits, - and _"),
        ("--remember own", "contact 'own': this is where your own pictures are"),
        ("--remember ana --references 1", "--remember: there is nothing to remember with"),
        ("--remember ana --reference me.jpg", "--remember: there is nothing to remember with"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    line: str, complaint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever the machine that tests has, this one has a CPU.
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    code, text = run(line, capsys)
    assert code == 2
    assert text.startswith("headgan-recv: ")
    assert text.count("\n") == 1
    assert complaint in text


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--reference {here}/missing.jpg", "--reference {here}/missing.jpg: no such file"),
        ("--reference {here}", "no such file"),
        ("--reference {here}/text.jpg", "is no picture that can be read; give a JPEG, PNG or WebP file"),
        ("--reference {here}/empty.jpg", "is no picture that can be read"),
        ("--reference {here}/wall.png", "shows no face; give a photograph that shows it from the front"),
        ("--generator {here}/text.jpg", "cannot be loaded by onnxruntime"),
        ("--record {here}/no/call.mp4", "--record {here}/no/call.mp4: the folder {here}/no does not exist"),
        ("--stats {here}", "--stats {here}: this is a folder"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_code_1(
    line: str, complaint: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.jpg").write_text("this is no picture")
    (tmp_path / "empty.jpg").touch()
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((300, 400, 3), 200, np.uint8))
    code = cli.main(line.format(here=tmp_path).split())
    assert code == 1
    text = capfd.readouterr().err
    assert text.startswith("headgan-recv: ")
    assert text.count("\n") == 1
    assert complaint.format(here=tmp_path) in text


def test_a_taken_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stats = tmp_path / "stats.json"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, text = run(
            f"--listen 127.0.0.1:{port} --viewer none --draw geometry --provider cpu --stats {stats}", capsys
        )
    assert code == 1
    drawing, *rest = text.splitlines()
    assert re.fullmatch(r"headgan-recv: drawing by prior, \d+ ms a frame on cpu", drawing)
    assert rest == [
        f"headgan-recv: cannot listen on 127.0.0.1:{port} (address already in use); "
        "is another headgan-recv running? choose a different port",
    ]
    written = json.loads(stats.read_text())
    assert written["seconds"] == 0
    assert written["ended"].startswith("cannot listen on")


def test_a_taken_port_of_the_viewer(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, text = run(f"--viewer-address 127.0.0.1:{port} --provider cpu", capsys)
    assert code == 1
    assert f"the viewer cannot listen on 127.0.0.1:{port}" in text


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for argument in ("--help", "--version"):
        with pytest.raises(SystemExit) as end:
            cli.main([argument])
        assert end.value.code == 0
    text = capsys.readouterr().out
    assert "example:\n  headgan-recv --reference me.jpg --record call.mp4" in text
    assert text.endswith(f"headgan-recv {version('headgan')}\n")


def test_the_list_of_speakers(sounds: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--list"]) == 0
    assert capsys.readouterr().err == "headgan-recv: no speaker found\n"
    sounds.plug("Webcam", inputs=1)
    sounds.plug("Speakers", outputs=2)
    sounds.default.device = (0, 1)
    assert cli.main(["--list"]) == 0
    assert capsys.readouterr().out == "1  Speakers (Fake API), the default\n"


def test_which_speaker_a_call_has(sounds: Any) -> None:
    sounds.plug("Speakers", outputs=2)
    sounds.plug("Headset", outputs=2)
    sounds.default.device = (-1, 0)
    for spec, text in {None: "Speakers", "1": "Headset", "HEAD": "Headset"}.items():
        speaker = open_speaker(spec, lambda _samples, _play_ms: None)
        sounds.open_stream()
        assert speaker.describe() == f"speaker {text}, 48 kHz"
        assert speaker.is_open
        speaker.close()
    silent = open_speaker("none", lambda _samples, _play_ms: None)
    assert (silent.describe(), silent.is_open) == ("no speaker", False)
    silent.close()


class SeesFaces:
    """In place of the tracker: `count` faces in a row, all of them the model's mean face."""

    count = 1

    def reset(self) -> None:
        pass

    def track(
        self, _frame_rgb: object, is_wanted: Callable[[TrackedFace], bool] | None = None
    ) -> TrackedFace | None:
        for place in range(self.count):
            points = (MODEL.mean * 60 + np.array([200 + 200 * place, 150, 0])).astype(np.float32)
            face = TrackedFace(points, 0.9)
            if is_wanted is None or is_wanted(face):
                return face
        return None


@pytest.fixture
def faces(monkeypatch: pytest.MonkeyPatch) -> type[SeesFaces]:
    monkeypatch.setattr("headgan.models.portrait.MediaPipeTracker", SeesFaces)
    return SeesFaces


def test_a_photograph_becomes_a_reference(faces: type[SeesFaces], tmp_path: Path) -> None:
    photo = tmp_path / "me.png"
    # Grey, with alpha, and far too large: all of that is turned into what a call needs.
    cv2.imwrite(str(photo), np.full((1500, 4096, 4), 100, np.uint8))
    reference = read_reference(photo)
    assert faces.count == 1
    assert reference.picture_rgb.shape == (256, 256, 3)
    assert reference.points.shape == (478, 3)
    drawn = reference.as_reference(MODEL, np.zeros(MODEL.identity_size, np.float32))
    assert drawn.params.quaternion == pytest.approx([1, 0, 0, 0], abs=0.02)


def face_of(identity: NDArray[np.float32], expression: NDArray[np.float32]) -> ReferencePhoto:
    camera = np.array([1, 0, 0, 0, 0.35, 0, 0], np.float32)
    params = FaceParams(expression, camera, np.zeros(2, np.float32))
    # The tracker's own noise, without which any identity fits worse than one made to measure.
    noise = np.random.default_rng(1).normal(0, 0.001, (478, 3)).astype(np.float32)
    return ReferencePhoto(np.zeros((256, 256, 3), np.uint8), project(MODEL, identity, params) + noise)


def test_a_photograph_of_the_caller_is_seen_with_the_callers_identity() -> None:
    caller = (np.random.default_rng(2).normal(size=MODEL.identity_size) * MODEL.identity_std).astype(
        np.float32
    )
    laugh = (1.5 * MODEL.expression_std * np.resize([1, -1], 28)).astype(np.float32)
    reference = face_of(caller, laugh).as_reference(MODEL, caller)
    np.testing.assert_array_equal(reference.identity, caller)
    # So what the face does in the photograph is known to be expression.
    assert float(np.abs(reference.params.expression - laugh).max()) < 0.3 * float(MODEL.expression_std[0])


def test_a_photograph_of_somebody_else_keeps_its_own_identity() -> None:
    caller = np.zeros(MODEL.identity_size, np.float32)
    other = (3 * MODEL.identity_std * np.resize([1, -1], MODEL.identity_size)).astype(np.float32)
    reference = face_of(other, np.zeros(28, np.float32)).as_reference(MODEL, caller)
    assert float(np.linalg.norm(reference.identity - other)) < 0.5 * float(np.linalg.norm(other))


def test_a_photograph_of_two_is_refused(
    faces: type[SeesFaces], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces, "count", 2)
    photo = tmp_path / "us.jpg"
    cv2.imwrite(str(photo), np.zeros((300, 400, 3), np.uint8))
    with pytest.raises(FaceError, match="shows 2 faces of like size; give a photograph of one person"):
        read_reference(photo)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs files that cannot be read")
def test_a_photograph_that_may_not_be_read(tmp_path: Path) -> None:
    photo = tmp_path / "secret.jpg"
    photo.touch(mode=0o000)
    with pytest.raises(DeviceError, match="cannot be read"):
        read_reference(photo)


def test_the_tracker_starts_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    MediaPipeTracker()
    os.write(2, b"stderr is still there")
    assert capfd.readouterr().err == "stderr is still there"


@pytest.mark.skipif(os.name == "nt", reason="a Ctrl-C cannot be sent to one process there")
@pytest.mark.parametrize("viewer", ["none", "web"])
def test_ctrl_c_while_it_waits_ends_it_at_once(viewer: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    stats = tmp_path / "stats.json"
    command = [sys.executable, "-c", "import sys; from headgan.receiver.cli import main; sys.exit(main())"]
    options = f"--listen 127.0.0.1:{port} --viewer {viewer} --draw geometry --provider cpu --stats {stats}"
    process = subprocess.Popen(
        [*command, *options.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    lines: list[str] = []
    while not lines or "waiting" not in lines[-1]:
        lines.append(process.stderr.readline())
        assert lines[-1], "it ended by itself"
    start_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert time.monotonic() - start_s < 2.0  # a second, on a machine that is not busy testing
    assert lines[0].startswith("headgan-recv: drawing by prior, ")
    assert lines[1:] == [f"headgan-recv: waiting for a call on 127.0.0.1:{port}\n"]
    assert err == ""
    assert out.startswith("watch at http://127.0.0.1:") if viewer == "web" else out == ""
    assert json.loads(stats.read_text())["ended"] == ""
