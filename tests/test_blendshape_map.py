"""The blendshapes that ship, and learning directions from made-up people whose movements are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.blendshape_build import (
    MIN_PEOPLE,
    PersonMovements,
    _mirrored_expression,
    build_blendshapes,
    measure_people,
)
from headgan.models.blendshape_command import BlendshapeOptions, build_blendshape_file
from headgan.models.blendshape_map import BlendshapeMap
from headgan.models.blendshapes import BLENDSHAPE_NAMES, BlendshapeNet
from headgan.models.fitting import project
from headgan.models.morphable import MorphableModel
from headgan.models.morphable_data import PersonFaces
from headgan.models.weights import weights_path
from headgan.proto.errors import ModelError, UsageError

MODEL = MorphableModel.load()
SHIPPED = BlendshapeMap.load(MODEL)
JAW, SMILE_LEFT, SMILE_RIGHT = (
    BLENDSHAPE_NAMES.index(name) for name in ("jawOpen", "mouthSmileLeft", "mouthSmileRight")
)
MIRROR = _mirrored_expression(MODEL).astype(np.float32)


def scores_of(net: BlendshapeNet, expression: NDArray[np.float32]) -> dict[str, float]:
    camera = np.array([1, 0, 0, 0, 0.35, 0, 0], np.float32)
    params = FaceParams(expression, camera, np.zeros(2, np.float32))
    points = project(MODEL, np.zeros(MODEL.identity_size), params)
    return dict(zip(BLENDSHAPE_NAMES, net.scores(points).tolist(), strict=True))


@pytest.mark.parametrize(
    ("names", "others"),
    [
        (("jawOpen",), ("mouthSmileLeft", "browInnerUp", "eyeBlinkLeft")),
        (("mouthSmileLeft", "mouthSmileRight"), ("jawOpen", "browDownLeft", "eyeBlinkLeft")),
        (("eyeBlinkLeft", "eyeBlinkRight"), ("jawOpen", "mouthSmileLeft", "browInnerUp")),
        (("browInnerUp", "browOuterUpLeft", "browOuterUpRight"), ("jawOpen", "mouthSmileRight")),
        (("browDownLeft", "browDownRight"), ("jawOpen", "mouthSmileRight")),
    ],
)
def test_a_direction_makes_its_movement_and_no_other(names: tuple[str, ...], others: tuple[str, ...]) -> None:
    net = BlendshapeNet()
    rest = scores_of(net, np.zeros(28, np.float32))
    moved = scores_of(net, SHIPPED.offset(dict.fromkeys(names, 0.6)))
    for name in names:
        assert moved[name] - rest[name] > 0.3
    for name in others:
        assert abs(moved[name] - rest[name]) < 0.15


def test_left_is_the_persons_own() -> None:
    shift = (MODEL.expression_basis @ SHIPPED.offset({"mouthLeft": 0.2})).reshape(478, 3)
    assert shift[13, 0] > 0.02  # the lips go to the viewer's right


def test_the_shipped_file_is_small_and_its_card_is_true() -> None:
    path = weights_path("blendshapes.npz")
    assert path.stat().st_size < 50_000
    card = path.with_suffix(".md").read_text()
    assert f"| explained for people left out | {SHIPPED.explained:.4f} of" in card
    for name, reach in zip(SHIPPED.names, SHIPPED.reach, strict=True):
        assert f"| {name} | {reach:.2f} |" in card


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("eyeLookUpLeft", "use --gaze-x and --gaze-y"),
        ("cheekPuff", "nobody made it"),
        ("laugh", "there is no blendshape laugh; there are browDownLeft"),
    ],
)
def test_movements_without_a_direction_are_refused(name: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        SHIPPED.offset({name: 1})


def test_it_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    SHIPPED.save(tmp_path / "b.npz")
    again = BlendshapeMap.load(MODEL, tmp_path / "b.npz")
    assert (again.names, again.explained, again.model_id) == (
        SHIPPED.names,
        SHIPPED.explained,
        SHIPPED.model_id,
    )
    np.testing.assert_array_equal(again.directions, SHIPPED.directions)
    np.testing.assert_array_equal(again.reach, SHIPPED.reach)


def test_another_morphable_model_is_told_apart() -> None:
    other = replace(MODEL, mean=MODEL.mean + np.float32(0.01))
    with pytest.raises(ModelError, match="another morphable model; build it anew"):
        BlendshapeMap.load(other)


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "b.npz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="headgan morphable blendshapes"):
        BlendshapeMap.load(MODEL, path)
    with pytest.raises(ModelError, match="holds no blendshapes"):
        BlendshapeMap.load(MODEL, tmp_path / "gone.npz")


def test_parts_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ModelError, match="do not fit together"):
        replace(SHIPPED, reach=SHIPPED.reach[1:])
    with pytest.raises(ModelError, match="is none"):
        replace(SHIPPED, directions=np.full_like(SHIPPED.directions, np.nan))


def made_up_people(count: int, frames: int = 40) -> list[PersonMovements]:
    """People who open their jaw, smile with either side, and turn; turning bends their face as trackers do."""
    rng = np.random.default_rng(0)
    jaw, smile_left, bend = rng.normal(size=(3, 28)).astype(np.float32)
    # A jaw looks the same in a mirror, and a smile is the other side's.
    jaw = (jaw + MIRROR @ jaw) / 2
    bend = (bend - MIRROR @ bend) / 2
    people = []
    for _ in range(count):
        scores = np.zeros((frames, len(BLENDSHAPE_NAMES)), np.float32)
        scores[:, [JAW, SMILE_LEFT, SMILE_RIGHT]] = rng.uniform(0, 0.8, (frames, 3))
        turn = np.zeros((frames, 2), np.float32)
        # Who turns to the right opens the jaw: only a regression that knows of both tells them apart.
        turn[:, 0] = scores[:, JAW] + rng.normal(0, 0.2, frames)
        expression = (
            scores[:, [JAW]] * jaw
            + scores[:, [SMILE_LEFT]] * smile_left
            + scores[:, [SMILE_RIGHT]] * (MIRROR @ smile_left)
            + turn[:, [0]] * bend
            + rng.normal(0, 0.5, 28)  # how this person looks at rest
            + rng.normal(0, 0.02, (frames, 28))
        )
        people.append(PersonMovements(scores, expression.astype(np.float32), turn))
    return people


def test_directions_that_were_put_in_are_found_again() -> None:
    built = build_blendshapes(MODEL, made_up_people(20))
    assert built.names == ("jawOpen", "mouthSmileLeft", "mouthSmileRight")
    rng = np.random.default_rng(0)
    jaw, smile_left, _ = rng.normal(size=(3, 28)).astype(np.float32)
    np.testing.assert_allclose(built.directions[0], (jaw + MIRROR @ jaw) / 2, atol=0.05)
    np.testing.assert_allclose(built.directions[1], smile_left, atol=0.05)
    np.testing.assert_allclose(built.directions[2], MIRROR @ smile_left, atol=0.05)
    np.testing.assert_allclose(built.reach, 0.79, atol=0.02)
    assert 0.98 < built.explained < 1
    assert built.model_id == MODEL.model_id


def test_what_scores_do_not_tell_is_not_explained() -> None:
    rng = np.random.default_rng(1)
    people = [
        replace(person, expression=rng.normal(size=person.expression.shape).astype(np.float32))
        for person in made_up_people(20)
    ]
    assert build_blendshapes(MODEL, people).explained < 0.02


def test_too_few_people_are_refused() -> None:
    with pytest.raises(UsageError, match=f"{MIN_PEOPLE - 1} people .* need at least {MIN_PEOPLE}"):
        build_blendshapes(MODEL, made_up_people(MIN_PEOPLE - 1))


def test_the_mirror_image_of_a_mirror_image_is_the_face() -> None:
    np.testing.assert_allclose(MIRROR @ MIRROR, np.eye(28), atol=1e-4)
    expression = MODEL.expression_std * np.resize([1, -1, 0.5], 28).astype(np.float32)
    shape, mirrored = (
        MODEL.shape(np.zeros(MODEL.identity_size), one) for one in (expression, MIRROR @ expression)
    )
    # The mouth's corners and the outer corners of the eyes change sides.
    for one, other in ((61, 291), (33, 263)):
        np.testing.assert_allclose(mirrored[one], shape[other] * (-1, 1, 1), atol=0.01)


def test_people_are_measured_where_they_fit() -> None:
    rng = np.random.default_rng(2)
    faces = []
    for _ in range(8):
        expression = (MODEL.expression_std * rng.normal(size=28)).astype(np.float32)
        params = FaceParams(
            expression, np.array([1, 0, 0, 0, 0.35, 0, 0], np.float32), np.zeros(2, np.float32)
        )
        faces.append(project(MODEL, np.zeros(MODEL.identity_size), params) * 150 + 300)
    faces.append(rng.normal(300, 50, (478, 3)).astype(np.float32))  # nothing that is a face
    seen, stranger = (
        PersonFaces("seen", np.array(faces, np.float32)),
        PersonFaces("rare", np.array(faces[:3])),
    )
    (measured,) = measure_people(MODEL, BlendshapeNet(), [seen, stranger])
    assert measured.scores.shape == (8, len(BLENDSHAPE_NAMES))
    assert measured.expression.shape == (8, 28)
    assert float(np.abs(measured.turn).max()) < 0.1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"every": 0}, "--every 0: give 1 or more"),
        ({"output": Path("b.txt")}, "ends in .npz"),
        ({"clips": (Path("nowhere"),)}, "nowhere does not exist"),
    ],
)
def test_the_command_says_what_is_wrong(options: dict[str, object], complaint: str) -> None:
    standard = BlendshapeOptions((Path("nowhere"),), Path("b.npz"))
    with pytest.raises(UsageError, match=complaint):
        build_blendshape_file(replace(standard, **options))  # type: ignore[arg-type]
