"""`headgan-bench reference-coding`: sizes and qualities of coders, on patterns whose answer is known."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.benchmarks import reference_coding, synthesised_coders
from headgan.benchmarks.cli import main
from headgan.benchmarks.rate_curve import Rates
from headgan.benchmarks.reference_coders import (
    Coded,
    Coder,
    code_av1_chain,
    code_avif,
    code_vp9_chain,
    code_webp,
    has_av1,
)
from headgan.benchmarks.reference_report import summarise, table
from headgan.benchmarks.synthesised_coders import SynthesisedCoders, difference, with_difference
from headgan.codec.params import FaceParams
from headgan.models import reconstruct
from headgan.models.generator import PRIOR_GENERATOR, OnnxGenerator
from headgan.models.metrics import face_tools
from headgan.models.metrics.clip_frames import SeenClip
from headgan.models.metrics.clip_memory import Moment
from headgan.models.metrics.pictures import psnr
from headgan.models.morphable import MorphableModel
from headgan.models.rotation import matrix_to_quaternion
from headgan.models.weights import weights_path
from headgan.proto.errors import FaceError, HeadganError

Picture = NDArray[np.uint8]


def pattern(shift: int) -> Picture:
    """Waves and noise in three colours, moved to the right."""
    y, x = np.mgrid[:256, :256]
    noise = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 60, (256, 256)), (0, 0), 1.5)
    grey = 128 + 50 * np.sin((x - shift) / 9) * np.sin(y / 13) + np.roll(noise, shift, axis=1)
    colors = np.stack([grey, 0.8 * grey + 20, 0.6 * grey + 40], axis=2)
    return np.asarray(np.clip(np.rint(colors), 0, 255), np.uint8)


def turned(degrees: float) -> FaceParams:
    angle = np.radians(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    quaternion = matrix_to_quaternion(np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]], np.float32))
    camera = np.concatenate([quaternion, [0.4, 0, 0]]).astype(np.float32)
    return FaceParams(np.zeros(28, np.float32), camera, np.zeros(2, np.float32))


PICTURES = [pattern(0), pattern(3), pattern(1)]
MOMENTS = [
    Moment(200.0 * place, picture, turned(angle))
    for place, (picture, angle) in enumerate(zip(PICTURES, (0, 12, 4), strict=True))
]


@pytest.fixture(autouse=True)
def no_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconstruct, "foreground_mask", lambda *_: np.zeros((256, 256), np.float32))


@pytest.fixture
def synthesised() -> SynthesisedCoders:
    model = MorphableModel.load()
    identity = np.zeros(model.identity_size, np.float32)
    return SynthesisedCoders(model, OnnxGenerator(weights_path(PRIOR_GENERATOR)), identity, MOMENTS)


def quality_of(coded: list[Coded]) -> float:
    return float(np.mean([psnr(one, other.picture_rgb) for one, other in zip(PICTURES, coded, strict=True)]))


def test_bytes_between_two_settings() -> None:
    rates = Rates.of([(40.0, 4000.0), (30.0, 1000.0)])
    assert rates.rate_at(35) == pytest.approx(2000)
    assert rates.rate_at(30) == pytest.approx(1000)
    assert rates.rate_at(29.9) is None and rates.rate_at(40.1) is None
    assert rates.bd_rate(rates) == 0
    assert rates.bd_rate(Rates.of([(41.0, 5000.0), (45.0, 6000.0)])) is None
    for points in ([(30.0, 1.0)], [(30.0, 1.0), (30.0, 2.0)], [(30.0, 0.0), (31.0, 2.0)]):
        with pytest.raises(HeadganError, match="no curve"):
            Rates.of(points)


@settings(max_examples=50, deadline=None)
@given(levels=st.lists(st.integers(200, 450), min_size=2, max_size=6, unique=True), factor=st.floats(0.1, 10))
def test_the_bd_rate_of_so_many_times_the_bytes(levels: list[int], factor: float) -> None:
    points = [(level / 10, 100.0 + level**1.5) for level in levels]
    some, more = Rates.of(points), Rates.of([(level, factor * size) for level, size in points])
    bd_rate = more.bd_rate(some)
    assert bd_rate == pytest.approx(factor - 1)
    assert some.bd_rate(more) == pytest.approx(1 / factor - 1)


@pytest.mark.parametrize(
    ("coder", "low", "high"), [(code_webp, 50, 95), (code_avif, 40, 80), (code_vp9_chain, 45, 20)]
)
def test_a_coder_gives_back_what_it_was_given_for_more_bytes_better(
    coder: Coder, low: int, high: int
) -> None:
    small, large = coder(PICTURES, low), coder(PICTURES, high)
    assert quality_of(large) > quality_of(small) + 3 and quality_of(small) > 25
    assert sum(one.size_bytes for one in large) > 1.3 * sum(one.size_bytes for one in small)
    assert all(one.encode_ms > 0 and one.decode_ms > 0 for one in large)


def test_av1_sends_each_picture_at_once_and_what_it_knows_only_once() -> None:
    if not has_av1():
        pytest.skip("this PyAV has no SVT-AV1")
    coded = code_av1_chain([PICTURES[0], PICTURES[0], PICTURES[1]], 30)
    assert psnr(PICTURES[1], coded[2].picture_rgb) > 30
    assert coded[1].size_bytes < 0.1 * coded[0].size_bytes


def test_stills_know_nothing_of_each_other() -> None:
    once, twice = code_webp([PICTURES[0]] * 2, 80)
    assert once.size_bytes == twice.size_bytes
    first, again = code_vp9_chain([PICTURES[0]] * 2, 34)
    assert again.size_bytes < 0.1 * first.size_bytes


@settings(max_examples=50, deadline=None)
@given(picture=st.integers(0, 255), synthesised=st.integers(0, 255))
def test_differences_there_and_back(picture: int, synthesised: int) -> None:
    one, other = (np.full((1, 1, 3), level, np.uint8) for level in (picture, synthesised))
    halved = with_difference(other, difference(one, other, 2), 2)
    assert abs(int(halved[0, 0, 0]) - picture) <= 2
    whole = with_difference(other, difference(one, other, 1), 1)
    if abs(picture - synthesised) <= 127:
        assert whole.tolist() == one.tolist()
    else:
        assert abs(int(whole[0, 0, 0]) - picture) <= 128


def test_what_both_ends_can_draw_is_drawn_from_the_nearest(synthesised: SynthesisedCoders) -> None:
    def third(first: Picture, second: Picture) -> Picture:
        drawn = synthesised.synthesised([first, second, PICTURES[2]])[2]
        assert drawn is not None
        return drawn

    assert [drawn is None for drawn in synthesised.synthesised(PICTURES)] == [True, False, False]
    # The third head is nearer to the first than to the second, so what stands for the second does not matter.
    assert np.array_equal(third(PICTURES[0], 255 - PICTURES[1]), third(PICTURES[0], PICTURES[1]))
    assert not np.array_equal(third(255 - PICTURES[0], PICTURES[1]), third(PICTURES[0], PICTURES[1]))


@pytest.mark.parametrize(
    "way", ["residual", "residual, halved", "synthesised before", "chain with synthesised"]
)
def test_every_way_ends_at_the_true_picture(synthesised: SynthesisedCoders, way: str) -> None:
    drawn = synthesised.synthesised(PICTURES)[1:]
    coded = synthesised.coders[way](PICTURES, 22)
    assert [one.picture_rgb.shape for one in coded] == [(256, 256, 3)] * 3
    for picture, one, rough in zip(PICTURES[1:], coded[1:], drawn, strict=True):
        assert rough is not None
        assert psnr(picture, one.picture_rgb) > max(30, psnr(picture, rough) + 3)
    assert quality_of(coded) > quality_of(synthesised.coders[way](PICTURES, 46)) + 2


def test_a_perfect_drawing_costs_nothing(
    synthesised: SynthesisedCoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthesised_coders._Drawer, "draw", lambda _self, place, *_: PICTURES[place])
    for way, coder in synthesised.coders.items():
        first, *later = coder(PICTURES, 34)
        # A residual chain has a key frame, which says that nothing is different.
        assert max(one.size_bytes for one in later) < 0.1 * first.size_bytes, way


def measured(factor: float, extra_db: float = 0.0) -> dict[str, Any]:
    """A way whose bytes double every 2 dB, the first picture with ten times the bytes of the second."""
    return {
        str(place): {
            "bytes": [10 * factor * 100 * 2**place, factor * 100 * 2**place],
            "psnr": [34.0 + 2 * place + extra_db] * 2,
            "encode_ms": 2.0 * factor,
            "decode_ms": 1.0,
        }
        for place in range(4)
    }


def test_the_summary_compares_at_equal_quality() -> None:
    clip = {"VP9 chain": measured(1), "AV1 chain": measured(0.5)}
    other = {"VP9 chain": measured(3), "AV1 chain": measured(3, extra_db=3)}
    summary = summarise({"a": clip, "b": other}, 0)
    # The second clip's AV1 starts at 37 dB: at 36 dB only the first counts.
    assert summary["VP9 chain"]["bytes_at_36"] == pytest.approx(5.5 * 200)
    assert summary["AV1 chain"]["bytes_at_36"] == pytest.approx(5.5 * 100)
    assert summary["AV1 chain"]["clips_at_36"] == 1 and summary["AV1 chain"]["clips_at_38"] == 2
    assert summary["VP9 chain"]["bytes_at_38"] == pytest.approx(5.5 * (400 + 1200) / 2)
    assert summary["VP9 chain"]["bd_rate"] == 0
    assert summary["AV1 chain"]["bd_rate"] == pytest.approx((0.5 * 2**-1.5) ** 0.5 - 1)
    later = summarise({"a": clip, "b": other}, 1)
    assert later["VP9 chain"]["bytes_at_36"] == pytest.approx(200)
    text = table({"a": clip, "b": other}, {"all": summary, "later": later})
    assert "4 references of 2 clips" in text and "bytes at 36 dB, 1 (1) clips" in text
    assert "| AV1 chain | 550 (100) |" in text


class FakeTracker:
    pass


@pytest.fixture
def one_clip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A clip of the pictures above, a second each, for few qualities."""
    model = MorphableModel.load()
    moments = tuple(
        Moment(200.0 * step, PICTURES[step // 5], MOMENTS[step // 5].params) for step in range(15)
    )
    seen = SeenClip(np.zeros(model.identity_size, np.float32), (), moments, ())
    monkeypatch.setattr(face_tools, "MediaPipeTracker", FakeTracker)
    monkeypatch.setattr(reference_coding, "see_clip", lambda *_: seen)
    monkeypatch.setattr(
        reference_coding,
        "OnnxGenerator",
        lambda **_: OnnxGenerator(weights_path(PRIOR_GENERATOR)),
    )
    few = {way: (levels[1], levels[-2]) for way, levels in reference_coding.QUALITIES.items()}
    monkeypatch.setattr(reference_coding, "QUALITIES", few)
    clip = tmp_path / "clips" / "one.mp4"
    clip.parent.mkdir()
    clip.write_bytes(b"")
    return clip


def test_the_report_has_every_way(
    one_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    words = ["reference-coding", str(one_clip), "-o", str(tmp_path / "report")]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert text == (tmp_path / "report" / "reference_coding.md").read_text()
    report = json.loads((tmp_path / "report" / "reference_coding.json").read_text())
    ways = set(reference_coding.QUALITIES) - (set() if has_av1() else {"AV1 chain"})
    assert set(report["clips"]["clips-one"]) == set(report["summary"]["all"]) == ways
    for results in report["clips"]["clips-one"].values():
        for result in results.values():
            assert len(result["bytes"]) == len(result["psnr"]) > 1
            assert min(result["bytes"]) > 0 and min(result["psnr"]) > 20
    assert report["summary"]["all"]["VP9 chain"]["bd_rate"] == 0
    assert report["summary"]["all"]["WebP"]["bd_rate"] > 0
    for name in ("reference_coding.png", "sheet.png"):
        picture = cv2.imread(str(tmp_path / "report" / name))
        assert picture is not None and picture.std() > 10, name
    # Nothing is coded again.
    monkeypatch.setattr(reference_coding, "_CODERS", {})
    assert main(words) == 0
    assert capsys.readouterr().out == text


def test_a_clip_with_one_reference_is_left_out(
    one_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")

    def no_face(*_: object) -> SeenClip:
        raise FaceError("no face")

    monkeypatch.setattr(reference_coding, "see_clip", no_face)
    assert main(["reference-coding", str(one_clip), "-o", str(tmp_path / "report")]) == 1
    assert "no clip has two references" in capsys.readouterr().err
    assert main(["reference-coding", str(one_clip), "-o", str(tmp_path / "report"), "--most", "1"]) == 2


def test_a_coder_that_gives_back_something_else_is_found() -> None:
    broken = [Coded(100, 255 - picture, 1.0, 1.0) for picture in PICTURES]
    with pytest.raises(HeadganError, match="this coder is broken"):
        reference_coding._result(broken, PICTURES)
