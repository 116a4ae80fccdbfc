"""What a call leaves behind: percentiles, stages and the reports of both sides."""

from pathlib import Path

import pytest

from headgan.codec.stage_times import StageTimes, percentiles
from headgan.models.generator import PRIOR_GENERATOR, OnnxGenerator
from headgan.models.morphable import MorphableModel
from headgan.models.weights import weights_path
from headgan.proto.ice import IceConfig
from headgan.proto.signalling import Address
from headgan.receiver.call import ReceiverCall
from headgan.receiver.receive_settings import ReceiveSettings
from headgan.receiver.shown_pictures import Latency
from headgan.receiver.stats import latency_report, receiver_stats


def test_percentiles() -> None:
    assert percentiles([]) == {"p50": None, "p95": None}
    assert percentiles([3.0]) == {"p50": 3.0, "p95": 3.0}
    assert percentiles(iter(range(101))) == {"p50": 50.0, "p95": 95.0}
    assert percentiles([1 / 3]) == {"p50": 0.33, "p95": 0.33}


def test_stage_times_by_stage_in_the_order_of_their_first_run() -> None:
    now_ms = 0.0
    times = StageTimes(lambda: now_ms)
    for duration_ms in (10.0, 20.0, 30.0):
        with times.measure("track"):
            now_ms += duration_ms
        with times.measure("fit"):
            now_ms += 1.0
    assert list(times.report()) == ["track", "fit"]
    assert times.report()["track"]["p50"] == 20.0
    assert times.report()["fit"] == {"p50": 1.0, "p95": 1.0}


def test_a_stage_that_fails_is_not_counted() -> None:
    times = StageTimes(lambda: 0.0)
    with pytest.raises(OSError, match="disk"), times.measure("record"):
        raise OSError("disk")
    assert times.report() == {}


def test_latency_of_the_whole_call_and_its_first_and_last_minute() -> None:
    # Two minutes at 100 ms, then one at 300.
    latencies = [Latency(second * 1000.0, 100.0 if second < 120 else 300.0) for second in range(180)]
    report = latency_report(latencies)
    assert report["p50"] == 100.0
    assert report["first_minute"] == {"p50": 100.0, "p95": 100.0}
    assert report["last_minute"] == {"p50": 300.0, "p95": 300.0}
    assert latency_report([]) == {"p50": None, "p95": None}


def test_a_call_that_never_came_has_a_report_too() -> None:
    settings = ReceiveSettings(Address("127.0.0.1", 0), IceConfig(), 25.0, record_path=Path("unused.mp4"))
    generator = OnnxGenerator(weights_path(PRIOR_GENERATOR), provider="cpu")
    call = ReceiverCall(settings, MorphableModel.load(), generator, None, None, lambda: 0.0)
    report = receiver_stats(call, generator)
    assert report["role"] == "receiver"
    assert report["generator"] == "prior"
    assert report["provider"] == "cpu"
    assert report["seconds"] == 0.0
    assert report["fps"] is None
    assert "frames" not in report
    assert "kbps" not in report
