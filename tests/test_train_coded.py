"""Training on coded references: they are what the other end of a call sees, and nothing else of a sample changes."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'headgan[train]'")

from headgan.codec.picture_coder import PictureEncoder
from headgan.models.codes import CodeRenderer
from headgan.models.morphable import MorphableModel
from headgan.models.train.coded_references import coded_rows
from headgan.models.train.config import config_from_dict
from headgan.models.train.prepared_set import PreparedSet
from headgan.models.train.samples import SampleMaker
from headgan.models.train.shards import SHARD_FOLDER
from headgan.proto.errors import UsageError
from tests.test_train import write_people

MODEL = MorphableModel.load()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_people(tmp_path / "set")


def test_references_are_those_of_one_chain(data: Path) -> None:
    prepared = PreparedSet.open(data)
    rows = coded_rows(prepared)
    for segment in prepared.segments:
        encoder = PictureEncoder()
        frames = prepared.reference_frames(segment)
        sent = [encoder.encode(prepared.picture(segment, frame)).picture_rgb for frame in frames]
        np.testing.assert_array_equal(rows.of(segment, np.arange(len(frames))), np.stack(sent))
        np.testing.assert_array_equal(rows.of(segment, np.array([1])), sent[1][None])
    assert [path.name[:14] for path in (data / SHARD_FOLDER).glob("*.coded-*")] == ["00000.coded-1-"]


def test_a_sample_has_coded_references_and_true_frames(data: Path) -> None:
    prepared = PreparedSet.open(data)
    segment, references, frames = prepared.segments[0], np.array([1, 0]), np.array([1, 2])
    maker = SampleMaker(prepared, CodeRenderer(MODEL), codes=True)
    coded, clean = (maker.make(segment, references, frames, codes=codes) for codes in (True, False))
    seen = coded_rows(prepared).of(segment, references).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(coded.reference, seen)
    assert 0 < np.abs(coded.reference.astype(float) - clean.reference).mean() < 12
    for name in ("picture", "code", "grid", "uncovered", "mouth", "reference_code"):
        np.testing.assert_array_equal(getattr(coded, name), getattr(clean, name))
    for row, index in enumerate(references):
        person = prepared.mask(segment, int(index)) > 0.02
        assert 0 < person.mean() < 1
        np.testing.assert_array_equal(coded.background[row][:, ~person], seen[row][:, ~person])
        np.testing.assert_array_equal(coded.background[row][:, person], clean.background[row][:, person])
    without = SampleMaker(prepared, CodeRenderer(MODEL)).make(segment, references, frames)
    np.testing.assert_array_equal(without.reference, clean.reference)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(UsageError, match=r"\[data\] coded"):
        config_from_dict({"data": {"coded": share}}, "x")
