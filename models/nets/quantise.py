"""A generator's frame graph and frames to try it on in, the same graph with its convolutions in eight bits out.

    x ── to 8 bits ── convolution of 8-bit weights ── to float ── the next operator

Weights have a scale for each output channel, what flows between the layers one a layer, found on the frames. Weights
use seven of the eight bits: processors without VNNI add up pairs of products in sixteen bits, which would overflow.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

_EXACT = ("flow_net/heads/Conv", "render_net/output/Conv")
Feed = dict[str, NDArray[np.generic]]


def quantise(graph: bytes, feeds: Sequence[Feed]) -> bytes:
    """The ONNX file `graph`, in single precision, with 8-bit convolutions.

    Args:
        graph: weights have to be stored in single precision.
        feeds: its inputs by name, of some dozen typical frames.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder) / "single.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(graph)
        quantize_static(
            source,
            result,
            _Frames(feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_exact_convolutions(graph),
        )
        return result.read_bytes()


def _exact_convolutions(graph: bytes) -> list[str]:
    """Names of those whose output is a flow or a part of the picture: errors there are seen at once."""
    nodes = onnx.load_from_string(graph).graph.node
    return [node.name for node in nodes if node.op_type == "Conv" and node.name.endswith(_EXACT)]


class _Frames(CalibrationDataReader):  # type: ignore[misc]
    """The feeds, one after the other."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._left = iter(feeds)

    def get_next(self) -> Feed | None:
        return next(self._left, None)
