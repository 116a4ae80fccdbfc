"""`headgan-bench references` on patterns that grow brighter, with a tracker that reads the head's pose off that."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgan.benchmarks.cli import main
from headgan.benchmarks.kept import Kept
from headgan.benchmarks.references_command import course_table
from headgan.benchmarks.references_course import Course, check_causal, play_course, spread_kbit
from headgan.benchmarks.references_curve import Curve, check_scores, compared, curve_report, curve_table
from headgan.benchmarks.references_plots import _running_mean, draw_curve
from headgan.models.generator import PRIOR_GENERATOR, OnnxGenerator
from headgan.models.metrics.clip_frames import SeenClip, see_clip
from headgan.models.metrics.clip_memory import MemorySettings, fill_memory
from headgan.models.metrics.tally import Score
from headgan.models.morphable import MorphableModel
from headgan.models.weights import weights_path
from headgan.proto.errors import FaceError, HeadganError
from tests.grey_faces import FakeTracker, use_fakes, write_grey_clip

TURNS = (60,) * 25 + (120,) * 50


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)


def write_clip(path: Path, levels: tuple[int, ...] = TURNS) -> Path:
    """A pattern, in the mean as bright as the levels say."""
    return write_grey_clip(path, levels, waves=20)


@pytest.fixture
def seen(tmp_path: Path) -> SeenClip:
    return see_clip(write_clip(tmp_path / "clip.mp4"), 5, FakeTracker(), MorphableModel.load())


def course(**changes: Any) -> Course:
    """Three seconds, two frames in each of the first two, two references of 1 kB after the first."""
    given = Course(
        kbps=8,
        frame_s=[0.0, 0.5, 1.0, 1.5, 2.5],
        frame_held=[1, 1, 1, 2, 3],
        quality={"psnr": [20.0, 22.0, 24.0, 26.0, 30.0], "mouth": [8.0, None, None, None, 2.0]},
        sent_s=[0.0, 0.2, 1.4],
        sent_bytes=[9000, 1000, 1000],
        second_kbit=[6.4, 6.4, 3.2],
    )
    return replace(given, **changes)


def test_a_clip_is_seen_as_a_call_sees_it(seen: SeenClip) -> None:
    assert [seen.moments[place].pts_ms for place in seen.taken] == pytest.approx(np.arange(0, 3000, 200))
    for frame, moment in zip(seen.frames, seen.moments, strict=True):
        assert frame.picture_rgb is moment.picture_rgb and frame.params is moment.params


def test_a_clip_without_a_face_is_no_call(tmp_path: Path) -> None:
    with pytest.raises(FaceError, match="a face in 0 of the frames"):
        see_clip(write_clip(tmp_path / "dark.mp4", (0, 0, 0)), 1, FakeTracker(), MorphableModel.load())


def test_a_memory_tells_what_it_sent_and_how_many_it_held(seen: SeenClip) -> None:
    memory = fill_memory(MorphableModel.load(), seen.identity, seen.moments, MemorySettings(2, kbps=100))
    assert len(memory.originals) == len(memory.references) > 1
    for original, reference in zip(memory.originals, memory.references, strict=True):
        assert original.params is reference.params
        assert np.abs(original.picture_rgb.astype(int) - reference.picture_rgb).mean() < 4
    assert memory.held[0] == 1 and max(memory.held) == 2
    first_used = next(place for place, used in enumerate(memory.used) if used != (0,))
    assert memory.held[first_used] == 2


def test_bits_are_spread_over_the_time_that_they_take() -> None:
    assert spread_kbit([0.5], [1000], 8, 3) == pytest.approx([4, 4, 0])
    assert spread_kbit([0.25, 2.5], [250, 4000], 8, 3) == pytest.approx([2, 0, 4])
    assert spread_kbit([], [], 8, 2) == [0, 0]


@settings(max_examples=60, deadline=None)
@given(
    gaps_s=st.lists(st.floats(0, 3), max_size=8),
    sizes=st.lists(st.integers(100, 3000), min_size=8, max_size=8),
    kbps=st.floats(1, 50),
)
def test_no_bit_is_lost_or_sent_faster_than_the_rate(
    gaps_s: list[float], sizes: list[int], kbps: float
) -> None:
    begin_s, sent = 0.0, []
    for gap_s, size in zip(gaps_s, sizes, strict=False):
        begin_s += gap_s
        sent.append((begin_s, size))
        begin_s += size * 8 / 1000 / kbps
    spread = spread_kbit([start for start, _ in sent], [size for _, size in sent], kbps, int(begin_s) + 1)
    assert sum(spread) == pytest.approx(sum(size for _, size in sent) * 8 / 1000)
    assert max(spread) <= kbps * (1 + 1e-9)


def test_a_frame_drawn_from_what_has_not_come_is_found(seen: SeenClip) -> None:
    memory = fill_memory(MorphableModel.load(), seen.identity, seen.moments, MemorySettings(4, kbps=100))
    check_causal(memory, seen.moments, 100)
    with pytest.raises(HeadganError, match="is drawn from reference 1, which comes at"):
        check_causal(memory, seen.moments, 1)  # its bytes would have taken longer
    early = replace(memory, used=((1,), *memory.used[1:]))
    with pytest.raises(HeadganError, match="the frame at 0 ms is drawn from reference 1"):
        check_causal(early, seen.moments, 1e9)


def test_a_course_by_seconds_and_spans() -> None:
    played = course()
    assert played.seconds("psnr") == [21, 25, 30]
    assert played.seconds("mouth") == [8, None, 2]
    assert played.held() == [1, 2, 3]
    assert played.spans() == {"first 10 s": {"kbps": pytest.approx(16 / 3), "psnr": 24.4, "mouth": 5}}
    long = course(
        frame_s=[0.0, 10.0, 29.0, 31.0],
        frame_held=[1] * 4,
        quality={"psnr": [20.0, 22.0, 24.0, 30.0]},
        second_kbit=[8.0] * 10 + [4.0] * 20 + [1.0] * 2,
    )
    assert long.spans() == {
        "first 10 s": {"kbps": 8, "psnr": 20},
        "10 to 30 s": {"kbps": 4, "psnr": 23},
        "the rest": {"kbps": 1, "psnr": 30},
    }
    assert Course(**json.loads(json.dumps(long.to_json()))) == long
    table = course_table({"clip": [course(kbps=0.0), long]})
    assert (
        "| clip | first alone | first 10 s |" in table and "| clip | 8 | the rest | 1.00 | 30.00 |" in table
    )


def test_the_mean_over_seconds_passes_over_gaps() -> None:
    gap = float("nan")
    mean = _running_mean([1.0, gap, 3.0, 5.0, gap, gap, gap, gap, gap, 9.0])
    assert mean == pytest.approx([2, 3, 3, 4, 4, 5, gap, 9, 9, 9], nan_ok=True)


def test_a_call_grows_better_with_what_it_sends(seen: SeenClip) -> None:
    model, generator = MorphableModel.load(), OnnxGenerator(weights_path(PRIOR_GENERATOR))
    alone, pictures = play_course(model, generator, seen, 0, shown=(0, 14))
    filled, _ = play_course(model, generator, seen, 100)
    assert alone.second_kbit == [0, 0, 0] and set(alone.frame_held) == {1}
    assert len(pictures) == 2 and pictures[0].shape == (256, 256, 3)
    # The head turns, and the picture brightens, in the second second; a reference comes soon after.
    alone_db, filled_db = alone.seconds("psnr"), filled.seconds("psnr")
    assert filled_db[0] == alone_db[0]
    assert filled_db[2] is not None and alone_db[2] is not None and filled_db[2] > alone_db[2] + 6
    assert filled.second_kbit[1] > 0 and filled.held()[-1] == len(filled.sent_s) > 1
    assert sum(filled.second_kbit) == pytest.approx(sum(filled.sent_bytes[1:]) * 8 / 1000)


def test_flat_pictures_are_no_quality(seen: SeenClip, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = OnnxGenerator(weights_path(PRIOR_GENERATOR))
    monkeypatch.setattr(generator, "generate", lambda *_: np.full((256, 256, 3), 90, np.uint8))
    with pytest.raises(HeadganError, match="drawn flat"):
        play_course(MorphableModel.load(), generator, seen, 0)


def test_scores_that_cannot_be_are_found(tmp_path: Path) -> None:
    nothing = np.zeros((2, 0), np.float32)
    good = {way: Score({"psnr": 20.0}, nothing, nothing) for way in ("model", "prior")}
    (tmp_path / "clips").mkdir()
    tile = np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)
    row = np.hstack([tile] * 10)
    cv2.imwrite(str(tmp_path / "clips" / "a.png"), row)
    check_scores({"a": good}, tmp_path)
    with pytest.raises(HeadganError, match="no scores"):
        check_scores({"a": good | {"prior": Score({"psnr": np.inf}, nothing, nothing)}}, tmp_path)
    row[:, 40:60] = 80  # what the model drew
    cv2.imwrite(str(tmp_path / "clips" / "a.png"), row)
    with pytest.raises(HeadganError, match="a drawn picture is flat"):
        check_scores({"a": good}, tmp_path)


def test_a_memory_is_compared_with_one_reference() -> None:
    change = compared(
        {"psnr": 24.0, "perceptual": 0.1, "l1": 3.0}, {"psnr": 22.0, "perceptual": 0.2, "l1": 5.0}
    )
    assert change == {"psnr_change": 2.0, "perceptual_change": 0.5}


def test_long_clips_are_told_apart(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    def scores(psnr: float) -> dict[str, Score]:
        embeddings, features = np.eye(2, dtype=np.float32), np.zeros((2, 0), np.float32)
        values = {"psnr": psnr, "perceptual": 4 / psnr, "mouth": 40 - psnr, "csim": 0.9, "flicker": 3.0}
        costs = {"csim": 0.9, "references": 5.0, "reference_bytes": 6000.0, "reference_bytes_later": 1500.0}
        ways = {"real": costs, "model": values, "prior": values | {"psnr": psnr - 1}}
        return {way: Score(numbers, embeddings, features) for way, numbers in ways.items()}

    single, many = ({"short": scores(20), "long": scores(22)}, {"short": scores(20), "long": scores(25)})
    report = curve_report(Curve({1: single, 8: many}, ("long",), {}, "faceres"))
    assert report["all"]["8"]["model"]["psnr_change"] == pytest.approx(1.5)
    assert report["long"]["8"]["prior"]["psnr"] == 24
    assert report["long"]["8"]["prior"]["perceptual_change"] == pytest.approx(22 / 25)
    text = curve_table(report)
    assert "1 clips longer than 8 s" in text
    assert "| with R | 8 | 25.00 (+3.00) | 0.160 (×0.88) | 15.00 (-3.00) |" in text
    assert text.count("| 5.0 | 6.0 | 1.50 |") == 8
    draw_curve(report, tmp_path / "curve.png")
    picture = cv2.imread(str(tmp_path / "curve.png"))
    assert picture is not None and picture.std() > 10


def test_what_was_kept_is_not_measured_again(tmp_path: Path) -> None:
    kept, calls = Kept(tmp_path / "kept"), []

    def measure() -> dict[str, Any]:
        calls.append(1)
        return {"value": len(calls)}

    assert kept.get("a", {"every": 1}, measure) == {"value": 1}
    assert kept.get("a", {"every": 1}, measure) == {"value": 1}
    assert kept.get("a", {"every": 2}, measure) == {"value": 2}
    (tmp_path / "kept" / "a.json").write_text("half")
    assert kept.get("a", {"every": 2}, measure) == {"value": 3}
    assert kept.get("a", {"every": 2}, measure, with_picture=True) == {"value": 4}


def test_the_report_has_curve_and_courses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    clips, output = tmp_path / "clips", tmp_path / "report"
    write_clip(clips / "turns.mp4")
    write_clip(clips / "short.mp4", tuple(range(60, 92)))
    words = [
        "references",
        str(clips),
        "-o",
        str(output),
        "--references",
        "4,1",
        "--kbps",
        "100",
        "--every",
        "15",
    ]
    words += ["--budgets", "100", "--longest", "1", "--step", "10"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert text == (output / "table.md").read_text()
    report = json.loads((output / "metrics.json").read_text())
    assert set(report) == {"run", "settings", "curve", "courses"}
    curve = report["curve"]
    assert list(curve["all"]) == ["1", "4"] and "long" not in curve and curve["long_clips"] == []
    for way in ("model", "prior"):
        one, four = (curve["all"][size][way] for size in ("1", "4"))
        assert four["psnr"] > one["psnr"] + 1
        assert four["psnr_change"] == pytest.approx(four["psnr"] - one["psnr"])
        assert four["perceptual_change"] == pytest.approx(four["perceptual"] / one["perceptual"])
        by_clip = [clip["4"][way]["psnr"] for clip in curve["clips"].values()]
        assert four["psnr"] == pytest.approx(np.mean(by_clip))
    assert list(report["courses"]) == ["clips-turns"]
    assert list(report["courses"]["clips-turns"]) == ["0", "100"]
    assert report["courses"]["clips-turns"]["100"]["spans"]["first 10 s"]["kbps"] > 0
    for name in ("curve.png", "course_clips-turns.png", "course_clips-turns_sheet.png"):
        picture = cv2.imread(str(output / name))
        assert picture is not None and picture.std() > 10, name
    assert "with R | 4 |" in text and "clips-turns | 100 | first 10 s" in text
    FakeTracker.frames = 0
    assert main(words) == 0
    assert FakeTracker.frames == 0 and capsys.readouterr().out == text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--references", "2,4"], "1 has to be among them"),
        (["--references", "1,many"], "--references 1,many: give numbers"),
        (["--references", "1,65"], "--references 65"),
        (["--budgets", "8,0"], "0 kbit/s: give more than 0"),
        (["--kbps", "nan"], "nan kbit/s"),
        (["--every", "0"], "--every 0: give 1 or more"),
        (["--longest", "-1"], "--longest -1: give 0 or more"),
    ],
)
def test_options_that_cannot_work_are_named(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["references", str(tmp_path), "-o", str(tmp_path / "report"), *words]) == 2
    assert message in capsys.readouterr().err
