"""A prepared training set in, typical inputs of an exported frame graph out: what 8-bit scales are found on."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from headgan.models.codes import CodeRenderer
from headgan.models.morphable import MorphableModel
from headgan.models.nets.config import AUDIO_SIZE, NetConfig
from headgan.models.nets.export import ExportedGenerator
from headgan.models.nets.quantise import Feed
from headgan.models.train.prepared_set import PreparedSet
from headgan.models.train.samples import Sample, SampleMaker


def typical_frames(
    exported: ExportedGenerator, network: NetConfig, folder: Path, count: int = 48
) -> list[Feed]:
    """Inputs by name of `exported.frame`, each a person's first frame and another, spread over people and time.

    Raises:
        DeviceError: the training set in `folder` is missing or damaged.
    """
    prepared = PreparedSet.open(folder)
    maker = SampleMaker(prepared, CodeRenderer(MorphableModel.load(), code=network.code, gaze=network.gaze))
    once = ort.InferenceSession(exported.reference, providers=["CPUExecutionProvider"])
    each = ort.InferenceSession(exported.frame, providers=["CPUExecutionProvider"])
    names = [item.name for item in once.get_outputs()]
    feeds = []
    for number, place in enumerate(np.linspace(0, len(prepared.segments) - 1, count).astype(int)):
        segment = prepared.segments[place]
        # Now soon after the reference, now long.
        frame = round((segment.frames - 1) * (number % 7 + 1) / 7)
        given = _inputs(maker.make(segment, np.zeros(1, np.int64), np.array([frame])), network)
        given |= dict(zip(names, once.run(names, _asked(once, given)), strict=True))
        feeds.append(_asked(each, given))
    return feeds


def _asked(session: ort.InferenceSession, given: Feed) -> Feed:
    return {item.name: given[item.name] for item in session.get_inputs()}


def _inputs(sample: Sample, network: NetConfig) -> Feed:
    """The sample's first reference and first frame, named as generators name them."""

    def pixels(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.ascontiguousarray(planes.transpose(1, 2, 0))

    given: Feed = {
        "reference": pixels(sample.reference[0]),
        "reference_pncc": pixels(sample.reference_code[0, :3]),
        "background": pixels(sample.background[0]),
        "pncc": pixels(sample.code[0, :3]),
        "source_grid": sample.grid[0, 0],
        "uncovered": sample.uncovered[0, 0, 0] / np.float32(255),
        "mouth": sample.mouth[0, 0, 0] / np.float32(255),
        "audio": np.zeros(AUDIO_SIZE, np.float32),
    }
    if network.gaze:
        given |= {"reference_eyes": sample.reference_code[0, 3], "eyes": sample.code[0, 3]}
    return given
