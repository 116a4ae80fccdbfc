"""The networks that look at pictures, with small graphs in the place of the large ones."""

import base64
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402

from headgan.models.metrics import faceres  # noqa: E402
from headgan.models.metrics.face_embedding import FaceEmbedder, cosine  # noqa: E402
from headgan.models.metrics.face_reading import FaceReader  # noqa: E402
from headgan.models.metrics.inception import PictureFeatures  # noqa: E402
from headgan.models.metrics.look import Looker, Networks  # noqa: E402
from headgan.models.metrics.perceptual import load_perceptual_metric  # noqa: E402
from headgan.models.morphable import MorphableModel  # noqa: E402
from headgan.models.tracker import TrackedFace  # noqa: E402
from headgan.proto.errors import ModelError, UsageError  # noqa: E402

SIZE = 224


def save_graph(
    path: Path, nodes: list[Any], source: list[Any], result: list[Any], arrays: list[Any] | None = None
) -> Path:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, source)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, result)],
        arrays or [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def small_faceres(path: Path) -> Path:
    """Averages 8x8 fields of the patch, so that the embedding is a small picture of it."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["pooled"], kernel_shape=[28, 28], strides=[28, 28]),
        helper.make_node("Flatten", ["pooled"], ["y"]),
    ]
    return save_graph(path, nodes, [1, SIZE, SIZE, 3], [1, 192])


def small_arcface(path: Path) -> Path:
    nodes = [
        helper.make_node("AveragePool", ["x"], ["pooled"], kernel_shape=[14, 14], strides=[14, 14]),
        helper.make_node("Flatten", ["pooled"], ["y"]),
    ]
    return save_graph(path, nodes, [1, 3, 112, 112], [1, 192])


def blurred_noise(seed: int = 0, size: int = 256) -> NDArray[np.uint8]:
    small = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)
    picture: NDArray[np.uint8] = cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)
    return picture


def face_points() -> NDArray[np.float32]:
    return (MorphableModel.load().mean * 45 + (128, 128, 0)).astype(np.float32)


@pytest.fixture(params=["faceres", "arcface"])
def embedder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FaceEmbedder:
    if request.param == "arcface":
        return FaceEmbedder(small_arcface(tmp_path / "arcface.onnx"), provider="cpu")
    monkeypatch.setattr("headgan.models.metrics.files.FOLDER", str(tmp_path))
    small_faceres(tmp_path / "faceres.onnx")
    return FaceEmbedder(provider="cpu")


def test_an_embedding_does_not_depend_on_where_the_face_is(embedder: FaceEmbedder) -> None:
    picture, points = blurred_noise(), face_points()
    embedding = embedder.embed(picture, points)
    assert float(np.linalg.norm(embedding)) == pytest.approx(1, abs=1e-5)
    turn = cv2.getRotationMatrix2D((128, 128), 20, 0.9)
    turned = cv2.warpAffine(picture, turn, (256, 256), flags=cv2.INTER_CUBIC).astype(np.uint8)
    moved = points.copy()
    moved[:, :2] = points[:, :2] @ turn[:, :2].T + turn[:, 2]
    assert cosine(embedding, embedder.embed(turned, moved.astype(np.float32))) > 0.995
    assert cosine(embedding, embedder.embed(blurred_noise(1), points)) < 0.9
    assert cosine(embedding, embedder.embed(turned, points)) < 0.95


def test_arcface_gets_the_face_where_it_wants_it(tmp_path: Path) -> None:
    """A picture that is bright to the left of the middle between the eyes, and dark to the right."""
    embedder = FaceEmbedder(small_arcface(tmp_path / "arcface.onnx"), provider="cpu")
    points = face_points()
    picture = np.zeros((256, 256, 3), np.uint8)
    picture[:, : round(float(points[[33, 133, 362, 263], 0].mean()))] = 255
    seen = embedder.embed(picture, points).reshape(3, 8, 8)
    # Its eyes are 54.9 pixels from the left of 112: just left of the middle column.
    assert (seen[:, 2, :3] > 0).all()
    assert (seen[:, 2, 4:] < 0).all()


def test_a_network_with_another_input_is_refused(tmp_path: Path) -> None:
    path = small_faceres(tmp_path / "faceres.onnx")
    with pytest.raises(ModelError, match="need 1 x 3 x 112 x 112"):
        FaceEmbedder(path)
    with pytest.raises(ModelError, match="need N x 3 x H x W"):
        PictureFeatures(path)


def test_picture_features_come_from_a_resized_picture_in_0_to_1(tmp_path: Path) -> None:
    nodes = [helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)]
    for shape in (["N", 3, 60, 80], [1, 3, "H", "W"]):
        network = PictureFeatures(save_graph(tmp_path / "i.onnx", nodes, shape, [1, 3]), provider="cpu")
        picture = np.full((256, 256, 3), (255, 51, 0), np.uint8)
        assert network.features(picture).tolist() == pytest.approx([1, 0.2, 0], abs=1e-4)


class OneFace:
    """Sees a face at the same place in every picture that is not black."""

    def __init__(self) -> None:
        self.looks = 0

    def reset(self) -> None:
        pass

    def track(self, frame_rgb: NDArray[np.uint8], is_wanted: object = None) -> TrackedFace | None:  # noqa: ARG002
        self.looks += 1
        return TrackedFace(face_points(), 1.0) if frame_rgb.any() else None


def test_a_reading_is_the_pose_and_the_action_units() -> None:
    model = MorphableModel.load()
    blink = np.zeros(52, np.float32)
    blink[9] = 1
    reader = FaceReader(model, OneFace(), lambda _: blink)
    identity = np.zeros(model.identity_size, np.float32)
    reading = reader.read(blurred_noise(), identity)
    assert reading is not None
    assert reading.angles == pytest.approx([0, 0, 0], abs=0.05)
    assert np.flatnonzero(reading.units).tolist() == [11]
    assert reader.read(np.zeros((256, 256, 3), np.uint8), identity) is None


def test_a_picture_that_stays_is_looked_at_once(embedder: FaceEmbedder) -> None:
    class Counting:
        calls = 0

        def features(self, picture_rgb: NDArray[np.uint8]) -> float:
            self.calls += 1
            return float(picture_rgb.mean())

        def distance(self, one: float, other: float) -> float:
            return abs(one - other)

    tracker, perceptual = OneFace(), Counting()
    model = MorphableModel.load()
    networks = Networks(FaceReader(model, tracker, lambda _: np.zeros(52, np.float32)), embedder, perceptual)
    looker = Looker(networks, np.zeros(model.identity_size, np.float32))
    still = blurred_noise()
    first = looker.look(still, face_points(), perceptual=False)
    assert (first.perceptual, perceptual.calls) == (None, 0)
    second = looker.look(still, face_points(), perceptual=True)
    third = looker.look(still, face_points(), perceptual=True)
    assert (tracker.looks, perceptual.calls) == (1, 1)
    assert second.perceptual == third.perceptual == float(still.mean())
    assert second.reading is first.reading
    looker.look(still.copy(), face_points(), perceptual=False)
    assert tracker.looks == 2


def test_without_torch_the_next_step_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in ("picture_distance", "vgg"):
        monkeypatch.delitem(sys.modules, f"headgan.models.nets.{name}", raising=False)
    with pytest.raises(UsageError, match=r"pip install 'headgan\[train\]', or give --perceptual 0"):
        load_perceptual_metric()


def same_convolution(
    planes: NDArray[np.float64], kernel: NDArray[np.float64], stride: int
) -> NDArray[np.float64]:
    """TensorFlow's SAME convolution of [H, W, C] by [h, w, C, D], slowly."""
    height = kernel.shape[0]
    count = -(-len(planes) // stride)
    missing = max((count - 1) * stride + height - len(planes), 0)
    before = (missing // 2, missing - missing // 2)
    padded = np.pad(planes, (before, before, (0, 0)))
    result = np.empty((count, count, kernel.shape[3]))
    for y in range(count):
        for x in range(count):
            window = padded[y * stride : y * stride + height, x * stride : x * stride + height]
            result[y, x] = np.tensordot(window, kernel, axes=3)
    return result


def graph_node(name: str, op: str, inputs: list[str], stride: int = 1) -> dict[str, Any]:
    attributes = {
        "padding": {"s": base64.b64encode(b"SAME").decode()},
        "dilations": {"list": {"i": ["1"] * 4}},
        "strides": {"list": {"i": ["1", str(stride), str(stride), "1"]}},
    }
    return {"name": name, "op": op, "input": inputs, "attr": attributes}


def tfjs_model() -> tuple[dict[str, Any], bytes, dict[str, NDArray[np.float64]]]:
    """A graph with all that faceres has, its weights file, and its arrays."""
    random = np.random.default_rng(0)
    shapes = {
        "conv": (17, 17, 3, 4),
        "depth": (3, 3, 4, 1),
        "gain": (4,),
        "bias": (4,),
        "six": (),
        "wide": (1, 1, 4, 1024),
    }
    arrays = {
        name: (random.standard_normal(shape) * 0.1).astype(np.float16) for name, shape in shapes.items()
    }
    arrays["six"] = np.array(6, np.float16)
    entries = [
        {"name": name, "shape": list(array.shape), "dtype": "float32", "quantization": {"dtype": "float16"}}
        for name, array in arrays.items()
    ]
    nodes = [
        {"name": "input_1", "op": "Placeholder", "attr": {}},
        *({"name": name, "op": "Const", "attr": {}} for name in arrays),
        graph_node("a", "Conv2D", ["input_1", "conv"], 16),
        graph_node("b", "Add", ["a", "bias"]),
        graph_node("c", "Relu", ["b"]),
        graph_node("d", "Minimum", ["c", "six"]),
        graph_node("e", "DepthwiseConv2dNative", ["d", "depth"], 2),
        graph_node("f", "Mul", ["e", "gain"]),
        graph_node("g", "Conv2D", ["f", "wide"]),
        graph_node("global_pooling/Mean", "Mean", ["g", "axes"]),
        graph_node("age", "Softmax", ["global_pooling/Mean"]),
    ]
    weights = b"".join(array.tobytes() for array in arrays.values())
    graph = {"modelTopology": {"node": nodes}, "weightsManifest": [{"weights": entries}]}
    return graph, weights, {name: array.astype(np.float64) for name, array in arrays.items()}


def test_the_converted_graph_computes_what_tensorflow_would() -> None:
    graph, weights, arrays = tfjs_model()
    session = onnxruntime.InferenceSession(
        faceres.convert(graph, weights).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    picture = np.random.default_rng(1).random((SIZE, SIZE, 3), np.float32) * 10
    x = same_convolution(picture.astype(np.float64), arrays["conv"], 16) + arrays["bias"]
    x = np.minimum(np.maximum(x, 0), 6)
    channels = [same_convolution(x[..., [k]], arrays["depth"][:, :, [k]], 2) for k in range(4)]
    x = np.concatenate(channels, axis=-1) * arrays["gain"]
    expected = (x @ arrays["wide"][0, 0]).mean(axis=(0, 1))
    (found,) = session.run(None, {"picture": picture[None]})
    assert found.shape == (1, 1024)
    assert found[0] == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_another_graph_is_refused() -> None:
    graph, weights, _ = tfjs_model()
    with pytest.raises(ModelError, match="bytes of weights"):
        faceres.convert(graph, weights + b"more")
    graph["modelTopology"]["node"][7]["op"] = "Atan"
    with pytest.raises(ModelError, match="operation Atan"):
        faceres.convert(graph, weights)
    with pytest.raises(ModelError, match="not the graph of faceres"):
        faceres.convert({}, weights)


def test_the_converted_file_lies_beside_what_was_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, weights, _ = tfjs_model()
    (tmp_path / "faceres.json").write_text(json.dumps(graph))
    (tmp_path / "faceres.bin").write_bytes(weights)
    monkeypatch.setattr("headgan.models.metrics.files.FOLDER", str(tmp_path))
    path = faceres.write_faceres()
    assert path == tmp_path / "faceres.onnx"
    onnx.checker.check_model(onnx.load(path))
    assert FaceEmbedder(provider="cpu").embed(blurred_noise(), face_points()).shape == (1024,)
