"""Training with drift: what is no face is followed once for every frame, as in a call, and geometry knows of it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="training needs torch: pip install 'headgan[train]'")

from headgan.codec.params import FaceParams
from headgan.models.codes import CodeRenderer
from headgan.models.morphable import MorphableModel
from headgan.models.nets.config import NetConfig
from headgan.models.pncc import to_pixels
from headgan.models.train import samples
from headgan.models.train.batches import BatchMaker
from headgan.models.train.config import DataConfig, config_from_dict
from headgan.models.train.drift_of_set import drift_rows
from headgan.models.train.prepared_set import PreparedSet
from headgan.models.train.samples import SampleMaker
from headgan.models.train.scene import Scene
from headgan.models.train.shard_pictures import encode_mask, encode_picture
from headgan.models.train.shards import (
    FORMAT_VERSION,
    SHARD_FOLDER,
    DatasetInfo,
    PreparedReference,
    PreparedSegment,
    ShardWriter,
)
from headgan.proto.errors import UsageError

MODEL = MorphableModel.load()
FRAMES, STEP = 6, 3


def scene_of(frame: int) -> NDArray[np.uint8]:
    """A textured wall behind a still, plain face; every frame it stands some pixels farther to the right."""
    random = np.random.default_rng(5)
    wall = cv2.GaussianBlur(random.uniform(0, 255, (256, 320, 3)).astype(np.float32), (0, 0), 2.5)
    wall = np.clip((wall - wall.mean()) * 8 + 128, 0, 255).astype(np.uint8)
    start = 40 - STEP * frame
    picture = wall[:, start : start + 256].copy()
    cv2.ellipse(picture, (128, 128), (60, 75), 0, 0, 360, (190, 150, 130), -1)
    still: NDArray[np.uint8] = picture
    return still


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A set of one person, who sits still."""
    folder = tmp_path / "set"
    (folder / SHARD_FOLDER).mkdir(parents=True)
    DatasetInfo(FORMAT_VERSION, 256, MODEL.model_id.hex(), 1, 1, "plan", ("clips",)).write(folder)
    camera = np.array([1, 0, 0, 0, 0.45, 0, 0], np.float32)
    face = FaceParams(np.zeros(28, np.float32), camera, np.zeros(2, np.float32))
    with ShardWriter(folder, 0) as writer:
        places = [writer.add_picture(encode_picture(scene_of(frame))) for frame in range(FRAMES)]
        nobody, behind = encode_mask(np.zeros((256, 256), np.float32)), encode_picture(scene_of(0))
        writer.add_segment(
            PreparedSegment(
                person="she",
                clip="clip.mp4",
                places=places,
                params=np.stack([face.to_array()] * FRAMES),
                fit_error_px=np.zeros(FRAMES, np.float32),
                pts_ms=40 * np.arange(FRAMES, dtype=np.float64),
                identity=np.zeros(MODEL.identity_size, np.float32),
                crop=(0.0, 0.0, 256.0),
                rate_fps=25.0,
                sound=np.empty(0, np.int16),
                references=[PreparedReference(frame, nobody, behind) for frame in (0, 3)],
            )
        )
        writer.finish({"clips": []})
    return folder


def test_a_wall_that_moves_is_followed(data: Path) -> None:
    prepared = PreparedSet.open(data)
    segment = prepared.segments[0]
    drifts = drift_rows(prepared).of(segment, np.arange(FRAMES))
    assert drifts.dtype == np.int16
    assert not drifts[0].any()
    # What stands farther to the right is fetched from the left; the picture's border is seen least.
    for frame in range(1, FRAMES):
        assert np.median(drifts[frame, 1:-1, [1, -2], 0]) == pytest.approx(-STEP * frame, abs=1)
        assert np.median(drifts[frame, 1:-1, [1, -2], 1]) == pytest.approx(0, abs=1)
    assert [path.name[:11] for path in (data / SHARD_FOLDER).glob("*.drift-*")] == ["00000.drift"]


def error(sample: samples.Sample, reference: int = 0) -> float:
    """Mean squared error of what the first frame's grid fetches from a reference."""
    places = to_pixels(sample.grid[0, reference])
    drawn = cv2.remap(
        np.ascontiguousarray(sample.reference[reference].transpose(1, 2, 0)),
        places,
        None,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    difference = drawn.astype(np.float64) - sample.picture[0].transpose(1, 2, 0)
    return float((difference[24:-24, 24:-24] ** 2).mean())


@pytest.mark.parametrize("scene", [None, Scene(1.1, 20, 0.05, -0.04)], ids=["still", "turned"])
@pytest.mark.parametrize("reference", [0, 1])
def test_geometry_knows_where_the_wall_is(data: Path, scene: Scene | None, reference: int) -> None:
    prepared = PreparedSet.open(data)
    maker = SampleMaker(prepared, CodeRenderer(MODEL), drifts=True)
    segment, last = prepared.segments[0], np.array([FRAMES - 1])
    knows, does_not = (
        maker.make(segment, np.array([reference]), last, scene, drifts=drifts) for drifts in (True, False)
    )
    assert error(knows) < 0.6 * error(does_not)
    deaf = SampleMaker(prepared, CodeRenderer(MODEL))
    np.testing.assert_array_equal(deaf.make(segment, np.array([reference]), last, scene).grid, does_not.grid)


def test_a_turned_scene_drifts_the_other_way() -> None:
    drift = np.zeros((8, 8, 2), np.int16)
    drift[..., 0] = 10
    drift[:, 4:] *= 2
    turned = Scene(zoom=2.0, turn_deg=90.0).of_drift(drift)
    np.testing.assert_allclose(turned[2, 2], [0, 20], atol=1e-4)
    np.testing.assert_allclose(turned[6, 2], [0, 40], atol=1e-4)
    np.testing.assert_array_equal(Scene().of_drift(drift), drift)


def test_without_drift_batches_are_as_before(data: Path) -> None:
    settings = DataConfig(people=1, frames=1, held_out=0.0, workers=0)
    BatchMaker(data, NetConfig(width=24), settings, seed=1)[0]
    assert not list((data / SHARD_FOLDER).glob("*.drift-*"))


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(UsageError, match=r"\[data\] drift"):
        config_from_dict({"data": {"drift": share}}, "x")
