"""A graph and typical inputs of it in, the ranges that bytes have to cover out: what lies beyond them is cut off.

A range that covers the loudest value ever seen leaves few levels for all the others, so the range is the one with the
least squared error: of what is cut off, and of rounding what is not.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

_CUT_OFF = (0.0, 1e-5, 1e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2)
# Of each channel this share at either end is no measure of how loud it is.
_NEVER_MIND = 1e-3
_LEVELS = 255
_SAMPLES = 4096
Feed = Mapping[str, NDArray[np.generic]]


def ranges_of(model: onnx.ModelProto, feeds: Sequence[Feed]) -> dict[str, NDArray[np.float32]]:
    """Float32 [2, C] by tensor, for whatever a convolution of `model` reads or writes and what stands between them.

    Lowest and highest of each channel, none beyond what is best for the tensor as a whole.

    Args:
        model: with the shapes of all its tensors.
        feeds: its inputs by name, of some dozen typical frames.
    """
    names = _names(model)
    seen: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    for values in _values(model, names, feeds):
        for name, value in values.items():
            channels = np.moveaxis(value, 1, 0).reshape(value.shape[1], -1)
            step = max(1, channels.size // _SAMPLES // 8 | 1)
            seen[name].append(channels[:, ::step])
    return {name: _range(np.concatenate(parts, axis=1)) for name, parts in seen.items()}


def _range(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Float32 [2, C] of values, float32 [C, N]."""
    whole = np.sort(values.ravel())
    best, low, high = np.inf, 0.0, 0.0
    for share in _CUT_OFF:
        ends = np.quantile(whole, [share, 1 - share])
        step = (max(ends[1], 0) - min(ends[0], 0)) / _LEVELS
        error = float(np.mean((whole - np.clip(whole, *ends)) ** 2) + step**2 / 12)
        if error < best:
            best, low, high = error, float(ends[0]), float(ends[1])
    ends = np.quantile(values, [_NEVER_MIND, 1 - _NEVER_MIND], axis=1)
    # The loudest channel ends where the tensor does.
    ends[0] = np.where(ends[0] == ends[0].min(), low, np.maximum(ends[0], low))
    ends[1] = np.where(ends[1] == ends[1].max(), high, np.minimum(ends[1], high))
    return ends.astype(np.float32)


def _names(model: onnx.ModelProto) -> set[str]:
    names = set()
    for node in model.graph.node:
        if node.op_type == "Conv":
            names |= {node.input[0], node.output[0]}
        elif node.op_type in ("DepthToSpace", "LeakyRelu"):
            names.add(node.output[0])
    return names


def _values(
    model: onnx.ModelProto, names: set[str], feeds: Sequence[Feed]
) -> Iterable[dict[str, NDArray[np.float32]]]:
    """What the tensors are for each of the feeds."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    given = {item.name for item in model.graph.input}
    known = {item.name for item in model.graph.output} | given
    watched.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in sorted(names - known)
    )
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    asked = sorted(names - given)
    for feed in feeds:
        values = session.run(asked, {name: feed[name] for name in given})
        yield {
            **dict(zip(asked, values, strict=True)),
            **{name: np.asarray(feed[name], np.float32) for name in names & given},
        }
