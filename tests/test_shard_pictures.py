"""Pictures of a shard: they keep their colours, and damage is noticed."""

import numpy as np
import pytest

from headgan.models.train.shard_pictures import decode_mask, decode_picture, encode_mask, encode_picture


def test_a_picture_keeps_its_colours() -> None:
    # Stripes of colour a pixel wide: thinned colour would mix them, and exchanged channels would show.
    picture = np.full((256, 256, 3), 90, np.uint8)
    picture[:, ::2, 0] = 170
    back = decode_picture(encode_picture(picture))
    assert back is not None
    assert float(np.abs(back.astype(int) - picture).mean()) < 3


def test_a_mask_comes_back() -> None:
    mask = np.random.default_rng(0).random((256, 256)).astype(np.float32)
    mask[0, :2] = 0, 1
    back = decode_mask(encode_mask(mask))
    assert back is not None
    assert back.dtype == np.float32
    assert back[0, :2].tolist() == [0, 1]
    assert float(np.abs(back - mask).max()) <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("data", [b"", b"no picture", encode_picture(np.zeros((128, 128, 3), np.uint8))])
def test_damage_is_noticed(data: bytes) -> None:
    assert decode_picture(data) is None
    assert decode_mask(data) is None
