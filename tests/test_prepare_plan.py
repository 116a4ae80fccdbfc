"""What `headgan prepare` will do: who is in the folders, and the same shards every time."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgan.models.train import prepare_plan
from headgan.models.train.prepare_plan import (
    SHARD_CLIPS,
    PlannedPerson,
    find_clips,
    plan_digest,
    plan_shards,
)
from headgan.proto.errors import UsageError


def clip(path: Path, size: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    return path


def names(people: list[PlannedPerson]) -> dict[str, list[str]]:
    return {Path(person.name).name: [path.name for path in person.clips] for person in people}


def test_a_folder_is_a_person(tmp_path: Path) -> None:
    for name in ("ann/2.mp4", "ann/1.MOV", "ben/1.webm", "ben/photo.jpg", "ben/notes.txt"):
        clip(tmp_path / name)
    assert names(find_clips([tmp_path])) == {"ann": ["1.MOV", "2.mp4"], "ben": ["1.webm"]}


def test_in_voxceleb_the_id_is_the_person(tmp_path: Path) -> None:
    for name in ("id10002/b/00001.mp4", "id10001/v1/00001.mp4", "id10001/v2/00001.mp4"):
        clip(tmp_path / "dev/mp4" / name)
    people = find_clips([tmp_path])
    assert [(person.name, len(person.clips)) for person in people] == [("id10001", 2), ("id10002", 1)]


def test_a_file_is_its_own_person(tmp_path: Path) -> None:
    files = [clip(tmp_path / "one.mp4"), clip(tmp_path / "two.mp4")]
    assert [person.clips for person in find_clips(files)] == [(files[0],), (files[1],)]


def test_a_clip_given_twice_is_taken_once(tmp_path: Path) -> None:
    clip(tmp_path / "ann/1.mp4")
    assert [len(person.clips) for person in find_clips([tmp_path, tmp_path])] == [1]


@pytest.mark.parametrize(
    "text",
    [
        "id10001/v/00002.mp4\n\n./id10002/v/00001.mp4\n",
        "1 id10001/v/00002.wav\n3 id10002/v/00001.wav\n",  # iden_split.txt
        "0 id10001/v/00002.wav id10002/v/00001.wav\n",  # veri_test.txt
        "mp4/id10001/v/00002.mp4\nmp4/id10002/v/00001.mp4\nid10003/v/00001.mp4\n",
    ],
)
def test_a_list_chooses_clips(tmp_path: Path, text: str) -> None:
    for name in ("id10001/v/00001.mp4", "id10001/v/00002.mp4", "id10002/v/00001.mp4"):
        clip(tmp_path / "dev/mp4" / name)
    (tmp_path / "list.txt").write_text(text)
    people = find_clips([tmp_path / "dev"], tmp_path / "list.txt")
    assert names(people) == {"id10001": ["00002.mp4"], "id10002": ["00001.mp4"]}


def test_a_list_knows_names_with_spaces(tmp_path: Path) -> None:
    clip(tmp_path / "clips/ann b/take 1.mp4")
    clip(tmp_path / "clips/ann b/take 2.mp4")
    (tmp_path / "list.txt").write_text("ann b/take 2.mp4\n")
    assert names(find_clips([tmp_path / "clips"], tmp_path / "list.txt")) == {"ann b": ["take 2.mp4"]}


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = clip(tmp_path / "ann/1.mp4")
    monkeypatch.chdir(tmp_path)
    assert find_clips([Path("ann")])[0].clips == (there,)


def test_what_cannot_be_found_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        find_clips([tmp_path / "nowhere"])
    with pytest.raises(UsageError, match="no clips in"):
        find_clips([tmp_path])
    clip(tmp_path / "ann/1.mp4")
    with pytest.raises(UsageError, match=r"--list .*cannot be read"):
        find_clips([tmp_path], tmp_path / "list.txt")
    (tmp_path / "list.txt").write_text("ben/1.mp4\n")
    with pytest.raises(UsageError, match=r"no clips that .*list\.txt names"):
        find_clips([tmp_path], tmp_path / "list.txt")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=30))
def test_a_shard_has_whole_people_and_enough_clips(counts: list[int]) -> None:
    here = Path(__file__)  # any file with a size
    people = [PlannedPerson(str(index), (here,) * count) for index, count in enumerate(counts)]
    shards = plan_shards(people)
    assert [shard.number for shard in shards] == list(range(len(shards)))
    assert [person for shard in shards for person in shard.people] == people
    for shard in shards[:-1]:
        assert shard.clips >= SHARD_CLIPS
        assert shard.clips - len(shard.people[-1].clips) < SHARD_CLIPS


def test_large_clips_make_a_shard_sooner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_plan, "SHARD_BYTES", 100)
    for index in range(5):
        clip(tmp_path / f"person{index}/1.mp4", size=60)
    assert [shard.clips for shard in plan_shards(find_clips([tmp_path]))] == [2, 2, 1]


def test_the_digest_tells_plans_apart(tmp_path: Path) -> None:
    clip(tmp_path / "ann/1.mp4")
    before = plan_digest(plan_shards(find_clips([tmp_path])))
    assert plan_digest(plan_shards(find_clips([tmp_path]))) == before
    clip(tmp_path / "ann/1.mp4", size=11)
    resized = plan_digest(plan_shards(find_clips([tmp_path])))
    clip(tmp_path / "ann/2.mp4")
    assert len({before, resized, plan_digest(plan_shards(find_clips([tmp_path])))}) == 3
