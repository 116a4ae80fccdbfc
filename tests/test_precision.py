"""Which precision a machine draws with: the fastest that draws the same, asked once; and the 8-bit files that ship."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.models import precision as chooser
from headgan.models.frame_graphs import PRECISIONS
from headgan.models.generator import (
    SHIPPED_GENERATOR,
    GeneratorReference,
    OnnxGenerator,
    PreparedReference,
    View,
)
from headgan.models.morphable import MorphableModel
from headgan.models.precision import belongs, chosen_precision
from headgan.models.user_folders import cache_folder
from headgan.models.weights import weights_path

MODEL = MorphableModel.load()
SHIPPED = weights_path(SHIPPED_GENERATOR)


class FlatGenerator:
    """Draws one level; in eight bits another one."""

    fuses = True
    name = "flat"
    provider = "cpu"
    off_by = 0
    opened = 0

    def __init__(self, path: Path | None = None, *, provider: str, precision: str) -> None:
        assert provider == "cpu" and path == SHIPPED
        type(self).opened += 1
        self._level = 100 + (self.off_by if precision == "int8" else 0)

    def needs(self, name: str) -> bool:
        return not name

    def prepare(self, reference: GeneratorReference) -> PreparedReference:
        return PreparedReference({"reference": reference.reference})

    def generate(self, *views: View) -> NDArray[np.uint8]:
        assert len(views) == 1
        return np.full((256, 256, 3), self._level, np.uint8)


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> type[FlatGenerator]:
    monkeypatch.setattr(chooser, "OnnxGenerator", FlatGenerator)
    monkeypatch.setattr(FlatGenerator, "off_by", 1)
    monkeypatch.setattr(FlatGenerator, "opened", 0)
    return FlatGenerator


def test_the_8_bit_files_that_ship_were_made_from_the_others() -> None:
    assert belongs(SHIPPED, "int8"), "headgan export --precision int8 writes all of them at once"


def test_what_was_found_is_remembered(generator: type[FlatGenerator], tmp_path: Path) -> None:
    found = chosen_precision(MODEL, SHIPPED, tmp_path)
    assert found in PRECISIONS and generator.opened == 2
    (file,) = tmp_path.iterdir()
    assert set(json.loads(file.read_text())["draw_ms"]) == {"float32", "int8"}
    assert chosen_precision(MODEL, SHIPPED, tmp_path) == found and generator.opened == 2
    file.write_text("[]")  # Damaged: measured anew.
    assert chosen_precision(MODEL, SHIPPED, tmp_path) in PRECISIONS and generator.opened == 4


def test_another_library_is_measured_anew(
    generator: type[FlatGenerator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen_precision(MODEL, SHIPPED, tmp_path)
    monkeypatch.setattr(chooser, "version", lambda _: "99")
    chosen_precision(MODEL, SHIPPED, tmp_path)
    assert generator.opened == 4 and len(list(tmp_path.iterdir())) == 2


def test_what_draws_something_else_is_not_used(
    generator: type[FlatGenerator],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(generator, "off_by", 20)
    assert chosen_precision(MODEL, SHIPPED, tmp_path) == "float32"
    assert "int8 draws something else on this machine (20.0 levels off)" in caplog.text


def test_a_folder_that_cannot_be_written_is_no_error(generator: type[FlatGenerator], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert chosen_precision(MODEL, SHIPPED, tmp_path / "file") in PRECISIONS
    assert generator.opened == 2


def test_the_real_networks_draw_nearly_the_same_in_both() -> None:
    times_ms = chooser._measured(MODEL, SHIPPED, list(PRECISIONS))
    assert set(times_ms) == set(PRECISIONS)
    assert OnnxGenerator(provider="cpu", precision="int8").provider == "cpu, int8"


def test_the_cache_is_where_the_user_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "headgan"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert cache_folder() == Path.home() / ".cache" / "headgan"
