"""The generator: the shipped graph warps as it says, and what cannot run is said in one sentence."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from headgan.models.flow_prior import pixel_grid
from headgan.models.frame_graphs import SPEECH_KEY
from headgan.models.generator import (
    INPUTS,
    PRIOR_GENERATOR,
    SHIPPED_GENERATOR,
    GeneratorFrame,
    GeneratorReference,
    OnnxGenerator,
    PreparedReference,
    View,
)
from headgan.models.pncc import CROP_SIZE
from headgan.models.weights import weights_path
from headgan.proto.errors import ModelError, UsageError

GRID = pixel_grid(CROP_SIZE)
NOWHERE = np.zeros((CROP_SIZE, CROP_SIZE), np.float32)


def noise_picture() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (CROP_SIZE, CROP_SIZE, 3), np.uint8)


def smooth_picture() -> NDArray[np.uint8]:
    """Grows by one level a pixel, so that a remap which rounds its coordinates is right to a level."""
    ramp = np.arange(CROP_SIZE)
    return np.stack(np.broadcast_arrays(ramp, ramp[:, None], ramp[::-1]), axis=-1).astype(np.uint8)


def bent_grid(reach: float = 1) -> NDArray[np.float32]:
    """A grid that bends, and leaves the picture if `reach` is more than one."""
    x, y = np.moveaxis(GRID, -1, 0)
    bent = np.stack([x + 0.1 * np.sin(4 * y), y + 0.1 * np.cos(5 * x)], axis=-1) * np.float32(reach)
    return bent.astype(np.float32)


def warp_slowly(picture: NDArray[np.uint8], grid: NDArray[np.float32]) -> NDArray[np.float64]:
    """Bilinear, the border repeated, in float64."""
    place = np.clip((grid.astype(np.float64) + 1) * (CROP_SIZE / 2) - 0.5, 0, CROP_SIZE - 1)
    low = np.minimum(place.astype(int), CROP_SIZE - 2)
    share_x, share_y = np.moveaxis(place - low, -1, 0)[..., None]
    x, y = np.moveaxis(low, -1, 0)
    top = picture[y, x] * (1 - share_x) + picture[y, x + 1] * share_x
    bottom = picture[y + 1, x] * (1 - share_x) + picture[y + 1, x + 1] * share_x
    warped: NDArray[np.float64] = top * (1 - share_y) + bottom * share_y
    return warped


def opened() -> OnnxGenerator:
    return OnnxGenerator(weights_path(PRIOR_GENERATOR), provider="cpu")


@pytest.fixture(scope="module")
def generator() -> OnnxGenerator:
    return opened()


def draw(
    generator: OnnxGenerator,
    picture: NDArray[np.uint8],
    grid: NDArray[np.float32],
    uncovered: NDArray[np.float32] = NOWHERE,
    mouth: NDArray[np.float32] = NOWHERE,
) -> NDArray[np.uint8]:
    """The background is the picture upside down."""
    reference = generator.prepare(GeneratorReference(picture, picture[::-1]))
    return generator.generate(View(reference, GeneratorFrame(grid, uncovered, mouth)))


def test_it_needs_no_coordinate_code(generator: OnnxGenerator) -> None:
    of_prior = {"reference", "background", "source_grid", "uncovered", "mouth"}
    assert {name for name in INPUTS if generator.needs(name)} == of_prior
    assert generator.provider == "cpu"


def test_the_identity_grid_gives_the_reference(generator: OnnxGenerator) -> None:
    picture = noise_picture()
    drawn = draw(generator, picture, GRID)
    assert drawn.dtype == np.uint8
    np.testing.assert_array_equal(drawn, picture)


@pytest.mark.parametrize("reach", [0.7, 1, 1.5])
def test_any_picture_is_warped_bilinearly(generator: OnnxGenerator, reach: float) -> None:
    picture, grid = noise_picture(), bent_grid(reach)
    drawn = draw(generator, picture, grid)
    assert np.abs(drawn - warp_slowly(picture, grid)).max() < 0.51


@pytest.mark.parametrize("reach", [0.7, 1, 1.5])
def test_a_smooth_picture_is_warped_as_opencv_does(generator: OnnxGenerator, reach: float) -> None:
    picture, grid = smooth_picture(), bent_grid(reach)
    places = (grid + 1) * (CROP_SIZE / 2) - 0.5
    expected = cv2.remap(picture, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    drawn = draw(generator, picture, grid)
    assert np.abs(drawn.astype(int) - expected).max() <= 1


def test_a_grid_of_whole_pixels_shifts_without_loss(generator: OnnxGenerator) -> None:
    picture = noise_picture()
    drawn = draw(generator, picture, GRID + np.float32(10 * 2 / CROP_SIZE))
    np.testing.assert_array_equal(drawn[:-10, :-10], picture[10:, 10:])


def test_it_draws_the_same_twice_and_in_another_session(generator: OnnxGenerator) -> None:
    picture, grid = noise_picture(), bent_grid()
    first = draw(generator, picture, grid).copy()
    draw(generator, smooth_picture(), GRID)
    np.testing.assert_array_equal(draw(generator, picture, grid), first)
    np.testing.assert_array_equal(draw(opened(), picture, grid), first)


def bands(first: float, second: float) -> NDArray[np.float32]:
    """Rows 100 to 119 are `first`, rows 150 to 169 `second`, all others 0."""
    mask = NOWHERE.copy()
    mask[100:120], mask[150:170] = first, second
    return mask


def test_what_is_uncovered_shows_the_background(generator: OnnxGenerator) -> None:
    picture, uncovered = noise_picture(), bands(1, 0.25)
    drawn = draw(generator, picture, GRID, uncovered).astype(int)
    np.testing.assert_array_equal(drawn[uncovered == 0], picture[uncovered == 0])
    np.testing.assert_array_equal(drawn[100:120], picture[::-1][100:120])
    expected = picture[150:170] * 0.75 + picture[::-1][150:170] * 0.25
    assert np.abs(drawn[150:170] - expected).max() <= 0.51


def test_an_open_mouth_turns_dark_by_as_much_as_it_is_open(generator: OnnxGenerator) -> None:
    picture, mouth = noise_picture(), bands(1, 0.25)
    drawn = draw(generator, picture, GRID, mouth=mouth).astype(int)
    np.testing.assert_array_equal(drawn[mouth == 0], picture[mouth == 0])
    dark = drawn[100, 0]
    assert dark[1:].max() < dark[0] < 128  # a dark red
    np.testing.assert_array_equal(drawn[100:120], np.broadcast_to(dark, (20, CROP_SIZE, 3)))
    expected = picture[150:170] * 0.75 + dark * 0.25
    assert np.abs(drawn[150:170] - expected).max() <= 0.51


def test_references_do_not_disturb_each_other(generator: OnnxGenerator) -> None:
    pictures = [noise_picture(), smooth_picture()]
    prepared = [generator.prepare(GeneratorReference(picture, picture)) for picture in pictures]
    for _ in range(2):
        for picture, reference in zip(pictures, prepared, strict=True):
            drawn = generator.generate(View(reference, GeneratorFrame(GRID, NOWHERE, NOWHERE)))
            np.testing.assert_array_equal(drawn, picture)


def test_drawing_without_a_reference_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="needs background, reference"):
        opened().generate(View(PreparedReference({}), GeneratorFrame(GRID, NOWHERE, NOWHERE)))


def test_auto_takes_what_there_is() -> None:
    assert OnnxGenerator().provider in ("cpu", "openvino", "cuda", "tensorrt")


def test_unknown_provider_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="--provider quantum: choose one of auto, cpu"):
        OnnxGenerator(provider="quantum")


@pytest.mark.parametrize("provider", ["openvino", "cuda", "tensorrt"])
def test_provider_that_is_not_installed_says_how_to_get_it(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    told = f"--provider {provider} does not work here: this onnxruntime was built without it; .*, or use --provider"
    with pytest.raises(UsageError, match=told):
        OnnxGenerator(provider=provider)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x08\x08" * 300])
def test_file_that_is_no_graph_is_a_model_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"bad\.onnx"):
        OnnxGenerator(path, provider="cpu")


def test_damaged_graph_is_a_model_error(tmp_path: Path) -> None:
    path = tmp_path / "half.onnx"
    whole = weights_path("prior.onnx").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"half\.onnx"):
        OnnxGenerator(path, provider="cpu")


def test_missing_file_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.onnx"):
        OnnxGenerator(tmp_path / "nowhere.onnx", provider="cpu")


def test_graph_for_something_else_is_a_model_error(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    whole = weights_path("prior.onnx").read_bytes()
    # The names have the same length, so the file stays a valid graph.
    path.write_bytes(whole.replace(b"source_grid", b"target_grid"))
    with pytest.raises(ModelError, match=r"no generator of this version \(inputs .*target_grid"):
        OnnxGenerator(path, provider="cpu")


def test_the_shipped_file_is_the_graph_that_is_written_down() -> None:
    onnx = pytest.importorskip("onnx", reason="the graph is compared with onnx, which the extra dev installs")
    from headgan.models.prior_graph import prior_graph

    shipped, written = onnx.load(str(weights_path("prior.onnx"))), prior_graph()
    assert shipped.graph == written.graph
    assert shipped.opset_import == written.opset_import
    assert shipped.ir_version == written.ir_version


def drawn_with_and_without_sound(generator: OnnxGenerator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    picture = smooth_picture()
    eyes = np.zeros((CROP_SIZE, CROP_SIZE), np.uint8)
    reference = generator.prepare(GeneratorReference(picture, picture, picture, eyes))
    frame = GeneratorFrame(bent_grid(), NOWHERE, NOWHERE, picture, eyes)
    heard = replace(frame, audio=np.full(300, 2, np.float32))
    return generator.generate(View(reference, heard)), generator.generate(View(reference, frame))


def test_the_networks_that_ship_hear() -> None:
    generator = OnnxGenerator(provider="cpu")
    assert generator.needs("audio")
    heard, silent = drawn_with_and_without_sound(generator)
    assert (heard != silent).any()


def test_networks_that_were_trained_in_silence_stay_deaf(tmp_path: Path) -> None:
    """They declare the input, but nothing has taught them what to make of it."""
    onnx = pytest.importorskip("onnx")
    for name in (SHIPPED_GENERATOR, "live.reference.onnx"):
        file = onnx.load(weights_path(name))
        kept = [item for item in file.metadata_props if item.key != SPEECH_KEY]
        del file.metadata_props[:]
        file.metadata_props.extend(kept)
        onnx.save(file, tmp_path / name)
    generator = OnnxGenerator(tmp_path / SHIPPED_GENERATOR, provider="cpu")
    assert not generator.needs("audio")
    np.testing.assert_array_equal(*drawn_with_and_without_sound(generator))
