"""`headgan evaluate` on clips of one colour, with a tracker that reads the head's pose off the colour."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.codec.video import probe_video, read_video
from headgan.models import clip_speech
from headgan.models.clip_sound import NO_SOUND, ClipSound
from headgan.models.fitting import project
from headgan.models.generator import PRIOR_GENERATOR, GeneratorReference, PreparedReference, View
from headgan.models.metrics import evaluation
from headgan.models.metrics.clip_frames import Sampling, find_clips, read_clip
from headgan.models.metrics.clip_memory import MemorySettings, Moment, fill_memory
from headgan.models.metrics.drawers import GeneratorDrawer
from headgan.models.metrics.evaluate_command import EvaluateOptions, evaluate
from headgan.models.metrics.score_cache import ScoreCache
from headgan.models.metrics.tally import Score
from headgan.models.morphable import MorphableModel
from headgan.models.smoothing import smoothing_settings
from headgan.models.speech import clip_features
from headgan.models.weights import weights_path
from headgan.proto.commands import Command, run_commands
from headgan.proto.errors import FaceError, UsageError
from tests.grey_faces import FakeTracker, turn_of, use_fakes, write_grey_clip

LEVELS = (60, 70, 80, 90, 100, 110, 120)
EVALUATE = Command(
    ("evaluate",), EvaluateOptions, evaluate, "Evaluates.", "headgan evaluate clips/ -o report/"
)


def run(*words: object) -> int:
    return run_commands("headgan", "", (EVALUATE,), ["evaluate", *map(str, words)])


def write_clip(path: Path, levels: tuple[int, ...] = LEVELS) -> Path:
    return write_grey_clip(path, levels)


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)


def constant_generator(path: Path, level: int) -> Path:
    """A generator that draws the reference, but every pixel `level` brighter."""
    onnx = pytest.importorskip("onnx")
    helper, uint8 = onnx.helper, onnx.TensorProto.UINT8
    shape = [256, 256, 3]
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["reference"], ["levels"], to=onnx.TensorProto.FLOAT),
            helper.make_node("Add", ["levels", "more"], ["brighter"]),
            helper.make_node("Cast", ["brighter"], ["picture"], to=uint8),
        ],
        "test",
        [helper.make_tensor_value_info("reference", uint8, shape)],
        [helper.make_tensor_value_info("picture", uint8, shape)],
        [helper.make_tensor("more", onnx.TensorProto.FLOAT, [1], [float(level)])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def report_of(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return report


def test_the_report_has_what_was_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips, output = tmp_path / "clips", tmp_path / "report"
    write_clip(clips / "far.mp4", tuple(range(60, 130, 10)))
    write_clip(clips / "near.mp4", tuple(range(60, 67)))
    assert run(clips, "-o", output, "--model", weights_path(PRIOR_GENERATOR)) == 0
    report = report_of(output)
    assert set(report) == {"machine", "commit", "config", "mean", "clips"}
    assert set(report["clips"]) == {"clips-far", "clips-near"}
    far, near = report["clips"]["clips-far"], report["clips"]["clips-near"]
    assert far["frames"] == 6
    # The reference is all that a generator has here, so each frame is off by what it has grown brighter; H.264 and the
    # still move flat greys by a level or two.
    grown = np.arange(10, 70, 10)
    assert far["repeat"]["l1"] == pytest.approx(grown.mean(), abs=2.5)
    assert far["prior"]["l1"] == pytest.approx(grown.mean(), abs=2.5)
    assert far["repeat"]["mouth"] == pytest.approx(grown.mean(), abs=2.5)
    assert far["repeat"]["psnr"] == pytest.approx(np.mean(20 * np.log10(255 / grown)), abs=1)
    assert far["repeat"]["flicker"] == pytest.approx(10, abs=2.5)
    assert far["repeat"]["perceptual"] == pytest.approx(grown.mean(), abs=2.5)
    assert far["repeat"]["csim"] == pytest.approx(np.cos(grown / 255).mean(), abs=2e-3)
    # One of the three angles is off by half a degree a level.
    assert far["repeat"]["ard"] == pytest.approx(grown.mean() / 2 / 3, abs=0.4)
    assert far["repeat"]["lost"] == 0
    # The most turned frame is the last; asked to look ahead, a picture of its colour still reads as turned.
    assert far["prior"]["are"] == pytest.approx(turn_of(120) / 3, abs=0.4)
    assert "are" not in far["repeat"]
    assert far["model"] == far["prior"]
    for name, value in report["mean"]["repeat"].items():
        if not name.startswith("frechet"):
            assert value == pytest.approx((far["repeat"][name] + near["repeat"][name]) / 2, abs=1e-4)
    assert report["mean"]["model"]["frechet_faceres"] > 0
    assert set(report["mean"]["real"]) == {"csim"}
    table = (output / "table.md").read_text()
    assert capsys.readouterr().out == table
    assert table.index("clips-far") < table.index("clips-near") < table.index("**mean, model**")
    sheet = cv2.imread(str(output / "sheet.png"))
    assert sheet is not None
    assert sheet.shape == (20 + 2 * (20 + 176), 10 * 176, 3)


def test_a_second_run_draws_nothing_again(tmp_path: Path) -> None:
    clip, output = write_clip(tmp_path / "clips" / "a.mp4"), tmp_path / "report"
    assert run(clip, "-o", output) == 0
    first = report_of(output)
    FakeTracker.frames = 0
    assert run(clip, "-o", output) == 0
    assert FakeTracker.frames == 0
    assert report_of(output) == first
    assert run(clip, "-o", output, "--deaf") == 0
    assert FakeTracker.frames > 0
    FakeTracker.frames = 0
    assert run(clip, "-o", output, "--every", "2") == 0
    assert FakeTracker.frames > 0
    assert report_of(output)["clips"]["clips-a"]["frames"] == 3


def test_what_the_generator_would_be_worth_if_it_knew_more(tmp_path: Path) -> None:
    clip, output = write_clip(tmp_path / "clips" / "a.mp4"), tmp_path / "report"
    words = (clip, "-o", output, "--model", weights_path(PRIOR_GENERATOR), "--limits")
    assert run(*words) == 0
    mean = report_of(output)["mean"]
    # No flow makes a flat grey brighter; a true face leaves no error on the face.
    assert mean["flow_known"]["l1"] == pytest.approx(mean["model"]["l1"], abs=0.5)
    assert mean["face_known"]["outside"] == 1 and mean["face_known"]["l1"] < mean["model"]["l1"] - 2
    assert "**mean, face_known**" in (output / "table.md").read_text()
    FakeTracker.frames = 0
    assert run(*words) == 0
    assert FakeTracker.frames == 0 and report_of(output)["mean"] == mean
    assert run(*words, "--driving", "cross") == 2


def test_another_model_leaves_the_priors_scores_alone(tmp_path: Path) -> None:
    clip, output = write_clip(tmp_path / "clips" / "a.mp4"), tmp_path / "report"
    assert run(clip, "-o", output) == 0
    kept = output / "clips" / "clips-a.prior.npz"
    before = report_of(output), kept.stat().st_mtime_ns
    brighter = constant_generator(tmp_path / "brighter.onnx", 10)
    assert run(clip, "-o", output, "--model", brighter) == 0
    after = report_of(output)
    assert kept.stat().st_mtime_ns == before[1]
    assert after["mean"]["prior"] == before[0]["mean"]["prior"]
    # Ten levels brighter than the reference is ten levels nearer to all frames.
    nearer = before[0]["mean"]["prior"]["l1"] - after["mean"]["model"]["l1"]
    assert nearer == pytest.approx(10, abs=1.5)
    sheet = cv2.imread(str(output / "sheet.png"))
    assert sheet is not None
    columns = [float(sheet[100:150, 176 * place : 176 * (place + 1)].mean()) for place in range(10)]
    assert columns[0] == pytest.approx(60, abs=3)
    assert [columns[8] - columns[0], columns[9] - columns[0]] == pytest.approx([10, 0], abs=2)
    digests = after["config"]["sha256"]
    assert len({digests[way] for way in ("model", "prior", "repeat")}) == 3
    # A graph for the reference beside the model makes it another one.
    brighter.with_suffix(".reference.onnx").write_bytes(weights_path(PRIOR_GENERATOR).read_bytes())
    other = evaluation.Evaluation(evaluation.Settings(Sampling(), brighter), {}, tmp_path / "other")
    assert other.digests["model"] != digests["model"]


def test_what_a_damaged_cache_held_is_measured_again(tmp_path: Path) -> None:
    clip, output = write_clip(tmp_path / "clips" / "a.mp4"), tmp_path / "report"
    assert run(clip, "-o", output) == 0
    first = report_of(output)
    for name in ("clips-a.model.npz", "clips-a.repeat.npz"):
        (output / "clips" / name).write_bytes(b"half")
    assert run(clip, "-o", output) == 0
    assert report_of(output) == first


def test_the_motion_of_the_next_clip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips, output = tmp_path / "clips", tmp_path / "report"
    write_clip(clips / "a.mp4", (60, 61, 62, 63))
    assert run(clips, "-o", output, "--driving", "cross") == 2
    assert "two clips" in capsys.readouterr().err
    write_clip(clips / "b.mp4", (80, 84, 88))
    assert run(clips, "-o", output, "--driving", "cross") == 0
    report = report_of(output)
    first = report["clips"]["clips-a"]
    assert (first["frames"], first["driven_by"]) == (2, "clips-b")
    assert set(first["repeat"]) == {"csim", "ard", "au_h", "lost"}
    # The reference of a, 60 bright, is shown for the heads of b.
    assert first["repeat"]["csim"] == pytest.approx(1, abs=1e-4)
    expected = np.mean([turn_of(84) - turn_of(60), turn_of(88) - turn_of(60)]) / 3
    assert first["repeat"]["ard"] == pytest.approx(expected, abs=0.4)


def test_another_person_drives_if_there_is_one(tmp_path: Path) -> None:
    paths = {name: tmp_path / name[0] / name for name in ("a1", "a2", "b1", "c1")}
    settings = evaluation.Settings(Sampling(), is_cross=True)
    pairs = evaluation.Evaluation(settings, paths, tmp_path)
    assert [pairs.driving_clip(name) for name in paths] == ["b1", "b1", "c1", "a1"]
    alone = evaluation.Evaluation(settings, {name: paths[name] for name in ("a1", "a2")}, tmp_path)
    assert [alone.driving_clip(name) for name in ("a1", "a2")] == ["a2", "a1"]
    own = evaluation.Evaluation(evaluation.Settings(Sampling()), paths, tmp_path)
    assert own.driving_clip("a1") == "a1"


def test_a_clip_without_a_face_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    clips, output = tmp_path / "clips", tmp_path / "report"
    write_clip(clips / "dark.mp4", (0, 0, 0))
    assert run(clips, "-o", output) == 1
    assert "no clip has a face" in capsys.readouterr().err
    write_clip(clips / "light.mp4")
    assert run(clips, "-o", output) == 0
    assert list(report_of(output)["clips"]) == ["clips-light"]
    assert list(report_of(output)["config"]["skipped"]) == ["clips-dark"]
    assert "clips-dark is left out" in caplog.text


def test_videos_show_the_real_and_the_drawn(tmp_path: Path) -> None:
    clip, output = write_clip(tmp_path / "clips" / "a.mp4"), tmp_path / "report"
    assert run(clip, "-o", output, "--every", "2") == 0
    assert not (output / "videos").exists()
    assert run(clip, "-o", output, "--every", "2", "--videos") == 0
    video = output / "videos" / "clips-a.mp4"
    assert [path.name for path in video.parent.iterdir()] == [video.name]
    assert probe_video(video).rate_fps == pytest.approx(12.5)
    frames = [frame.frame_rgb for frame in read_video(video)]
    assert [frame.shape for frame in frames] == [(256, 768, 3)] * 3
    last = [float(frames[-1][:, 256 * place : 256 * (place + 1)].mean()) for place in range(3)]
    assert last == pytest.approx([120, 60, 60], abs=3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--every", "0"], "--every 0: give 1 or more"),
        (["--frames", "-1"], "--frames -1: give 0 or more"),
        (["--perceptual", "-1"], "--perceptual -1"),
        (["--smoothing", "2"], "--smoothing"),
        (["--model", "missing.onnx"], "--model missing.onnx: there is no such file"),
        (["--identity-model", "missing.onnx"], "--identity-model missing.onnx"),
        (["--inception", "missing.onnx"], "--inception missing.onnx"),
    ],
)
def test_options_that_cannot_work_are_named(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = write_clip(tmp_path / "a.mp4")
    assert run(clip, "-o", tmp_path / "report", *words) == 2
    assert message in capsys.readouterr().err


def test_clips_are_found_by_a_name_of_their_own(tmp_path: Path) -> None:
    for name in ("one/a.mp4", "two/a.mp4", "one/a.webm", "one/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_clips([tmp_path])
    assert len(found) == 3
    assert set(found.values()) == {tmp_path / name for name in ("one/a.mp4", "one/a.webm", "two/a.mp4")}
    assert {"one-a", "two-a"} < set(found)
    with pytest.raises(UsageError, match="does not exist"):
        find_clips([tmp_path / "three"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no clips"):
        find_clips([tmp_path / "empty"])


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Any]:
    """Reads a clip of the given levels."""

    def read_levels(levels: tuple[int, ...], sampling: Sampling) -> Any:
        clip = write_clip(tmp_path / "clip.mp4", levels)
        return read_clip(clip, sampling, FakeTracker(), MorphableModel.load())

    return read_levels


def levels_of(clip: Any) -> list[tuple[int, int | None]]:
    """Of each frame to draw and of the one before it, to the next ten."""

    def level(frame: Any) -> int:
        return round(float(frame.picture_rgb.mean()) / 10) * 10

    return [(level(frame), None if before is None else level(before)) for frame, before in clip.frames]


def test_frames_come_with_the_one_before(read: Callable[..., Any]) -> None:
    levels = (0, 60, 70, 80, 90, 100, 0, 120, 130)
    clip = read(levels, Sampling())
    assert levels_of(clip) == [(70, 60), (80, 70), (90, 80), (100, 90), (120, None), (130, 120)]
    assert round(float(clip.reference.picture_rgb.mean()), -1) == 60
    # Counted from the first face: of 60 80 100 120, the last follows a frame without one.
    clip = read(levels, Sampling(every=2))
    assert levels_of(clip) == [(80, 70), (100, 90), (120, None)]
    assert clip.rate_fps == pytest.approx(12.5)
    assert levels_of(read(levels, Sampling(every=3, frames=1))) == [(90, 80)]


def test_tracked_points_and_fit_lie_in_the_crop(read: Callable[..., Any]) -> None:
    clip = read(LEVELS, Sampling())
    model = MorphableModel.load()
    for frame, _ in clip.frames:
        fitted = (project(model, clip.reference.identity, frame.params) + 1) * 128 - 0.5
        assert np.abs(fitted[:468, :2] - frame.points[:468, :2]).mean() < 1
        assert 60 < frame.points[:, 0].mean() < 196


def test_frames_come_with_what_is_heard_at_their_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_clip(tmp_path / "clip.mp4", (0, 60, 70, 80))
    samples = np.random.default_rng(0).integers(-9000, 9000, 4000).astype(np.int16)
    # The sound begins 30 ms after the pictures do.
    monkeypatch.setattr(clip_speech, "read_sound", lambda _: ClipSound(samples, 30.0))
    hearing = read_clip(path, Sampling(), FakeTracker(), MorphableModel.load(), hears=True)
    expected = clip_features(samples, 16_000, [50.0, 90.0])
    heard = [frame.audio for frame, _ in hearing.frames]
    np.testing.assert_allclose(np.stack(heard), expected, atol=1e-5)  # type: ignore[arg-type]
    generator = Watched()
    drawer = GeneratorDrawer(MorphableModel.load(), generator, hearing)
    for frame, _ in hearing.frames:
        drawer.draw(frame)
        assert generator.audio is frame.audio
    monkeypatch.setattr(clip_speech, "read_sound", lambda _: NO_SOUND)
    silent = read_clip(path, Sampling(), FakeTracker(), MorphableModel.load(), hears=True)
    assert [frame.audio for frame, _ in silent.frames] == [None, None]
    deaf = read_clip(path, Sampling(), FakeTracker(), MorphableModel.load())
    assert [frame.audio for frame, _ in deaf.frames] == [None, None]


class Watched:
    """A generator that remembers what it heard."""

    name = provider = "watched"
    fuses = False
    audio: NDArray[np.float32] | None = None

    def needs(self, name: str) -> bool:
        return name == "audio"

    def prepare(self, _reference: GeneratorReference) -> PreparedReference:
        return PreparedReference({})

    def generate(self, *views: View) -> NDArray[np.uint8]:
        self.audio = views[0].frame.audio
        return np.zeros((256, 256, 3), np.uint8)


def test_the_best_reference_looks_ahead(read: Callable[..., Any]) -> None:
    clip = read((140, 130, 120, 61, 120), Sampling(best_reference=True))
    assert round(float(clip.reference.picture_rgb.mean()), -1) == 60
    assert [level for level, _ in levels_of(clip)] == [140, 130, 120, 120]


def test_smoothing_lags_behind(read: Callable[..., Any]) -> None:
    levels = (60, 60, 60, 60, 100, 100)
    plain, smooth = (read(levels, Sampling(smoothing=smoothing_settings(strength))) for strength in (0, 1))
    turned = [abs(float(clip.frames[3][0].params.quaternion[2])) for clip in (plain, smooth)]
    assert turned[1] < 0.9 * turned[0]


def test_one_face_is_too_few(read: Callable[..., Any]) -> None:
    with pytest.raises(FaceError, match="a face in 1 of the frames"):
        read((0, 60, 0), Sampling())


def test_the_cache_gives_back_what_it_was_given(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path / "deep" / "cache")
    score = Score({"psnr": 20.5}, np.ones((3, 4), np.float32), np.zeros((3, 0), np.float32))
    assert cache.load("a", "model", "key") is None
    cache.save("a", "model", "key", score)
    found = cache.load("a", "model", "key")
    assert found is not None
    assert found.values == score.values
    assert found.embeddings.tolist() == score.embeddings.tolist()
    assert found.features.shape == (3, 0)
    assert cache.load("a", "model", "another key") is None
    assert [path.name for path in (tmp_path / "deep" / "cache").iterdir()] == ["a.model.npz"]


def references_used(path: Path, **memory: Any) -> list[int]:
    sampling = Sampling(memory=MemorySettings(**memory))
    clip = read_clip(path, sampling, FakeTracker(), MorphableModel.load())
    return [frame.references[0] for frame, _ in clip.frames]


def test_a_memory_is_filled_by_what_came_before(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "turns.mp4", (60,) * 25 + (120,) * 50 + (60,) * 10)
    used = references_used(path, references=4, kbps=100)
    # The second look is a reference once it was seen, sent and acknowledged, and not before.
    assert used[:25] == [0] * 25
    switched = used.index(1)
    assert 25 + 2 <= switched < 40
    assert 0 not in used[switched:74] and used[-9:] == [0] * 9
    assert set(references_used(path, references=1)) == {0}
    # So slow a line brings it only after the end.
    assert set(references_used(path, references=4, kbps=0.01)) == {0}


def test_references_may_be_seen_as_before_they_were_coded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = MorphableModel.load()
    noise = np.random.default_rng(1).integers(0, 256, (256, 256, 3)).astype(np.uint8)
    face = FaceParams(
        np.zeros(28, np.float32), np.array([1, 0, 0, 0, 0.8, 0, 0], np.float32), np.zeros(2, np.float32)
    )
    moments = [Moment(0.0, noise, face)]
    sent = {
        uncoded: fill_memory(
            model, np.zeros(model.identity_size, np.float32), moments, MemorySettings(4, uncoded=uncoded)
        )
        for uncoded in (False, True)
    }
    np.testing.assert_array_equal(sent[True].references[0].picture_rgb, noise)
    assert (sent[False].references[0].picture_rgb != noise).any()
    # They are no cheaper for it.
    assert sent[True].sent_bytes == sent[False].sent_bytes
    # One reference is a still.
    monkeypatch.setattr("headgan.models.metrics.clip_frames.encode_still", lambda _: pytest.fail("coded"))
    clip = write_clip(tmp_path / "clip.mp4", (60, 60, 60))
    read_clip(clip, Sampling(memory=MemorySettings(uncoded=True)), FakeTracker(), model)


def test_more_references_draw_better_and_say_what_they_cost(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clips" / "turns.mp4", (60,) * 25 + (120,) * 50)
    model = constant_generator(tmp_path / "same.onnx", 0)
    options = (clip, "--model", model, "--perceptual", 0)
    for count in (1, 4):
        assert run(*options, "--references", count, "--kbps", 100, "-o", tmp_path / str(count)) == 0
    one, four = (report_of(tmp_path / str(count))["mean"] for count in (1, 4))
    assert four["model"]["l1"] < one["model"]["l1"] / 2
    # The still that others are compared with is the first picture all the same.
    assert four["repeat"]["l1"] == pytest.approx(one["repeat"]["l1"], abs=2)
    assert 2 <= four["real"]["references"] <= 4 and four["real"]["reference_bytes"] > 0
    assert "references" not in one["real"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--references", 0), "--references 0"),
        (("--references", 65), "1 to 64"),
        (("--references", 4, "--kbps", 0), "--kbps 0"),
        (("--references", 4, "--fused", 5), "--fused 5"),
        (("--references", 4, "--reference", "best"), "--reference best"),
        (("--references", 4, "--driving", "cross"), "--driving cross"),
    ],
)
def test_a_memory_that_cannot_be_is_a_usage_error(
    words: tuple[object, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        write_clip(tmp_path / "clips" / f"{name}.mp4")
    assert run(tmp_path / "clips", *words, "-o", tmp_path / "report") == 2
    assert message in capsys.readouterr().err
