"""References: the first frame, then those that differ most; their masks cover the face."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.fitting import project
from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.pncc import to_pixels
from headgan.models.train.prepare_references import MAX_REFERENCES, choose_references, make_reference
from headgan.models.train.shard_pictures import decode_mask, decode_picture, encode_picture

MODEL = MorphableModel.load()


def still(count: int) -> NDArray[np.float32]:
    params = np.zeros((count, 37), np.float32)
    params[:, 28] = 1  # no turn
    params[:, 32] = 0.4
    return params


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(0, 1000))
def test_references_are_different_frames(count: int, seed: int) -> None:
    params = still(count)
    params[:, :28] += np.random.default_rng(seed).normal(size=(count, 28)).astype(np.float32)
    chosen = choose_references(params)
    assert chosen[0] == 0
    assert len(chosen) == len(set(chosen)) == min(count, MAX_REFERENCES)
    assert all(0 <= frame < count for frame in chosen)


def test_the_farthest_comes_next() -> None:
    params = still(30)
    params[:, 0] = np.linspace(0, 1, 30)
    assert choose_references(params)[:3] in ([0, 29, 14], [0, 29, 15])


def test_a_turned_head_is_a_reference() -> None:
    params = still(30)
    params[:, :28] = np.random.default_rng(0).normal(0, 0.01, (30, 28))
    params[17, 28:32] = np.cos(0.3), 0, np.sin(0.3), 0
    assert choose_references(params)[1] == 17


def test_a_quaternion_and_its_negative_are_one_pose() -> None:
    params = still(30)
    params[:, 0] = np.linspace(0, 1, 30)
    flipped = params.copy()
    flipped[::2, 28:32] *= -1
    assert choose_references(flipped) == choose_references(params)


def test_a_photograph_needs_one_reference() -> None:
    assert choose_references(still(30)) == [0]


def test_a_reference_has_its_person_cut_out() -> None:
    identity = np.zeros(MODEL.identity_size, np.float32)
    params = still(1)[0]
    points = project(MODEL, identity, FaceParams.from_array(params))[:MESH_VERTICES]
    picture = np.full((256, 256, 3), (40, 90, 160), np.uint8)
    hull = cv2.convexHull(np.rint(to_pixels(points[:, :2])).astype(np.int32))
    cv2.fillConvexPoly(picture, hull, (220, 180, 150))
    reference = make_reference(MODEL, identity, params, 4, encode_picture(picture))
    mask, background = decode_mask(reference.mask), decode_picture(reference.background)
    assert mask is not None
    assert background is not None
    assert reference.frame == 4
    assert (mask[128, 128], mask[8, 8]) == (1, 0)
    assert np.abs(background[128, 128].astype(int) - (40, 90, 160)).max() < 12


def test_what_is_no_picture_is_no_reference() -> None:
    with pytest.raises(ValueError, match="frame 4"):
        make_reference(MODEL, np.zeros(MODEL.identity_size, np.float32), still(1)[0], 4, b"damaged")
