"""`headgan-bench lips`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.benchmarks import lips_command, lips_measure
from headgan.benchmarks.cli import main
from headgan.benchmarks.lips_measure import (
    Mouths,
    Stretch,
    Wordless,
    draw_mouths,
    drawers,
    judge_mouths,
    read_stretch,
)
from headgan.codec.params import EXPRESSION_SIZE, FaceParams
from headgan.models.clip_sound import NO_SOUND, ClipSound
from headgan.models.metrics.clip_frames import ClipFrames, Sampling, SeenFrame
from headgan.models.metrics.drawers import Drawer
from headgan.models.metrics.lip_judge import LipJudge, LipLook
from headgan.models.metrics.lip_sound import HEARD_SIZE, LipSound
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.models.speech_classes import CLASSES, REST
from headgan.proto.errors import DeviceError

COUNT = 90


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return MorphableModel.load()


class BrightJudge:
    """Sees in the brightness of a mouth which sound was made, and when."""

    def look(self, mouths: NDArray[np.uint8], sound: LipSound) -> LipLook:
        said = np.rint(mouths.mean(axis=(1, 2)) / 10).astype(int)
        return LipLook(_one_of(said, CLASSES), _one_of(said, 64), _one_of(sound.shares.argmax(axis=1), 64))


class Net:
    """Says what the sound's first sample of each 20 ms is."""

    def shares(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        blocks = sound[: len(sound) // 320 * 320].reshape(-1, 320)
        return _one_of(np.rint(np.abs(blocks[:, 0]) * 25).astype(int), CLASSES)


def _one_of(places: NDArray[Any], count: int) -> NDArray[np.float32]:
    found = np.zeros((len(places), count), np.float32)
    found[np.arange(len(places)), places] = 1
    return found


def face() -> FaceParams:
    camera = np.array([1, 0, 0, 0, 0.35, 0, -0.05], np.float32)
    return FaceParams(np.zeros(EXPRESSION_SIZE, np.float32), camera, np.zeros(2, np.float32))


def frame_of(level: int, pts_ms: float) -> SeenFrame:
    points = np.random.default_rng(0).uniform(100, 150, (478, 3)).astype(np.float32)
    picture = np.full((256, 256, 3), level, np.uint8)
    return SeenFrame(picture, points, face(), audio=np.ones(300, np.float32), pts_ms=pts_ms)


def clip_of(frames: list[SeenFrame], model: MorphableModel) -> ClipFrames:
    reference = ReferenceImage(frames[0].picture_rgb, np.zeros(model.identity_size, np.float32), face())
    return ClipFrames((reference,), frames[0].points, [(frame, None) for frame in frames], 25.0)


def said() -> NDArray[np.intp]:
    return np.random.default_rng(1).integers(1, 20, COUNT)


class Painter:
    """Draws the real mouth where it hears, and a dark one where not."""

    points = staticmethod(lambda _: np.zeros((478, 3), np.float32))

    def draw(self, frame: SeenFrame) -> NDArray[np.uint8]:
        return frame.picture_rgb if frame.audio is not None else frame.picture_rgb // 2


def test_what_is_drawn_is_judged_as_what_is_real(model: MorphableModel, tmp_path: Path) -> None:
    sounds = said()
    frames = [frame_of(10 * sound, 40.0 * place) for place, sound in enumerate(sounds)]
    views = np.tile([0.0, 0.1, 0.3, 0.0], (COUNT, 1))
    sound = LipSound(_one_of(sounds, CLASSES), np.zeros((COUNT, HEARD_SIZE), np.float32))
    stretch = Stretch(clip_of(frames, model), frames, views, sound)
    ways: dict[str, Drawer] = {"hearing": Painter(), "deaf": lips_measure._Deaf(Painter())}
    mouths, row = draw_mouths(stretch, ways)
    mouths.save(tmp_path / "mouths.npz")
    mouths = Mouths.load(tmp_path / "mouths.npz", mouths.errors)
    result = judge_mouths(mouths, BrightJudge())  # type: ignore[arg-type]
    assert list(result) == ["original", "hearing", "deaf"]
    assert result["original"]["likeliest"] == sounds.tolist()
    assert result["hearing"] == result["original"] | {"mouth": 0.0}
    assert result["deaf"]["mouth"] == pytest.approx(5 * sounds.mean(), abs=0.01)
    assert result["deaf"]["likeliest"] != sounds.tolist()
    assert np.argmin(result["original"]["course"]) == 15
    right, counted = result["original"]["placed"]["1"]
    assert right == counted == COUNT - 30 - 25 + 1
    assert row.shape == (3 * 60, 12 * 80)
    json.dumps(result)
    (tmp_path / "mouths.npz").write_bytes(b"damaged")
    with pytest.raises(DeviceError, match=r"delete mouths\.json"):
        Mouths.load(tmp_path / "mouths.npz", mouths.errors)


def test_a_clip_whose_sound_is_late_is_not_held_against_what_is_drawn_of_it() -> None:
    sounds = said()
    mouths = np.repeat(10 * sounds, 48 * 64).reshape(COUNT, 48, 64).astype(np.uint8)
    heard = LipSound(_one_of(np.roll(sounds, 2), CLASSES), np.zeros((COUNT, HEARD_SIZE), np.float32))
    both = Mouths({"original": mouths, "drawn": mouths}, heard, {"drawn": 1.0})
    result = judge_mouths(both, BrightJudge())  # type: ignore[arg-type]
    assert np.argmin(result["drawn"]["course"]) == 15 + 2
    for way in both.cut:
        right, counted = result[way]["placed"]["1"]
        assert right == counted > 0


def test_a_stretch_is_on_the_clock_of_its_sound(
    model: MorphableModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 30 pictures a second, the face lost for a second near the beginning, sound that begins before the pictures.
    pts_ms = [1000 / 30 * place for place in range(200) if not 10 < place < 40]
    sounds = np.arange(200) % 20 + 1
    samples = np.repeat(np.round(sounds / 25 * 32768).clip(max=32767), 640).astype(np.int16)
    monkeypatch.setattr(lips_measure, "read_sound", lambda _: ClipSound(samples, -400.0))
    clip = clip_of([frame_of(0, each) for each in pts_ms], model)
    monkeypatch.setattr(lips_measure, "read_clip", lambda *_, **__: clip)
    stretch = read_stretch(Path("a"), Sampling(), None, model, Net(), hears=False)  # type: ignore[arg-type]
    times_ms = np.array([frame.pts_ms for frame in stretch.frames])
    assert times_ms[0] == pytest.approx(4000 / 3)
    wanted = times_ms[0] + 40 * np.arange(len(times_ms))
    assert np.abs(times_ms - wanted).max() < 17
    middle = np.floor((wanted + 400 + 5) / 40).astype(int)
    loudest = sounds.max() / 25
    heard = np.rint(sounds[middle] / 25 / loudest * 25).astype(int)
    told = stretch.sound.shares.argmax(axis=1)
    assert (told == np.minimum(heard, REST)).mean() > 0.9
    assert len(stretch.views) == len(stretch.sound.shares) == len(times_ms)


def test_clips_without_speech_are_left_out(model: MorphableModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> Stretch:
        return read_stretch(Path("a"), Sampling(), None, model, Net(), hears=False)  # type: ignore[arg-type]

    monkeypatch.setattr(lips_measure, "read_sound", lambda _: NO_SOUND)
    with pytest.raises(Wordless, match="no sound"):
        read()
    monkeypatch.setattr(lips_measure, "read_sound", lambda _: ClipSound(np.ones(160000, np.int16), 0.0))
    frames = [frame_of(0, 40.0 * place) for place in range(60)]
    monkeypatch.setattr(lips_measure, "read_clip", lambda *_, **__: clip_of(frames[:30], model))
    with pytest.raises(Wordless, match=r"1\.2 s with a face"):
        read()
    monkeypatch.setattr(Net, "shares", lambda _, sound: _one_of(np.full(len(sound) // 320, REST), CLASSES))
    monkeypatch.setattr(lips_measure, "read_clip", lambda *_, **__: clip_of(frames, model))
    with pytest.raises(Wordless, match="0% of its pictures"):
        read()


def test_ways_to_draw(model: MorphableModel) -> None:
    class Silent:
        def needs(self, _: str) -> bool:
            return False

    class Hearing:
        def needs(self, _: str) -> bool:
            return True

    clip = clip_of([frame_of(0, 0.0)], model)
    assert list(drawers(model, Silent(), Silent(), clip)) == ["drawn", "geometry", "still"]  # type: ignore[arg-type]
    ways = list(drawers(model, Hearing(), Silent(), clip))  # type: ignore[arg-type]
    assert ways == ["hearing", "deaf", "geometry", "still"]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("ana/one", "ana/again", "ben/two", "ben/silent"):
        path = folder / f"{name}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"not looked at")
    return folder


def result_of(right: float) -> dict[str, Any]:
    heard = said()
    told = np.where(np.arange(COUNT) < right * COUNT, heard, 25)
    course = [1.0] * 15 + [1 - right] + [1.0] * 15
    return {
        "heard": heard.tolist(),
        "likeliest": told.tolist(),
        "closed": [0.5] * COUNT,
        "course": course,
        "placed": {"0.4": [9, 10], "1": [round(10 * right), 10], "2": [0, 0]},
    }


def test_the_report(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []

    drawn = {"hearing": 0.5, "deaf": 0.4, "geometry": 0.3, "still": 0.1}

    def draw(self: Any, name: str, path: Path) -> dict[str, Any]:
        measured.append(name)
        if path.stem == "silent":
            return {"skipped": "no sound"}
        lips_measure.write_row(self._kept.picture_path(name), np.zeros((240, 960), np.uint8))
        return {"errors": drawn}

    def judge(mouths: Any, _: Any) -> dict[str, Any]:
        shares = {way: result_of(share) | {"mouth": 10 * share} for way, share in mouths.items()}
        return {"original": result_of(0.8)} | shares

    monkeypatch.setattr(lips_command._Meter, "_draw", draw)
    monkeypatch.setattr(Mouths, "load", lambda _, errors: errors)
    monkeypatch.setattr(lips_command, "judge_mouths", judge)
    words = ["lips", str(clips), "-o", str(tmp_path / "report")]
    assert main(words) == 0
    report = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert len(measured) == 4
    assert len(report["clips"]) == 3
    assert list(report["skipped"].values()) == ["no sound"]
    means = report["mean"]
    assert means["original"]["told"] == pytest.approx(0.8)
    assert means["still"]["confidence"] == pytest.approx(0.1)
    assert means["deaf"]["placed_1s"] == pytest.approx(0.4)
    assert "mouth" not in means["original"]
    assert report["hearing_less_deaf"]["told"]["mean"] == pytest.approx(0.1)
    table = (tmp_path / "report" / "table.md").read_text()
    assert "| hearing | 50.0% |" in table
    assert "3 clips of 2 people" in table
    assert "Hearing less deaf" in table
    for name in ("lips.png", "mouths.png"):
        assert (tmp_path / "report" / name).stat().st_size > 1000
    assert main(words) == 0
    assert len(measured) == 4
    (clips / "ana" / "one.mp4").write_bytes(b"changed")
    assert main(words) == 0
    assert len(measured) == 5


def test_bad_options(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["lips", str(clips), "-o", str(tmp_path / "report")]
    for more, message in (
        (["--fused", "2"], "give 1 to the number of --references"),
        (["--kbps", "0"], "give more than 0"),
        (["--seconds", "1"], "give 0, or 2 or more"),
        (["--judge", "nowhere.onnx"], "there is no such file"),
        (["--references", "0"], "references"),
    ):
        assert main([*words, *more]) == 2
        assert message in capsys.readouterr().err


def test_nobody_speaks(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lips_command._Meter, "_draw", lambda *_: {"skipped": "no sound"})
    assert main(["lips", str(clips), "-o", str(tmp_path / "report")]) == 1
    assert "nobody speaks long enough in the 4 clips" in capsys.readouterr().err


def test_the_judge_that_ships() -> None:
    random = np.random.default_rng(0)
    sound = LipSound(
        np.zeros((40, CLASSES), np.float32), random.normal(size=(40, HEARD_SIZE)).astype(np.float32)
    )
    look = LipJudge().look(random.integers(0, 255, (40, 48, 64), dtype=np.uint8), sound)
    assert look.shares.sum(axis=1) == pytest.approx(np.ones(40), abs=1e-4)
    assert np.linalg.norm(look.lips, axis=1) == pytest.approx(np.ones(40), abs=1e-4)
    assert np.linalg.norm(look.sound, axis=1) == pytest.approx(np.ones(40), abs=1e-4)
