"""VGG's features and the perceptual distance: the numbers of the package that trained them, and its gradients."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from headgan.models.nets import vgg  # noqa: E402
from headgan.models.nets.picture_distance import PictureDistance  # noqa: E402
from headgan.proto.errors import ModelError  # noqa: E402

# The layers of stlpips-pytorch's file: stage, place in it, channels in and out.
LAYERS = (
    *((1, 0, 3, 64), (1, 2, 64, 64), (2, 6, 64, 128), (2, 8, 128, 128)),
    *((3, 12, 128, 256), (3, 14, 256, 256), (3, 16, 256, 256)),
    *((4, 20, 256, 512), (4, 22, 512, 512), (4, 24, 512, 512)),
    *((5, 28, 512, 512), (5, 30, 512, 512), (5, 32, 512, 512)),
)
# What stlpips-pytorch 0.0.2 says of `pictures()` with the weights of `random_state()`.
THEIR_DISTANCES = (0.6643669605255127, 0.004629082046449184)
THEIR_SHAPES = ((64, 40, 33), (128, 21, 17), (256, 11, 9), (512, 6, 5), (512, 4, 3))


def random_state() -> dict[str, Any]:
    """Small random weights under the names of stlpips-pytorch's file, with the constants that are in it as well."""
    random = np.random.default_rng(7)
    state = {"scaling_layer.shift": torch.zeros(1, 3, 1, 1), "net.slice2.5.filt": torch.ones(64, 1, 3, 3)}
    for stage, place, before, after in LAYERS:
        scale = np.sqrt(2 / (9 * before))
        weight = random.standard_normal((after, before, 3, 3), np.float32) * np.float32(scale)
        bias = random.standard_normal(after, np.float32) * np.float32(0.1)
        state[f"net.slice{stage}.{place}.weight"] = torch.from_numpy(weight)
        state[f"net.slice{stage}.{place}.bias"] = torch.from_numpy(bias)
    for level, width in enumerate(vgg.CHANNELS):
        head = random.random((1, width, 1, 1), np.float32)
        state[f"lin{level}.model.1.weight"] = torch.from_numpy(head)
    return state


def pictures(count: int = 2) -> Any:
    random = np.random.default_rng(3)
    return torch.from_numpy(random.random((count, 3, 40, 33), np.float32))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("weights") / "vgg.pth"
    torch.save(random_state(), path)
    return vgg.load_perceptual(path)


@pytest.fixture(scope="module")
def tiny() -> Any:
    torch.manual_seed(0)
    network = vgg.PerceptualDistance(vgg.VggFeatures((4, 4, 6, 6, 8)))
    for weight in network.parameters():
        weight.data.abs_()  # so that some feature fires on every level
    return network.eval()


def test_distances_are_those_of_the_package(trained: Any) -> None:
    one = pictures()
    other = torch.stack([one[0].flip(-1), one[1] * 0.8 + 0.1])
    assert trained(one, other).tolist() == pytest.approx(THEIR_DISTANCES, rel=1e-4)


def test_features_have_the_shapes_of_the_package(trained: Any) -> None:
    features = trained.features(pictures())
    assert tuple(tuple(level.shape[1:]) for level in features) == THEIR_SHAPES


def test_the_pool_is_a_blurred_maximum_of_the_mirrored_map() -> None:
    x = torch.arange(36, dtype=torch.float32).reshape(1, 1, 6, 6)
    pooled = vgg.BlurPool().forward(x)
    assert pooled.shape == (1, 1, 4, 4)
    # The maxima of 2x2 are a ramp, which a blur leaves as it is away from the mirrored border.
    assert pooled[0, 0, 1:3, 1:3].flatten().tolist() == pytest.approx([7 + 7, 9 + 7, 19 + 7, 21 + 7])


def test_fewer_levels_are_the_first_of_all(tiny: Any) -> None:
    x = pictures()
    some, all_levels = tiny.features(x, levels=2), tiny.features(x)
    assert len(some) == 2
    assert all(torch.equal(one, other) for one, other in zip(some, all_levels, strict=False))
    assert float(tiny(x, x.flip(2), levels=2).sum()) < float(tiny(x, x.flip(2)).sum())


def test_equal_pictures_have_no_distance_and_others_have_one(tiny: Any) -> None:
    x = pictures()
    assert tiny(x, x).tolist() == [0, 0]
    apart = tiny(x, x.flip(3))
    assert apart.shape == (2,)
    assert bool((apart > 0).all())
    assert tiny(x.flip(3), x).tolist() == pytest.approx(apart.tolist(), rel=1e-5)


def test_gradients_reach_the_picture_and_no_weight(tiny: Any) -> None:
    x = pictures().requires_grad_()
    tiny(x, pictures().flip(3)).sum().backward()
    assert x.grad is not None
    assert bool((x.grad.abs().amax(dim=(1, 2, 3)) > 0).all())
    assert all(not weight.requires_grad and weight.grad is None for weight in tiny.parameters())


def test_gradients_are_finite_where_no_feature_fires(tiny: Any) -> None:
    features = torch.zeros(1, 4, 5, 5, requires_grad=True)
    tiny.compare([features], [torch.ones(1, 4, 5, 5)]).sum().backward()
    assert features.grad is not None
    assert bool(torch.isfinite(features.grad).all())


def test_pictures_as_arrays_have_the_same_distance(tiny: Any) -> None:
    arrays = np.random.default_rng(5).integers(0, 256, (2, 24, 20, 3), np.uint8)
    one, other = (torch.from_numpy(array).permute(2, 0, 1)[None] / 255 for array in arrays)
    metric = PictureDistance(copy.deepcopy(tiny))
    distance = metric.distance(*(metric.features(array) for array in arrays))
    assert distance == pytest.approx(float(tiny(one, other)), rel=1e-4)
    assert distance > 0


def test_a_missing_or_wrong_file_is_a_model_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgan.models.metrics.files.FOLDER", "nowhere")
    with pytest.raises(ModelError, match=r"setup --train"):
        vgg.load_vgg()
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes(b"no archive")
    other = tmp_path / "other.pth"
    torch.save({"conv.weight": torch.zeros(3)}, other)
    for path in (damaged, other):
        with pytest.raises(ModelError, match=f"{path.name} is not"):
            vgg.load_vgg(path)
