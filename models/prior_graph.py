"""Nothing in, the generator that ships before any training out: an ONNX graph that warps the reference.

    reference uint8 [256, 256, 3] ──┐
                                    ├─ GridSample ── picture uint8 [256, 256, 3]
    source_grid float32 [256,256,2]─┘

A trained generator has the same inputs, and `pncc` and others beside them; the runtime feeds what a graph
declares. Run `python -m headgan.models.prior_graph FILE` to write it again; it needs `onnx` (extra `dev`).
"""

import sys
from pathlib import Path

import onnx
from headgan.models.pncc import CROP_SIZE
from onnx import TensorProto, helper

_OPSET = 17


def prior_graph() -> onnx.ModelProto:
    """The graph; bilinear, what lies outside the reference repeats its border."""
    size = CROP_SIZE
    nodes = [
        helper.make_node("Cast", ["reference"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["levels", "batch_axis"], ["levels_batch"]),
        helper.make_node("Transpose", ["levels_batch"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Unsqueeze", ["source_grid", "batch_axis"], ["grid_batch"]),
        helper.make_node(
            "GridSample",
            ["planes", "grid_batch"],
            ["warped"],
            mode="bilinear",
            padding_mode="border",
            align_corners=0,
        ),
        helper.make_node("Round", ["warped"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["bytes"], to=TensorProto.UINT8),
        helper.make_node("Transpose", ["bytes"], ["pixels"], perm=[0, 2, 3, 1]),
        helper.make_node("Squeeze", ["pixels", "batch_axis"], ["picture"]),
    ]
    graph = helper.make_graph(
        nodes,
        "headgan_prior",
        [
            helper.make_tensor_value_info("reference", TensorProto.UINT8, [size, size, 3]),
            helper.make_tensor_value_info("source_grid", TensorProto.FLOAT, [size, size, 2]),
        ],
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, [size, size, 3])],
        [helper.make_tensor("batch_axis", TensorProto.INT64, [1], [0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(prior_graph().SerializeToString())
