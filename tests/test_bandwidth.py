"""What calls put on the wire: the course of a connection, and the report of headgan-bench bandwidth."""

from pathlib import Path
from typing import Any

import pytest

from headgan.benchmarks.bandwidth_command import bandwidth_table, summarise
from headgan.benchmarks.cli import main
from headgan.proto.errors import HeadganError
from headgan.proto.wire_course import WireCourse
from headgan.proto.wire_meter import WireBytes


def test_course_is_what_came_in_each_second() -> None:
    course = WireCourse()
    for second in range(4):
        course.add(WireBytes(1000 * second, 500 * second, 100 * second, second, is_measured=True))
    assert course.to_json() == {"sent": [8.0] * 3, "received": [4.0] * 3, "params": [0.81] * 3}


def stats(seconds: int, *, is_measured: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    sent = [50.0] * 30 + [20.0] * (seconds - 30)
    sender = {
        "bytes": {"is_measured": is_measured},
        "wire_course_kbit": {"sent": sent, "received": [8.0] * seconds, "params": [2.0] * seconds},
        "voice": {"kbps": 10.5},
        "params": {"kbps": 0.9, "packets": 25 * seconds},
        "seconds": seconds,
        "frames": {"sent": 25 * seconds},
    }
    frames = {"sent": 25 * seconds, "shown": 25 * seconds - 3, "late": 1, "lost": 2}
    return sender, {"frames": frames, "latency_ms": {"p50": 50.0, "p95": 70.0}}


def test_summary_tells_filling_from_the_rest() -> None:
    summary = summarise(*stats(60))
    assert (summary["sent_kbps_filling"], summary["sent_kbps"], summary["received_kbps"]) == (50.0, 20.0, 8.0)
    assert summary["messages_kbps"] == 2.0 and summary["packets_a_second"] == 25 and summary["accounted"]
    assert "| 40 ms | 0.90 | 10.50 | 2.00 | 50.00 | 20.00 | 8.00 | 25.0 | 50 / 70 ms |" in bandwidth_table(
        {"40 ms": summary}
    )


def test_frames_that_are_nowhere_are_told() -> None:
    sender, receiver = stats(60)
    receiver["frames"]["lost"] = 0
    assert not summarise(sender, receiver)["accounted"]


def test_estimates_and_short_calls_are_no_measurement() -> None:
    with pytest.raises(HeadganError, match="could not be counted"):
        summarise(*stats(60, is_measured=False))
    with pytest.raises(HeadganError, match="over after 30 s"):
        summarise(*stats(30))


def test_a_call_that_is_too_short_is_not_begun(tmp_path: Path) -> None:
    assert main(["bandwidth", "clip.mp4", "-o", str(tmp_path), "--seconds", "20"]) == 2
