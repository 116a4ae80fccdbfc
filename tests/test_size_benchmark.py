"""headgan-bench size: what is measured is what is drawn, nothing is measured twice, and small faces are left out."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.benchmarks import size_command
from headgan.benchmarks.bench_clip import BenchClip, BenchFrame
from headgan.benchmarks.cli import main
from headgan.benchmarks.size_measure import (
    BICUBIC,
    CALL,
    CAMERA,
    EQUAL,
    WAYS,
    SizeSettings,
    measure_size,
    sharpness,
)
from headgan.codec.params import EXPRESSION_SIZE, GAZE_SIZE, FaceParams
from headgan.models.detail import enlarged, shrunk
from headgan.models.generator import PRIOR_GENERATOR, OnnxGenerator
from headgan.models.metrics import face_tools
from headgan.models.metrics.sheet import read_row
from headgan.models.morphable import MorphableModel
from headgan.models.weights import weights_path

MODEL = MorphableModel.load()
GENERATOR = OnnxGenerator(weights_path(PRIOR_GENERATOR), provider="cpu")


def clip(crop_px: float = 512) -> BenchClip:
    """A face that does not move, in a picture with much fine texture."""
    rng = np.random.default_rng(3)
    coarse: NDArray[np.uint8] = cv2.resize(rng.integers(0, 200, (16, 16, 3), np.uint8), (512, 512)).astype(
        np.uint8
    )
    rows, columns = np.mgrid[:512, :512]
    stripes = 20 + 20 * np.sin((rows + columns) * 2 * np.pi / 5)
    large = coarse + stripes[..., None].astype(np.uint8)
    camera = np.array([1, 0, 0, 0, 0.5, 0, 0], np.float32)
    params = FaceParams(np.zeros(EXPRESSION_SIZE, np.float32), camera, np.zeros(GAZE_SIZE, np.float32))
    frame = BenchFrame(shrunk(large), np.zeros((478, 3), np.float32), params, large)
    return BenchClip(np.zeros(MODEL.identity_size, np.float32), (frame,) * 6, crop_px)


class Flat:
    """A perceptual distance: that of the mean colours."""

    def features(self, picture_rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = picture_rgb.mean(axis=(0, 1))
        return mean

    def distance(self, one: Any, other: Any) -> float:
        return float(np.abs(one - other).max())


def test_what_is_drawn_at_512_is_nearer_to_the_camera_than_what_is_enlarged() -> None:
    report, row = measure_size(clip(), SizeSettings(3, 1, 8.0, 1), MODEL, GENERATOR, Flat())
    ways = report["ways"]
    assert tuple(ways) == WAYS
    assert ways[CALL]["psnr"] > ways[EQUAL]["psnr"] > ways[BICUBIC]["psnr"]
    assert ways[CALL]["sharpness"] > 1.05 * ways[BICUBIC]["sharpness"]
    assert ways[CAMERA]["psnr"] >= ways[BICUBIC]["psnr"]
    assert report["costs"][EQUAL]["reference_bytes"] < report["costs"][CALL]["reference_bytes"]
    assert all(milliseconds > 0 for milliseconds in report["draw_ms"].values())
    assert row.shape == (3 * 384, 4 * 384, 3)


def test_sharpness_falls_when_a_picture_is_enlarged() -> None:
    large = clip().frames[0].large_rgb
    assert large is not None
    assert sharpness(enlarged(shrunk(large))) < 0.8 * sharpness(large)


def test_clips_are_measured_once_and_small_faces_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read: list[str] = []

    def read_clip(path: Path, *_: object, is_large: bool) -> BenchClip:
        assert is_large
        read.append(path.stem)
        return replace(clip(), crop_px=300.0 if path.stem == "far" else 640.0)

    monkeypatch.setattr(size_command, "read_bench_clip", read_clip)
    monkeypatch.setattr(face_tools, "MediaPipeTracker", lambda: None)
    monkeypatch.setattr(size_command, "OnnxGenerator", lambda **_: GENERATOR)
    for name in ("near", "far"):
        (tmp_path / f"{name}.mp4").write_bytes(b"")
    out = tmp_path / "out"
    for _ in range(2):
        options = ["--frames", "3", "--perceptual", "0", "-o", str(out)]
        assert main(["size", str(tmp_path / "near.mp4"), str(tmp_path / "far.mp4"), *options]) == 0
    assert read == ["near", "far"]
    report = json.loads((out / "metrics.json").read_text())
    (name,) = report["clips"]
    assert name.endswith("near")
    assert "near (640)" in capsys.readouterr().out
    assert read_row(out / "sheet.png").shape == (384, 4 * 384, 3)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--frames", "2"], "--frames 2: give 3 or more"),
        (["--min-crop", "1"], "--min-crop 1: give 32 or more"),
        (["--fused", "4"], "--fused 4: give 1 to 3"),
        (["--kbps", "0"], "give more than 0"),
    ],
)
def test_wrong_options_are_told(
    tmp_path: Path, wrong: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["size", str(tmp_path), "-o", str(tmp_path / "out"), *wrong]) == 2
    assert told in capsys.readouterr().err
