"""What is remembered of callers: exact to the bit, private, whole after a crash, and of no harm when it is damaged."""

import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from headgan.codec.params import EXPRESSION_SIZE, GAZE_SIZE, FaceParams
from headgan.models import cli, contacts
from headgan.models.contacts import OWN, Contacts, check_name, reference_digest
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.models.user_folders import data_folder
from headgan.proto.errors import DeviceError, UsageError

MODEL_ID = bytes(range(8))
IDENTITY = np.linspace(-1, 1, 60).astype(np.float32)


def looks(seed: int, identity: np.ndarray = IDENTITY) -> ReferenceImage:
    rng = np.random.default_rng(seed)
    camera = np.array([1, 0, 0, 0, 0.3, 0.1, 0], np.float32)
    params = FaceParams(
        rng.normal(size=EXPRESSION_SIZE).astype(np.float32), camera, np.zeros(GAZE_SIZE, np.float32)
    )
    return ReferenceImage(rng.integers(0, 256, (256, 256, 3)).astype(np.uint8), identity, params)


def named(*references: ReferenceImage) -> dict[bytes, ReferenceImage]:
    return {reference_digest(reference): reference for reference in references}


def digests(references: Sequence[ReferenceImage]) -> list[bytes]:
    return [reference_digest(reference) for reference in references]


def test_what_is_kept_comes_back_exact_to_the_bit(tmp_path: Path) -> None:
    references = [looks(seed) for seed in range(3)]
    Contacts(tmp_path).keep("ana", MODEL_ID, named(*references))
    loaded = Contacts(tmp_path).load("ana", MODEL_ID)
    assert list(loaded) == digests(references)
    for kept, reference in zip(loaded.values(), references, strict=True):
        assert np.array_equal(kept.picture_rgb, reference.picture_rgb)
        assert kept.params.to_bytes() == reference.params.to_bytes()
        assert np.array_equal(kept.identity, reference.identity)
    assert Contacts(tmp_path).load("ana", bytes(8)) == {}
    assert Contacts(tmp_path).load("bo", MODEL_ID) == {}


def test_the_digest_is_of_all_that_makes_a_reference() -> None:
    other_identity = IDENTITY.copy()
    other_identity[3] = np.nextafter(other_identity[3], np.float32(2))
    one = looks(1)
    other_picture = one.picture_rgb.copy()
    other_picture[9, 9, 0] ^= 1
    others = [
        looks(1, other_identity),
        ReferenceImage(other_picture, IDENTITY, one.params),
        ReferenceImage(one.picture_rgb, IDENTITY, looks(2).params),
    ]
    assert len({*digests([one, looks(1)]), *digests(others)}) == 4
    assert {len(digest) for digest in digests(others)} == {16}


@pytest.mark.skipif(sys.platform == "win32", reason="has other rights")
def test_only_the_user_may_read_it(tmp_path: Path) -> None:
    store = Contacts(tmp_path / "share" / "headgan")
    store.check_writable()
    store.keep("ana", MODEL_ID, named(looks(1)))
    paths = [tmp_path / "share" / "headgan", *(tmp_path / "share" / "headgan").rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o600}


def test_what_is_kept_later_takes_the_place_of_what_was(tmp_path: Path) -> None:
    store = Contacts(tmp_path)
    store.keep("ana", MODEL_ID, named(looks(1), looks(2)))
    store.keep("ana", MODEL_ID, named(looks(3), looks(2)))
    assert list(store.load("ana", MODEL_ID)) == digests([looks(3), looks(2)])
    assert len(list((tmp_path / "contacts" / "ana").iterdir())) == 3


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_crash_leaves_what_was(writes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Contacts(tmp_path)
    store.keep("ana", MODEL_ID, named(looks(1)))
    write, count = contacts._replace, 0

    def fail(path: Path, data: bytes) -> None:
        nonlocal count
        if count == writes:
            raise OSError(28, "no space left")
        count += 1
        write(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(contacts, "_replace", fail)
        with pytest.raises(DeviceError, match="no space left"):
            store.keep("ana", MODEL_ID, named(looks(2), looks(3)))
    assert list(store.load("ana", MODEL_ID)) == digests([looks(1)])
    store.keep("ana", MODEL_ID, named(looks(4)))  # and takes away what was left behind
    assert len(list((tmp_path / "contacts" / "ana").iterdir())) == 2


@pytest.mark.parametrize("name", ["", "a" * 41, "../ana", "ana/bo", "a.b", ".", "änna", "ana ", "own", "OWN"])
def test_a_name_is_safe_as_that_of_a_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give another name" if name.lower() == OWN else "40 letters"):
        check_name(name)
    with pytest.raises(UsageError, match="nobody is remembered"):
        Contacts(tmp_path).delete(name)
    check_name("Ana-Maria_2")


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "[]",
        "{}",
        '{"format": 2}',
        '{"format": 1, "identity": 7}',
        '{"format": 1, "identity": "xy", "references": []}',
        '{"format": 1, "identity": "00000000", "model_id": "00", "references": [{"digest": "00", "params": "00"}]}',
    ],
)
def test_a_damaged_index_is_told_and_ignored(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Contacts(tmp_path)
    store.keep("ana", MODEL_ID, named(looks(1)))
    store.keep("bo", MODEL_ID, named(looks(2)))
    (tmp_path / "contacts" / "ana" / "index.json").write_text(damage)
    assert store.load("ana", MODEL_ID) == {}
    assert "headgan contacts --delete ana removes it" in caplog.text
    assert store.find(digests([looks(2)]), IDENTITY, MODEL_ID)[0] == "bo"
    assert store.names() == ("ana", "bo")


def test_a_damaged_picture_is_told_and_the_others_are_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Contacts(tmp_path)
    references = [looks(seed) for seed in range(4)]
    store.keep("ana", MODEL_ID, named(*references))
    first, second, third, _ = (
        tmp_path / "contacts" / "ana" / f"{digest.hex()}.png" for digest in digests(references)
    )
    first.write_bytes(second.read_bytes())
    third.unlink()
    second.write_bytes(second.read_bytes()[:5])
    assert list(store.load("ana", MODEL_ID)) == digests(references[3:])
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3
    assert store.find(digests(references), IDENTITY, MODEL_ID)[1].keys() == {3}


def test_the_contact_with_most_matches_is_found(tmp_path: Path) -> None:
    store = Contacts(tmp_path)
    store.keep("ana", MODEL_ID, named(looks(1), looks(2), looks(3)))
    store.keep("bo", MODEL_ID, named(looks(3), looks(4)))
    store.keep("old", bytes(8), named(*[looks(seed) for seed in range(9)]))
    store.keep(OWN, MODEL_ID, named(*[looks(seed) for seed in range(9)]))
    offered = [*digests([looks(9), looks(3), looks(4)]), b"short", bytes(16)]
    name, found = store.find(offered, IDENTITY, MODEL_ID)
    assert name == "bo" and found.keys() == {1, 2}
    assert np.array_equal(found[2].picture_rgb, looks(4).picture_rgb)
    # Another face than the one that was kept does not move these pictures.
    assert store.find(offered, IDENTITY + 1, MODEL_ID) == ("", {})
    assert store.find([bytes(16)], IDENTITY, MODEL_ID) == ("", {})


def test_another_person_is_told_from_another_estimate_of_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = MorphableModel.load()
    rng = np.random.default_rng(5)
    ana, bo, noise = (rng.normal(size=60).astype(np.float32) * model.identity_std for _ in range(3))
    store = Contacts(tmp_path)
    store.keep("ana", model.model_id, named(looks(1, ana)))
    store.keep("old", MODEL_ID, named(looks(1, ana)))
    assert not store.is_of_another("ana", ana, model)
    assert not store.is_of_another("ana", ana + 0.7 * noise, model)
    assert store.is_of_another("ana", bo, model)
    assert store.is_of_another("ana", np.zeros(60, np.float32), model)
    # Nothing can be said of those whom nobody knows, or who are kept for another model.
    assert not store.is_of_another("bo", bo, model)
    assert not store.is_of_another("old", bo, model)
    (tmp_path / "contacts" / "ana" / "index.json").write_text("")
    assert not store.is_of_another("ana", bo, model)
    assert "is damaged and not used" in caplog.text


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="has places of its own")
def test_the_data_folder_is_where_xdg_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert data_folder() == Path("/data/headgan")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert data_folder() == Path.home() / ".local" / "share" / "headgan"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert data_folder() == Path.home() / ".local" / "share" / "headgan"


def test_a_folder_that_cannot_be_written_is_told_before_the_call(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeviceError, match="nothing can be remembered in"):
        Contacts(tmp_path / "file" / "headgan").check_writable()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="has places of its own")
def test_the_command_lists_and_deletes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert cli.main(["contacts"]) == 0
    assert "nobody is remembered" in capsys.readouterr().err
    store = Contacts()
    store.keep("ana", MODEL_ID, named(looks(1), looks(2)))
    store.keep(OWN, MODEL_ID, named(looks(3)))
    assert cli.main(["contacts", "--json"]) == 0
    own, ana = json.loads(capsys.readouterr().out)
    assert (own["name"], own["references"], ana["name"], ana["references"]) == (OWN, 1, "ana", 2)
    assert ana["bytes"] > 2 * 100_000 and ana["last_call"].endswith("+00:00")
    assert cli.main(["contacts"]) == 0
    assert "ana  2 references" in capsys.readouterr().out
    for name in ("ana", OWN):
        assert cli.main(["contacts", "--delete", name]) == 0
    assert store.names() == ()
    assert cli.main(["contacts", "--delete", "ana"]) == 2
    assert capsys.readouterr().err == (
        "headgan contacts: nobody is remembered as 'ana'; headgan contacts lists those who are\n"
    )
