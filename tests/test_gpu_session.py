"""What can be known of running on a graphics card without one: options, operators, shapes, caches, bound arrays."""

import io
import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from headgan.models import frame_graphs, generator, gpu_session, runtime
from headgan.models.cut_frames import CutFrameGraph
from headgan.models.frame_graphs import _OF_FRAME
from headgan.models.gpu_session import (
    CPU,
    CUDA,
    HALF_KEY,
    TENSORRT,
    BoundSession,
    engine_folder,
    gpu_providers,
    may_be_half,
    telling_of_engine,
)
from headgan.models.nets.config import LIVE, PAPER
from headgan.models.nets.export import cut_frame, export_generator, whole_frame
from headgan.models.nets.head_gan import HeadGan
from headgan.models.weights import weights_path
from headgan.proto.errors import DeviceError, ModelError

# Names that libonnxruntime_providers_tensorrt.so and ..._cuda.so of onnxruntime-gpu 1.31.1 read, as `strings` shows.
TENSORRT_OPTIONS = frozenset(
    """
    device_id has_user_compute_stream trt_auxiliary_streams trt_bf16_enable trt_build_heuristics_enable
    trt_builder_optimization_level trt_context_memory_sharing_enable trt_cuda_graph_enable
    trt_detailed_build_log trt_dla_core trt_dla_enable trt_dump_ep_context_model trt_dump_subgraphs
    trt_engine_cache_enable trt_engine_cache_path trt_engine_cache_prefix trt_engine_decryption_enable
    trt_engine_decryption_lib_path trt_engine_hw_compatible trt_ep_context_embed_mode trt_ep_context_file_path
    trt_external_data_bytestream trt_external_data_bytestream_size trt_extra_plugin_lib_paths
    trt_force_sequential_engine_build trt_force_timing_cache trt_fp16_enable trt_int8_calibration_table_name
    trt_int8_enable trt_int8_use_native_calibration_table trt_layer_norm_fp32_fallback trt_load_user_initializer
    trt_max_partition_iterations trt_max_workspace_size trt_min_subgraph_size trt_onnx_bytestream
    trt_onnx_bytestream_size trt_onnx_model_folder_path trt_op_types_to_exclude trt_preview_features
    trt_profile_max_shapes trt_profile_min_shapes trt_profile_opt_shapes trt_sparsity_enable trt_tactic_sources
    trt_timing_cache_enable trt_timing_cache_path trt_weight_stripped_engine_enable
    """.split()  # noqa: SIM905
)
CUDA_OPTIONS = frozenset(
    """
    arena_extend_strategy cudnn_conv1d_pad_to_nc1d cudnn_conv_algo_search cudnn_conv_use_max_workspace device_id
    do_copy_in_default_stream enable_cuda_graph fuse_conv_bias gpu_mem_limit has_user_compute_stream prefer_nhwc
    sdpa_kernel tunable_op_enable tunable_op_max_tuning_duration_ms tunable_op_tuning_enable
    use_ep_level_unified_stream use_tf32
    """.split()  # noqa: SIM905
)
# Of those that docs/operators.md of onnx-tensorrt for TensorRT 10.15 (opsets 9 to 24) lists as supported for FP32, the
# ones used here; restrictions are tested below.
SUPPORTED = frozenset(
    """
    Add AveragePool Cast Clip Concat Constant ConstantOfShape Conv DepthToSpace Div Equal Expand Floor Gather
    Gemm GridSample Identity InstanceNormalization LeakyRelu MatMul Max Min Mul Pad Reciprocal ReduceMean Relu
    Reshape Resize Round Shape Sigmoid Slice Softmax Split Sqrt Squeeze Sub Tanh Transpose Unsqueeze Where
    """.split()  # noqa: SIM905
)
OPSETS = range(9, 25)
# UINT8 is for inputs and outputs of the whole network only.
TAKES_BYTES = "Cast"
COORDINATES = {b"half_pixel", b"pytorch_half_pixel", b"tf_half_pixel_for_nn", b"asymmetric", b"align_corners"}
NEAREST = {b"floor", b"ceil", b"round_prefer_floor", b"round_prefer_ceil"}
SHIPPED = ("live.onnx", "live.flow.onnx", "live.render.onnx", "live.reference.onnx", "prior.onnx")


EXPORTED = ("live reference", "live frame", "live flow", "live render", "paper reference", "paper frame")


@cache
def graphs() -> dict[str, onnx.ModelProto]:
    """Those that ship, and what is exported now, by name."""
    return {**{name: onnx.load(weights_path(name)) for name in SHIPPED}, **dict(exported())}


def exported() -> Iterator[tuple[str, onnx.ModelProto]]:
    torch.manual_seed(0)
    small = {
        "live": replace(LIVE, width=16),
        "paper": replace(PAPER, width=8, hidden=8, past_frames=0, gaze=True),
    }
    for name, config in small.items():
        parts = export_generator(HeadGan(config), 64)
        yield f"{name} reference", onnx.load_from_string(parts.reference)
        yield f"{name} frame", onnx.load_from_string(whole_frame(parts.frame))
        if name == "live":
            flow, render = cut_frame(parts.frame)
            yield f"{name} flow", onnx.load_from_string(flow)
            yield f"{name} render", onnx.load_from_string(render)


def as_partitioned(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """The graph as onnxruntime hands it to a provider: what is constant has been computed."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=[CPU])
    folded = onnx.load(path)
    # What was found with less known does not count.
    del folded.graph.value_info[:]
    return folded


@pytest.fixture(scope="module", params=[*SHIPPED, *EXPORTED])
def graph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> onnx.GraphProto:
    """A graph with all shapes that can be inferred."""
    folded = as_partitioned(graphs()[request.param], tmp_path_factory.mktemp("folded") / "graph.onnx")
    model = onnx.shape_inference.infer_shapes(folded, strict_mode=True, data_prop=True)
    assert model.opset_import[0].version in OPSETS
    return model.graph


def attributes(node: onnx.NodeProto) -> dict[str, object]:
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def types(graph: onnx.GraphProto) -> dict[str, int]:
    known = [*graph.input, *graph.output, *graph.value_info]
    return {item.name: item.type.tensor_type.elem_type for item in known}


def test_every_operator_is_one_that_tensorrt_has(graph: onnx.GraphProto) -> None:
    assert not Counter(node.op_type for node in graph.node if node.op_type not in SUPPORTED)


def test_nothing_loops_or_branches(graph: onnx.GraphProto) -> None:
    kinds = {item.type for node in graph.node for item in node.attribute}
    assert not kinds & {onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS}


def test_every_shape_is_known_before_it_runs(graph: onnx.GraphProto) -> None:
    for item in [*graph.input, *graph.output, *graph.value_info]:
        sides = item.type.tensor_type.shape.dim
        assert all(side.HasField("dim_value") and side.dim_value > 0 for side in sides), item.name
    named = {item.name for item in [*graph.value_info, *graph.output]}
    unnamed = {name for node in graph.node for name in node.output if name and name not in named}
    assert not unnamed


def test_bytes_are_turned_into_numbers_at_once(graph: onnx.GraphProto) -> None:
    of = types(graph)
    inputs, outputs = {item.name for item in graph.input}, {item.name for item in graph.output}
    for node in graph.node:
        for name in node.input:
            if of.get(name) == TensorProto.UINT8:
                assert name in inputs and node.op_type == TAKES_BYTES, (node.op_type, name)
        for name in node.output:
            if of.get(name) == TensorProto.UINT8:
                assert name in outputs and node.op_type == TAKES_BYTES, (node.op_type, name)


def test_pictures_are_resized_and_fetched_in_ways_that_tensorrt_has(graph: onnx.GraphProto) -> None:
    ranks = {item.name: len(item.type.tensor_type.shape.dim) for item in [*graph.input, *graph.value_info]}
    for node in graph.node:
        given = attributes(node)
        if node.op_type == "GridSample":
            assert given.get("mode", b"bilinear") in (
                b"bilinear",
                b"linear",
                b"nearest",
                b"bicubic",
                b"cubic",
            )
            assert given.get("padding_mode", b"zeros") in (b"zeros", b"border", b"reflection")
            assert ranks[node.input[0]] == 4
        if node.op_type == "Resize":
            assert given["coordinate_transformation_mode"] in COORDINATES
            assert given["mode"] in (b"nearest", b"linear")
            assert not given.get("antialias")
            if given["mode"] == b"nearest":
                assert given["nearest_mode"] in NEAREST
        if node.op_type == "AveragePool":
            assert all(step == 1 for step in given.get("dilations", []))  # type: ignore[attr-defined]


def test_no_constant_is_beyond_half_precision(graph: onnx.GraphProto) -> None:
    tensors = list(graph.initializer)
    tensors += [
        value
        for node in graph.node
        for value in attributes(node).values()
        if isinstance(value, onnx.TensorProto)
    ]
    for tensor in tensors:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size:
            assert np.abs(values).max() < np.finfo(np.float16).max, tensor.name


def test_places_in_tables_are_whole_numbers_from_the_start() -> None:
    """In half precision 2049 is 2048: neither a product nor a sum of a place may be of floating point."""
    model = onnx.shape_inference.infer_shapes(graphs()["live frame"], strict_mode=True, data_prop=True)
    of = types(model.graph)
    made = {output: node for node in model.graph.node for output in node.output}
    gathers = [node for node in model.graph.node if node.op_type == "Gather" and node.input[1] in made]
    rows = [node for node in gathers if len(of) and made[node.input[1]].op_type == "Reshape"]
    assert len(rows) >= 2
    for node in rows:
        waiting = [node.input[1]]
        while waiting:
            name_of = waiting.pop()
            maker = made.get(name_of)
            if maker is None or maker.op_type == "Constant":
                continue
            if maker.op_type == "Cast":
                assert made[maker.input[0]].op_type == "Floor"
                continue
            assert of[name_of] == TensorProto.INT64, maker.op_type
            waiting += maker.input[:1] if maker.op_type == "Reshape" else maker.input


def test_files_say_whether_half_precision_is_enough(tmp_path: Path) -> None:
    assert not may_be_half(weights_path("prior.onnx"))
    for name in EXPORTED:
        path = tmp_path / f"{name}.onnx"
        onnx.save(graphs()[name], path)
        assert may_be_half(path)


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("is_half", [False, True])
def test_options_are_those_that_onnxruntime_reads(cached: Path, tmp_path: Path, is_half: bool) -> None:
    path = tmp_path / "some.onnx"
    model = onnx.load(weights_path("prior.onnx"))
    if is_half:
        helper.set_model_props(model, {HALF_KEY: "1"})
    onnx.save(model, path)
    (tensorrt, options), (cuda, cuda_options), cpu = gpu_providers(path, TENSORRT)
    assert (tensorrt, cuda, cpu) == (TENSORRT, CUDA, (CPU, {}))
    assert options.keys() <= TENSORRT_OPTIONS
    assert cuda_options.keys() <= CUDA_OPTIONS
    assert options["trt_fp16_enable"] == str(int(is_half))
    assert Path(options["trt_engine_cache_path"]).parent == cached / "headgan" / "tensorrt"
    assert all(isinstance(value, str) for value in (*options.values(), *cuda_options.values()))
    assert gpu_providers(path, CUDA) == [(CUDA, cuda_options), (CPU, {})]


def test_another_file_has_other_engines(cached: Path, tmp_path: Path) -> None:  # noqa: ARG001
    one, other = tmp_path / "net.onnx", tmp_path / "there" / "net.onnx"
    other.parent.mkdir()
    one.write_bytes(b"1")
    other.write_bytes(b"1")
    assert engine_folder(one) == engine_folder(other)
    other.write_bytes(b"2")
    assert engine_folder(one) != engine_folder(other)


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    with pytest.raises(DeviceError, match="set XDG_CACHE_HOME to another folder"):
        engine_folder(weights_path("prior.onnx"))


def test_who_waits_for_an_engine_is_told_so_once(
    cached: Path,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(gpu_session, "_SILENT_S", 0.0)
    monkeypatch.setattr(gpu_session, "_TELL_EVERY_S", 0.01)
    caplog.set_level(logging.INFO)
    path = weights_path("prior.onnx")
    with telling_of_engine(path):
        while "still building" not in caplog.text:
            pass
        (engine_folder(path) / "a.engine").write_text("")
    assert re.search(r"building the TensorRT engine of prior.onnx for this card, once", caplog.text)
    assert re.search(r"built in \d+ s; the next start takes it", caplog.text)
    caplog.clear()
    with telling_of_engine(path):
        pass
    assert not caplog.text


def test_a_file_that_is_missing_is_told_the_same_with_every_provider(
    cached: Path,  # noqa: ARG001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    with pytest.raises(ModelError, match="cannot be loaded by onnxruntime"):
        runtime.open_session(tmp_path / "nowhere.onnx", "tensorrt")


def adder() -> onnxruntime.InferenceSession:
    """`sum` of `kept` and `new`, four numbers each."""
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("kept", "new", "sum")]
    built = helper.make_graph(
        [helper.make_node("Add", ["kept", "new"], ["sum"])], "adder", shapes[:2], shapes[2:]
    )
    model = helper.make_model(built, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    buffer = io.BytesIO()
    onnx.save(model, buffer)
    return onnxruntime.InferenceSession(buffer.getvalue(), providers=[CPU])


def test_bound_arrays_give_what_the_session_gives_and_are_copied_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = BoundSession(adder(), frozenset({"new"}), "cpu")
    copied: list[int] = []
    copy = session._copied

    def counted(array: NDArray[np.generic]) -> object:
        copied.append(len(array))
        return copy(array)

    monkeypatch.setattr(session, "_copied", counted)
    ones, twos = np.ones(4, np.float32), np.full(4, 2, np.float32)
    for kept in (ones, twos, ones):
        for new in range(3):
            (total,) = session.run(["sum"], {"kept": kept, "new": np.full(4, new, np.float32)})
            assert np.array_equal(total, kept + new)
    assert len(copied) == 3  # two that are kept, and the place of what changes
    assert session.get_inputs()[0].name == "kept"


def test_a_bound_session_holds_a_bounded_number_of_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_session, "_KEPT", 3)
    session = BoundSession(adder(), frozenset({"new"}), "cpu")
    new = np.zeros(4, np.float32)
    for value in range(20):
        (total,) = session.run(["sum"], {"kept": np.full(4, value, np.float32), "new": new})
        assert np.array_equal(total, np.full(4, value))
    assert len(session._kept) == 3


def test_a_whole_generator_draws_the_same_bound(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """The shipped frame graph, as a card would be given it."""
    plain = onnxruntime.InferenceSession(str(weights_path("live.onnx")), providers=[CPU])
    bound = BoundSession(plain, _OF_FRAME, "cpu")
    rng = np.random.default_rng(0)
    feed = {}
    for item in plain.get_inputs():
        shape = item.shape
        is_bytes = item.type == "tensor(uint8)"
        feed[item.name] = (
            rng.integers(0, 256, shape, np.uint8)
            if is_bytes
            else rng.uniform(-1, 1, shape).astype(np.float32)
        )
    for _ in range(2):
        assert np.array_equal(bound.run(["picture"], feed)[0], plain.run(["picture"], feed)[0])
        feed["source_grid"] = feed["source_grid"][::-1]  # not laid out in a row


@pytest.mark.parametrize(
    ("in_halves", "opened"),
    [(False, ["live.onnx", "live.reference.onnx"]), (True, ["live.flow.onnx", "live.render.onnx"])],
)
def test_a_card_is_given_only_what_it_is_to_run(
    in_halves: bool, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorRT would compile the rest for minutes."""
    given: list[str] = []

    def open_there(path: Path, *_: object) -> tuple[onnxruntime.InferenceSession, str]:
        given.append(path.name)
        return onnxruntime.InferenceSession(str(path), providers=[CPU]), "tensorrt"

    for module in (frame_graphs, generator):
        monkeypatch.setattr(module, "open_session", open_there)
    assert generator.OnnxGenerator(provider="tensorrt", in_halves=in_halves).provider == "tensorrt"
    assert given == [*dict.fromkeys([*opened, "live.reference.onnx"])]


def test_where_no_card_works_the_halves_are_taken_as_on_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_graphs, "is_processor", lambda _: False)
    graph, name = frame_graphs.open_frame_graph(weights_path("live.onnx"), "auto")
    assert name == "cpu" and isinstance(graph, CutFrameGraph)


def test_what_onnxruntime_prints_is_no_result(
    cached: Path,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    real = onnxruntime.InferenceSession

    def falls_back(path: str, options: object, providers: list[object]) -> onnxruntime.InferenceSession:
        if providers != [CPU]:
            print("*** EP Error ***")  # noqa: T201
        return real(path, options, providers=[CPU])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [TENSORRT, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", falls_back)
    # Programs that other tests ran have set the level of their loggers.
    caplog.set_level(logging.DEBUG, logger=gpu_session.log.name)
    _, name = runtime.open_session(weights_path("prior.onnx"), "auto")
    assert name == "cpu" and not capsys.readouterr().out
    assert "*** EP Error ***" in caplog.text
