"""Exported graphs draw what torch draws, for both families, and the part of the reference is done once."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'headgan[train]'")
onnx = pytest.importorskip("onnx")

from headgan.models.frame_graphs import MADE_FROM_KEY, PRECISIONS, open_frame_graph  # noqa: E402
from headgan.models.nets.config import LIVE, PAPER, NetConfig  # noqa: E402
from headgan.models.nets.export import (  # noqa: E402
    CUTS,
    cut_for_bytes,
    cut_frame,
    draw_bytes,
    export_generator,
    generator_inputs,
    whole_frame,
)
from headgan.models.nets.head_gan import HeadGan  # noqa: E402
from headgan.models.nets.inputs import Driving, Reference  # noqa: E402
from headgan.models.nets.quantise import digest_of, quantised  # noqa: E402
from headgan.models.nets.split import split_graph  # noqa: E402
from headgan.models.precision import belongs  # noqa: E402
from headgan.models.runtime import open_session  # noqa: E402
from headgan.proto.errors import UsageError  # noqa: E402

SIZE = 32
CONFIGS = {
    "live": replace(LIVE, width=24),
    "paper": replace(PAPER, width=8, hidden=8, past_frames=0),
    "live, silent, no eyes": replace(LIVE, width=24, audio=False, gaze=False),
    "live from nothing": replace(LIVE, width=24, prior=False),
    "live from landmarks": replace(LIVE, width=24, prior=False, code="landmarks"),
}


def trained(config: NetConfig) -> HeadGan:
    """Seeded, no layer zero; a few steps of spectral norms, as training leaves them."""
    torch.manual_seed(1)
    generator = HeadGan(config)
    with torch.no_grad():
        for parameter in generator.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.03)
    return generator.eval()


def random_inputs(config: NetConfig, seed: int = 2) -> dict[str, Any]:
    torch.manual_seed(seed)
    given = {}
    for name, blank in generator_inputs(config, SIZE).items():
        is_picture = blank.dtype == torch.uint8
        given[name] = (
            torch.randint(0, 256, blank.shape, dtype=torch.uint8) if is_picture else torch.rand(blank.shape)
        )
    given["source_grid"] = given["source_grid"] * 2.2 - 1.1
    return given


def run(path: Path, given: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    session, _ = open_session(path, "cpu")
    names = [item.name for item in session.get_outputs()]
    feed = {item.name: given[item.name] for item in session.get_inputs()}
    return dict(zip(names, session.run(names, feed), strict=True))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
@pytest.mark.parametrize("half", [False, True])
def test_the_graphs_draw_what_torch_draws(config: NetConfig, half: bool, tmp_path: Path) -> None:
    generator = trained(config)
    exported = export_generator(generator, SIZE, half=half)
    given = random_inputs(config)
    expected = draw_bytes(generator, given).numpy().astype(int)
    (tmp_path / "a.reference.onnx").write_bytes(exported.reference)
    (tmp_path / "a.onnx").write_bytes(exported.frame)
    arrays = {name: item.numpy() for name, item in given.items()}
    kept = run(tmp_path / "a.reference.onnx", arrays)
    difference = np.abs(run(tmp_path / "a.onnx", arrays | kept)["picture"].astype(int) - expected)
    # Rounding to bytes may go either way; half precision loses a little more.
    assert difference.max() <= (4 if half else 1)
    assert difference.mean() < (0.2 if half else 0.02)
    assert len(np.unique(expected)) > 50


def test_what_a_frame_costs_does_not_hold_the_encoder() -> None:
    generator = trained(CONFIGS["live"])
    exported = export_generator(generator, SIZE)
    once, each = (onnx.load_from_string(part) for part in (exported.reference, exported.frame))
    convolutions = [sum(node.op_type == "Conv" for node in part.graph.node) for part in (once, each)]
    assert convolutions[0] == sum(isinstance(item, torch.nn.Conv2d) for item in generator.encoder.modules())
    of_reference = {"reference", "reference_pncc", "reference_eyes", "background"}
    assert {item.name for item in once.graph.input} == of_reference
    assert not of_reference & {item.name for item in each.graph.input}
    shapes = [item.type.tensor_type.shape.dim for item in each.graph.input]
    assert all(side.dim_value > 0 for shape in shapes for side in shape)


@pytest.mark.parametrize("half", [False, True])
def test_two_halves_draw_what_the_whole_draws(half: bool, tmp_path: Path) -> None:
    config = CONFIGS["live"]
    exported = export_generator(trained(config), SIZE, half=half)
    given = {name: item.numpy() for name, item in random_inputs(config).items()}
    # Neighbours of noise have nothing in common: OpenCV rounds places to a 32nd of a pixel.
    given["reference"] = cv2.resize(given["reference"][::8, ::8], (SIZE, SIZE))
    (tmp_path / "a.reference.onnx").write_bytes(exported.reference)
    given |= run(tmp_path / "a.reference.onnx", given)
    frame = tmp_path / "a.onnx"
    frame.write_bytes(exported.frame)
    expected = run(frame, given)["picture"].astype(int)
    for suffix, data in zip((".flow.onnx", ".render.onnx"), cut_frame(exported.frame), strict=True):
        frame.with_suffix(suffix).write_bytes(data)
    frame.unlink()  # What runs are the halves.
    graph, _ = open_frame_graph(frame, "cpu")
    assert "reference" in graph.inputs
    for _ in range(2):
        difference = np.abs(graph.run([given]).astype(int) - expected)
        assert difference.max() <= 4
        assert difference.mean() < 0.3
    # A new reference is noticed.
    mirrored = given | {"reference": given["reference"][:, ::-1]}
    assert np.abs(graph.run([mirrored]).astype(int) - expected).mean() > 3


def test_several_references_draw_what_torch_draws(tmp_path: Path) -> None:
    generator, config = trained(CONFIGS["live"]), CONFIGS["live"]
    exported = export_generator(generator, SIZE, half=False)
    frame = tmp_path / "a.onnx"
    frame.with_suffix(".reference.onnx").write_bytes(exported.reference)
    for suffix, data in zip((".flow.onnx", ".render.onnx"), cut_frame(exported.frame), strict=True):
        frame.with_suffix(suffix).write_bytes(data)
    shared = {name: item for name, item in random_inputs(config).items() if name in ("pncc", "eyes", "audio")}
    views = []
    for seed in range(3):
        one = random_inputs(config, seed) | shared
        for name in ("reference", "background"):  # Soft: OpenCV rounds places to a 32nd of a pixel.
            one[name] = torch.from_numpy(cv2.resize(one[name].numpy()[::8, ::8], (SIZE, SIZE)))
        views.append(one)
    graph, _ = open_frame_graph(frame, "cpu")
    arrays = [{name: item.numpy() for name, item in one.items()} for one in views]
    drawn = graph.run([one | run(frame.with_suffix(".reference.onnx"), one) for one in arrays])

    def stacked(name: str) -> Any:
        return torch.stack([one[name] for one in views])[None]

    def planes(name: str) -> Any:
        return stacked(name).permute(0, 1, 4, 2, 3).float()

    def code(pncc: Any, eyes: Any) -> Any:
        return torch.cat([pncc, eyes], dim=-3) / 255

    reference = Reference(
        planes("reference") / 127.5 - 1,
        code(planes("reference_pncc"), stacked("reference_eyes")[:, :, None]),
        planes("background") / 127.5 - 1,
    )
    driving = Driving(
        code(planes("pncc")[:, 0], stacked("eyes")[:, :1]),
        stacked("source_grid"),
        stacked("uncovered")[:, :, None],
        stacked("mouth")[:, :, None],
        stacked("audio")[:, 0],
    )
    with torch.no_grad():
        picture = generator(reference, driving).picture[0]
    expected = ((picture + 1) * 127.5).round().clamp(0, 255).permute(1, 2, 0).numpy()
    difference = np.abs(drawn.astype(int) - expected)
    assert graph.fuses and difference.max() <= 4 and difference.mean() < 0.3
    alone = graph.run([arrays[0] | run(frame.with_suffix(".reference.onnx"), arrays[0])])
    assert np.abs(alone - expected).mean() > 2


def test_what_is_not_made_to_be_cut_is_not_cut() -> None:
    exported = export_generator(trained(CONFIGS["paper"]), SIZE)
    with pytest.raises(ValueError, match=r"this graph has no decoded"):
        cut_frame(exported.frame)


def test_the_whole_frame_has_no_output_but_the_picture() -> None:
    exported = export_generator(trained(CONFIGS["live"]), SIZE)
    whole, cut = (onnx.load_from_string(data) for data in (whole_frame(exported.frame), exported.frame))
    assert [item.name for item in whole.graph.output] == ["picture"]
    assert [item.name for item in cut.graph.output] == ["picture", *CUTS]
    assert [item.name for item in whole.graph.input] == [item.name for item in cut.graph.input]


def test_half_weights_halve_the_files() -> None:
    generator = trained(CONFIGS["live"])
    whole, half = (len(export_generator(generator, SIZE, half=flag).frame) for flag in (False, True))
    assert half < 0.65 * whole


def halves(
    folder: Path, exported: Any, given: dict[str, NDArray[Any]]
) -> tuple[Path, dict[str, NDArray[Any]]]:
    """Files of both precisions, and what a frame graph is given."""
    path = folder / "a.onnx"
    path.with_suffix(".reference.onnx").write_bytes(exported.reference)
    given = given | run(path.with_suffix(".reference.onnx"), given)
    path.write_bytes(exported.frame)
    feeds = [given | run(path, given)] * 2
    path.unlink()
    single = cut_frame(exported.frame)
    for suffix, data in zip((".flow.onnx", ".render.onnx"), single, strict=True):
        path.with_suffix(suffix).write_bytes(data)
    small = (
        quantised(half, feeds, {MADE_FROM_KEY: digest_of(*single)}) for half in cut_for_bytes(exported.frame)
    )
    for suffix, data in zip((".flow.int8.onnx", ".render.int8.onnx"), small, strict=True):
        path.with_suffix(suffix).write_bytes(data)
    return path, given


@pytest.mark.parametrize("name", ["live", "live, silent, no eyes", "live from landmarks"])
def test_eight_bits_draw_nearly_the_same(name: str, tmp_path: Path) -> None:
    config = replace(CONFIGS[name], prior=True)
    exported = export_generator(trained(config), SIZE)
    given = {key: item.numpy() for key, item in random_inputs(config).items()}
    given["reference"] = cv2.resize(given["reference"][::8, ::8], (SIZE, SIZE))
    path, arrays = halves(tmp_path, exported, given)
    drawn = {}
    for precision in PRECISIONS:
        graph, words = open_frame_graph(path, "cpu", precision)
        assert words == ("cpu" if precision == "float32" else "cpu, int8")
        drawn[precision] = graph.run([arrays]).astype(int), graph.run([arrays, arrays]).astype(int)
    for small, exact in zip(drawn["int8"], drawn["float32"], strict=True):
        assert 0 < np.abs(small - exact).mean() < 4
        assert np.corrcoef(small.ravel(), exact.ravel())[0, 1] > 0.99
    kinds = [
        item.data_type
        for item in onnx.load(path.with_suffix(".render.int8.onnx")).graph.initializer
        if len(item.dims) == 4
    ]
    assert kinds and set(kinds) == {onnx.TensorProto.INT8}
    assert belongs(path, "int8")


def test_eight_bits_of_other_weights_are_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = CONFIGS["live"]
    given = {key: item.numpy() for key, item in random_inputs(config).items()}
    path, _ = halves(tmp_path, export_generator(trained(config), SIZE), given)
    changed = path.with_suffix(".render.onnx")
    changed.write_bytes(cut_frame(export_generator(HeadGan(config), SIZE).frame)[1])
    assert not belongs(path, "int8")
    assert "belongs to other weights" in caplog.text
    path.with_suffix(".flow.int8.onnx").unlink()
    assert not belongs(path, "int8")
    with pytest.raises(UsageError, match=r"there is no a\.flow\.int8\.onnx"):
        open_frame_graph(path, "cpu", "int8")


def test_past_frames_cannot_be_exported() -> None:
    with pytest.raises(ValueError, match="past_frames"):
        export_generator(HeadGan(replace(LIVE, width=24, past_frames=1)), SIZE)


def test_a_graph_that_is_all_early_or_all_late_is_refused() -> None:
    node = onnx.helper.make_node("Add", ["a", "b"], ["y"])
    info = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "aby"]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", info[:2], info[2:]))
    for known in ([], ["a"], ["a", "b"]):
        with pytest.raises(ValueError, match="decide nothing"):
            split_graph(model, known)
