"""Nodes that turn bytes from outside to floats in, what these floats are out: nothing but bytes, with a scale.

    bytes ── cast, transpose, divide, subtract, concatenate ── a convolution with strides

The convolution reads the bytes themselves, as squares of pixels that lie side by side, and the scale is in its weights.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from headgan.models.nets.byte_graph import LEVELS, ByteGraph, Bytes, Part, single

# Of a picture between -1 and 1.
_HALF = 127.5


class GivenBytes(ByteGraph):
    """Rules for what comes from outside: each says whether it took a node."""

    def _find_pictures(self) -> None:
        """Pictures and planes among the inputs that are floats only because a network asks for them."""
        for name in self._given:
            if name == "warped":
                half = 127.5
                self._parts[name] = (Part(name, 3, 1 / half, 128, 0.5 / half),)
            elif self._kind[name] == TensorProto.FLOAT and self._rank[name] == 2:
                self._parts[name] = (Part(name, 1, 1 / LEVELS),)

    def _read(self, node: onnx.NodeProto) -> bool:
        name, output = node.input[0], node.output[0]
        if self._kind.get(name) != TensorProto.UINT8 or self._kind.get(output) != TensorProto.FLOAT:
            return False
        self._postpone(node, (Part(name),))
        return True

    def _scaled(self, node: onnx.NodeProto) -> bool:
        parts, divisor = self._parts.get(node.input[0]), self._number(node.input[1])
        if not parts or divisor is None:
            return False
        self._postpone(node, tuple(replace(part, scale=part.scale / divisor) for part in parts))
        return True

    def _shifted(self, node: onnx.NodeProto) -> bool:
        parts, taken = self._parts.get(node.input[0]), self._number(node.input[1])
        if not parts or taken is None:
            return False
        shifted = []
        for part in parts:
            zero = round(taken / part.scale) + part.zero
            if not 0 <= zero <= LEVELS:
                return False
            left = part.offset - taken + part.scale * (zero - part.zero)
            shifted.append(replace(part, zero=zero, offset=left))
        self._postpone(node, tuple(shifted))
        return True

    def _moved(self, node: onnx.NodeProto) -> bool:
        parts, order = self._parts.get(node.input[0]), list(helper.get_attribute_value(node.attribute[0]))
        if not parts or len(parts) > 1 or order != [2, 0, 1]:
            return False
        self._postpone(node, (replace(parts[0], channels=self._shape(node.output[0])[0]),))
        return True

    def _same(self, node: onnx.NodeProto) -> bool:
        """Whatever leaves all the bytes in their order."""
        parts = self._parts.get(node.input[0])
        before, after = (self._shape(name) for name in (node.input[0], node.output[0]))
        if not parts or [side for side in before if side > 1] != [side for side in after if side > 1]:
            return False
        self._postpone(node, parts)
        return True

    def _joined_parts(self, node: onnx.NodeProto) -> bool:
        known = [self._parts.get(name) for name in node.input]
        if not all(known):
            return False
        self._postpone(node, tuple(part for parts in known if parts for part in parts))
        return True

    def _postpone(self, node: onnx.NodeProto, parts: tuple[Part, ...]) -> None:
        """The node is only needed if somebody wants its floats."""
        self._parts[node.output[0]] = parts
        self._postponed[node.output[0]] = node

    def _patches(
        self, node: onnx.NodeProto, weights: NDArray[np.float32], given: dict[str, Any]
    ) -> tuple[Bytes, NDArray[np.float32], NDArray[np.float32], dict[str, Any]] | None:
        """A convolution of few channels with strides as one of more channels without: that is several times as fast.

        Returns:
            What it reads, its weights, what is to be added to its bias, and its attributes; None if it has no strides
            or reads no bytes from outside.
        """
        parts, (side, *_), pads = self._parts.get(node.input[0]), given["strides"], given["pads"]
        kernel = weights.shape[2]
        if not parts or side == 1 or kernel % side or any(pad % side for pad in pads):
            return None
        shape = self._shape(node.input[0])
        if shape[2] % side or shape[3] % side or len({part.zero for part in parts}) > 1:
            return None
        count, start, pieces, offset = kernel // side, 0, [], np.zeros(len(weights), np.float32)
        for part in parts:
            own = weights[:, start : start + part.channels]
            start += part.channels
            offset += np.float32(part.offset) * own.sum(axis=(1, 2, 3))
            split = own.reshape(len(own), part.channels, count, side, count, side)  # [O, C, Y, y, X, x]
            moved = split.transpose(0, 3, 5, 1, 2, 4).reshape(len(own), -1, count, count)
            pieces.append(moved * np.float32(part.scale))
        read = Bytes(self._as_patches(parts, shape, side), single(1), parts[0].zero)
        changed = {
            **given,
            "strides": [1, 1],
            "kernel_shape": [count, count],
            "pads": [pad // side for pad in pads],
        }
        return read, np.concatenate(pieces, axis=1), offset, changed

    def _number(self, name: str) -> float | None:
        value = self._constants.get(name)
        return float(value.reshape(())) if value is not None and value.size == 1 else None
