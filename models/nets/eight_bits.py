"""A graph of convolutions in single precision and the ranges of its tensors in, the same graph in eight bits out.

    bytes ── convolution of 8-bit weights ─┬─ leaky ReLU, by a table ── bytes
                                           └─ floats ── sums, leaky ReLU ── bytes

Convolutions read and write bytes, channels last; what is added up is added in single precision, so that a chain of
residual blocks loses nothing on the way. Both stay channels last from one convolution to the next. Every other operator
is given what it had. A byte has one scale a tensor, or one a channel where floats come next; weights have one for each
output channel and use seven of their eight bits: processors without VNNI add up pairs of products in sixteen bits,
which would overflow.
"""

from collections.abc import Callable, Collection

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from headgan.models.nets.byte_graph import CONTRIB, Bytes, Ranges, byte_grid, single
from headgan.models.nets.given_bytes import GivenBytes

_WEIGHT_LEVELS = 63
_LAST = ("Add", "Concat", "Conv", "LeakyRelu")  # What reads floats with the channels last, or bytes.


def in_eight_bits(model: onnx.ModelProto, ranges: Ranges, exact: Collection[str] = ()) -> onnx.ModelProto:
    """The model with its convolutions in eight bits.

    Its inputs and outputs get names that say what they are, where this is another thing than before:

        NAME/2, NAME/4   uint8 [1, h, w, C]: of the picture NAME squares of so many pixels, as channels, row by row
        NAME/last        float32 [1, h, w, C], the channels last
        NAME/bytes       uint8 [1, h, w, C]: bytes, whose scales and zero `byte_scales` knows

    Args:
        model: all its shapes are known, its nodes in the order of execution.
        ranges: float32 [2, C] by tensor, the lowest and the highest value of each channel, for whatever a convolution
            reads or writes, and what it writes moved from depth to space.
        exact: names of convolutions to leave in single precision.
    """
    return _Rewriter(model, ranges, exact).rewritten()


class _Rewriter(GivenBytes):
    """Builds the new graph node by node."""

    def __init__(self, model: onnx.ModelProto, ranges: Ranges, exact: Collection[str]) -> None:
        super().__init__(model, ranges)
        self._exact = exact
        self._rules: dict[str, Callable[[onnx.NodeProto], bool]] = {
            "Conv": self._convolution,
            "LeakyRelu": self._leaky,
            "Add": self._sum,
            "Concat": self._joined,
            "DepthToSpace": self._shuffled,
            "Cast": self._read,
            "Div": self._scaled,
            "Transpose": self._moved,
            "Unsqueeze": self._same,
            "Reshape": self._same,
            "Slice": self._same,
            "Sub": self._shifted,
        }

    def rewritten(self) -> onnx.ModelProto:
        """The new model."""
        self._find_pictures()
        for node in self._graph.node:
            rule = self._rules.get(node.op_type)
            if rule is None or not rule(node):
                self._keep(node)
        return self.finished()

    def _convolution(self, node: onnx.NodeProto) -> bool:
        weights = self._constants.get(node.input[1])
        given = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        if weights is None or node.name in self._exact or given.get("group", 1) != 1 or weights.ndim != 4:
            return False
        bias = self._constants[node.input[2]] if len(node.input) > 2 else np.zeros(len(weights), np.float32)
        output = node.output[0]
        reader = self._only_reader(output)
        shuffles = reader is not None and reader.op_type == "DepthToSpace" and _blocks(reader) == 2
        seen = reader.output[0] if reader is not None and shuffles else output
        patches = self._patches(node, weights, given)
        if patches is None:
            read = self._as_bytes(node.input[0])
        else:
            read, weights, offset, given = patches
            bias = bias + offset
        if shuffles:  # Channel by channel, four places each, becomes place by place.
            order = np.arange(len(weights)).reshape(-1, 4).T.ravel()
            weights, bias = weights[order], bias[order]
        written, gains = self._written(seen, output)
        gains = np.tile(gains, len(weights) // len(gains))
        weights, bias = weights / gains[:, None, None, None], bias / gains
        steps = np.maximum(np.abs(weights).max(axis=(1, 2, 3)) / _WEIGHT_LEVELS, 1e-12).astype(np.float32)
        small = np.rint(weights / steps[:, None, None, None]).astype(np.int8)
        whole = np.rint(np.clip(bias / (steps.astype(np.float64) * read.scale), -(2.0**31) + 1, 2.0**31 - 1))
        inputs = [
            read.tensor,
            *self._scale_of(read),
            self._constant(f"{output}_weight", small),
            self._constant(f"{output}_steps", steps),
            self._constant(f"{output}_zeros", np.zeros(len(steps), np.int8)),
            *self._scale_of(Bytes("", single(written.scale.max()), written.zero)),
            self._constant(f"{output}_bias", whole.astype(np.int32)),
        ]
        self._add("QLinearConv", inputs, written.tensor, domain=CONTRIB, channels_last=1, **given)
        self._bytes[output] = written
        return True

    def _written(self, seen: str, output: str) -> tuple[Bytes, NDArray[np.float32]]:
        """What a convolution writes, and by what each channel is divided for it, float32 [C].

        Args:
            seen: `output`, or that moved from depth to space.
            output: of the convolution.
        """
        name = f"{output}_bytes"
        # A scale for each channel is slow where the channels are last.
        if any(node.op_type in _LAST and seen in node.input for node in self._graph.node):
            return self._grid_of(seen, name), np.ones(1, np.float32)
        low, high = self._ranges[seen]
        # One zero for all channels, so each is as wide as the wider of its sides needs.
        whole_low, whole_high = min(float(low.min()), 0.0), max(float(high.max()), 0.0)
        scale, zero = byte_grid(whole_low, whole_high)
        gains = np.maximum(
            np.minimum(low, 0) / min(whole_low, -1e-9), np.maximum(high, 0) / max(whole_high, 1e-9)
        )
        gains = np.clip(gains, 1e-3, 1).astype(np.float32)
        gains /= gains.max()
        return Bytes(name, gains * np.float32(scale), zero), gains

    def _leaky(self, node: onnx.NodeProto) -> bool:
        name, output = node.input[0], node.output[0]
        alpha = helper.get_attribute_value(node.attribute[0]) if node.attribute else 0.01
        known = self._bytes.get(name)
        if name in self._last or (known is not None and known.scale.ndim):
            self._last[output] = self._add("LeakyRelu", [self._as_last(name)], f"{output}_last", alpha=alpha)
            return True
        if known is None or output not in self._ranges:
            return False
        made = self._grid_of(output, f"{output}_bytes")
        inputs = [known.tensor, *self._scale_of(known), *self._scale_of(made)]
        self._add("QLinearLeakyRelu", inputs, made.tensor, domain=CONTRIB, alpha=alpha)
        self._bytes[output] = made
        return True

    def _sum(self, node: onnx.NodeProto) -> bool:
        if not all(name in self._last or name in self._bytes for name in node.input):
            return False
        output = node.output[0]
        self._last[output] = self._add("Add", [self._as_last(name) for name in node.input], f"{output}_last")
        return True

    def _joined(self, node: onnx.NodeProto) -> bool:
        output, axis = node.output[0], helper.get_attribute_value(node.attribute[0])
        # A picture may still have an axis for its references.
        if axis != self._rank[output] - 3 or len(node.input) < 2:
            return False
        if self._joined_parts(node):
            return True
        if not any(name in self._last or name in self._bytes or name in self._given for name in node.input):
            return False
        self._last[output] = self._add(
            "Concat", [self._as_last(name) for name in node.input], f"{output}_last", axis=3
        )
        return True

    def _shuffled(self, node: onnx.NodeProto) -> bool:
        known = self._bytes.get(node.input[0])
        if known is None or _blocks(node) != 2:
            return False
        output = node.output[0]
        shape = self._shape(node.input[0])
        height, width, channels = shape[2], shape[3], shape[1] // 4
        split = self._shape_constant([height, width, 2, 2 * channels])
        whole = self._shape_constant([1, 2 * height, 2 * width, channels])
        self._add("Reshape", [known.tensor, split], f"{output}_places")
        self._add("Transpose", [f"{output}_places"], f"{output}_moved", perm=[0, 2, 1, 3])
        self._add("Reshape", [f"{output}_moved", whole], f"{output}_bytes")
        self._bytes[output] = Bytes(f"{output}_bytes", known.scale, known.zero)
        return True

    def _only_reader(self, name: str) -> onnx.NodeProto | None:
        return self._reader.get(name) if self._readers[name] == 1 else None


def _blocks(node: onnx.NodeProto) -> int:
    """The side of the blocks that DepthToSpace makes; 0 where channels are not the slower of both."""
    given = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    return int(given["blocksize"]) if given.get("mode") == b"CRD" else 0
