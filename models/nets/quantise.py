"""Half of a generator's frame graph and what goes through it in a few frames in, the same half in eight bits out.

half ── onnxruntime folds what is constant ── ranges of its tensors ── eight bits

F's first look at the flow prior, and its flow, stay in single precision: what they lose is a shift of the whole picture
by a part of a pixel, which costs more than all the rest together.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import onnx
import onnxruntime
from onnx import helper

from headgan.models.nets.eight_bits import in_eight_bits
from headgan.models.nets.tensor_ranges import Feed, ranges_of

_EXACT = ("flow_net/start_in/Conv", "flow_net/heads/Conv")


def quantised(graph: bytes, feeds: Sequence[Feed], properties: dict[str, str]) -> bytes:
    """The ONNX file `graph` with 8-bit convolutions.

    Args:
        graph: a half from `cut_for_bytes`.
        feeds: its inputs by name, and more, of some dozen typical frames.
        properties: of the new file, beside those of the graph and of what it leaves as bytes.
    """
    model = _simplified(graph)
    exact = [node.name for node in model.graph.node if node.op_type == "Conv" and node.name.endswith(_EXACT)]
    small = in_eight_bits(model, ranges_of(model, feeds), exact)
    known = {
        item.key: item.value for item in [*onnx.load_from_string(graph).metadata_props, *small.metadata_props]
    }
    helper.set_model_props(small, known | properties)
    data: bytes = small.SerializeToString()
    return data


def digest_of(*graphs: bytes) -> str:
    """What says of 8-bit halves which ones they were made from."""
    return hashlib.sha256(b"".join(hashlib.sha256(graph).digest() for graph in graphs)).hexdigest()


def _simplified(graph: bytes) -> onnx.ModelProto:
    """The same with constants folded, and the shape of every tensor known."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder) / "simple.onnx")
        options.log_severity_level = 3
        onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        model = onnx.load(options.optimized_model_filepath)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
