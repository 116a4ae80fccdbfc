"""Drawing a person: reference in, the same picture out for the same parameters, and sensible ones for others."""

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.codes import render_landmarks
from headgan.models.fitting import project
from headgan.models.foreground import inpaint_background
from headgan.models.generator import (
    PRIOR_GENERATOR,
    GeneratorFrame,
    GeneratorReference,
    OnnxGenerator,
    PreparedReference,
    View,
)
from headgan.models.morphable import MorphableModel
from headgan.models.mouth import INNER_LIPS, mouth_mask
from headgan.models.reconstruct import Reconstructor, ReferenceImage
from headgan.models.reference_quality import eye_opening, reference_quality
from headgan.models.weights import weights_path

SIZE = 256


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return MorphableModel.load()


def params_at(x: float = 0.0, yaw: float = 0.0, expression: NDArray[np.float32] | None = None) -> FaceParams:
    camera = np.array([np.cos(yaw / 2), 0, np.sin(yaw / 2), 0, 0.35, x, 0], np.float32)
    return FaceParams(
        np.zeros(28, np.float32) if expression is None else expression, camera, np.zeros(2, np.float32)
    )


def textured_picture(seed: int) -> NDArray[np.uint8]:
    """Soft noise, so that moving it shows."""
    cv2 = pytest.importorskip("cv2")
    noise = np.random.default_rng(seed).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    picture: NDArray[np.uint8] = cv2.resize(noise, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    return picture


@pytest.fixture(scope="module")
def reference(model: MorphableModel) -> ReferenceImage:
    return ReferenceImage(textured_picture(1), np.zeros(model.identity_size, np.float32), params_at())


@pytest.fixture(scope="module")
def reconstructor(model: MorphableModel, reference: ReferenceImage) -> Reconstructor:
    return Reconstructor(model, OnnxGenerator(weights_path(PRIOR_GENERATOR), provider="cpu"), reference)


def test_the_reference_reproduces_itself(reconstructor: Reconstructor, reference: ReferenceImage) -> None:
    drawn = reconstructor.draw(reference.params)
    assert drawn.dtype == np.uint8
    assert int(np.abs(drawn.astype(int) - reference.picture_rgb).max()) <= 1


def test_the_face_moves_with_its_translation(reconstructor: Reconstructor, reference: ReferenceImage) -> None:
    shift = 16
    drawn = reconstructor.draw(params_at(x=shift / 128))
    middle = np.s_[110:146, 110 + shift : 146 + shift]
    before = np.s_[110:146, 110:146]
    error = np.abs(drawn[middle].astype(int) - reference.picture_rgb[before])
    assert float(error.mean()) < 2
    assert float(np.abs(drawn[before].astype(int) - reference.picture_rgb[before]).mean()) > 10


def test_drawing_does_not_depend_on_what_was_drawn_before(reconstructor: Reconstructor) -> None:
    one = reconstructor.draw(params_at(yaw=0.3))
    reconstructor.draw(params_at(x=0.3, yaw=-0.4))
    np.testing.assert_array_equal(reconstructor.draw(params_at(yaw=0.3)), one)


def open_mouth(model: MorphableModel) -> FaceParams:
    """The expression, of both directions of each component, that opens the lips most."""
    choices = []
    for component in range(6):
        for sign in (-2.5, 2.5):
            expression = np.zeros(28, np.float32)
            expression[component] = sign * model.expression_std[component]
            params = params_at(expression=expression)
            points = project(model, np.zeros(model.identity_size), params)
            choices.append((float(points[14, 1] - points[13, 1]), params))
    return max(choices, key=lambda choice: choice[0])[1]


def test_an_opened_mouth_is_masked_between_the_lips_only(model: MorphableModel) -> None:
    identity = np.zeros(model.identity_size)
    closed, opened = project(model, identity, params_at()), project(model, identity, open_mouth(model))
    mask = mouth_mask(opened, closed)
    assert mask.shape == (SIZE, SIZE)
    assert float(mask.max()) > 0.5
    lips = (opened[list(INNER_LIPS), :2] + 1) * 128
    rows, columns = np.nonzero(mask > 0.1)
    assert lips[:, 1].min() - 4 < rows.min() and rows.max() < lips[:, 1].max() + 4
    assert lips[:, 0].min() - 4 < columns.min() and columns.max() < lips[:, 0].max() + 4


def test_a_mouth_that_the_reference_shows_as_open_is_not_masked(model: MorphableModel) -> None:
    identity = np.zeros(model.identity_size)
    closed, opened = project(model, identity, params_at()), project(model, identity, open_mouth(model))
    assert not mouth_mask(opened, opened).any()
    assert not mouth_mask(closed, opened).any()


def test_a_reference_is_best_from_the_front_with_open_eyes(model: MorphableModel) -> None:
    identity = np.zeros(model.identity_size)
    front = project(model, identity, params_at())
    assert eye_opening(front) > 0.18
    assert reference_quality(model, front) == 1
    turned = project(model, identity, params_at(yaw=0.9))
    assert reference_quality(model, turned) < 1
    shut = front.copy()
    shut[145], shut[374] = shut[159], shut[386]
    assert reference_quality(model, shut) == 0


def test_the_background_is_kept_and_the_person_is_filled_from_it() -> None:
    picture = np.full((SIZE, SIZE, 3), 200, np.uint8)
    person = np.zeros((SIZE, SIZE), np.float32)
    person[80:180, 80:180] = 1
    picture[80:180, 80:180] = 20
    background = inpaint_background(picture, person)
    assert int(background.min()) >= 195
    np.testing.assert_array_equal(background[person == 0], picture[person == 0])


class Curious:
    """A generator that asks for some inputs, and remembers what it was given."""

    name = provider = "curious"
    fuses = False

    def __init__(self, *names: str) -> None:
        self._names = names
        self.reference: GeneratorReference | None = None
        self.frame: GeneratorFrame | None = None

    def needs(self, name: str) -> bool:
        return name in self._names

    def prepare(self, reference: GeneratorReference) -> PreparedReference:
        self.reference = reference
        return PreparedReference({})

    def generate(self, *views: View) -> NDArray[np.uint8]:
        (view,) = views
        self.frame = view.frame
        return np.zeros((SIZE, SIZE, 3), np.uint8)


def test_a_generator_gets_the_code_that_it_asks_for(model: MorphableModel, reference: ReferenceImage) -> None:
    sketches, codes = Curious("reference_landmarks", "landmarks"), Curious("reference_pncc", "pncc")
    params = params_at(yaw=0.3)
    for generator in (sketches, codes):
        Reconstructor(model, generator, reference).draw(params)
    assert sketches.frame and sketches.reference and codes.frame and codes.reference
    points = project(model, reference.identity, params)
    np.testing.assert_array_equal(sketches.frame.landmarks, render_landmarks(points))
    assert sketches.reference.reference_landmarks is not None
    assert sketches.frame.pncc is None and sketches.reference.reference_pncc is None
    assert codes.frame.pncc is not None and codes.reference.reference_pncc is not None
    assert codes.frame.landmarks is None and codes.reference.reference_landmarks is None


def test_a_generator_is_told_what_is_heard(model: MorphableModel, reference: ReferenceImage) -> None:
    generator = Curious()
    heard = np.arange(300, dtype=np.float32)
    reconstructor = Reconstructor(model, generator, reference)
    reconstructor.draw(params_at(yaw=0.3), audio=heard)
    assert generator.frame and generator.frame.audio is heard
    reconstructor.draw(params_at(yaw=0.3))
    assert generator.frame.audio is None


class CountingGenerator:
    """Stands in for networks: remembers what it was given, and draws something new each time."""

    name, provider, fuses = "counting", "cpu", True

    def __init__(self) -> None:
        self.drawn: list[tuple[View, ...]] = []

    def needs(self, name: str) -> bool:
        return name in ("pncc", "eyes", "audio")

    def prepare(self, reference: GeneratorReference) -> PreparedReference:
        return PreparedReference({"reference": reference.reference})

    def generate(self, *views: View) -> NDArray[np.uint8]:
        self.drawn.append(views)
        return np.full((SIZE, SIZE, 3), len(self.drawn), np.uint8)


def test_what_has_not_changed_is_not_drawn_again(model: MorphableModel, reference: ReferenceImage) -> None:
    generator = CountingGenerator()
    one, other = (Reconstructor(model, generator, reference) for _ in range(2))
    params, sound = params_at(0.1), np.ones(300, np.float32)
    first = one.draw(params, other, audio=sound)
    assert one.draw(params_at(0.1), other, audio=sound.copy()) is first
    drift = np.zeros((8, 8, 2), np.int16)
    drift[3, 3] = 1
    moved = FaceParams(params.expression, params.camera, params.gaze, drift)
    changes = (
        (params_at(0.1001), (other,), sound),
        (params, (other,), sound),
        (moved, (other,), sound),
        (params, (other,), np.zeros(300, np.float32)),
        (params, (other,), None),
        (params, (), None),
    )
    for count, (given, others, heard) in enumerate(changes, 2):
        assert one.draw(given, *others, audio=heard)[0, 0, 0] == count
    assert one.draw(params) is one.draw(params) and len(generator.drawn) == 7


def test_references_of_a_person_share_what_a_frame_shows(
    model: MorphableModel, reference: ReferenceImage
) -> None:
    generator = CountingGenerator()
    another = ReferenceImage(reference.picture_rgb, reference.identity.copy(), params_at(0.1))
    stranger = ReferenceImage(reference.picture_rgb, reference.identity + 1, params_at(0.1))
    views = [Reconstructor(model, generator, one) for one in (reference, another, stranger)]
    views[0].draw(params_at(0.05), *views[1:])
    (drawn,) = generator.drawn
    assert drawn[0].frame.pncc is drawn[1].frame.pncc and drawn[0].frame.eyes is drawn[1].frame.eyes
    assert not np.array_equal(drawn[0].frame.source_grid, drawn[1].frame.source_grid)
    assert drawn[2].frame.pncc is not drawn[0].frame.pncc


def test_a_reference_that_waits_takes_a_megabyte() -> None:
    """Sixteen of them are held on either side of a call."""
    picture = np.zeros((256, 256, 3), np.uint8)
    for precision in ("float32", "int8"):
        generator = OnnxGenerator(provider="cpu", precision=precision)
        prepared = generator.prepare(GeneratorReference(picture, picture, picture, picture[..., 0]))
        assert sum(array.nbytes for array in prepared.arrays.values()) <= 1_000_000
        # None of them keeps alive what it was cut from.
        owners = [array if array.base is None else array.base for array in prepared.arrays.values()]
        assert all(getattr(owner, "nbytes", 0) <= 400_000 for owner in owners)
