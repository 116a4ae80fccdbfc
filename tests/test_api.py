"""The names for other programs: they are there, importing them costs nothing, and the document's example runs."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import headgan.models
from headgan.codec.video import VideoWriter, probe_video
from headgan.models.picture_file import read_picture

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "docs" / "api.md").read_text()
FACE_FILE = ROOT / "docs" / "face.jpg"


def test_every_public_name_is_there_and_documented() -> None:
    assert sorted(headgan.models.__all__) == headgan.models.__all__
    assert set(headgan.models.__all__) <= set(dir(headgan.models))
    for name in headgan.models.__all__:
        assert callable(getattr(headgan.models, name))
        assert f"`{name}" in DOCUMENT


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Avatars'"):
        _ = headgan.models.Avatars


def test_importing_the_package_loads_nothing() -> None:
    code = "import sys, headgan.models; print(sorted({'numpy', 'numba', 'cv2', 'onnxruntime'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_example_of_the_document_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = read_picture(FACE_FILE, "the test's")
    shutil.copy(FACE_FILE, tmp_path / "face.jpg")
    with VideoWriter(tmp_path / "clip.mp4", width=264, height=264, rate_fps=25) as writer:
        for shift in range(4):
            writer.write(np.ascontiguousarray(picture[:264, shift : 264 + shift]))
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    names: dict[str, object] = {}
    exec(example, names)
    for name in ("picture", "front"):
        drawn = names[name]
        assert isinstance(drawn, np.ndarray)
        assert drawn.shape == (256, 256, 3)
    assert "HeadPose(yaw_deg=" in capsys.readouterr().out
    assert probe_video(tmp_path / "out.mp4").width == 256
