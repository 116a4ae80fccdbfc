"""Shards: what is written comes back, also in another process, and what is damaged says so."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.models.morphable import MorphableModel
from headgan.models.train import prepared_set
from headgan.models.train.prepared_set import PreparedSet
from headgan.models.train.shard_pictures import encode_mask, encode_picture
from headgan.models.train.shards import (
    FORMAT_VERSION,
    INFO_NAME,
    SHARD_FOLDER,
    DatasetInfo,
    PreparedReference,
    PreparedSegment,
    ShardWriter,
    is_done,
)
from headgan.proto.errors import DeviceError, HeadganError, ModelError

MODEL = MorphableModel.load()
FRAMES = 5


def picture(shade: int) -> NDArray[np.uint8]:
    """A gradient of colours that differs with `shade`; smooth, so that JPEG keeps it."""
    x, y = np.meshgrid(np.arange(256), np.arange(256))
    return np.stack([x, y, np.full_like(x, shade)], axis=-1).astype(np.uint8)


def mask() -> NDArray[np.float32]:
    half = np.zeros((256, 256), np.float32)
    half[:, 100:] = 1
    return half


def segment(writer: ShardWriter, number: int, *, sound: int = 800) -> PreparedSegment:
    rng = np.random.default_rng(number)
    places = [writer.add_picture(encode_picture(picture(40 * number + index))) for index in range(FRAMES)]
    references = [
        PreparedReference(frame, encode_mask(mask()), encode_picture(picture(200 + frame)))
        for frame in (0, 3)
    ]
    return PreparedSegment(
        person=f"person {number}",
        clip=f"clips/{number}.mp4",
        places=places,
        params=rng.normal(size=(FRAMES, 37)).astype(np.float32),
        fit_error_px=rng.random(FRAMES).astype(np.float32),
        pts_ms=np.arange(FRAMES, dtype=np.float64) * 40,
        identity=rng.normal(size=MODEL.identity_size).astype(np.float32),
        crop=(10.0, 20.0, 300.0),
        rate_fps=25.0,
        sound=np.arange(sound, dtype=np.int16) + np.int16(number),
        references=references,
    )


def make_set(folder: Path, shards: int = 2, segments: int = 2) -> list[PreparedSegment]:
    (folder / SHARD_FOLDER).mkdir(parents=True)
    info = DatasetInfo(FORMAT_VERSION, 256, MODEL.model_id.hex(), 1, shards, "plan", ("clips",))
    info.write(folder)
    made: list[PreparedSegment] = []
    for shard in range(shards):
        with ShardWriter(folder, shard) as writer:
            for _ in range(segments):
                made.append(segment(writer, len(made)))
                writer.add_segment(made[-1])
            writer.finish({"clips": []})
    return made


def close_to(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    return float(np.abs(one.astype(int) - other).mean()) < 2


def test_everything_comes_back(tmp_path: Path) -> None:
    made = make_set(tmp_path / "set")
    prepared = PreparedSet.open(tmp_path / "set")
    assert (len(prepared.segments), prepared.missing_shards) == (4, 0)
    for number, (written, read) in enumerate(zip(made, prepared.segments, strict=True)):
        assert (read.index, read.shard, read.person, read.clip) == (
            number,
            number // 2,
            written.person,
            written.clip,
        )
        assert (read.frames, read.frame_rate, read.crop, read.references) == (FRAMES, 25.0, written.crop, 2)
        assert np.array_equal(read.identity, written.identity)
        assert np.array_equal(prepared.params(read), written.params)
        assert np.array_equal(prepared.fit_error_px(read), written.fit_error_px)
        assert np.array_equal(prepared.pts_ms(read), written.pts_ms)
        assert np.array_equal(prepared.sound(read), written.sound)
        assert prepared.sound(read).dtype == np.int16
        for index in range(FRAMES):
            assert close_to(prepared.picture(read, index), picture(40 * number + index))
        assert prepared.reference_frames(read) == [0, 3]
        for reference, frame in enumerate((0, 3)):
            assert np.array_equal(prepared.mask(read, reference), mask())
            assert close_to(prepared.background(read, reference), picture(200 + frame))


def test_another_process_gets_its_own_files(tmp_path: Path) -> None:
    make_set(tmp_path / "set")
    prepared = PreparedSet.open(tmp_path / "set")
    prepared.picture(prepared.segments[0], 0)
    data = pickle.dumps(prepared)
    assert len(data) < 20_000  # tables and pictures stay behind
    again = pickle.loads(data)
    last = again.segments[-1]
    assert np.array_equal(again.picture(last, 1), prepared.picture(prepared.segments[-1], 1))


def test_few_files_are_held_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared_set, "_OPEN_SHARDS", 2)
    made = make_set(tmp_path / "set", shards=4, segments=1)
    prepared = PreparedSet.open(tmp_path / "set")
    for index in (0, 1, 2, 3, 0, 2):
        assert np.array_equal(prepared.params(prepared.segments[index]), made[index].params)
    assert len(prepared._open) == 2


def test_a_clip_without_sound_has_none(tmp_path: Path) -> None:
    make_set(tmp_path / "set", shards=1, segments=0)
    with ShardWriter(tmp_path / "set", 0) as writer:
        writer.add_segment(segment(writer, 0, sound=0))
        writer.finish({})
    prepared = PreparedSet.open(tmp_path / "set")
    assert prepared.segments[0].sound_samples == 0
    assert prepared.sound(prepared.segments[0]).shape == (0,)


def test_what_is_not_finished_is_left_out(tmp_path: Path) -> None:
    make_set(tmp_path / "set", shards=3, segments=1)
    (tmp_path / "set" / SHARD_FOLDER / "00001.npz").unlink()
    prepared = PreparedSet.open(tmp_path / "set")
    assert prepared.missing_shards == 1
    assert [item.person for item in prepared.segments] == ["person 0", "person 2"]
    assert [item.index for item in prepared.segments] == [0, 1]
    assert close_to(prepared.picture(prepared.segments[1], 0), picture(80))


def test_nothing_is_left_of_a_shard_that_failed(tmp_path: Path) -> None:
    make_set(tmp_path / "set", shards=1)
    with pytest.raises(KeyboardInterrupt), ShardWriter(tmp_path / "set", 1) as writer:
        writer.add_segment(segment(writer, 0))
        raise KeyboardInterrupt
    assert not is_done(tmp_path / "set", 1)
    assert {path.stem for path in (tmp_path / "set" / SHARD_FOLDER).iterdir()} == {"00000"}


def test_there_is_nothing_to_read_in_an_empty_set(tmp_path: Path) -> None:
    make_set(tmp_path / "set", shards=1, segments=0)
    with pytest.raises(DeviceError, match="no segment is finished"):
        PreparedSet.open(tmp_path / "set")


def test_indices_are_checked(tmp_path: Path) -> None:
    make_set(tmp_path / "set", shards=1)
    prepared = PreparedSet.open(tmp_path / "set")
    first = prepared.segments[0]
    for frame in (-1, FRAMES):
        with pytest.raises(IndexError):
            prepared.picture(first, frame)
    with pytest.raises(IndexError):
        prepared.mask(first, 2)
    with pytest.raises(IndexError):
        prepared.background(first, -1)


@pytest.mark.parametrize("suffix", ["pictures", "sound", "npz"])
@pytest.mark.parametrize("damage", ["cut", "missing", "other bytes"])
def test_damage_is_told(tmp_path: Path, suffix: str, damage: str) -> None:
    make_set(tmp_path / "set", shards=1)
    path = tmp_path / "set" / SHARD_FOLDER / f"00000.{suffix}"
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 3])
    else:
        path.write_bytes(bytes(len(data)))
    if suffix == "sound" and damage == "other bytes":
        return  # silence is sound
    with pytest.raises(DeviceError, match="00000" if path.exists() or suffix != "npz" else "finished"):
        prepared = PreparedSet.open(tmp_path / "set")
        prepared.sound(prepared.segments[1])
        prepared.picture(prepared.segments[1], FRAMES - 1)


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"version": FORMAT_VERSION + 1}, DeviceError, "version 2, need 1"),
        ({"model_id": "00" * 8}, ModelError, "morphable model 0000000000000000"),
        ({"shards": None, "plan": None, "more": 1}, DeviceError, "no training set"),
    ],
)
def test_a_set_of_another_kind_is_refused(
    tmp_path: Path, change: dict[str, object], error: type[HeadganError], told: str
) -> None:
    make_set(tmp_path / "set", shards=1)
    path = tmp_path / "set" / INFO_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(error, match=told):
        PreparedSet.open(tmp_path / "set")


def test_a_folder_without_a_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="headgan prepare"):
        PreparedSet.open(tmp_path)
