"""Blendshape scores of the mean face, moved by hand."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.models.blendshapes import BLENDSHAPE_NAMES, BlendshapeNet
from headgan.models.morphable import MorphableModel
from headgan.proto.errors import ModelError

# Upper lid and the lower lid under it, image-left eye, which is the person's right one.
UPPER_LID = [246, 161, 160, 159, 158, 157, 173]
LOWER_LID = [7, 163, 144, 145, 153, 154, 155]
LOWER_LIP = [14, 87, 178, 317, 402, 17, 84, 314, 181, 405, 91, 321, 146, 375, 88, 318, 95, 324]


@pytest.fixture(scope="module")
def network() -> BlendshapeNet:
    return BlendshapeNet()


def face() -> NDArray[np.float32]:
    return (MorphableModel.load().mean * 100 + 300).astype(np.float32)


def score(network: BlendshapeNet, points: NDArray[np.float32], name: str) -> float:
    return float(network.scores(points)[BLENDSHAPE_NAMES.index(name)])


def test_scores_are_shares_in_the_order_of_the_names(network: BlendshapeNet) -> None:
    scores = network.scores(face())
    assert scores.shape == (52,) == (len(set(BLENDSHAPE_NAMES)),)
    assert scores.dtype == np.float32
    assert bool(((scores >= 0) & (scores <= 1)).all())


def test_left_and_right_are_the_persons_own(network: BlendshapeNet) -> None:
    winking = face()
    winking[UPPER_LID] = winking[LOWER_LID]
    assert score(network, winking, "eyeBlinkRight") > 0.7
    assert score(network, winking, "eyeBlinkLeft") < 0.3


def test_an_open_mouth_is_seen(network: BlendshapeNet) -> None:
    opened = face()
    chin = [152, 148, 176, 149, 150, 377, 400, 378, 379]
    opened[LOWER_LIP + chin, 1] += 50
    assert score(network, opened, "jawOpen") > score(network, face(), "jawOpen") + 0.3


@settings(max_examples=20, deadline=None)
@given(st.floats(0.3, 5), st.floats(-500, 500), st.floats(-500, 500))
def test_place_and_size_do_not_matter(size: float, left: float, top: float) -> None:
    network = BlendshapeNet()
    moved = (face() * size + (left, top, 0)).astype(np.float32)
    assert network.scores(moved) == pytest.approx(network.scores(face()), abs=2e-3)


def test_scores_outlive_the_next_call(network: BlendshapeNet) -> None:
    first = network.scores(face())
    kept = first.copy()
    network.scores(face()[::-1].copy())
    assert first.tolist() == kept.tolist()


def test_what_is_no_face_is_refused(network: BlendshapeNet, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="478"):
        network.scores(face()[:468])
    path = tmp_path / "damaged.task"
    path.write_bytes(b"no archive")
    with pytest.raises(ModelError, match=r"damaged\.task is not"):
        BlendshapeNet(path)
