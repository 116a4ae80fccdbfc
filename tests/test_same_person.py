"""Telling the caller from somebody else: painted faces of which it is known whose they are."""

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.fitting import project
from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.pncc import rasterise
from headgan.models.rotation import matrix_to_quaternion, rotation_vector_to_matrix
from headgan.models.same_person import GALLERY_SIZE, MIN_CORRELATION, SamePerson, face_signature

MODEL = MorphableModel.load()
SIZE = 256


def painted_face(
    person: int, yaw_deg: float = 0, scale: float = 0.35, x: float = 0, expression: float = 0
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A picture of a face whose paint only `person` has, and its points in pixels."""
    rng = np.random.default_rng(person)
    mesh = MODEL.mean[:MESH_VERTICES]
    waves = np.sin(mesh @ rng.normal(0, 2.5, (3, 18)) + rng.uniform(0, 6, 18))  # [vertices, 18]
    paint = 128 + 30 * waves.reshape(-1, 3, 6).sum(axis=2)
    quaternion = matrix_to_quaternion(rotation_vector_to_matrix(np.array([0, np.radians(yaw_deg), 0])))
    camera = np.array([*quaternion, scale, x, 0], np.float32)
    params = FaceParams(MODEL.expression_std * np.float32(expression), camera, np.zeros(2, np.float32))
    points = project(MODEL, np.zeros(MODEL.identity_size), params)
    picture, _ = rasterise(points[:MESH_VERTICES], MODEL.triangles, paint.astype(np.float32), SIZE)
    points[:, :2] = (points[:, :2] + 1) * (SIZE / 2) - 0.5
    return np.clip(picture, 0, 255).astype(np.uint8), points


def signature_of(person: int, **how: float) -> NDArray[np.float32]:
    return face_signature(*painted_face(person, **how))


def unit(index: int) -> NDArray[np.float32]:
    """Signatures that have nothing in common."""
    signature: NDArray[np.float32] = np.eye(1, MESH_VERTICES * 3, index, dtype=np.float32)[0]
    return signature


@pytest.fixture
def caller() -> SamePerson:
    known = SamePerson()
    known.learn(signature_of(0))
    return known


def test_a_signature_has_length_one() -> None:
    signature = signature_of(0)
    assert signature.shape == (MESH_VERTICES * 3,)
    assert signature.dtype == np.float32
    assert np.linalg.norm(signature) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "how", [{"yaw_deg": 25}, {"yaw_deg": -25}, {"scale": 0.25}, {"x": 0.3}, {"expression": 0.7}]
)
def test_the_same_face_matches_in_other_poses(caller: SamePerson, how: dict[str, float]) -> None:
    assert caller.matches(signature_of(0, **how))


def test_other_faces_do_not_match(caller: SamePerson) -> None:
    assert not any(caller.matches(signature_of(person)) for person in range(1, 12))


def test_light_does_not_matter(caller: SamePerson) -> None:
    picture, points = painted_face(0)
    darker = (picture * 0.5 + 20).astype(np.uint8)
    assert caller.matches(face_signature(darker, points))


def test_a_face_partly_outside_the_picture_has_a_signature(caller: SamePerson) -> None:
    picture, points = painted_face(0, x=0.9)
    signature = face_signature(picture, points)
    assert np.isfinite(signature).all()
    assert not caller.matches(face_signature(picture, points + np.float32(1000)))


def test_a_picture_of_one_color_matches_nobody(caller: SamePerson) -> None:
    _, points = painted_face(0)
    signature = face_signature(np.full((SIZE, SIZE, 3), 90, np.uint8), points)
    assert np.isfinite(signature).all()
    assert not caller.matches(signature)
    assert np.isfinite(face_signature(np.zeros((SIZE, SIZE, 3), np.uint8), np.zeros_like(points))).all()


def test_while_nothing_was_learned_everybody_matches() -> None:
    assert SamePerson().matches(signature_of(3))


def test_what_was_learned_matches_and_what_was_not_does_not() -> None:
    known = SamePerson()
    known.learn(unit(0))
    close = MIN_CORRELATION * unit(0) + np.sqrt(1 - MIN_CORRELATION**2) * unit(1)
    assert known.matches(close * np.float32(1.001))
    assert not known.matches(close * np.float32(0.99))
    assert not known.matches(unit(1))
    known.learn(unit(1))
    assert known.matches(unit(1))


def test_only_so_much_is_remembered_and_the_first_always() -> None:
    known = SamePerson()
    for index in range(GALLERY_SIZE + 3):
        known.learn(unit(index))
    remembered = [index for index in range(GALLERY_SIZE + 3) if known.matches(unit(index))]
    assert remembered == [0, *range(4, GALLERY_SIZE + 3)]
    assert len(remembered) == GALLERY_SIZE


def test_what_is_known_already_takes_no_place() -> None:
    known = SamePerson()
    for _ in range(3 * GALLERY_SIZE):
        known.learn(unit(0))
        known.learn(unit(1))
    for index in range(2, GALLERY_SIZE):
        known.learn(unit(index))
    assert all(known.matches(unit(index)) for index in range(GALLERY_SIZE))
