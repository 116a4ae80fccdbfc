"""Which generator a call gets: what the user asked for, or what this machine is fast enough for."""

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from headgan.models import precision
from headgan.models.generator import OnnxGenerator
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.models.weights import weights_path
from headgan.receiver import choose_generator as chooser
from headgan.receiver.choose_generator import choose_generator

MODEL = MorphableModel.load()


@dataclass
class NamedGenerator:
    """Stands in for `OnnxGenerator`: nothing but what it was opened with."""

    path: Path | None = None
    provider: str = "cpu"
    precision: str = "float32"
    in_halves: bool = False

    @property
    def fuses(self) -> bool:
        return self.name != "prior"

    @property
    def name(self) -> str:
        return self.path.stem if self.path else "live"


@pytest.fixture
def networks_ms(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """A machine on which the networks take so long, and the geometry 5 ms."""
    needed: float = request.param
    monkeypatch.setattr(chooser, "OnnxGenerator", NamedGenerator)
    monkeypatch.setattr(precision, "OnnxGenerator", NamedGenerator)
    monkeypatch.setattr(precision, "chosen_precision", lambda *_: "float32")

    def draw_ms(_model: MorphableModel, generator: NamedGenerator, count: int = 1, *, size: int) -> float:
        assert size == CROP_SIZE
        return 5.0 if generator.name == "prior" else needed * (1 + 0.5 * (count - 1))

    monkeypatch.setattr(chooser, "_draw_ms", draw_ms)
    return needed


def choose(draw: str, path: Path | None = None, rate_fps: float = 25.0) -> str:
    chosen = choose_generator(MODEL, draw, path, provider="cpu", rate_fps=rate_fps, program="headgan-recv")
    return chosen.generator.name


@pytest.mark.parametrize("networks_ms", [20.0], indirect=True)
def test_a_fast_machine_draws_by_networks(networks_ms: float, capsys: pytest.CaptureFixture[str]) -> None:
    assert choose("auto") == "live"
    assert capsys.readouterr().err == f"headgan-recv: drawing by live, {networks_ms:.0f} ms a frame on cpu\n"
    assert choose("geometry") == "prior"
    assert choose("auto", rate_fps=50) == "prior"  # 17 ms there


@pytest.mark.parametrize("networks_ms", [58.0], indirect=True)
def test_a_slow_one_by_geometry_and_says_so(networks_ms: float, capsys: pytest.CaptureFixture[str]) -> None:
    assert choose("auto") == "prior"
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(
        f"headgan-recv: the networks need {networks_ms:.0f} ms a frame on cpu, 34 are there"
    )
    assert said[1:] == ["headgan-recv: drawing by prior, 5 ms a frame on cpu"]


@pytest.mark.parametrize("networks_ms", [20.0], indirect=True)
@pytest.mark.usefixtures("networks_ms")
@pytest.mark.parametrize(("fused", "in_halves"), [(0, True), (3, True), (1, False)])
def test_a_card_is_given_the_halves_where_references_are_fused(fused: int, in_halves: bool) -> None:
    chosen = choose_generator(
        MODEL, "networks", None, fused=fused, provider="cuda", rate_fps=25.0, program="headgan-recv"
    )
    assert isinstance(chosen.generator, NamedGenerator) and chosen.generator.in_halves is in_halves


@pytest.mark.parametrize("networks_ms", [58.0], indirect=True)
@pytest.mark.usefixtures("networks_ms")
def test_what_was_asked_for_is_taken_however_slow(capsys: pytest.CaptureFixture[str]) -> None:
    assert choose("networks") == "live"
    assert choose("auto", Path("mine.onnx")) == "mine"
    assert choose("geometry", Path("mine.onnx")) == "mine"
    assert "geometry alone" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("networks_ms", "rate_fps", "fuses"),
    [(20.0, 25.0, 1), (13.0, 25.0, 2), (9.0, 25.0, 3), (1.0, 25.0, 3), (9.0, 50.0, 1)],
    indirect=["networks_ms"],
)
@pytest.mark.usefixtures("networks_ms")
def test_a_frame_is_drawn_from_as_many_references_as_are_in_time(rate_fps: float, fuses: int) -> None:
    def chosen(draw: str, fused: int = 0) -> tuple[int, int]:
        found = choose_generator(
            MODEL, draw, None, fused=fused, provider="cpu", rate_fps=rate_fps, program="headgan-recv"
        )
        return found.fuses, found.fuses_at_first

    assert chosen("networks") == (3, fuses)
    assert chosen("networks", 2) == (2, min(2, fuses))
    assert chosen("geometry", 2) == (1, 1)  # it cannot


def test_the_time_that_counts_is_that_of_a_whole_drawing() -> None:
    class Counted(OnnxGenerator):
        drawn = 0

        def generate(self, *views):  # type: ignore[no-untyped-def]  # noqa: ANN002, ANN202
            Counted.drawn += 1
            return super().generate(*views)

    assert 0 < chooser._draw_ms(MODEL, Counted(weights_path("prior.onnx"), provider="cpu")) < 5000
    assert Counted.drawn == 16  # the first does not count
    chooser._draw_ms(MODEL, Counted(weights_path("prior.onnx"), provider="cpu"), 3)
    assert Counted.drawn == 22


def test_what_else_runs_while_a_call_begins_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    class Still:
        def __init__(self, *_: object) -> None:
            pass

        def draw(self, _params: object) -> None:
            pass

    lasts_s = [0.05] * 9 + [0.03] + [0.04] * 5
    readings = iter([reading for last in lasts_s for reading in (1.0, 1.0 + last)])
    monkeypatch.setattr(chooser, "Reconstructor", Still)
    monkeypatch.setattr(time, "perf_counter", lambda: next(readings))
    assert chooser._draw_ms(
        MODEL, OnnxGenerator(weights_path("prior.onnx"), provider="cpu")
    ) == pytest.approx(30)


@pytest.mark.parametrize("networks_ms", [20.0], indirect=True)
@pytest.mark.parametrize(
    ("provider", "asked", "found", "drawn"),
    [
        ("cpu", "auto", "int8", "int8"),
        ("cpu", "auto", "float32", "float32"),
        ("cpu", "float32", "int8", "float32"),
        ("cuda", "auto", "int8", "float32"),
    ],
)
@pytest.mark.usefixtures("networks_ms")
def test_a_processor_computes_as_it_is_fastest_or_as_asked(
    monkeypatch: pytest.MonkeyPatch, provider: str, asked: str, found: str, drawn: str
) -> None:
    monkeypatch.setattr(precision, "chosen_precision", lambda *_: found)
    chosen = choose_generator(
        MODEL, "networks", None, provider=provider, precision=asked, rate_fps=25, program="headgan-recv"
    )
    assert isinstance(chosen.generator, NamedGenerator) and chosen.generator.precision == drawn
