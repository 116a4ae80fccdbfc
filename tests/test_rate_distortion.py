"""`headgan-bench rate-distortion` on drawn moving pictures, with a tracker that sees the mean face in the middle."""

import json
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.benchmarks import bench_clip, classic_coder, encode_here, rate_distortion, rate_points
from headgan.benchmarks.bare_units import bare_units, to_packet
from headgan.benchmarks.bench_clip import BenchClip, BenchFrame, read_bench_clip
from headgan.benchmarks.classic_codecs import ENCODERS, FFMPEG, PYAV_APART, Encoder
from headgan.benchmarks.classic_coder import ClassicCoder
from headgan.benchmarks.cli import main
from headgan.benchmarks.picture_judge import PictureJudge, measured_places, perceptual_places
from headgan.benchmarks.project_coder import CodedParams, ProjectCoder, coded_params
from headgan.benchmarks.rate_coder import LOW_DELAY, SLOW, Coded, Ladder, call_kbps
from headgan.benchmarks.rate_curve import Rates, mean_change
from headgan.benchmarks.rate_points import Measuring, PointMeasurer
from headgan.benchmarks.rate_report import summarise, table
from headgan.benchmarks.run_encoder import decode, encode, why_missing
from headgan.codec.param_encoder import Face
from headgan.codec.params import FaceParams
from headgan.codec.video import VideoWriter
from headgan.models import reconstruct
from headgan.models.fitting import project
from headgan.models.generator import PRIOR_GENERATOR, OnnxGenerator
from headgan.models.metrics.clip_memory import MemorySettings
from headgan.models.metrics.pictures import psnr
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import to_pixels
from headgan.models.tracker import TrackedFace
from headgan.models.weights import weights_path
from headgan.proto.errors import FaceError, HeadganError

Picture = NDArray[np.uint8]
LOW_DELAY_ENCODERS = [encoder for encoder in ENCODERS if encoder.mode == LOW_DELAY]
IDS = [encoder.name for encoder in LOW_DELAY_ENCODERS]
X264 = LOW_DELAY_ENCODERS[0]


def pattern(shift: int) -> Picture:
    """Waves and noise in three colours, moved to the right."""
    y, x = np.mgrid[:256, :256]
    noise = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 60, (256, 256)), (0, 0), 1.5)
    grey = 128 + 50 * np.sin((x - shift) / 9) * np.sin(y / 13) + np.roll(noise, shift, axis=1)
    colors = np.stack([grey, 0.8 * grey + 20, 0.6 * grey + 40], axis=2)
    return np.asarray(np.clip(np.rint(colors), 0, 255), np.uint8)


def mean_face(turn: float = 0.0) -> FaceParams:
    camera = np.array([np.cos(turn / 2), 0, np.sin(turn / 2), 0, 0.4, 0, 0], np.float32)
    return FaceParams(np.zeros(28, np.float32), camera, np.zeros(2, np.float32))


class FakeTracker:
    """Sees the mean face in the middle of each picture but a dark one."""

    frames = 0

    def __init__(self) -> None:
        model = MorphableModel.load()
        self._points = project(model, np.zeros(model.identity_size), mean_face())

    def reset(self) -> None:
        pass

    def track(self, frame_rgb: Picture, is_wanted: object = None) -> TrackedFace | None:  # noqa: ARG002
        FakeTracker.frames += 1
        if frame_rgb.mean() < 20:
            return None
        height, width = frame_rgb.shape[:2]
        points = self._points * (0.4 * height) + (width / 2, height / 2, 0)
        return TrackedFace(points.astype(np.float32), 1.0)


class FakeEmbedder:
    def __init__(self, *_: object, **__: object) -> None:
        pass

    def embed(self, picture_rgb: Picture, _points: object) -> NDArray[np.float32]:
        values = cv2.resize(picture_rgb, (4, 4), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
        return np.asarray(values / np.linalg.norm(values), np.float32)


class FakePerceptual:
    def features(self, picture_rgb: Picture) -> NDArray[np.float32]:
        return picture_rgb.astype(np.float32)

    def distance(self, one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
        return float(np.abs(one - other).mean())


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeTracker.frames = 0
    monkeypatch.setattr(rate_points, "MediaPipeTracker", FakeTracker)
    monkeypatch.setattr(rate_points, "FaceEmbedder", FakeEmbedder)
    monkeypatch.setattr(rate_points, "load_perceptual_metric", FakePerceptual)
    monkeypatch.setattr(
        bench_clip, "estimate_identity", lambda model, _: np.zeros(model.identity_size, np.float32)
    )
    # What these would find takes longer than all the rest.
    monkeypatch.setattr(reconstruct, "foreground_mask", lambda *_: np.ones((256, 256), np.float32))


def drawn_clip(frames: int = 8, turns: Mapping[int, float] | None = None) -> BenchClip:
    """A pattern that moves by a pixel a frame, with the mean face on it."""
    model = MorphableModel.load()
    identity = np.zeros(model.identity_size, np.float32)
    points = to_pixels(project(model, identity, mean_face()))
    params = [mean_face((turns or {}).get(place, 0.0)) for place in range(frames)]
    return BenchClip(
        identity,
        tuple(BenchFrame(pattern(place), points, params[place]) for place in range(frames)),
        256.0,
    )


def write_clip(path: Path, levels: tuple[float, ...], rate_fps: float = 25) -> Path:
    path.parent.mkdir(exist_ok=True)
    with VideoWriter(path, width=256, height=256, rate_fps=rate_fps) as writer:
        for place, level in enumerate(levels):
            writer.write(np.rint(pattern(place) * level).astype(np.uint8))
    return path


def available(encoder: Encoder) -> Encoder:
    if (reason := why_missing(encoder)) is not None:
        pytest.skip(reason)
    return encoder


def planes_of(clip: BenchClip) -> list[Picture]:
    return [cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420).astype(np.uint8) for picture in clip.pictures]


def test_units_that_no_decoder_needs_are_not_counted() -> None:
    start, long_start = b"\0\0\1", b"\0\0\0\1"
    h264 = long_start + b"\x09\x10" + start + b"\x06name" + long_start + b"\x67sps" + start + b"\x65key\0\0"
    assert bare_units("h264", h264) == [b"\x67sps", b"\x65key"]
    hevc = start + bytes([35 << 1, 1, 5]) + start + bytes([39 << 1, 1, 5]) + start + bytes([19 << 1, 1, 5])
    assert bare_units("hevc", hevc) == [bytes([19 << 1, 1, 5])]
    vvc = start + bytes([0, 20 << 3, 5]) + start + bytes([0, 23 << 3, 5]) + start + bytes([0, 7 << 3, 5])
    assert bare_units("vvc", vvc) == [bytes([0, 7 << 3, 5])]
    delimiter, frame = b"\x12\0", bytes([6 << 3 | 2, 130, 1]) + bytes(130)
    assert bare_units("av1", delimiter + frame) == [frame]
    assert bare_units("av1", delimiter + b"\x30rest") == [b"\x30rest"]
    assert bare_units("vp9", b"anything\0") == [b"anything\0"]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=20).filter(lambda body: 0 not in body), min_size=1, max_size=5)
)
def test_packets_there_and_back(bodies: list[bytes]) -> None:
    units = [b"\x65" + body for body in bodies]
    assert bare_units("h264", to_packet("h264", units)) == units


@pytest.mark.parametrize("encoder", LOW_DELAY_ENCODERS, ids=IDS)
def test_what_is_counted_is_what_is_decoded(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = drawn_clip()
    fed: list[bytes] = []

    def listening(standard: str, packets: list[bytes]) -> list[Picture]:
        fed.extend(packets)
        return decode(standard, packets)

    monkeypatch.setattr(classic_coder, "decode", listening)
    coder = ClassicCoder(available(encoder))
    coarse, *_, fine = encoder.qualities
    small = coder.code(clip, "256 at 25", coarse, [3, 7])
    fed.clear()
    large = coder.code(clip, "256 at 25", fine, [3, 7])
    starts = [len(packet) - sum(map(len, bare_units(encoder.standard, packet))) for packet in fed]
    assert [large.first_bytes, *large.later_bytes] == [
        len(packet) - start for packet, start in zip(fed, starts, strict=True)
    ]
    assert len(fed) == len(clip.frames) and sum(map(len, fed)) > sum(large.later_bytes)
    assert large.first_bytes > small.first_bytes and sum(large.later_bytes) > sum(small.later_bytes)
    gains = [
        [psnr(clip.pictures[place], coded.pictures[place]) for place in (3, 7)] for coded in (small, large)
    ]
    assert min(gains[1]) > max(gains[0]) + 5 and min(gains[1]) > 28


@pytest.mark.parametrize("encoder", LOW_DELAY_ENCODERS, ids=IDS)
def test_at_low_delay_no_picture_waits_for_a_later_one(encoder: Encoder) -> None:
    planes = planes_of(drawn_clip(10))
    packets = encode(available(encoder), planes, Fraction(25), encoder.qualities[2])
    assert len(packets) == 10
    whole = decode(encoder.standard, packets)
    part = decode(encoder.standard, packets[:6])
    assert len(part) == 6 and all(np.array_equal(one, other) for one, other in zip(part, whole, strict=False))
    if encoder.runs_in != FFMPEG:
        # And the encoder has not looked ahead either.
        assert encode(encoder, planes[:6], Fraction(25), encoder.qualities[2]) == packets[:6]


@pytest.mark.parametrize("name", ["x264", "VP9"])
def test_the_slow_best_comes_back_whole_and_in_order(name: str) -> None:
    encoder = next(one for one in ENCODERS if one.name == name and one.mode == SLOW)
    clip = drawn_clip()
    coded = ClassicCoder(available(encoder)).code(clip, "256 at 25", encoder.qualities[-2], range(8))
    for place, picture in enumerate(clip.pictures):
        assert psnr(picture, coded.pictures[place]) > 30


def test_fewer_and_smaller_pictures() -> None:
    clip, coder = drawn_clip(7), ClassicCoder(X264)
    halved = coder.code(clip, "256 at 12.5", 30, [4, 5, 6])
    assert len(halved.later_bytes) == 3 and halved.frames == 7
    assert np.array_equal(halved.pictures[4], halved.pictures[5])
    assert not np.array_equal(halved.pictures[5], halved.pictures[6])
    full = coder.code(clip, "256 at 25", 30, [6])
    small = coder.code(clip, "128 at 25", 30, [6])
    assert small.first_bytes < 0.6 * full.first_bytes
    assert small.pictures[6].shape == (256, 256, 3)
    assert 15 < psnr(clip.pictures[6], small.pictures[6]) < psnr(clip.pictures[6], full.pictures[6])
    # Kbit/s are of the time that passes, not of the pictures that are sent.
    assert halved.later_kbps == pytest.approx(sum(halved.later_bytes) * 8 / 1000 / (7 / 25))


def test_a_decoder_that_loses_pictures_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classic_coder, "decode", lambda *_: decode("h264", [])[:1])
    with pytest.raises(HeadganError, match="x264, 256 at 25: 0 pictures of no size came of 8"):
        ClassicCoder(X264).code(drawn_clip(), "256 at 25", 30, [1])
    with pytest.raises(HeadganError, match="cannot be decoded"):
        decode("h264", [b"\0\0\1\x65nonsense" * 9])
    with pytest.raises(HeadganError, match="libx264 at 30: cannot encode"):
        encode(replace(X264, options={"preset": "no-such"}), planes_of(drawn_clip(1)), Fraction(25), 30)


def test_an_encoder_that_is_stuck_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    real, timeouts = subprocess.run, [1.0, 1.0]

    def stuck(words: list[str], **options: Any) -> Any:
        if timeouts:
            raise subprocess.TimeoutExpired(words, timeouts.pop())
        return real(words, **options)

    planes = planes_of(drawn_clip(3))
    options = {**X264.options, "crf": "30"}
    monkeypatch.setattr(subprocess, "run", stuck)
    packets = encode_here.encode_apart("libx264", planes, Fraction(25), options)
    assert packets == encode_here.encode_here("libx264", planes, Fraction(25), options) and not timeouts
    timeouts += [1.0] * 3
    with pytest.raises(HeadganError, match="libx264 at 30: cannot encode"):
        encode(replace(X264, runs_in=PYAV_APART), planes, Fraction(25), 30)


def test_what_is_missing_is_told() -> None:
    assert why_missing(replace(X264, codec_name="libnothing")) == "this PyAV has no libnothing"
    outside = replace(X264, codec_name="libnothing", runs_in=FFMPEG)
    assert why_missing(outside) in (
        "imageio-ffmpeg's ffmpeg has no libnothing",
        "needs imageio-ffmpeg; run: pip install 'headgan[bench]'",
    )


def test_the_best_of_many_settings() -> None:
    points = [(30.0, 10.0), (34.0, 40.0), (31.0, 20.0), (29.0, 15.0), (34.0, 50.0), (20.0, 1.0)]
    best = Rates.best_of(points)
    assert best is not None and best.rate == (1.0, 10.0, 40.0) and best.quality == (20.0, 30.0, 34.0)
    assert best.quality_at(10**0.5) == pytest.approx(25) and best.quality_at(0.9) is None
    assert best.rate_at(32) == pytest.approx(20)
    assert Rates.best_of([(30.0, 10.0), (29.0, 20.0)]) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=2, max_size=12))
def test_no_setting_is_above_the_best(pairs: list[tuple[int, int]]) -> None:
    points = [(float(quality), float(rate)) for quality, rate in pairs]
    best = Rates.best_of(points)
    if best is None:
        return
    for quality, rate in points:
        reached = best.quality_at(rate)
        ceiling = best.quality[-1] if rate > best.rate[-1] else reached
        assert ceiling is None or quality <= ceiling + 1e-6
    assert all(np.diff(best.quality) > 0) and all(np.diff(best.rate) > 0)


def test_changes_even_out() -> None:
    assert mean_change([1.0, None, -0.5]) == pytest.approx(0)
    assert mean_change([None]) is None


def test_the_first_picture_weighs_less_in_a_longer_call() -> None:
    assert call_kbps(5000, 12, 0, 10) == pytest.approx(16)
    assert call_kbps(5000, 12, 0, 100) == pytest.approx(12.4)


def test_a_memory_is_filled_once() -> None:
    assert call_kbps(0, 9, 8, 10) == call_kbps(0, 9, 8, 30) == pytest.approx(9)
    assert call_kbps(0, 9, 8, 60) == pytest.approx(5)
    assert call_kbps(5000, 9, 8, float("inf")) == pytest.approx(1)


def test_half_the_frame_rate_is_judged_in_both_phases() -> None:
    clip = drawn_clip(60)
    places = measured_places(clip, 9)
    assert places == [5, 14, 23, 32, 41, 50, 59]
    for count in (2, 3, 4, 5):
        chosen = perceptual_places(places, count)
        assert len(chosen) == count and set(chosen) <= set(places)
        assert abs(2 * sum(place % 2 for place in chosen) - count) <= 1
    assert perceptual_places(places, 50) != [] and perceptual_places(places, 0) == []
    blind = replace(clip, frames=tuple(replace(frame, points=None) for frame in clip.frames))
    with pytest.raises(FaceError, match="give a smaller --every"):
        measured_places(blind, 9)


def test_pictures_are_judged_against_the_real_ones() -> None:
    clip = drawn_clip(12)
    judge = PictureJudge(clip, [3, 8], FakeEmbedder(), FakePerceptual(), 2)  # type: ignore[arg-type]
    perfect = judge.judge({place: clip.pictures[place] for place in (3, 8)})
    assert perfect == pytest.approx({"psnr": 60, "ssim": 1, "csim": 1, "mouth": 0, "perceptual": 0})
    late = judge.judge({place: clip.pictures[place - 2] for place in (3, 8)})
    assert late["psnr"] < 30 and late["ssim"] < 0.95 and late["mouth"] > 1 and late["perceptual"] > 1


def test_a_clip_comes_as_a_sender_cuts_it(tmp_path: Path) -> None:
    model, tracker = MorphableModel.load(), FakeTracker()
    dark_then_light = (0.0,) * 10 + (1.0,) * 40
    clip = read_bench_clip(write_clip(tmp_path / "a.mp4", dark_then_light, 50), 8, tracker, model)
    assert len(clip.frames) == 20 and clip.seconds == pytest.approx(0.8)
    assert psnr(clip.pictures[0], pattern(10)) > 25 and psnr(clip.pictures[1], pattern(12)) > 25
    assert all(frame.params is not None for frame in clip.frames)
    slow = read_bench_clip(write_clip(tmp_path / "b.mp4", (1.0,) * 5, 12.5), 0.2, tracker, model)
    assert len(slow.frames) == 5 and np.array_equal(slow.pictures[0], slow.pictures[1])
    gap = read_bench_clip(write_clip(tmp_path / "c.mp4", (1.0, 1.0, 0.0, 1.0)), 8, tracker, model)
    assert [frame.points is None for frame in gap.frames] == [False, False, True, False]
    assert list(gap.moments) == [0, 1, 3]
    with pytest.raises(FaceError, match="a face in 0 of the frames"):
        read_bench_clip(write_clip(tmp_path / "d.mp4", (0.0,) * 3), 8, tracker, model)


def test_a_call_is_counted_frame_by_frame() -> None:
    model, generator = MorphableModel.load(), OnnxGenerator(weights_path(PRIOR_GENERATOR))
    clip = drawn_clip(60, dict.fromkeys(range(20, 60), 0.5))
    coded = ProjectCoder(model, generator, MemorySettings(1)).code(clip, "one picture", 0.8, [4, 50])
    assert 0.1 < coded.later_kbps < 5 and max(coded.later_bytes) < 120
    assert coded.first_bytes > 149 + 4 * model.identity_size + 1000
    many = ProjectCoder(model, generator, MemorySettings(4, kbps=200)).code(clip, "", 0.8, [4, 50])
    assert many.first_bytes == coded.first_bytes and sum(many.later_bytes) > sum(coded.later_bytes) + 300
    # Before a second reference has come only the drift tells them apart.
    truth = clip.moments[4].picture_rgb
    assert cv2.PSNR(many.pictures[4], truth) > cv2.PSNR(coded.pictures[4], truth)
    assert not np.array_equal(many.pictures[50], coded.pictures[50])


def test_another_coder_of_parameters_takes_its_place() -> None:
    def turned(params: Any, quality: float) -> list[CodedParams]:
        return [CodedParams(mean_face(quality), 7) for _ in params]

    model, generator = MorphableModel.load(), OnnxGenerator(weights_path(PRIOR_GENERATOR))
    clip = drawn_clip(5)
    coder = ProjectCoder(model, generator, MemorySettings(1), code_params=turned, qualities=(0.0, 0.6))
    plain = ProjectCoder(model, generator, MemorySettings(1))
    assert coder.depends != plain.depends and coder.ladders[0].qualities == (0.0, 0.6)
    straight, turned_head = (coder.code(clip, "one picture", quality, [3]) for quality in (0.0, 0.6))
    assert set(straight.later_bytes) == {7}
    close = plain.code(clip, "one picture", 1.0, [3]).pictures[3]
    assert psnr(straight.pictures[3], close) > 35 > psnr(turned_head.pictures[3], close)
    assert not np.array_equal(straight.pictures[3], turned_head.pictures[3])


def test_parameters_cost_what_a_call_pays() -> None:
    faces = [Face(mean_face(0.3), (2,)) for _ in range(5)]
    coarse, fine = coded_params(faces, 0.2), coded_params(faces, 1.0)
    assert coarse[0].size_bytes < fine[0].size_bytes and max(one.size_bytes for one in fine[2:]) < 4
    np.testing.assert_allclose(fine[4].params.to_array(), mean_face(0.3).to_array(), atol=0.05)


class StepCoder:
    """Ten times the quality, ten times the bytes; counts how often it runs."""

    name, mode = "step", LOW_DELAY
    ladders = (Ladder("a", (1.0, 2.0, 3.0, 4.0), 20.0), Ladder("b", (1.0, 2.0), 1e9))

    def __init__(self) -> None:
        self.runs = 0
        self.depends: dict[str, Any] = {"of": 1}

    def code(self, clip: BenchClip, variant: str, quality: float, places: Collection[int]) -> Coded:
        assert variant in ("a", "b")
        self.runs += 1
        later = (int(1000 * quality),)
        return Coded(1000, later, len(clip.frames), {place: clip.pictures[place] for place in places})


def test_a_ladder_ends_past_its_rate_and_nothing_is_measured_twice(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", (1.0,) * 30)
    how = Measuring(seconds=1, every=9, perceptual=0, jobs=2, provider="cpu")
    measurer = PointMeasurer(how, tmp_path / "kept", MorphableModel.load())
    coder = StepCoder()
    points = measurer.measure("a", path, [coder])["step, low delay"]
    # 8 kbit/s a step: the third is the first above 20.
    assert [(point["variant"], point["quality"]) for point in points] == [
        ("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2),
    ]  # fmt: skip
    assert points[0]["later_kbps"] == pytest.approx(8) and points[0]["first_bytes"] == 1000
    assert "perceptual" not in points[0]["scores"]
    assert measurer.measure("a", path, [coder])["step, low delay"] == points and coder.runs == 5
    coder.depends = {"of": 2}
    measurer.measure("a", path, [coder])
    assert coder.runs == 10


def points_of(factor: float, extra_db: float = 0.0, first_bytes: int = 0) -> list[dict[str, Any]]:
    """A coder whose rate doubles every 2 dB."""
    return [
        {
            "variant": "v",
            "quality": float(step),
            "first_bytes": first_bytes,
            "later_kbps": factor * 5 * 2.0**step,
            "scores": {"psnr": 30.0 + 2 * step + extra_db, "mouth": 10.0 - 2 * step},
        }
        for step in range(4)
    ]


def test_the_signs_of_the_report() -> None:
    own = [points_of(1, 1.0)[1]]  # 10 kbit/s, 33 dB, a mouth error of 8
    measured = {
        "a": {"headgan": own, "VP9, low delay": points_of(1), "x264, low delay": points_of(2)},
        "b": {"headgan": own, "VP9, low delay": points_of(1), "x264, low delay": points_of(8, 8.0)},
    }
    summary = summarise(measured, ["headgan"])
    bd = summary["60"]["bd_rate"]["psnr"]["VP9, low delay"]
    assert "headgan" not in bd  # one point is no curve
    # Twice the rate for the same in one clip; in the other 8 times it for 8 dB, which VP9 has for 16 times as much.
    assert bd["x264, low delay"]["clips"] == 1 and bd["x264, low delay"]["change"] == pytest.approx(1)
    mouth = summary["60"]["bd_rate"]["mouth"]["VP9, low delay"]["x264, low delay"]
    assert mouth == {"change": pytest.approx(3), "clips": 2}
    (equal,) = summary["60"]["equal"]["headgan"]
    assert equal["psnr"]["VP9, low delay"]["ratio"] == pytest.approx(2**0.5)
    assert equal["psnr"]["x264, low delay"] == {
        "ratio": pytest.approx(2 * 2**0.5), "clips": 1, "below": 1, "above": 0,
    }  # fmt: skip
    assert equal["mouth"]["VP9, low delay"]["ratio"] == pytest.approx(1)
    text = table(measured, summary, {"VVC, slow": "there is none"})
    assert "| headgan, v | 1 | 10.00 | 0 | 10.0, 10.0, 10.0 | 33.00 | 8.00 |" in text
    assert "| x264, low delay | +100% (1) | +300% (2) |" in text
    assert "| coder | quality | kbit/s | VP9, low delay | x264, low delay |" in text
    assert "| headgan | 1 | 10.00 | ×1.41 (2) | ×2.83 (1) |" in text
    assert "Not measured: VVC, slow: there is none." in text


def test_a_first_picture_is_paid_for_by_short_calls() -> None:
    measured = {"a": {"VP9, low delay": points_of(1), "x264, low delay": points_of(1, first_bytes=5000)}}
    summary = summarise(measured, [])
    changes = [
        summary[seconds]["bd_rate"]["psnr"]["VP9, low delay"]["x264, low delay"]["change"]
        for seconds in ("10", "60", "600")
    ]
    assert changes == sorted(changes, reverse=True) and changes[0] > 10 * changes[-1] > 0


@pytest.fixture
def few_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    few = tuple(replace(encoder, qualities=(46, 38, 30)) for encoder in ENCODERS)
    monkeypatch.setattr(rate_distortion, "ENCODERS", few)
    generator = OnnxGenerator(weights_path(PRIOR_GENERATOR))
    monkeypatch.setattr(rate_distortion, "OnnxGenerator", lambda **_: generator)


@pytest.mark.usefixtures("few_settings")
def test_the_command_reports_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    clips, output = tmp_path / "clips", tmp_path / "report"
    write_clip(clips / "moves.mp4", (1.0,) * 20)
    write_clip(clips / "dark.mp4", (0.0,) * 5)

    def reason(encoder: Encoder) -> str | None:
        return "this machine has none" if encoder.name == "x265" else why_missing(encoder)

    monkeypatch.setattr(rate_distortion, "why_missing", reason)
    words = ["rate-distortion", str(clips), "-o", str(output), "--codecs", "x264,x265,VP9", "--every", "5"]
    words += ["--effort", "low-delay", "--seconds", "1", "--perceptual", "2", "--jobs", "2"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert text == (output / "rate_distortion.md").read_text()
    assert "Not measured: x265, low delay: this machine has none." in text
    report = json.loads((output / "rate_distortion.json").read_text())
    assert report["missing"] == {"x265, low delay": "this machine has none"}
    assert list(report["skipped"]) == ["clips-dark"]
    (coders,) = report["clips"].values()
    assert list(coders) == [
        "headgan, 1 reference", "headgan, 16 references", "x264, low delay", "VP9, low delay",
    ]  # fmt: skip
    for point in coders["x264, low delay"]:
        assert set(point["scores"]) == {"perceptual", "psnr", "ssim", "csim", "mouth"}
        assert point["first_bytes"] > 0 and point["later_kbps"] > 0
    by_length = report["summary"]
    assert list(by_length) == ["10", "60", "600", "inf"]
    rates = [by_length[seconds]["points"]["headgan, 1 reference"][0]["kbps"] for seconds in by_length]
    assert rates == sorted(rates, reverse=True) and 0 < rates[-1] < 3
    for name in ("curves.png", "call_lengths.png", "sheet.png"):
        picture = cv2.imread(str(output / name))
        assert picture is not None and picture.std() > 10, name
    FakeTracker.frames = 0
    monkeypatch.setattr(classic_coder, "encode", None)
    monkeypatch.delattr(rate_points, "read_bench_clip")
    (clips / "dark.mp4").unlink()
    assert main(words) == 0
    assert FakeTracker.frames == 0 and capsys.readouterr().out == text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--every", "4"], "--every 4: give an odd number"),
        (["--perceptual", "-1"], "--perceptual -1: give 0 or more"),
        (["--seconds", "0"], "--seconds 0: give 1 to 3600"),
        (["--sheet-kbps", "nan"], "--sheet-kbps nan: give more than 0"),
        (["--codecs", "x264,MPEG-2"], "MPEG-2 is unknown; there are x264, x265, VP9"),
    ],
)
def test_options_that_cannot_work_are_named(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rate-distortion", str(tmp_path), "-o", str(tmp_path / "report"), *words]) == 2
    assert message in capsys.readouterr().err
