"""The morphable model that ships: a basis as the paper wants it, in a small file, told from any other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headgan.models.morphable import (
    LEFT_EYE,
    LEFT_IRIS,
    MESH_VERTICES,
    RIGHT_EYE,
    RIGHT_IRIS,
    VERTICES,
    MorphableModel,
)
from headgan.models.weights import weights_path
from headgan.proto.errors import ModelError

MODEL = MorphableModel.load()
ARRAYS = ("mean", "identity_basis", "identity_std", "expression_basis", "expression_std", "triangles")


def test_sizes() -> None:
    assert MODEL.mean.shape == (478, 3) == (VERTICES, 3)
    assert MODEL.identity_basis.shape == (1434, MODEL.identity_size)
    assert MODEL.expression_basis.shape == (1434, 28)
    assert MODEL.triangles.shape == (898, 3)
    assert weights_path("morphable.npz").stat().st_size < 1_000_000


def test_bases_are_orthonormal() -> None:
    for basis in (MODEL.identity_basis, MODEL.expression_basis):
        products = basis.T.astype(np.float64) @ basis
        np.testing.assert_allclose(products, np.eye(basis.shape[1]), atol=1e-5)


def test_coefficients_are_ordered_by_how_much_they_vary() -> None:
    for std in (MODEL.identity_std, MODEL.expression_std):
        assert (np.diff(std) <= 0).all()
        assert (std > 0).all()


def test_bases_hold_nearly_all_of_what_they_are_for() -> None:
    assert 0.95 < MODEL.identity_explained <= 1
    assert 0.95 < MODEL.expression_explained <= 1


def test_mean_face_is_a_head_that_looks_into_the_camera() -> None:
    mesh = MODEL.mean[:MESH_VERTICES]
    assert np.sqrt((mesh**2).sum(axis=1).mean()) == pytest.approx(1, abs=0.01)
    forehead, chin, nose = mesh[10], mesh[152], mesh[1]
    assert forehead[1] < 0 < chin[1]  # y down
    assert nose[2] < mesh[:, 2].mean() - 0.3  # z into the scene
    for iris, corners in ((LEFT_IRIS, LEFT_EYE), (RIGHT_IRIS, RIGHT_EYE)):
        center = MODEL.mean[list(corners)].mean(axis=0)
        assert np.linalg.norm(MODEL.mean[iris].mean(axis=0)[:2] - center[:2]) < MODEL.eye_half_width / 2
    assert MODEL.mean[LEFT_IRIS, 0].max() < 0 < MODEL.mean[RIGHT_IRIS, 0].min()


def test_front_faces_are_counter_clockwise_in_the_image() -> None:
    a, b, c = np.moveaxis(MODEL.mean[MODEL.triangles.astype(int), :2], 1, 0)
    turn = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    assert (turn < 0).all()  # y points down, so a positive turn would be clockwise


def test_every_mesh_vertex_is_in_a_triangle_and_no_iris_is() -> None:
    assert np.array_equal(np.unique(MODEL.triangles), np.arange(MESH_VERTICES))


def test_shape_is_equation_1() -> None:
    rng = np.random.default_rng(0)
    identity, expression = rng.normal(size=MODEL.identity_size), rng.normal(size=28)
    expected = MODEL.mean.astype(np.float64).reshape(-1)
    expected = expected + MODEL.identity_basis @ identity + MODEL.expression_basis @ expression
    np.testing.assert_allclose(MODEL.shape(identity, expression).reshape(-1), expected, atol=1e-5)
    np.testing.assert_array_equal(MODEL.shape(0 * identity, 0 * expression), MODEL.mean)
    rest = MODEL.identity_shape(identity)
    np.testing.assert_array_equal(MODEL.shape(identity, 0 * expression), rest)
    assert rest.dtype == np.float32


def test_save_then_load_gives_the_same_model(tmp_path: Path) -> None:
    path = tmp_path / "again.npz"
    MODEL.save(path)
    again = MorphableModel.load(path)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(again, name), getattr(MODEL, name))
        assert getattr(again, name).dtype == getattr(MODEL, name).dtype
    assert again.model_id == MODEL.model_id
    assert again.identity_explained == MODEL.identity_explained
    assert again.expression_explained == MODEL.expression_explained


@pytest.mark.parametrize("name", ARRAYS)
def test_model_id_changes_with_each_array(name: str) -> None:
    changed = getattr(MODEL, name).copy()
    changed[-1] = np.nextafter(changed[-1], 0) if changed.dtype.kind == "f" else changed[-2]
    other = replace(MODEL, **{name: changed})
    assert len(other.model_id) == 8
    assert other.model_id != MODEL.model_id


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_that_do_not_fit_together_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match=name.split("_")[0]):
        replace(MODEL, **{name: getattr(MODEL, name)[..., :-1]})


def test_triangles_outside_the_mesh_are_refused() -> None:
    triangles = MODEL.triangles.copy()
    triangles[5, 1] = MESH_VERTICES
    with pytest.raises(ModelError, match="triangles name vertices"):
        replace(MODEL, triangles=triangles)
    with pytest.raises(ModelError, match="triangles"):
        replace(MODEL, triangles=triangles[:0])


def test_missing_file_is_named() -> None:
    with pytest.raises(ModelError, match=r"nowhere\.npz.*headgan morphable build"):
        MorphableModel.load(Path("nowhere.npz"))


def test_damaged_file_is_a_model_error(tmp_path: Path) -> None:
    good = weights_path("morphable.npz").read_bytes()
    rng = np.random.default_rng(0)
    damaged = [b"", b"garbage", good[:30], good[: len(good) // 2], good[:-1]]
    for position in rng.integers(0, 300, 20):  # the first member's header, where each byte matters
        changed = bytearray(good)
        changed[position : position + 8] = rng.bytes(8)
        damaged.append(bytes(changed))
    path = tmp_path / "damaged.npz"
    refused = 0
    for data in damaged:
        path.write_bytes(data)
        try:
            loaded = MorphableModel.load(path)
        except ModelError as error:
            assert str(path) in str(error)
            refused += 1
        else:  # the archive does not use every byte of its headers
            assert loaded.model_id == MODEL.model_id
    assert refused >= 15


def test_file_without_an_array_is_a_model_error(tmp_path: Path) -> None:
    path = tmp_path / "partial.npz"
    np.savez_compressed(path, mean=MODEL.mean, explained=np.ones(2))
    with pytest.raises(ModelError, match="identity_basis"):
        MorphableModel.load(path)
