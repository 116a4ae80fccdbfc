"""One ONNX graph in, two out.

Split: what depends on some of its inputs alone, to be run once, and the rest.

    before   a, b ── ... ── y
    after    a ── ... ── kept tensors         (once)
             kept tensors, b ── ... ── y      (every time)

Part: what some of its tensors are computed from others by.

    before   a ── ... ── x ── ... ── y
    part     x ── ... ── y                    (given x)
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import onnx
from onnx import helper


@dataclass(frozen=True, eq=False)
class SplitGraph:
    """Both parts; the outputs of `once` are inputs of `each`, by name."""

    once: onnx.ModelProto
    each: onnx.ModelProto


def split_graph(model: onnx.ModelProto, known: Collection[str]) -> SplitGraph:
    """Splits `model`, whose shapes are fixed, at everything that the inputs `known` decide.

    Args:
        model: its nodes are in the order of execution, as exporters write them; subgraphs are not looked into.
        known: names of inputs.

    Raises:
        ValueError: nothing, or everything, depends on `known` alone.
    """
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    return _split(model, graph, known)


def part_of(model: onnx.ModelProto, outputs: Collection[str], given: Collection[str] = ()) -> onnx.ModelProto:
    """What computes `outputs` from the tensors `given` and, where these do not suffice, from inputs.

    Args:
        model: its shapes are fixed and its nodes in the order of execution.
        outputs: names of tensors.
        given: names of tensors that become inputs.

    Raises:
        ValueError: there is no such tensor.
    """
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    shapes = {item.name: item for item in [*graph.value_info, *graph.input, *graph.output]}
    if missing := {*outputs, *given} - shapes.keys():
        raise ValueError(f"this graph has no {', '.join(sorted(missing))}")
    stop = set(given)
    wanted = set(outputs) - stop
    nodes = []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            wanted |= set(node.input) - stop
            nodes.append(node)
    read = {name for node in nodes for name in node.input}
    inputs = [*given, *(item.name for item in graph.input if item.name not in stop)]
    built = helper.make_graph(
        nodes[::-1],
        graph.name,
        [shapes[name] for name in inputs if name in read],
        [shapes[name] for name in outputs],
        [item for item in graph.initializer if item.name in read],
    )
    return helper.make_model(built, opset_imports=model.opset_import, ir_version=model.ir_version)


def _split(model: onnx.ModelProto, graph: onnx.GraphProto, known: Collection[str]) -> SplitGraph:
    """Splits `graph`, of `model` and with all shapes."""
    constant = {item.name for item in graph.initializer} | {""}
    early, early_names, constant_nodes = [], set(known), []
    late = []
    for node in graph.node:
        if set(node.input) <= constant:
            constant |= set(node.output)
            constant_nodes.append(node)
        elif set(node.input) <= constant | early_names:
            early_names |= set(node.output)
            early.append(node)
        else:
            late.append(node)
    outputs = [item.name for item in graph.output]
    kept = _unique(name for node in late for name in node.input if name in early_names)
    if not early or not late or any(name not in _written(late) for name in outputs):
        raise ValueError(f"{', '.join(known)} decide nothing, or all, of this graph")
    shapes = {item.name: item for item in [*graph.value_info, *graph.input, *graph.output]}
    inputs = [item.name for item in graph.input]
    raw = [name for name in kept if name in known]
    computed = [name for name in kept if name not in known]

    def part(nodes: list[onnx.NodeProto], given: list[str], wanted: list[str]) -> onnx.ModelProto:
        nodes = [*_needed(constant_nodes, nodes), *nodes]
        read = {name for node in nodes for name in node.input}
        built = helper.make_graph(
            nodes,
            graph.name,
            [shapes[name] for name in given if name in read],
            [shapes[name] for name in wanted],
            [item for item in graph.initializer if item.name in read],
        )
        return helper.make_model(built, opset_imports=model.opset_import, ir_version=model.ir_version)

    given_each = [*computed, *raw, *(name for name in inputs if name not in known)]
    given_once = [name for name in inputs if name in known]
    return SplitGraph(part(early, given_once, computed), part(late, given_each, outputs))


def _needed(candidates: list[onnx.NodeProto], readers: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Those of `candidates`, in their order, that `readers` depend on."""
    wanted = {name for node in readers for name in node.input}
    needed = []
    for node in reversed(candidates):
        if wanted & set(node.output):
            wanted |= set(node.input)
            needed.append(node)
    return needed[::-1]


def _written(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    return {name for node in nodes for name in node.output}


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
