"""A prepared training set in, what goes through an exported frame graph in typical frames out: for 8-bit scales."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.models.codes import CodeRenderer
from headgan.models.morphable import MorphableModel
from headgan.models.nets.config import AUDIO_SIZE, NetConfig
from headgan.models.nets.export import ExportedGenerator
from headgan.models.runtime import open_session
from headgan.models.train.prepared_set import PreparedSet
from headgan.models.train.samples import Sample, SampleMaker

Feed = dict[str, NDArray[np.generic]]


def typical_frames(
    exported: ExportedGenerator, network: NetConfig, folder: Path, count: int = 48, *, hears: bool = False
) -> list[Feed]:
    """Inputs and outputs of `exported.frame` by name, each a person's first frame and another, of many people.

    Raises:
        DeviceError: the training set in `folder` is missing or damaged.
    """
    prepared = PreparedSet.open(folder)
    renderer = CodeRenderer(MorphableModel.load(), code=network.code, gaze=network.gaze)
    maker = SampleMaker(prepared, renderer, hears=hears)
    references = _opened(exported.reference)
    frame_graph = _opened(exported.frame)
    feeds = []
    for number, place in enumerate(np.linspace(0, len(prepared.segments) - 1, count).astype(int)):
        segment = prepared.segments[place]
        # Now soon after the reference, now long.
        frame = round((segment.frames - 1) * (number % 7 + 1) / 7)
        given = _inputs(maker.make(segment, np.zeros(1, np.int64), np.array([frame])), network)
        given |= references(given)
        feeds.append(given | frame_graph(given))
    return feeds


def _opened(graph: bytes) -> Callable[[Feed], Feed]:
    """What runs an ONNX file on those of the inputs given that it asks for."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        path.write_bytes(graph)
        session, _ = open_session(path, "cpu")
    asked = [item.name for item in session.get_inputs()]
    answers = [item.name for item in session.get_outputs()]

    def run(given: Feed) -> Feed:
        return dict(zip(answers, session.run(answers, {name: given[name] for name in asked}), strict=True))

    return run


def _inputs(sample: Sample, network: NetConfig) -> Feed:
    """The sample's first reference and first frame, named as generators name them."""

    def pixels(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.ascontiguousarray(planes.transpose(1, 2, 0))

    given: Feed = {
        "reference": pixels(sample.reference[0]),
        f"reference_{network.code}": pixels(sample.reference_code[0, :3]),
        "background": pixels(sample.background[0]),
        network.code: pixels(sample.code[0, :3]),
        "source_grid": sample.grid[0, 0],
        "uncovered": sample.uncovered[0, 0, 0] / np.float32(255),
        "mouth": sample.mouth[0, 0, 0] / np.float32(255),
        "audio": sample.audio[0] if sample.audio.size else np.zeros(AUDIO_SIZE, np.float32),
    }
    if network.gaze:
        given |= {"reference_eyes": sample.reference_code[0, 3], "eyes": sample.code[0, 3]}
    return given
