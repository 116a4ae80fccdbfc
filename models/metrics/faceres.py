"""`faceres.json` and `faceres.bin` of the npm package @vladmandic/human in, the same face network as ONNX out.

    picture float32 [1, 224, 224, 3] ── MobileNet ── mean over places ── embedding float32 [1, 1024]

It is HSE-FaceRes (https://github.com/HSE-asavchenko/HSE_FaceRec_tf), which the package holds as a TensorFlow.js graph.
Only the embedding is kept; the heads for age and gender are left out. `python -m headgan.models.metrics.faceres`
converts the files once they were fetched; `./scripts/setup --train` does both. It needs `onnx` (extra `train`).
"""

import base64
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from headgan.models.metrics.files import FACERES_FILE, FACERES_GRAPH_FILE, FACERES_WEIGHTS_FILE, metrics_path
from headgan.proto.errors import ModelError

INPUT_SIZE = 224
EMBEDDING_SIZE = 1024
_OPSET = 17
_INPUT, _EMBEDDING = "input_1", "global_pooling/Mean"
# TensorFlow's operation to ONNX's, where they mean the same.
_SAME = {"Add": "Add", "Mul": "Mul", "Relu": "Relu", "Minimum": "Min", "Maximum": "Max"}


def convert(graph: Mapping[str, Any], weights: bytes) -> onnx.ModelProto:
    """The ONNX graph of the embedding.

    Args:
        graph: the parsed .json of a TensorFlow.js graph model.
        weights: the contents of its .bin.

    Raises:
        ModelError: the graph has something that faceres does not have.
    """
    try:
        constants = _constants(graph["weightsManifest"], weights)
        nodes = [
            node for node in graph["modelTopology"]["node"] if node["op"] not in ("Const", "Placeholder")
        ]
        converted = _converted(nodes, constants)
    except (KeyError, IndexError, ValueError) as exc:
        raise ModelError(f"this is not the graph of faceres ({exc!r}); run ./scripts/setup --train") from exc
    used = {name for node in converted for name in node.input}
    model = helper.make_model(
        helper.make_graph(
            converted,
            "faceres",
            [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, INPUT_SIZE, INPUT_SIZE, 3])],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, EMBEDDING_SIZE])],
            [numpy_helper.from_array(array, name) for name, array in constants.items() if name in used],
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _constants(manifest: list[dict[str, Any]], weights: bytes) -> dict[str, NDArray[np.generic]]:
    """Every array of the weights file by name; half precision becomes single."""
    constants: dict[str, NDArray[np.generic]] = {}
    offset = 0
    for entry in (entry for group in manifest for entry in group["weights"]):
        stored = np.dtype(entry.get("quantization", entry)["dtype"])
        count = int(np.prod(entry["shape"]))
        values = np.frombuffer(weights, stored.newbyteorder("<"), count, offset).reshape(entry["shape"])
        constants[entry["name"]] = values.astype(entry["dtype"])
        offset += count * stored.itemsize
    if offset != len(weights):
        raise ValueError(f"{len(weights)} bytes of weights, the graph names {offset}")
    return constants


def _converted(
    nodes: list[dict[str, Any]], constants: dict[str, NDArray[np.generic]]
) -> list[onnx.NodeProto]:
    """The nodes up to the embedding, in planes [1, C, H, W]; brings `constants` into ONNX's layout."""
    result = [helper.make_node("Transpose", ["picture"], [_INPUT], perm=[0, 3, 1, 2])]
    for node in nodes:
        name, op, inputs = node["name"], node["op"], node["input"]
        if name == _EMBEDDING:
            result.append(helper.make_node("ReduceMean", [inputs[0]], ["embedding"], axes=[2, 3], keepdims=0))
            return result
        if op in _SAME:
            for constant in constants.keys() & set(inputs):
                if constants[constant].ndim == 1:  # one value a channel, which is the last axis in TensorFlow
                    constants[constant] = constants[constant][:, None, None]
            result.append(helper.make_node(_SAME[op], inputs, [name]))
        elif op in ("Conv2D", "DepthwiseConv2dNative"):
            result.append(_convolution(node, constants))
        else:
            raise ValueError(f"operation {op}")
    raise ValueError(f"there is no {_EMBEDDING}")


def _convolution(node: dict[str, Any], constants: dict[str, NDArray[np.generic]]) -> onnx.NodeProto:
    source, kernel = node["input"]
    values, attributes = (
        constants[kernel],
        node["attr"],
    )  # [height, width, in, out], or [height, width, channels, 1]
    is_depthwise = node["op"] == "DepthwiseConv2dNative"
    constants[kernel] = values.transpose((2, 3, 0, 1) if is_depthwise else (3, 2, 0, 1))
    if base64.b64decode(attributes["padding"]["s"]) != b"SAME" or set(
        attributes["dilations"]["list"]["i"]
    ) != {"1"}:
        raise ValueError(f"padding or dilation of {node['name']}")
    return helper.make_node(
        "Conv",
        [source, kernel],
        [node["name"]],
        strides=[int(stride) for stride in attributes["strides"]["list"]["i"][1:3]],
        # TensorFlow's SAME puts the odd pixel at the end.
        auto_pad="SAME_UPPER",
        group=values.shape[2] if is_depthwise else 1,
    )


def write_faceres() -> Path:
    """Converts the fetched files; returns where the ONNX file is, beside them.

    Raises:
        ModelError: they are missing or damaged.
    """
    graph_path, weights = metrics_path(FACERES_GRAPH_FILE), metrics_path(FACERES_WEIGHTS_FILE).read_bytes()
    model = convert(json.loads(graph_path.read_text()), weights)
    path = graph_path.with_name(FACERES_FILE)
    part = path.with_suffix(".part")
    part.write_bytes(model.SerializeToString())
    part.replace(path)
    return path


if __name__ == "__main__":
    sys.stderr.write(f"faceres: {write_faceres()}\n")
