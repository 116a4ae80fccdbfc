"""`headgan-bench parameters` on drawn faces: its rulers, its line, its verdicts."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.benchmarks import param_curves, param_mutations, param_pictures, param_tracks, parameters_command
from headgan.benchmarks.calm_run import calmest_run, tremble_levels
from headgan.benchmarks.cli import main
from headgan.benchmarks.face_error import FaceErrors, FaceRuler
from headgan.benchmarks.kept import Kept
from headgan.benchmarks.param_line import (
    Chance,
    Coding,
    LineSettings,
    Strategy,
    WatchedEncoder,
    transmit,
)
from headgan.benchmarks.param_measure import ParamMeasurer, compare, longest_run, losses, show, value_at
from headgan.benchmarks.param_mutations import mutate_packets
from headgan.benchmarks.param_naive import axis_moves_px, code_naively, entropy_bits
from headgan.benchmarks.param_rate import send_at, sliding_kbps
from headgan.benchmarks.param_tables import shortcomings
from headgan.benchmarks.param_tracks import Track, find_tracks, load_tracks
from headgan.codec.concealer import DAMPING
from headgan.codec.param_code import params_from, shipped_code, vector_of
from headgan.codec.params import FaceParams
from headgan.codec.video import VideoWriter
from headgan.models.fitting import project
from headgan.models.generator import PRIOR_GENERATOR, OnnxGenerator
from headgan.models.morphable import MorphableModel
from headgan.models.tracker import TrackedFace
from headgan.models.weights import weights_path
from headgan.proto.errors import DeviceError, HeadganError, UsageError
from headgan.receiver.frame_reader import FrameReader, ReadFrame

CODE = shipped_code()
MODEL = MorphableModel.load()
NOBODY = np.zeros(MODEL.identity_size, np.float32)


def talking(frames: int) -> Iterator[FaceParams]:
    noise = np.random.default_rng(3)
    for frame in range(frames):
        vector = CODE.rest + noise.normal(0, 1e-3, len(CODE.rest))
        vector[:6] += 0.4 * np.sin(frame / np.array([2.0, 3, 5, 7, 11, 13]))
        vector[28:31] += 0.1 * np.sin(frame / 20 + np.arange(3))
        vector[32:34] += 0.05 * np.sin(frame / 15)
        yield params_from(vector)


def moving(frames: int, px: float = 1.0) -> list[FaceParams]:
    """A face at rest that goes to the right, so many pixels a frame."""
    steps = np.zeros((frames, 36))
    steps[:, 32] = np.arange(frames) * px / 128
    return [params_from(CODE.rest + step) for step in steps]


@pytest.fixture
def track() -> Track:
    return Track("drawn", NOBODY, tuple(talking(60)))


@pytest.fixture
def ruler() -> FaceRuler:
    return FaceRuler(MODEL, NOBODY)


def test_the_ruler_projects_as_the_model_does(ruler: FaceRuler) -> None:
    faces = list(talking(4))
    faces[1] = replace(faces[1], gaze=np.array([0.3, -0.2], np.float32))
    for face, points in zip(faces, ruler.points_px(faces), strict=True):
        np.testing.assert_allclose(points, project(MODEL, NOBODY, face)[:, :2] * 128, atol=1e-3)


def test_distance_angle_and_lag_are_what_they_say(ruler: FaceRuler) -> None:
    real = moving(10)
    errors = ruler.compare(real[1:], real[:-1], range(9))
    for values in (errors.mean_px, errors.lips_px, errors.lids_px):
        np.testing.assert_allclose(values, 1.0, atol=1e-3)
    report = errors.report()
    assert report["lag_frames"] == pytest.approx(1, abs=1e-3)
    assert report["tremble_px"] == pytest.approx(0, abs=1e-3) and report["rotation_deg"] == 0
    turned = vector_of(real[0])
    turned[29] = 2 * np.sin(np.radians(3) / 2)
    other = ruler.compare(real[:1], [params_from(turned)], [0])
    assert other.rotation_deg[0] == pytest.approx(3, abs=1e-3)
    pooled = FaceErrors.pooled([errors, other])
    assert len(pooled.mean_px) == 10 and pooled.report()["lag_frames"] == pytest.approx(1, abs=1e-3)


def test_trembling_is_seen_and_a_gap_is_none(ruler: FaceRuler) -> None:
    real = moving(9)
    shown = [
        params_from(vector_of(face) + (place % 2) * np.eye(36)[32] / 128) for place, face in enumerate(real)
    ]
    report = ruler.compare(real, shown, range(9)).report()
    assert report["tremble_px"] == pytest.approx(2, abs=1e-3)
    assert report["real_tremble_px"] == pytest.approx(0, abs=1e-3)
    with_gap = [*real[:4], *real[6:]]
    errors = ruler.compare(with_gap, with_gap, [0, 1, 2, 3, 6, 7, 8])
    assert errors.tremble_px.shape == (2, 3) and errors.tremble_px.max() < 1e-3


@pytest.mark.parametrize("burst", [0.0, 4.0])
def test_chance_loses_as_much_as_it_should_and_always_the_same(burst: float) -> None:
    lost = [Chance(LineSettings(0.2, burst), "seed").is_lost() for _ in range(3)]
    assert len(set(lost)) == 1
    chance = Chance(LineSettings(0.2, burst), "seed")
    pattern = np.array([chance.is_lost() for _ in range(20_000)])
    assert pattern.mean() == pytest.approx(0.2, abs=0.02)
    bursts = np.count_nonzero(np.diff(pattern.astype(int)) == 1)
    assert pattern.sum() / bursts == pytest.approx(burst or 1 / 0.8, rel=0.1)


def test_without_loss_everything_is_read(track: Track) -> None:
    received = transmit(track, Coding(), LineSettings(), 0)
    assert received.has_arrived.all() and None not in received.read
    headers = np.subtract(received.packet_bytes, received.record_bytes)
    assert headers[0] == 9 and set(headers[5:]) == {4}
    bundled = transmit(track, Coding(frames_per_packet=3), LineSettings(), 0)
    assert len(bundled.packet_bytes) == 20 and None not in bundled.read
    assert sum(bundled.packet_bytes) < sum(received.packet_bytes)


def test_frames_without_a_face_are_no_loss(track: Track) -> None:
    holed = replace(track, params=(*track.params[:20], None, None, *track.params[22:]))
    received = transmit(holed, Coding(), LineSettings(), 0)
    assert losses([holed], [received])["missing"] == 0
    shown = show(holed, received.read)
    assert shown.numbers == (*range(20), *range(22, 60)) and not shown.is_hidden.any()


def test_what_is_lost_is_counted_and_what_came_is_nearly_all_read(track: Track) -> None:
    line = LineSettings(0.2, round_trip_ms=100)
    received = transmit(track, Coding(), line, 1)
    again = transmit(track, Coding(), line, 1)
    assert received.record_bytes == again.record_bytes
    counted = losses([track], [received])
    assert counted["lost"] == pytest.approx(1 - received.has_arrived.mean(), abs=1e-4)
    assert 0.05 < counted["lost"] <= counted["missing"] < 0.5 and counted["unread_ms"] <= 200
    certain = transmit(track, Coding(strategy=Strategy(only_certain=True)), line, 1)
    assert losses([track], [certain])["unread"] == 0


def test_a_chain_cannot_be_read_after_a_loss_until_its_next_key(
    track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = iter(range(10**6))
    # Asked for the way there and back of each packet that came: the seventh packet alone is lost.
    monkeypatch.setattr(Chance, "is_lost", lambda _: next(sent) == 12)
    received = transmit(track, Coding(strategy=Strategy(key_every=10)), LineSettings(), 0)
    assert [number for number, face in enumerate(received.read) if face is None] == [6, 7, 8, 9]
    counted = losses([track], [received])
    assert counted["unread_ms"] == 120 and counted["missing_ms"] == 160 and counted["lost_ms"] == 40


def test_a_face_that_is_read_otherwise_than_it_was_meant_is_found(
    track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WatchedEncoder, "meant", lambda _, number: track.params[number])
    with pytest.raises(HeadganError, match="frame 0 was read as another face"):
        transmit(track, Coding(), LineSettings(), 0)


def test_hidden_frames_hold_or_go_on(ruler: FaceRuler) -> None:
    faces = moving(8, px=2.0)
    track = Track("moving", NOBODY, tuple(faces))
    read = [None, *faces[1:4], None, None, *faces[6:]]
    held = show(track, read, 0.0)
    assert held.numbers == (1, 2, 3, 4, 5, 6, 7) and held.is_hidden.tolist() == [0, 0, 0, 1, 1, 0, 0]
    np.testing.assert_allclose(compare(ruler, track, held).mean_px, [0, 0, 0, 2, 4, 0, 0], atol=1e-2)
    damped = compare(ruler, track, show(track, read, 0.5))
    np.testing.assert_allclose(damped.mean_px, [0, 0, 0, 1, 2.5, 0, 0], atol=1e-2)
    as_calls_do = compare(ruler, track, show(track, read))
    left = 2 * (1 - DAMPING), 4 - 2 * (DAMPING + DAMPING**2)
    np.testing.assert_allclose(as_calls_do.mean_px, [0, 0, 0, *left, 0, 0], atol=1e-2)


def test_between_points_logarithms_are_straight() -> None:
    points = [(4.0, 1.0), (1.0, 2.0)]
    assert value_at(points, 2) == pytest.approx(2**0.5, abs=1e-4)
    assert value_at(points, 0.9) is None is value_at(points, 4.1)
    assert longest_run(np.array([1, 1, 0, 1], bool)) == 2 and longest_run(np.zeros(3, bool)) == 0


def test_a_naive_coder_rounds_and_pays_the_entropy(track: Track) -> None:
    symbols = np.array([[0, 1], [0, 2], [0, 1], [0, 2]])
    assert entropy_bits(symbols) == pytest.approx([1, 1, 1, 1])
    moves = axis_moves_px(MODEL)
    assert moves[32] == pytest.approx(128, rel=1e-3)  # a shift by half the picture's width
    steps = 0.2 / moves
    coded, faces = code_naively(track, steps)
    assert coded.shape == (60, 36)
    for face, real in zip(faces, track.params, strict=True):
        assert face is not None and real is not None
        assert np.all(np.abs(vector_of(face) - vector_of(real)) <= steps / 2 + 1e-3)


def test_a_rate_is_measured_over_whole_seconds(track: Track) -> None:
    assert sliding_kbps([10] * 25 + [35]).tolist() == [2.0, 2.2]
    sizes, read, left_out = send_at(track, 0.3)
    assert len(sizes) == len(read) == 60
    assert left_out == sum(face is None for face in read) > 0


def test_the_measurer_keeps_what_it_measured(
    track: Track, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ParamMeasurer([track], Kept(tmp_path), 0).run(Coding(), LineSettings(0.1), hides=True)
    monkeypatch.setattr("headgan.benchmarks.param_measure.transmit", lambda *_: pytest.fail("measured anew"))
    assert ParamMeasurer([track], Kept(tmp_path), 0).run(Coding(), LineSettings(0.1), hides=True) == first
    assert first["hidden"]["as calls do"]["px"] == first["px"] < first["hidden"]["0"]["px"]
    other = replace(track, params=track.params[1:])
    with pytest.raises(pytest.fail.Exception):
        ParamMeasurer([other], Kept(tmp_path), 0).run(Coding(), LineSettings(0.1), hides=True)


def test_mutations_do_no_harm(track: Track) -> None:
    report = mutate_packets([track], 1500, 0).report()
    assert report["failed"] == 0 and report["mutations"] == 1500
    assert report["read"] > 150 and report["refused"] > 150
    assert 0 < report["kept_bytes"] < param_mutations.LIMIT_KEPT_BYTES


def test_harm_is_found(track: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []
    read = FrameReader.read

    def fragile(self: FrameReader, packet: Any, now_ms: float) -> list[ReadFrame]:
        if len(packet.records) > 100:
            raise KeyError("too long")
        kept.append(packet)
        self.__dict__["kept"] = kept
        return read(self, packet, now_ms)

    monkeypatch.setattr(FrameReader, "read", fragile)
    report = mutate_packets([track], 600, 0).report()
    assert report["failed"] > 10 and "KeyError: 'too long'; message " in report["failures"][0]
    assert report["kept_bytes"] > 10_000


def sound_report() -> dict[str, Any]:
    run = {"unread_ms": 160.0, "burst": 0.0, "loss": 0.1, "round_trip_ms": 100.0}
    harm = {"failed": 0, "cpu_ms_most": 3.0, "kept_bytes": 5000, "kept_bytes_backwards": 5000}
    return {"losses": [run], "mutations": harm, "pictures": {"lost_db": 0.05, "lost_perceptual": 0.01}}


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        ("mutations", {"failed": 2}, "2 mutated packets raised another error than WireError"),
        ("mutations", {"cpu_ms_most": 400.0}, "took 400 ms"),
        ("mutations", {"kept_bytes_backwards": 10**6}, "falling numbers kept 1000000 bytes"),
        ("pictures", {"lost_db": 0.2}, "loses 0.20 dB"),
        ("pictures", {"lost_perceptual": 0.05}, "grows by 5.0%"),
    ],
)
def test_what_falls_short_is_said(part: str, changes: dict[str, Any], message: str) -> None:
    report = sound_report()
    assert shortcomings(report) == [] == shortcomings(report | {"mutations": 0, "pictures": 0})
    (short,) = shortcomings(report | {part: report[part] | changes})
    assert message in short


def test_frames_that_came_and_cannot_be_read_for_long_fall_short() -> None:
    report = sound_report()
    report["losses"].append(report["losses"][0] | {"unread_ms": 240.0, "burst": 4.0})
    (short,) = shortcomings(report)
    assert short.startswith("240 ms of frames that came could not be read") and "in bursts, 10% lost" in short


def write_track(path: Path, params: Sequence[FaceParams | None], interval_ms: float = 40.0) -> Path:
    rows = np.array([np.full(37, np.nan) if one is None else one.to_array() for one in params], np.float32)
    path.parent.mkdir(exist_ok=True)
    np.savez(
        path,
        expression=rows[:, :28],
        camera=rows[:, 28:35],
        gaze=rows[:, 35:],
        pts_ms=np.arange(len(rows)) * interval_ms,
        identity=NOBODY,
    )
    return path


def test_tracks_come_at_25_frames_a_second_from_their_first_face_on(tmp_path: Path) -> None:
    faces = list(talking(6))
    write_track(tmp_path / "a" / "one.npz", [None, *faces])
    write_track(tmp_path / "a" / "slow.npz", faces, interval_ms=80)
    one, slow = load_tracks(find_tracks([tmp_path / "a"]), tmp_path / "kept", 0)
    assert one.name == "a-one" and len(one.params) == 6 and one.params[0] is not None
    assert len(slow.params) == 12 and slow.params[2] is slow.params[3] is not slow.params[4]
    cut, _ = load_tracks(find_tracks([tmp_path / "a"]), tmp_path / "kept", 0.12)
    assert len(cut.params) == 3 and cut.digest != one.digest


def test_files_that_are_no_tracks_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", expression=np.zeros((2, 28)))
    with pytest.raises(DeviceError, match=r"bad\.npz holds no face parameters"):
        load_tracks(find_tracks([tmp_path]), tmp_path / "kept", 0)
    path = write_track(tmp_path / "bad.npz", list(talking(3)))
    with np.load(path) as data:
        arrays = dict(data)
    np.savez(path, **(arrays | {"identity": np.zeros(3)}))
    with pytest.raises(DeviceError, match="does not fit the morphable model"):
        load_tracks(find_tracks([tmp_path]), tmp_path / "kept", 0)
    with pytest.raises(UsageError, match=r"neither clips nor \.npz files"):
        find_tracks([path.rename(tmp_path / "bad.txt").parent])


class FakeTracker:
    """Sees the mean face in the middle of each picture, the further right the brighter it is."""

    frames = 0

    def reset(self) -> None:
        pass

    def track(self, frame_rgb: NDArray[np.uint8], is_wanted: object = None) -> TrackedFace:  # noqa: ARG002
        FakeTracker.frames += 1
        camera = np.array([1, 0, 0, 0, 0.4, 0, 0], np.float32)
        params = FaceParams(np.zeros(28, np.float32), camera, np.zeros(2, np.float32))
        points = project(MODEL, NOBODY, params)
        place = float(frame_rgb.mean()) / 10
        return TrackedFace((points * 96 + (160 + place, 120, 0)).astype(np.float32), 1.0)


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(param_tracks, "MediaPipeTracker", FakeTracker)
    FakeTracker.frames = 0
    path = tmp_path / "clips" / "clip.mp4"
    path.parent.mkdir()
    y, x = np.mgrid[:240, :320]
    with VideoWriter(path, width=320, height=240, rate_fps=25) as writer:
        for frame in range(60):
            picture = np.rint(90 + frame + 20 * np.sin(x / 7) * np.sin(y / 11)).astype(np.uint8)
            writer.write(np.repeat(picture[..., None], 3, axis=2))
    return path


def test_a_clip_is_followed_once_and_kept(clip: Path, tmp_path: Path) -> None:
    found = find_tracks([clip])
    (track,) = load_tracks(found, tmp_path / "kept", 0)
    assert len(track.params) == 60 and None not in track.params
    seen = FakeTracker.frames
    (again,) = load_tracks(found, tmp_path / "kept", 0)
    assert FakeTracker.frames == seen > 0 and again.digest == track.digest
    (tmp_path / "kept" / "clips-clip.npz").write_bytes(b"damaged")
    (anew,) = load_tracks(found, tmp_path / "kept", 0)
    assert FakeTracker.frames == 2 * seen and anew.digest == track.digest


def test_pictures_from_coded_faces_are_compared(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Metric:
        def features(self, picture_rgb: NDArray[np.uint8]) -> float:
            return float(picture_rgb.astype(float).std())

        def distance(self, one: float, other: float) -> float:
            return abs(one - other)

    monkeypatch.setattr(param_pictures, "load_perceptual_metric", Metric)
    monkeypatch.setattr(
        param_pictures,
        "OnnxGenerator",
        lambda provider: OnnxGenerator(weights_path(PRIOR_GENERATOR), provider=provider),
    )
    found = find_tracks([clip])
    measurer = ParamMeasurer(load_tracks(found, tmp_path / "kept", 0), Kept(tmp_path / "runs"), 0)
    pictures = param_pictures.measure_pictures(measurer, found, 3, "cpu")
    assert pictures["frames"] == 3 and pictures["uncoded"]["psnr"] > 10
    assert abs(pictures["lost_db"]) < 1
    # The clip brightens by one level a frame, evenly, and its face stays where it is.
    assert 0 <= pictures["tremble_levels"]["real"] < 1.5
    assert 0 <= pictures["tremble_levels"]["uncoded"] <= pictures["tremble_levels"]["coded"] + 0.5
    other = replace(measurer.tracks[0], params=tuple(talking(60)))
    with pytest.raises(HeadganError, match="the clip is not as it was tracked"):
        param_pictures.measure_pictures(ParamMeasurer([other], Kept(tmp_path / "runs"), 0), found, 3, "cpu")


def test_the_calmest_second_is_found_and_its_trembling_told() -> None:
    ruler, face = FaceRuler(MODEL, NOBODY), next(talking(1))
    restless: list[FaceParams | None] = [*talking(50), *([face] * 26), *talking(50)]
    run = calmest_run(ruler, restless)
    assert 45 <= run[0] <= 60 and len(run) == 25
    assert not calmest_run(ruler, [face, None] * 50)
    still = np.full((256, 256, 3), 100, np.uint8)
    assert tremble_levels([still + np.uint8(k) for k in range(9)], ruler, face) == 0
    assert tremble_levels([still + np.uint8(3 * (k % 2)) for k in range(9)], ruler, face) == 6


def test_the_command_writes_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "QUALITIES": (1.0, 0.6),
        "LOSSES": (0.0, 0.2),
        "ROUND_TRIPS_MS": (100.0,),
        "STRATEGY_LOSSES": (0.2,),
        "STRATEGY_QUALITIES": (0.9, 0.5),
    }.items():
        monkeypatch.setattr(param_curves, name, value)
    monkeypatch.setattr(parameters_command, "RATES_KBPS", (1.0,))
    write_track(tmp_path / "tracks" / "one.npz", list(talking(50)))
    report = tmp_path / "report"
    words = ["parameters", str(tmp_path / "tracks"), "-o", str(report), "--mutations", "40"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert printed == (report / "table.md").read_text() and "a naive coder needs" in printed
    metrics = json.loads((report / "metrics.json").read_text())
    fine, coarse = metrics["curve"]["points"]
    assert fine["px"] < coarse["px"] and fine["kbps"] > coarse["kbps"]
    one, _, three, _ = metrics["wire"].values()
    assert one["wire_kbps"] == pytest.approx(one["packets_kbps"] + 25 * 93 * 8 / 1000)
    assert three["wire_kbps"] < one["wire_kbps"] / 2
    assert [run["loss"] for run in metrics["losses"]] == [0, 0.2, 0.2]
    assert set(metrics["strategies"]["0.2"]) == {"weighed", "acknowledged", "key each 5", "key each 25"}
    assert {path.name for path in report.glob("*.png")} == {
        "curve.png",
        "losses.png",
        "strategies.png",
        "rates.png",
    }
    monkeypatch.setattr(parameters_command, "shortcomings", lambda _: ["it is too slow"])
    assert main(words) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--mutations", "-1"], "--mutations -1: give 0 or more"),
        (["--seconds", "nan"], "--seconds nan: give 0 or more"),
        (["--pictures", "3"], "there are no pictures in .npz files"),
        (["nowhere"], "nowhere does not exist"),
    ],
)
def test_options_that_cannot_work_are_named(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    track = write_track(tmp_path / "one.npz", list(talking(3)))
    assert main(["parameters", str(track), *words, "-o", str(tmp_path / "report")]) == 2
    assert message in capsys.readouterr().err
