"""fps, latency, two-way and memory: what they refuse, how they measure, and what they make of it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import headgan.models.reconstruct
import headgan.receiver.cli
import headgan.sender.cli
from headgan.benchmarks.children import end_child, start_child
from headgan.benchmarks.cli import main
from headgan.benchmarks.codec_costs import CODECS, run_codec
from headgan.benchmarks.fps_command import chosen_providers
from headgan.benchmarks.fps_parts import CPU, Wishes, fps_parts
from headgan.benchmarks.fps_report import fps_figures, stage_table
from headgan.benchmarks.half_plans import CodecPlan, ReceiverPlan
from headgan.benchmarks.half_process import measure_apart
from headgan.benchmarks.latency_command import summarise as summarise_latency
from headgan.benchmarks.memory_command import start_receiver
from headgan.benchmarks.memory_command import summarise as summarise_memory
from headgan.benchmarks.own_process import Cost, resident_mb
from headgan.benchmarks.process_watch import ProcessWatch, spent_s
from headgan.benchmarks.process_watch import resident_mb as resident_of
from headgan.benchmarks.receiver_half import run_receiver, still_places
from headgan.benchmarks.report_command import HEADLINES
from headgan.benchmarks.sent_clip import WARM_UP, CropFile, SentClip
from headgan.benchmarks.stage_bars import draw_bars
from headgan.benchmarks.stopwatches import FLOW, RENDER, WHOLE, drawing_watched, replaced
from headgan.benchmarks.timed_side import main as timed_main
from headgan.benchmarks.two_way_command import summarise as summarise_two_way
from headgan.benchmarks.two_way_command import window_fps
from headgan.codec.param_encoder import Face, ParamEncoder
from headgan.codec.params import EXPRESSION_SIZE, GAZE_SIZE, FaceParams
from headgan.codec.stage_times import StageTimes
from headgan.models.generator import PRIOR_GENERATOR, OnnxGenerator, View
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import Reconstructor, ReferenceImage
from headgan.models.weights import weights_path
from headgan.proto.errors import HeadganError, UsageError
from headgan.proto.program import monotonic_ms
from headgan.proto.wire import FrameMark, ParamPacket
from headgan.receiver.silent_speaker import SilentSpeaker

MODEL = MorphableModel.load()
FRAMES = 24


def face(turn: float = 0.0) -> FaceParams:
    camera = np.array([np.cos(turn), 0, np.sin(turn), 0, 0.3, 0, 0], np.float32)
    return FaceParams(np.zeros(EXPRESSION_SIZE, np.float32), camera, np.zeros(GAZE_SIZE, np.float32))


def picture(level: int = 0) -> Any:
    """A slope with a pattern, brighter by `level`: nothing that a codec finds hard."""
    down, across = np.mgrid[:256, :256]
    waves = 110 + 40 * np.sin(across / 23) + 40 * np.cos(down / 31) + level
    return np.repeat(waves[..., None], 3, axis=2).astype(np.uint8)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head that turns, as geometry draws it: what a receiver has to draw again."""
    folder = tmp_path_factory.mktemp("sent")
    generator = OnnxGenerator(weights_path(PRIOR_GENERATOR), provider="cpu")
    reference = ReferenceImage(picture(), np.zeros(MODEL.identity_size, np.float32), face())
    reconstructor = Reconstructor(MODEL, generator, reference)
    encoder, crops, packets = ParamEncoder(), CropFile(folder), []
    encoder.has_drift = True
    for place in range(FRAMES):
        params = face(0.02 * place)
        records = encoder.encode(place, [Face(params, (0,))])
        packet = ParamPacket(place, 40 * place, (FrameMark(0, True, False),), records)
        packets.append(packet.to_bytes(is_short=place > 0))
        crops.append(reconstructor.draw(params))
    SentClip(packets, {0: reference}).write(folder)
    return folder


def plan_of(sent: Path, **more: Any) -> ReceiverPlan:
    prior = str(weights_path(PRIOR_GENERATOR))
    return ReceiverPlan(str(sent), 4, "cpu", prior, **more)


def test_a_clip_as_it_travels_comes_back(sent: Path) -> None:
    clip = SentClip.read(sent)
    assert len(clip.packets) == FRAMES and not still_places(clip.packets)
    assert np.array_equal(clip.references[0].picture_rgb, picture())
    assert clip.references[0].params.drift.dtype == np.int16
    # It was drawn from this reference, of the sizes that are coded of its face.
    assert np.abs(CropFile(sent).read(0).astype(int) - picture()).mean() < 1


@pytest.mark.parametrize("plain", [False, True])
def test_a_receiver_is_measured_and_its_pictures_checked(sent: Path, plain: bool) -> None:
    result = run_receiver(plan_of(sent, plain=plain))
    assert result["frames"] == 4 and result["psnr"] > result["psnr_repeat"]
    assert result["apart_levels"] < 1
    stages = result["stages_ms"]
    assert WHOLE in stages and "prior flow" in stages and "decode" in stages
    # Between the stages there is next to nothing, but another program may come in there.
    assert 0.3 * result["ms"] < sum(stage["mean"] for stage in stages.values()) < 1.01 * result["ms"]
    assert result["resident_mb"] > 50 and result["provider"].startswith("cpu")


def test_pictures_that_are_wrong_are_refused(sent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(OnnxGenerator):
        def generate(self, *views: View) -> Any:
            return (super().generate(*views) + np.uint8(2)).astype(np.uint8)

    monkeypatch.setattr("headgan.benchmarks.receiver_half.OnnxGenerator", Wrong)
    with pytest.raises(HeadganError, match=r"2\.\d+ levels away"):
        run_receiver(plan_of(sent))
    assert "apart_levels" not in run_receiver(plan_of(sent, is_trained=False))


def test_eight_bits_are_compared_with_single_precision(sent: Path) -> None:
    """Both with what draws in their precision; and what is drawn from several references, from those."""
    plan = ReceiverPlan(str(sent), 4, "cpu", precision="int8", fused=3)
    result = run_receiver(plan)
    assert result["precision"] == "int8" and result["provider"] == "cpu, int8"
    assert result["apart_levels"] == 0 and 0 < result["float32_levels"] < 5
    assert result["references_a_frame"] == 1  # the packets name no more


def test_a_face_that_stays_is_not_counted() -> None:
    encoder, packets = ParamEncoder(loses=False), []
    for place, turn in enumerate((0.0, 0.1, 0.1, 0.1, 0.2)):
        records = encoder.encode(place, [Face(face(turn), (0,))])
        packet = ParamPacket(place, 40 * place, (FrameMark(0, True, False),), records)
        packets.append(packet.to_bytes(is_short=place > 0))
    still = still_places(packets)
    assert {1, 4}.isdisjoint(still) and still


def test_half_a_call_is_measured_in_a_process_of_its_own(sent: Path, tmp_path: Path) -> None:
    assert measure_apart(plan_of(sent), tmp_path, "receiver")["frames"] == 4
    broken = plan_of(tmp_path / "nowhere")
    with pytest.raises(HeadganError, match="broken ended with exit code 1"):
        measure_apart(broken, tmp_path, "broken")


@pytest.mark.parametrize("codec", CODECS)
def test_classic_codecs_give_back_what_they_were_given(codec: str, tmp_path: Path) -> None:
    crops = CropFile(tmp_path)
    for place in range(WARM_UP + 5):
        crops.append(picture(place % 7))
    result = run_codec(CodecPlan(str(tmp_path), 5, codec))
    assert result["psnr"] > 30 and set(result["stages_ms"]) == {"encode", "decode"}
    assert result["stages_ms"]["decode"]["mean"] > 0


def test_stopwatches_are_gone_afterwards() -> None:
    def watched_names() -> list[Any]:
        modules = (headgan.models.reconstruct, "render_pncc"), (headgan.models.frame_graphs, "open_session")
        return [getattr(module, name) for module, name in modules]

    before = watched_names()
    times = StageTimes(monotonic_ms)
    with drawing_watched(times):
        generator = OnnxGenerator(provider="cpu")
        reference = ReferenceImage(picture(), np.zeros(MODEL.identity_size, np.float32), face())
        watched = Reconstructor(MODEL, generator, reference).draw(face())
    assert watched_names() == before
    assert times.total_ms()["PNCC"] > 0
    assert {FLOW, RENDER} <= times.report().keys() or WHOLE in times.report()
    plain = Reconstructor(MODEL, OnnxGenerator(provider="cpu"), reference).draw(face())
    assert np.array_equal(watched, plain)
    with pytest.raises(AttributeError), replaced(headgan.models.reconstruct, "no_such", lambda it: it):
        pass


def test_providers_are_those_that_work_here() -> None:
    works, skipped = chosen_providers("all")
    assert CPU in works and not set(skipped) & {f"receiver.{name}" for name in works}
    assert chosen_providers("cpu,cpu") == (["cpu"], {})
    with pytest.raises(UsageError, match="--provider npu: choose of"):
        chosen_providers(["cpu", "npu"][1])
    for name in skipped:
        with pytest.raises(UsageError, match="does not work here"):
            chosen_providers(name.removeprefix("receiver."))


def test_costs_are_differences() -> None:
    before = Cost.now()
    sum(range(200_000))
    spent = Cost.now().since(before)
    assert spent.cpu_s > 0 and spent.wall_s > 0
    assert Cost(1, 2).plus(Cost(3, 4)) == Cost(4, 6)
    assert 10 < resident_mb() < 100_000


def stages(**means: float) -> dict[str, dict[str, float | None]]:
    return {name: {"p50": mean, "p95": None, "mean": mean} for name, mean in means.items()}


def headlines(*beginnings: str) -> set[str]:
    return {key for key in HEADLINES if key.startswith(beginnings)}


GAINS = {"fps": 2.0, "cpu": 3.5, "one_core_fps": 3.0, "one_core_cpu": 1.5}


def test_figures_are_found_by_their_keys() -> None:
    half = {"fps": 40.0, "ms": 25.0, "cpu_ms": 20.0, "cores_at_25_fps": 0.5, "resident_mb": 300.0}
    sender = {**half, "detect_ms": 1.0, "is_bound": True, "frame_ms": {"p50": 9.0, "p95": 12.0}}
    float32 = {**half, "psnr": 30.0, "precision": "float32", "file": "first/live.onnx", "is_bound": True}
    float32["stages_ms"] = stages(draw=40.0)
    int8 = {**float32, "precision": "int8", "float32_levels": 0.3}
    codec = {"stages_ms": stages(encode=1.0, decode=0.5), "kbps": 100.0, "psnr": 36.0}
    results = {
        "sender": {**sender, "stages_ms": stages(track=4.0)},
        "sender.one_core": {**sender, "stages_ms": stages(track=5.0)},
        "receiver.cpu": {**int8, "stages_ms": stages(draw=20.0)},
        "receiver.cpu.fused": {**int8, "references_a_frame": 2.96},
        "receiver.cpu.one_core": {**int8, "fps": 39.0},
        "receiver.cpu.plain": {**float32, "fps": 20.0, "cpu_ms": 70.0},
        "receiver.cpu.plain_one_core": {**float32, "fps": 13.0, "cpu_ms": 30.0},
        "receiver.cpu.paper": {**half, "psnr": 5.0, "stages_ms": stages(draw=900.0)},
        "codec.vp8": codec,
    }
    figures = {figure.key: figure for figure in fps_figures(results)}
    assert len(figures) == len(fps_figures(results))
    assert figures["sender.fps"].value == 40 and figures["receiver.cpu.fps"].value == 40
    assert figures["sender.one_core.p50_ms"].value == 9 and figures["codec.vp8.decode_ms"].value == 0.5
    assert headlines("sender.", "receiver.cpu.") - {"receiver.cpu.start_s"} <= figures.keys()
    assert "(int8), from 3 references" in figures["receiver.cpu.fused.fps"].label
    assert "(first/live.onnx)" in figures["receiver.cpu.plain.fps"].label
    gains = {key: figures[f"receiver.cpu.gain.{key}"].value for key in GAINS}
    assert gains == GAINS
    # What untrained networks draw says nothing.
    assert "receiver.cpu.psnr" in figures and "receiver.cpu.paper.psnr" not in figures
    assert "| sender.one_core | track | 5.00 | 5.00 |  |" in stage_table(results)


def test_windows_tell_of_the_worst_ten_seconds() -> None:
    even = [40.0 * place for place in range(25 * 30)]
    assert set(window_fps(even)) == {25.0}
    gap = [at for at in even if not 12_000 <= at < 14_000]
    assert min(window_fps(gap)) == 20.0 and max(window_fps(gap)) == 25.0
    with pytest.raises(HeadganError, match="less than 10 s"):
        window_fps(even[:100])


def test_a_side_tells_all_that_it_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = SimpleNamespace(rows=lambda: [{"capture_ms": 40}])
    shown = SimpleNamespace(latencies=[SimpleNamespace(shown_ms=12.34)])
    playback = SimpleNamespace(moments=moments, shown=shown)
    call = SimpleNamespace(moments=moments, playback=playback)
    told: list[dict[str, Any]] = []
    for cli, given in ((headgan.sender.cli, (call,)), (headgan.receiver.cli, (call, None))):
        name = f"{cli.__name__.split('.')[1]}_stats"
        monkeypatch.setattr(cli, name, lambda *_: {"role": "one"})

        def fake_main(words: list[str], cli: Any = cli, name: str = name, given: Any = given) -> int:
            assert words == ["--stats", "x"]
            told.append(getattr(cli, name)(*given))
            return 7

        monkeypatch.setattr(cli, "main", fake_main)
    monkeypatch.setattr(headgan.receiver.cli, "open_speaker", None)
    assert timed_main(["sender", "--stats", "x"]) == timed_main(["receiver", "--stats", "x"]) == 7
    assert told[0] == {"role": "one", "moments": [{"capture_ms": 40}]}
    assert told[1] == {**told[0], "shown_ms": [12.3]}
    receiver_cli: Any = headgan.receiver.cli
    opened = receiver_cli.open_speaker(None, lambda samples, _play_ms: samples.fill(0))
    assert isinstance(opened, SilentSpeaker)
    opened.close()


def test_a_watch_tells_what_processes_cost(tmp_path: Path, until: Callable[..., Any]) -> None:
    busy = start_child([sys.executable, "-c", "while True: sum(range(1000))"], tmp_path / "log")
    try:
        until(lambda: spent_s(busy) > 0.05, 30)
        watch = ProcessWatch({"busy": busy})
        watch.look()
        before_s = spent_s(busy)
        until(lambda: spent_s(busy) > before_s + 0.1, 30)
        watch.look()
        assert resident_of(busy)["rss"] > 1
    finally:
        end_child(busy)
    watch.look()  # it is gone, which is no error
    report = watch.report()
    assert 0 < report["processes"]["busy"]["cores"] < 1.5
    assert report["processes"]["busy"]["rss_most_mb"] >= report["processes"]["busy"]["rss_mb"] > 1
    assert report["idle"] is None or 0 <= report["idle"] <= 1


def call_legs() -> dict[str, dict[str, float]]:
    from headgan.benchmarks.latency_legs import LEGS

    return {leg: {"mean": 1.0, "p50": 1.0, "p95": 2.0} for leg in LEGS}


def test_calls_are_summed_up_by_their_sound() -> None:
    frames = {"sent": 100, "late": 1, "lost": 1}
    call = {"legs_ms": call_legs(), "fps": 25.0, "frames": frames, "generator": "live", "provider": "cpu"}
    calls = {
        "silent": {"a": {**call, "total_ms": [50.0, 60.0]}},
        "voice": {"a": {**call, "total_ms": [90.0]}},
    }
    figures = {figure.key: figure.value for figure in summarise_latency(calls).figures}
    assert figures["latency_ms.p50"] == 55 and figures["latency_ms.voice.p50"] == 90
    assert figures["call.fps"] == 25 and figures["call.late_share"] == 0.02
    assert figures["latency_ms.jitter_wait"] == 1 and figures["latency_ms.voice.hand_over"] == 1
    assert headlines("latency_ms.") <= figures.keys()
    with pytest.raises(HeadganError, match="no call"):
        summarise_latency({"silent": {}, "voice": {}})


def test_of_both_directions_the_worse_one_counts() -> None:
    frames = {"sent": 100, "late": 0, "lost": 2}
    good = {
        "fps": 25.0,
        "fps_course": [25.0, 24.9],
        "frames": frames,
        "latency_ms": {"p50": 50.0, "p95": 70.0},
    }
    good |= {"generator": "live", "provider": "cpu"}
    bad = {**good, "fps": 24.0, "fps_course": [24.0, 19.5], "latency_ms": {"p50": 60.0, "p95": 65.0}}
    process = {"cores": 0.5, "rss_mb": 200.0, "rss_most_mb": 250.0}
    cost = {
        "processes": {"a sends": process, "a receives": process},
        "idle": 0.25,
        "stolen": 0.0,
        "others_cores": 0.5,
    }
    report = summarise_two_way({"directions": {"a to b": good, "b to a": bad}, "cost": cost})
    figures = {figure.key: figure.value for figure in report.figures}
    assert figures["two_way.fps"] == 24 and figures["two_way.fps_min"] == 19.5
    assert figures["two_way.latency_ms.p50"] == 60 and figures["two_way.latency_ms.p95"] == 70
    assert figures["two_way.idle_percent"] == 25 and figures["two_way.missed_percent"] == 2
    assert figures["two_way.a_sends.rss_mb"] == 250 and headlines("two_way.") <= figures.keys()


def test_starts_are_told_by_their_medians() -> None:
    runs = [{"start_s": value, "cpu_s": 1.0, "rss": 300.0, "own": 200.0} for value in (1.0, 9.0, 2.0)]
    report = summarise_memory({"receiver.cpu": runs, "sender": runs}, {"receiver.cuda": "there is none"})
    figures = {figure.key: figure.value for figure in report.figures}
    assert figures["receiver.cpu.start_s"] == 2 and figures["sender.start_rss_mb"] == 300
    assert "receiver.cpu.start_s" in headlines("receiver.")
    assert report.notes == ["receiver.cuda was not measured: there is none."]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["fps", "none.mp4", "-o", "out"], 1, "none.mp4 is no file"),
        (["fps", __file__, "-o", "out", "--baseline", "none.onnx"], 1, "none.onnx: there is no such file"),
        (["fps", "none.mp4", "-o", "out", "--frames", "3"], 2, "--frames 3: give 20"),
        (["latency", "none.mp4", "-o", "out"], 2, "does not exist"),
        (["latency", "none.mp4", "-o", "out", "--seconds", "1"], 2, "--seconds 1: give 5"),
        (["two-way", "none.mp4", "-o", "out", "--seconds", "3"], 2, "--seconds 3: give 25"),
        (["two-way", "none.mp4", "-o", "out"], 1, "none.mp4 is no file"),
        (["memory", "none.mp4", "-o", "out"], 1, "none.mp4 is no file"),
        (["memory", "none.mp4", "-o", "out", "--times", "0"], 2, "--times 0: give 1"),
    ],
)
def test_what_cannot_work_is_named(
    words: list[str], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == code
    assert says in capsys.readouterr().err


def test_bars_are_drawn(tmp_path: Path) -> None:
    cv2: SimpleNamespace = pytest.importorskip("cv2")
    bars = {"one": {"track": 4.0, "draw": 20.0}, "two": {"track": 3.0, "wait": 0.0}}
    draw_bars("fps", bars, tmp_path / "bars.png", "a title")
    assert cv2.imread(str(tmp_path / "bars.png")).shape[1] > 1000


def test_the_package_runs_as_a_module() -> None:
    words = [sys.executable, "-m", "headgan.benchmarks", "report", "--help"]
    assert "--readme" in subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_a_receiver_starts(tmp_path: Path) -> None:
    start = start_receiver("cpu", tmp_path)
    assert 0 < start["start_s"] < 60 and start["rss"] > 50


def test_the_naive_baseline_may_be_another_export(sent: Path) -> None:
    first = weights_path(PRIOR_GENERATOR)
    parts, _ = fps_parts(Wishes(Path("clip.mp4"), 20, None, first), sent, [CPU])
    plans = {part.name: part.plan() for part in parts if part.name.startswith("receiver.cpu.plain")}
    assert set(plans) == {"receiver.cpu.plain", "receiver.cpu.plain_one_core"}
    for plan in plans.values():
        assert isinstance(plan, ReceiverPlan)
        assert plan.plain and plan.generator == str(first) and plan.precision == "float32"
    ours = next(part.plan() for part in parts if part.name == "receiver.cpu")
    assert isinstance(ours, ReceiverPlan) and ours.generator is None and not ours.plain
