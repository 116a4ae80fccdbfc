"""Building a morphable model from made-up people, whose faces are known, so the result is known as well."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models import morphable_build
from headgan.models.fit_system import DEPTH_WEIGHT
from headgan.models.fitting import project
from headgan.models.morphable import LEFT_EYE, LEFT_IRIS, MESH_VERTICES, RIGHT_EYE, RIGHT_IRIS, MorphableModel
from headgan.models.morphable_build import MIN_PEOPLE, build_morphable, explained_variance
from headgan.models.morphable_data import PersonFaces
from headgan.models.rotation import matrix_to_quaternion, rotation_vector_to_matrix
from headgan.proto.errors import ModelError, UsageError

SHIPPED = MorphableModel.load()
# The made-up people differ in so many directions only, but the tracker errs in all.
IDENTITIES, EXPRESSIONS = 8, 6
NOISE_PX = 0.1
PEOPLE, FRAMES = 40, 6


def random_frame(rng: np.random.Generator, identity: NDArray[np.float64]) -> NDArray[np.float32]:
    expression = np.zeros(28, np.float32)
    expression[:EXPRESSIONS] = SHIPPED.expression_std[:EXPRESSIONS] * rng.normal(size=EXPRESSIONS)
    turn = np.radians(rng.uniform((-15, -30, -10), (15, 30, 10)))
    quaternion = matrix_to_quaternion(rotation_vector_to_matrix(turn))
    camera = np.array([*quaternion, rng.uniform(0.2, 0.5), *rng.uniform(-0.3, 0.3, 2)], np.float32)
    points = project(SHIPPED, identity, FaceParams(expression, camera, np.zeros(2, np.float32)))
    noise = rng.normal(0, NOISE_PX, points.shape).astype(np.float32)
    return points * np.float32(200) + np.float32(300) + noise  # in pixels of a camera's frame


def made_up_people(count: int, frames: int) -> list[PersonFaces]:
    rng = np.random.default_rng(0)
    people = []
    for index in range(count):
        identity = np.zeros(SHIPPED.identity_size)
        identity[:IDENTITIES] = SHIPPED.identity_std[:IDENTITIES] * rng.normal(size=IDENTITIES)
        points = [random_frame(rng, identity) for _ in range(frames)]
        people.append(PersonFaces(f"person {index}", np.array(points, np.float32)))
    return people


def share_held_slowly(
    basis: NDArray[np.float32], samples: NDArray[np.float64], weights: NDArray[np.float64]
) -> float:
    """One minus what is left of each sample after its best approximation, the depth counted less."""
    count = np.tile([1, 1, DEPTH_WEIGHT], MESH_VERTICES)
    columns = basis[: 3 * MESH_VERTICES].astype(np.float64) * count[:, None]
    left, total = 0.0, 0.0
    for sample, weight in zip(samples, weights, strict=True):
        flat = sample[:MESH_VERTICES].reshape(-1) * count
        best = columns @ np.linalg.solve(columns.T @ columns, columns.T @ flat)
        left += weight * float(np.square(flat - best).sum())
        total += weight * float(np.square(flat).sum())
    return 1 - left / total


Samples = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]


@pytest.fixture(scope="module")
def people() -> list[PersonFaces]:
    return made_up_people(PEOPLE, FRAMES)


@pytest.fixture(scope="module")
def built(people: list[PersonFaces]) -> tuple[MorphableModel, list[Samples]]:
    """A model of 40 people, and what its two explained variances were taken of."""
    asked: list[Samples] = []

    def recording(
        basis: NDArray[np.float32], samples: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> float:
        asked.append((basis, samples, weights))
        return explained_variance(basis, samples, weights)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(morphable_build, "explained_variance", recording)
        return build_morphable(people), asked


def test_bases_are_orthonormal_and_ordered(built: tuple[MorphableModel, list[Samples]]) -> None:
    model, _ = built
    assert model.identity_size == PEOPLE - 1
    assert model.expression_basis.shape == (1434, 28)
    for basis, std in (
        (model.identity_basis, model.identity_std),
        (model.expression_basis, model.expression_std),
    ):
        np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-5)
        assert (np.diff(std) <= 1e-6).all()
        assert (std > 0).all()


def test_explained_variance_is_what_its_definition_says(
    built: tuple[MorphableModel, list[Samples]],
) -> None:
    model, (between, within) = built
    assert between[0] is model.identity_basis
    assert within[0] is model.expression_basis
    assert model.identity_explained == pytest.approx(share_held_slowly(*between), abs=1e-5)
    assert model.expression_explained == pytest.approx(share_held_slowly(*within), abs=1e-5)
    assert 0.9 < model.identity_explained < 1
    assert 0.9 < model.expression_explained < 1


def test_samples_are_people_about_the_mean_and_frames_about_their_person(
    built: tuple[MorphableModel, list[Samples]], people: list[PersonFaces]
) -> None:
    _, ((_, between, _), (_, within, weights)) = built
    assert len(between) == 2 * len(people)  # each person and their mirror image
    np.testing.assert_allclose(between.mean(axis=0), 0, atol=1e-9)
    by_person = within.reshape(2 * len(people), FRAMES, -1)
    np.testing.assert_allclose(by_person.mean(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(weights, 1 / FRAMES)


def test_what_was_put_in_is_found_again(built: tuple[MorphableModel, list[Samples]]) -> None:
    model, _ = built
    put_in = SHIPPED.expression_std[:EXPRESSIONS]
    np.testing.assert_allclose(model.expression_std[:EXPRESSIONS], put_in, rtol=0.4)
    # Beyond it there is only the noise, and the little that the alignment takes for expression.
    assert model.expression_std[EXPRESSIONS + 1] < 0.1 * put_in[-1]
    assert np.linalg.norm(model.mean - SHIPPED.mean, axis=1).max() < 0.1
    # Each direction that was put in lies in the new basis, but for the pose that alignment takes out.
    mesh = 3 * MESH_VERTICES
    span, _ = np.linalg.qr(model.expression_basis[:mesh].astype(np.float64))
    directions = SHIPPED.expression_basis[:mesh, :EXPRESSIONS]
    held = np.linalg.norm(span.T @ directions, axis=0) / np.linalg.norm(directions, axis=0)
    assert held.min() > 0.97


def test_building_twice_gives_the_same_model(
    built: tuple[MorphableModel, list[Samples]], people: list[PersonFaces]
) -> None:
    again = build_morphable(people)
    assert again.model_id == built[0].model_id
    assert again.identity_explained == built[0].identity_explained


def test_the_mean_face_is_symmetrical_and_has_radius_one(
    built: tuple[MorphableModel, list[Samples]],
) -> None:
    mean = built[0].mean
    flipped = mean * np.array([-1, 1, 1], np.float32)
    nearest = np.linalg.norm(flipped[:, None] - mean[None], axis=2).min(axis=1)
    assert nearest.max() < 1e-5
    assert np.sqrt((mean[:MESH_VERTICES] ** 2).sum(axis=1).mean()) == pytest.approx(1, abs=0.02)


def test_irises_follow_the_corners_of_their_eyes(built: tuple[MorphableModel, list[Samples]]) -> None:
    directions = built[0].expression_basis.reshape(478, 3, 28)
    for iris, corners in ((LEFT_IRIS, LEFT_EYE), (RIGHT_IRIS, RIGHT_EYE)):
        middle = directions[list(corners)].mean(axis=0)
        np.testing.assert_allclose(directions[iris], np.broadcast_to(middle, (5, 3, 28)), atol=1e-5)


def test_triangles_are_those_of_the_tracker(built: tuple[MorphableModel, list[Samples]]) -> None:
    np.testing.assert_array_equal(built[0].triangles, SHIPPED.triangles)


def test_explained_variance_of_a_known_mixture() -> None:
    samples = np.zeros((2, 478, 3))
    samples[0, 0, 0], samples[1, 1, 1] = 3, 1
    basis = np.zeros((1434, 28), np.float32)
    basis[0, 0] = 1
    basis[np.arange(30, 57), np.arange(1, 28)] = 1
    assert explained_variance(basis, samples, np.ones(2)) == pytest.approx(9 / 10)
    assert explained_variance(basis, samples, np.array([1.0, 9.0])) == pytest.approx(9 / 18)


@pytest.mark.parametrize(("count", "frames"), [(MIN_PEOPLE - 1, 6), (MIN_PEOPLE, 3), (0, 0)])
def test_too_few_people_or_frames_are_refused(count: int, frames: int) -> None:
    people = made_up_people(count, frames)
    with pytest.raises(
        UsageError, match=f"{count} people with {count * frames} faces are too few.*30 people"
    ):
        build_morphable(people)


def test_a_file_without_a_mesh_is_refused(people: list[PersonFaces], tmp_path: Path) -> None:
    path = tmp_path / "no.task"
    path.write_bytes(b"no archive")
    for tracker_file in (path, tmp_path / "nowhere.task"):
        with pytest.raises(ModelError, match="holds no face mesh"):
            build_morphable(people, tracker_file)


def test_faces_that_all_lean_to_one_side_are_refused(people: list[PersonFaces]) -> None:
    bent = SHIPPED.mean.copy()
    bent[:, 0] += 3 * bent[:, 1] ** 2  # a banana
    lopsided = [PersonFaces(person.name, np.stack([bent] * 6)) for person in people]
    with pytest.raises(ModelError, match="lopsided"):
        build_morphable(lopsided)
