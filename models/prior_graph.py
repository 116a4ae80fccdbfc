"""Nothing in, the generator that ships before any training out: an ONNX graph that warps the reference.

    reference uint8 [256, 256, 3] ──┐
                                    ├─ GridSample ──┐
    source_grid float32 [256,256,2]─┘               │
    background uint8 [256, 256, 3] ───┐             ├─ picture uint8 [256, 256, 3]
    uncovered float32 [256, 256] ─────┴─────────────┤
    mouth float32 [256, 256] ────────── dark red ───┘

A trained generator has the same inputs, and `pncc` and others beside them; the runtime feeds what a graph
declares. Run `python -m headgan.models.prior_graph FILE` to write it again; it needs `onnx` (extra `dev`).
"""

import sys
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from headgan.models.mouth import MOUTH_COLOR
from headgan.models.pncc import CROP_SIZE

_OPSET = 17


def _planes(name: str) -> list[onnx.NodeProto]:
    """Picture `name`, uint8 [H, W, 3], to `name`_planes, float32 [1, 3, H, W]."""
    return [
        helper.make_node("Cast", [name], [f"{name}_levels"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", [f"{name}_levels", "batch_axis"], [f"{name}_batch"]),
        helper.make_node("Transpose", [f"{name}_batch"], [f"{name}_planes"], perm=[0, 3, 1, 2]),
    ]


def _blend(one: str, other: str, share: str, result: str) -> list[onnx.NodeProto]:
    """Blends towards `other` by `share`: one + share * (other - one)."""
    return [
        helper.make_node("Sub", [other, one], [f"{result}_difference"]),
        helper.make_node("Mul", [f"{result}_difference", share], [f"{result}_step"]),
        helper.make_node("Add", [one, f"{result}_step"], [result]),
    ]


def prior_graph() -> onnx.ModelProto:
    """The graph; bilinear, what lies outside the reference repeats its border."""
    size = CROP_SIZE
    nodes = [
        *_planes("reference"),
        helper.make_node("Unsqueeze", ["source_grid", "batch_axis"], ["grid_batch"]),
        helper.make_node(
            "GridSample",
            ["reference_planes", "grid_batch"],
            ["warped"],
            mode="bilinear",
            padding_mode="border",
            align_corners=0,
        ),
        *_planes("background"),
        *_blend("warped", "background_planes", "uncovered", "uncovered_filled"),
        *_blend("uncovered_filled", "dark", "mouth", "filled"),
        helper.make_node("Round", ["filled"], ["rounded"]),
        helper.make_node("Transpose", ["rounded"], ["pixels"], perm=[0, 2, 3, 1]),
        helper.make_node("Squeeze", ["pixels", "batch_axis"], ["levels"]),
        # The last one: TensorRT knows bytes at the ends of a graph only.
        helper.make_node("Cast", ["levels"], ["picture"], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(
        nodes,
        "headgan_prior",
        [
            helper.make_tensor_value_info("reference", TensorProto.UINT8, [size, size, 3]),
            helper.make_tensor_value_info("background", TensorProto.UINT8, [size, size, 3]),
            helper.make_tensor_value_info("source_grid", TensorProto.FLOAT, [size, size, 2]),
            helper.make_tensor_value_info("uncovered", TensorProto.FLOAT, [size, size]),
            helper.make_tensor_value_info("mouth", TensorProto.FLOAT, [size, size]),
        ],
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, [size, size, 3])],
        [
            helper.make_tensor("batch_axis", TensorProto.INT64, [1], [0]),
            helper.make_tensor("dark", TensorProto.FLOAT, [1, 3, 1, 1], MOUTH_COLOR),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(prior_graph().SerializeToString())
