"""Nodes of a new graph in, its model out, with each tensor in whatever form somebody asks for it.

plain   floats in the order that they had, by the name that they had
last    floats, channels last
bytes   bytes, channels last
parts   bytes from outside, whose floats are only made where they are asked for
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

CONTRIB = "com.microsoft"
LEVELS = 255
_TO_LAST, _TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
Ranges = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Bytes:
    """A tensor of bytes, channels last: value = scale * (byte - zero).

    Attributes:
        tensor: its name.
        scale: float32 [] or [C].
        zero: the byte that stands for nothing.
    """

    tensor: str
    scale: NDArray[np.float32]
    zero: int


@dataclass(frozen=True)
class Part:
    """Some channels that come from outside as bytes: value = scale * (byte - zero) + offset.

    Attributes:
        given: the input that they are.
        channels: how many.
        scale: of a byte.
        zero: the byte that stands for nothing.
        offset: what is left of it.
    """

    given: str
    channels: int = 1
    scale: float = 1.0
    zero: int = 0
    offset: float = 0.0


class ByteGraph:
    """What a graph in eight bits is put together from; tensors keep their names where they keep their form."""

    def __init__(self, model: onnx.ModelProto, ranges: Ranges) -> None:
        graph = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
        self._model, self._graph, self._ranges = model, graph, ranges
        infos = [*graph.value_info, *graph.input, *graph.output]
        self._shapes = {
            item.name: [dim.dim_value for dim in item.type.tensor_type.shape.dim] for item in infos
        }
        self._rank = {name: len(shape) for name, shape in self._shapes.items()}
        self._kind = {item.name: item.type.tensor_type.elem_type for item in infos}
        self._constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        self._readers: Counter[str] = Counter(name for node in graph.node for name in node.input)
        self._readers.update(item.name for item in graph.output)
        self._reader = {name: node for node in graph.node for name in node.input}
        self._nodes: list[onnx.NodeProto] = []
        self._made: dict[str, onnx.TensorProto] = {}
        # Of tensors by their old name: floats as they were, floats with their channels last, bytes; and what is
        # nothing but bytes from outside, with the nodes that would make floats of them.
        self._given = {item.name: item for item in graph.input}
        self._plain = {*self._given, *self._constants}
        self._postponed: dict[str, onnx.NodeProto] = {}
        self._taken: dict[str, onnx.ValueInfoProto] = {}
        self._scales: dict[str, str] = {}
        self._last: dict[str, str] = {}
        self._bytes: dict[str, Bytes] = {}
        self._parts: dict[str, tuple[Part, ...]] = {}

    def finished(self) -> onnx.ModelProto:
        """The new model."""
        outputs = [self._finished(item) for item in self._graph.output]
        read = {name for node in self._nodes for name in node.input}
        graph = helper.make_graph(
            self._nodes,
            self._graph.name,
            [*(item for name, item in self._given.items() if name in read), *self._taken.values()],
            outputs,
            [*(item for item in self._graph.initializer if item.name in read), *self._made.values()],
        )
        opsets = [item for item in self._model.opset_import if item.domain in ("", CONTRIB)]
        if not any(item.domain == CONTRIB for item in opsets):
            opsets.append(helper.make_opsetid(CONTRIB, 1))
        made = helper.make_model(graph, opset_imports=opsets, ir_version=self._model.ir_version)
        helper.set_model_props(made, self._scales)
        return made

    def _finished(self, item: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
        """An output of the new graph."""
        name, shape = item.name, self._shape(item.name)
        if len(shape) != 4:
            self._as_plain(name)
            return item
        last = [shape[place] for place in _TO_LAST]
        known = self._bytes.get(name)
        if known is not None and name not in self._last and known.scale.ndim:
            self._scales[f"{name}/bytes"] = json.dumps([known.zero, *known.scale.tolist()])
            kind, form = TensorProto.UINT8, "bytes"
            self._add("Identity", [known.tensor], f"{name}/bytes")
        else:
            kind, form = TensorProto.FLOAT, "last"
            self._add("Identity", [self._as_last(name)], f"{name}/last")
        return helper.make_tensor_value_info(f"{name}/{form}", kind, last)

    def _as_plain(self, name: str) -> str:
        """Floats in the old order, by their old name."""
        if name in self._plain:
            return name
        if name in self._postponed:
            self._keep(self._postponed.pop(name))
        elif name in self._last:
            self._add("Transpose", [self._last[name]], name, perm=_TO_FIRST)
        elif name in self._bytes:
            levels = self._bytes[name]
            moved = self._add("Transpose", [levels.tensor], f"{name}_first", perm=_TO_FIRST)
            self._add("DequantizeLinear", [moved, *self._scale_of(levels)], name, axis=1)
        self._plain.add(name)
        return name

    def _as_last(self, name: str) -> str:
        """Floats, channels last."""
        if name not in self._last:
            levels = self._bytes.get(name)
            if levels is not None and not levels.scale.ndim:
                self._add("DequantizeLinear", [levels.tensor, *self._scale_of(levels)], f"{name}_last")
            elif name in self._given:
                shape = [self._shape(name)[place] for place in _TO_LAST]
                self._take(f"{name}/last", TensorProto.FLOAT, shape)
                self._last[name] = f"{name}/last"
                return self._last[name]
            else:
                self._add("Transpose", [self._as_plain(name)], f"{name}_last", perm=_TO_LAST)
            self._last[name] = f"{name}_last"
        return self._last[name]

    def _as_bytes(self, name: str) -> Bytes:
        """Bytes of one scale, channels last."""
        known = self._bytes.get(name)
        if known is not None and not known.scale.ndim:
            return known
        made = self._grid_of(name, f"{name}_bytes")
        if name in self._last or name in self._given:
            self._add("QuantizeLinear", [self._as_last(name), *self._scale_of(made)], made.tensor)
        else:  # Fewer bytes are moved so.
            first = f"{name}_first_bytes"
            self._add("QuantizeLinear", [self._as_plain(name), *self._scale_of(made)], first)
            self._add("Transpose", [first], made.tensor, perm=_TO_LAST)
        self._bytes[name] = made
        return made

    def _as_patches(self, parts: tuple[Part, ...], shape: list[int], side: int) -> str:
        """Squares of `side` pixels of each part, side by side as channels, [1, H / side, W / side, C side side]."""
        height, width = shape[2] // side, shape[3] // side
        names = [f"{part.given}/{side}" for part in parts]
        for name, part in zip(names, parts, strict=True):
            self._take(name, TensorProto.UINT8, [1, height, width, part.channels * side * side])
        if len(names) == 1:
            return names[0]
        return self._add("Concat", names, f"patches_{len(self._nodes)}", axis=3)

    def _take(self, name: str, kind: int, shape: list[int]) -> None:
        """Makes an input of the new graph."""
        self._taken[name] = helper.make_tensor_value_info(name, kind, shape)

    def _grid_of(self, name: str, tensor: str) -> Bytes:
        """Bytes of one scale that cover the range of `name`."""
        low, high = self._ranges[name]
        scale, zero = byte_grid(float(low.min()), float(high.max()))
        return Bytes(tensor, single(scale), zero)

    def _keep(self, node: onnx.NodeProto) -> None:
        for name in node.input:
            self._as_plain(name)
        self._nodes.append(node)
        self._plain.update(node.output)

    def _shape(self, name: str) -> list[int]:
        return self._shapes.get(name, [])

    def _shape_constant(self, shape: list[int]) -> str:
        return self._constant("shape_" + "_".join(map(str, shape)), np.array(shape, np.int64))

    def _scale_of(self, levels: Bytes) -> list[str]:
        """Names of constants: the scale and the zero of bytes."""
        scale, zero = levels.scale, np.full(levels.scale.shape, levels.zero, np.uint8)
        name = levels.scale.tobytes().hex()[:64]
        return [
            self._constant(f"scale_{name}_{scale.ndim}", scale),
            self._constant(f"zero_{levels.zero}_{scale.shape}", zero),
        ]

    def _constant(self, name: str, value: NDArray[np.generic]) -> str:
        self._made.setdefault(name, numpy_helper.from_array(np.asarray(value), name))
        return name

    def _add(self, kind: str, inputs: list[str], output: str, domain: str = "", **attributes: object) -> str:
        self._nodes.append(
            helper.make_node(
                kind, inputs, [output], name=f"{kind}_{len(self._nodes)}", domain=domain, **attributes
            )
        )
        return output


def single(value: float) -> NDArray[np.float32]:
    """Float32 []."""
    return np.array(value, np.float32)


def byte_grid(low: float, high: float) -> tuple[float, int]:
    """Step and zero of bytes from `low` to `high`; nothing is exactly nothing."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max(high - low, 1e-9) / LEVELS
    return scale, round(-low / scale)
