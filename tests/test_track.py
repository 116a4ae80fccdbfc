"""`headgan track` and `headgan morphable build` without a clip: their errors and their files."""

import csv
from pathlib import Path

import numpy as np
import pytest

from headgan.codec.params import PARAMS_SIZE, FaceParams
from headgan.codec.video import VideoWriter
from headgan.models import clip_faces
from headgan.models.cli import main
from headgan.models.fitting import project
from headgan.models.morphable import MorphableModel
from headgan.models.track_command import column_names, read_params
from headgan.models.tracker import TrackedFace
from headgan.proto.errors import DeviceError

FRAMES = 8
LOST_FRAME = 5


def blank_clip(path: Path) -> Path:
    with VideoWriter(path, width=320, height=240, rate_fps=25) as writer:
        for _ in range(FRAMES):
            writer.write(np.full((240, 320, 3), 90, np.uint8))
    return path


class FakeTracker:
    """Sees the model's mean face turn slowly in the middle of a 320x240 frame, but for one frame."""

    def __init__(self) -> None:
        self._model = MorphableModel.load()
        self._frame = -1

    def track(self, _frame_rgb: object) -> TrackedFace | None:
        self._frame += 1
        if self._frame == LOST_FRAME:
            return None
        angle = 0.02 * self._frame
        camera = np.array([np.cos(angle), 0, np.sin(angle), 0, 0.4, 0, 0], np.float32)
        params = FaceParams(np.zeros(28, np.float32), camera, np.zeros(2, np.float32))
        points = project(self._model, np.zeros(self._model.identity_size), params)
        return TrackedFace((points * 100 + (160, 120, 0)).astype(np.float32), 1.0)


@pytest.fixture
def tracked_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(clip_faces, "MediaPipeTracker", FakeTracker)
    return blank_clip(tmp_path / "clip.mp4")


def test_the_npz_holds_every_frame(tracked_clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "params.npz"
    assert main(["track", str(tracked_clip), "-o", str(output)]) == 0
    params = read_params(output)
    assert [index for index, frame in enumerate(params) if frame is None] == [LOST_FRAME]
    first, last = params[0], params[-1]
    assert first is not None
    assert last is not None
    # It turned by twice the half angle of the quaternion.
    turned = 2 * (np.arcsin(last.quaternion[2]) - np.arcsin(first.quaternion[2]))
    assert turned == pytest.approx(2 * 0.02 * (FRAMES - 1), abs=0.01)
    with np.load(output) as data:
        assert float(np.nanmean(data["fit_error_px"])) < 0.1
        assert data["pts_ms"].tolist() == pytest.approx([40.0 * index for index in range(FRAMES)])


def test_the_csv_has_a_row_a_frame(tracked_clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "params.csv"
    assert main(["track", str(tracked_clip), "-o", str(output)]) == 0
    with output.open() as file:
        header, *rows = csv.reader(file)
    assert header == ["pts_ms", *column_names(), "fit_error_px"]
    assert len(column_names()) == PARAMS_SIZE
    assert len(rows) == FRAMES
    assert set(rows[LOST_FRAME][1:]) == {""}
    assert all(rows[0])


def test_a_clip_without_a_face_is_a_run_time_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = blank_clip(tmp_path / "clip.mp4")
    assert main(["track", str(clip), "-o", str(tmp_path / "p.npz")]) == 1
    assert "no face" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["track", "clip.mp4", "-o", "p.txt"], 2, ".npz or .csv"),
        (["track", "clip.mp4", "-o", "p.npz", "--crop", "1,2"], 2, "--crop"),
        (["track", "clip.mp4", "-o", "p.npz", "--smoothing", "7"], 2, "--smoothing"),
        (["track", "missing.mp4", "-o", "p.npz"], 1, "missing.mp4"),
        (["morphable", "build", "nothing/", "-o", "m.npz"], 2, "does not exist"),
        (["morphable", "build", ".", "-o", "m.npz", "--every", "0"], 2, "--every"),
    ],
)
def test_errors_say_what_is_wrong(
    words: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == code
    assert message in capsys.readouterr().err


def test_a_damaged_parameter_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    path.write_bytes(b"no zip")
    with pytest.raises(DeviceError, match="headgan track"):
        read_params(path)


@pytest.mark.parametrize("words", [[], ["track"], ["morphable"], ["morphable", "build"]])
def test_every_command_has_help_with_an_example(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*words, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "usage: headgan" in text
    if words != ["morphable"]:
        assert "example:" in text


def test_the_model_card_has_the_figures_of_the_model() -> None:
    model = MorphableModel.load()
    card = Path(__file__).parent.parent.joinpath("models/weights/morphable.md").read_text()
    assert f"| identity components explain | {model.identity_explained:.4f} " in card
    assert f"| expression components explain | {model.expression_explained:.4f} " in card
