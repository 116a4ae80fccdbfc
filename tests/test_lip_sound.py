"""What a judge of lips is told of the sound."""

import numpy as np
from numpy.typing import NDArray

from headgan.models.metrics.lip_sound import FRAME_SAMPLES, HEARD_SIZE, listen, nearest
from headgan.models.speech_classes import CLASSES, REST


class LoudNet:
    """Says which of the classes by how loud 20 ms are; hears no more than 30 s, as hama's does."""

    def shares(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        blocks = sound[: len(sound) // 320 * 320].reshape(-1, 320)[:1500]
        shares = np.zeros((len(blocks), CLASSES), np.float32)
        loud = np.minimum((np.abs(blocks).max(axis=1) * 20).astype(int), REST - 1)
        shares[np.arange(len(blocks)), np.where(loud, loud, REST)] = 1
        return shares


def steps(count: int) -> NDArray[np.int16]:
    """Sound of `count` pictures, each with a loudness of its own."""
    level = np.random.default_rng(0).integers(0, 20, count) * 1600
    signs = np.where(np.arange(FRAME_SAMPLES) % 20 < 10, 1, -1)
    return (level[:, None] * signs).astype(np.int16).reshape(-1)


def test_each_picture_is_told_of_its_own_sound() -> None:
    samples = steps(1000)  # 40 s: more than the network hears at once
    sound = listen(samples, LoudNet())
    assert sound.shares.shape == (1000, CLASSES)
    assert sound.heard.shape == (1000, HEARD_SIZE)
    peaks = np.abs(samples.reshape(1000, -1).astype(float)).max(axis=1)
    loud = np.minimum((peaks / peaks.max() * 20).astype(int), REST - 1)
    told = np.where(loud, loud, REST)
    assert (sound.shares.argmax(axis=1) == told).mean() > 0.98  # the rest are roundings
    assert sound.speaks == np.mean(sound.shares[:, REST] < 0.7)


def test_the_level_does_not_matter() -> None:
    loud, quiet = (listen((steps(50) * gain).astype(np.int16), LoudNet()) for gain in (1.0, 0.5))
    assert np.allclose(loud.heard, quiet.heard, atol=0.02)


def test_what_is_missing_at_the_end_of_a_picture_is_left_out() -> None:
    assert len(listen(steps(10)[:-1], LoudNet()).shares) == 9


def test_the_nearest_picture() -> None:
    pts_ms = np.array([0.0, 33.4, 66.7, 100.0])
    assert nearest(pts_ms, np.array([-5.0, 0, 40, 80, 84, 500])).tolist() == [0, 0, 1, 2, 3, 3]
