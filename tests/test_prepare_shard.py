"""The task of a worker: made-up pieces of a known face in, a shard that holds that face out."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from headgan.codec.params import FaceParams
from headgan.models.clip_sound import NO_SOUND, ClipSound
from headgan.models.crop import Crop
from headgan.models.fitting import project
from headgan.models.morphable import MorphableModel
from headgan.models.train import prepare_shard as module
from headgan.models.train.prepare_clip import Piece, Rejection
from headgan.models.train.prepare_plan import PlannedPerson, PlannedShard
from headgan.models.train.prepare_shard import ShardTask, Stopped, prepare_shard
from headgan.models.train.prepared_set import PreparedSet
from headgan.models.train.shard_pictures import encode_picture
from headgan.models.train.shards import (
    FORMAT_VERSION,
    SHARD_FOLDER,
    DatasetInfo,
    ShardWriter,
    is_done,
    read_report,
)
from headgan.proto.errors import DeviceError

MODEL = MorphableModel.load()
FRAMES = 24
IDENTITY = (MODEL.identity_std * np.linspace(1, -1, MODEL.identity_size)).astype(np.float32)


def params_of(frame: int) -> FaceParams:
    expression = np.zeros(28, np.float32)
    expression[0] = MODEL.expression_std[0] * np.sin(frame / 3)
    half = 0.01 * frame
    camera = np.array([np.cos(half), 0, np.sin(half), 0, 0.4, 0.05, 0], np.float32)
    return FaceParams(expression, camera, np.zeros(2, np.float32))


def piece(start_ms: float = 0.0) -> Piece:
    return Piece(
        Crop(10.0, 20.0, 200.0),
        [encode_picture(np.full((256, 256, 3), 60 + 5 * frame, np.uint8)) for frame in range(FRAMES)],
        np.stack([project(MODEL, IDENTITY, params_of(frame)) for frame in range(FRAMES)]),
        start_ms + 40.0 * np.arange(FRAMES, dtype=np.float64),
        0,
        FRAMES - 1,
    )


def read_pieces(
    path: Path, _finder: object, *, every: int, check: Callable[[], None]
) -> Iterator[Piece | Rejection]:
    assert every == 2
    check()
    yield piece()
    if path.stem == "bad":
        raise DeviceError(f"{path}: the video cannot be read")
    yield Rejection("no face", 30, 34, 5, 1200.0, 1360.0)
    yield piece(start_ms=2000.0)


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ShardTask]:
    monkeypatch.setattr(module, "read_pieces", read_pieces)
    # Fewer than in use, for speed; both have tests of their own.
    monkeypatch.setattr(module, "IDENTITY_FRAMES", 6)
    monkeypatch.setattr(module, "choose_references", lambda _: [0, 9])
    tone = ClipSound(np.arange(32_000, dtype=np.int16), 0.0)
    monkeypatch.setattr(module, "read_sound", lambda path: NO_SOUND if path.stem == "mute" else tone)
    (tmp_path / SHARD_FOLDER).mkdir()
    DatasetInfo(FORMAT_VERSION, 256, MODEL.model_id.hex(), 2, 1, "plan", ()).write(tmp_path)

    def make(**people: list[str]) -> ShardTask:
        planned = [PlannedPerson(name, tuple(map(Path, clips))) for name, clips in people.items()]
        return ShardTask(PlannedShard(0, tuple(planned)), tmp_path, 2)

    return make


def test_the_shard_holds_the_face(task: Callable[..., ShardTask], tmp_path: Path) -> None:
    assert prepare_shard(task(ann=["one.mp4", "mute.mp4"], ben=["two.mp4"])) == 0
    prepared = PreparedSet.open(tmp_path)
    assert [(item.person, item.clip) for item in prepared.segments] == [
        *[("ann", "one.mp4")] * 2,
        *[("ann", "mute.mp4")] * 2,
        *[("ben", "two.mp4")] * 2,
    ]
    for segment in prepared.segments:
        assert segment.frames == FRAMES
        assert segment.frame_rate == pytest.approx(25.0)
        assert float(prepared.fit_error_px(segment).max()) < 0.5
        angles = 2 * np.arcsin(prepared.params(segment)[:, 30])
        assert np.allclose(np.diff(angles), 0.02, atol=0.004)
        assert abs(int(prepared.picture(segment, 7)[128, 128, 0]) - (60 + 5 * 7)) < 3
        assert prepared.reference_frames(segment) == [0, 9]
        assert prepared.mask(segment, 0).shape == (256, 256)
    shared = [segment.identity for segment in prepared.segments if segment.person == "ann"]
    assert all(np.array_equal(identity, shared[0]) for identity in shared)
    assert float(np.corrcoef(shared[0], IDENTITY)[0, 1]) > 0.9


def test_the_sound_belongs_to_the_frames(task: Callable[..., ShardTask], tmp_path: Path) -> None:
    prepare_shard(task(ann=["one.mp4", "mute.mp4"]))
    prepared = PreparedSet.open(tmp_path)
    first, second, mute, _ = prepared.segments
    samples = FRAMES * 640
    assert prepared.sound(first).tolist() == list(range(samples))
    assert prepared.sound(second).tolist() == [0] * samples  # two seconds in, the sound is over
    assert mute.sound_samples == 0


def test_a_clip_that_cannot_be_read_is_listed(task: Callable[..., ShardTask], tmp_path: Path) -> None:
    prepare_shard(task(ann=["bad.mp4"], ben=["one.mp4"]))
    bad, good = read_report(tmp_path, 0)["clips"]
    assert "cannot be read" in bad["unreadable"]
    assert (bad["segments"], bad["frames"]) == (1, FRAMES)  # what came before the damage
    assert (good["segments"], good["frames"], good["person"]) == (2, 2 * FRAMES, "ben")
    assert good["rejected"] == [
        {
            "reason": "no face",
            "first_frame": 30,
            "last_frame": 34,
            "frames": 5,
            "start_ms": 1200.0,
            "end_ms": 1360.0,
        }
    ]
    assert read_report(tmp_path, 0)["kept_s"] == pytest.approx(3 * FRAMES / 25, abs=0.01)


def test_it_stops_when_told(task: Callable[..., ShardTask], tmp_path: Path) -> None:
    asked = iter([False] * 4 + [True] * 100)
    with pytest.raises(Stopped):
        prepare_shard(task(ann=["one.mp4"]), lambda: next(asked))
    assert not is_done(tmp_path, 0)
    assert list((tmp_path / SHARD_FOLDER).iterdir()) == []


def test_a_full_disk_is_told(task: Callable[..., ShardTask], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ShardWriter, "add_picture", full)
    with pytest.raises(DeviceError, match=r"shard 0 cannot be written.*No space left"):
        prepare_shard(task(ann=["one.mp4"]))
