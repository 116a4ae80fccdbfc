"""`headgan-bench tracker`: how fast the landmark network runs on LiteRT, and on onnxruntime beside it."""

import json
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from headgan.codec.stage_times import StageTimes
from headgan.models.litert import LiteRtModel
from headgan.models.machine import describe_run
from headgan.models.weights import weights_path
from headgan.proto.errors import HeadganError
from headgan.proto.options import option, required
from headgan.proto.program import check_writable

WARM_UP_RUNS = 10
# Pixels of the 256x256 input by which two runtimes may differ and still run the same network.
MAX_DIFFERENCE = 0.1


@dataclass(frozen=True)
class TrackerOptions:
    """Options of `headgan-bench tracker`."""

    output: Path = required("the report, JSON", flag="-o", metavar="FILE")
    onnx: Path | None = option(
        None, "the same network as ONNX (face_landmarks_detector.tflite converted)", metavar="FILE"
    )
    runs: int = option(200, "runs to measure")


def bench_tracker(options: TrackerOptions) -> int:
    """Runs both on one core, turn about, on the same input; fails if their outputs differ."""
    check_writable(options.output, "-o")
    with zipfile.ZipFile(weights_path("face_landmarker.task")) as task:
        litert = LiteRtModel(task.read("face_landmarks_detector.tflite"))
    session = _one_core_session(options.onnx) if options.onnx else None
    picture = np.random.default_rng(0).random((1, 256, 256, 3), dtype=np.float32)
    times = StageTimes(lambda: time.perf_counter() * 1000)
    for run in range(options.runs + WARM_UP_RUNS):
        if run == WARM_UP_RUNS:
            times = StageTimes(lambda: time.perf_counter() * 1000)
        with times.measure("litert"):
            points = litert.run(picture)["Identity"].reshape(-1)
        if session is not None:
            with times.measure("onnxruntime"):
                outputs = session.run(None, {session.get_inputs()[0].name: picture})
            _check_equal(points, outputs)
    report = {"run": describe_run(), "runs": options.runs, "landmarks_ms": times.report()}
    options.output.write_text(json.dumps(report, indent=2) + "\n")
    for name, values in times.report().items():
        sys.stdout.write(f"{name:12} {values['p50']:6.2f} ms   p95 {values['p95']:6.2f} ms\n")
    return 0


def _one_core_session(path: Path) -> onnxruntime.InferenceSession:
    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), session_options, providers=["CPUExecutionProvider"])


def _check_equal(points: NDArray[np.float32], outputs: list[NDArray[np.float32]]) -> None:
    other = max(outputs, key=lambda output: output.size).reshape(-1)
    difference = float(np.abs(points - other).max()) if points.shape == other.shape else float("inf")
    if difference > MAX_DIFFERENCE:
        raise HeadganError(
            f"the two networks differ by {difference:.3g} px; is the ONNX file the same network?"
        )
