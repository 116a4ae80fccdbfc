"""What a sender keeps of itself: offered to the same person only, the looks of today first, and never too much."""

import logging
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import EXPRESSION_SIZE, GAZE_SIZE, FaceParams
from headgan.models.contacts import OWN, Contacts, reference_digest
from headgan.models.fitting import project
from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.pncc import rasterise
from headgan.models.reconstruct import ReferenceImage
from headgan.proto.hello import MAX_KNOWN
from headgan.sender.own_looks import OwnLooks
from headgan.sender.recognise import is_same_person

MODEL = MorphableModel.load()
RNG = np.random.default_rng(0)
ANA, BO = (RNG.normal(0, 1, (2, MODEL.identity_size)) * MODEL.identity_std).astype(np.float32)


def face(expression: int | None = None, size: float = 1.0, turn: float = 0.0) -> FaceParams:
    camera = np.array([np.cos(turn / 2), 0, np.sin(turn / 2), 0, 0.35, 0, 0], np.float32)
    values = np.zeros(EXPRESSION_SIZE, np.float32)
    if expression is not None:
        values[expression] = size * MODEL.expression_std[expression]
    return FaceParams(values, camera, np.zeros(GAZE_SIZE, np.float32))


def looks(
    light: int = 128, identity: NDArray[np.float32] = ANA, params: FaceParams | None = None
) -> ReferenceImage:
    return ReferenceImage(np.full((256, 256, 3), light, np.uint8), identity, params or face())


def named(*references: ReferenceImage) -> dict[bytes, ReferenceImage]:
    return {reference_digest(reference): reference for reference in references}


def own(folder: Path, *, is_remembering: bool = True) -> OwnLooks:
    return OwnLooks(Contacts(folder), MODEL, is_remembering=is_remembering)


def test_the_looks_of_today_are_offered_first(tmp_path: Path) -> None:
    kept = named(looks(30), looks(128, params=face(0, 2.0)), looks(200), looks(129))
    own(tmp_path).keep(kept)
    mine = own(tmp_path)
    mine.compare(looks(128))
    night, smile, day, now = kept
    assert mine.offered == (now, smile, night, day) and mine.near == 2
    known = mine.numbered({0: 0, 1: 3})
    assert [known[number][0] for number in (0, 1)] == [now, day]
    assert np.array_equal(known[1][1].picture_rgb, looks(200).picture_rgb)
    # In another light none is like now.
    mine.compare(looks(255))
    assert mine.near == 0 and set(mine.offered) == set(kept)


def test_another_person_is_offered_nothing_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "headgan")
    own(tmp_path).keep(named(looks(identity=ANA)))
    mine = own(tmp_path)
    mine.compare(looks(identity=BO))
    assert mine.offered == () and mine.near == 0
    assert "the face is not the one that was remembered" in caplog.text
    # Only who asks for it takes the place.
    own(tmp_path, is_remembering=False).keep(named(looks(identity=BO)))
    assert list(Contacts(tmp_path).load(OWN, MODEL.model_id)) == list(named(looks(identity=ANA)))
    mine.keep(named(looks(identity=BO)))
    assert list(Contacts(tmp_path).load(OWN, MODEL.model_id)) == list(named(looks(identity=BO)))


def test_the_latest_are_kept_before_those_of_earlier_calls(tmp_path: Path) -> None:
    own(tmp_path).keep(named(*(looks(light) for light in range(40))))
    own(tmp_path).keep(named(*(looks(light) for light in range(30, 70))))
    own(tmp_path).keep({})
    kept = [int(one.picture_rgb[0, 0, 0]) for one in Contacts(tmp_path).load(OWN, MODEL.model_id).values()]
    assert kept == [*range(30, 70), *range(24)] and len(kept) == MAX_KNOWN


def test_a_folder_that_cannot_be_written_ends_no_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "own").write_text("")
    own(tmp_path).keep(named(looks()))
    assert "this call is not remembered" in caplog.text


def painted(
    person: int, identity: NDArray[np.float32], turn: float
) -> tuple[ReferenceImage, list[NDArray[np.float32]]]:
    """A picture of somebody with paint of his own, and the points of some frames of him, smiling or not."""
    rng = np.random.default_rng(person)
    mesh = MODEL.mean[:MESH_VERTICES]
    waves = np.sin(mesh @ rng.normal(0, 2.5, (3, 18)) + rng.uniform(0, 6, 18))
    paint = (128 + 30 * waves.reshape(-1, 3, 6).sum(axis=2)).astype(np.float32)
    params = face(turn=turn)
    picture, _ = rasterise(project(MODEL, identity, params)[:MESH_VERTICES], MODEL.triangles, paint, 256)
    noise = rng.normal(0, 1e-3, (4, 478, 3)).astype(np.float32)
    frames = [project(MODEL, identity, face(index, 1.0, turn)) + noise[index] for index in range(len(noise))]
    return ReferenceImage(np.clip(picture, 0, 255).astype(np.uint8), identity, params), frames


@pytest.mark.parametrize(("paint", "identity", "is_same"), [(1, ANA, True), (2, ANA, False), (1, BO, False)])
def test_a_person_is_known_by_shape_and_colours(
    paint: int, identity: NDArray[np.float32], is_same: bool
) -> None:
    kept, _ = painted(1, ANA, 0.0)
    today, frames = painted(paint, identity, 0.1)
    points = project(MODEL, identity, today.params)
    assert is_same_person(MODEL, [kept], frames, identity, today.picture_rgb, points) == is_same
