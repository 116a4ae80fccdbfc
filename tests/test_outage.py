"""The bad line and what is made of a call over it: datagrams that are lost and late, diaries with a known answer."""

import asyncio
import json
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from headgan.benchmarks.cli import main
from headgan.benchmarks.faulty_line import FaultyLine, LineFaults
from headgan.benchmarks.outage_command import Course, judge, read_course
from headgan.benchmarks.watched_side import Outage, launch_words, read_diary
from headgan.proto.errors import HeadganError


def test_a_line_loses_its_share_and_delays_the_rest() -> None:
    line = FaultyLine(LineFaults(loss=0.15, delay_ms=40, jitter_ms=20), seed=1)
    fates = [line.fate(float(second)) for second in range(4000)]
    arrived = [fate for fate in fates if fate is not None]
    assert 1 - len(arrived) / len(fates) == pytest.approx(0.15, abs=0.02)
    assert min(arrived) >= 0.04 and max(arrived) <= 0.06
    assert statistics.mean(arrived) == pytest.approx(0.05, abs=0.001)
    again = FaultyLine(LineFaults(loss=0.15, delay_ms=40, jitter_ms=20), seed=1)
    assert [again.fate(float(second)) for second in range(4000)] == fates


def test_a_line_that_is_cut_lets_nothing_through_until_it_is_back() -> None:
    line = FaultyLine(LineFaults())
    line.cut(10.0, 15.0)
    assert [line.fate(now_s) for now_s in (9.9, 10.0, 14.9, 15.0)] == [0, None, None, 0]


class Ear(asyncio.DatagramProtocol):
    """Keeps what it hears, and when."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ARG002
        self.heard.append(data)


async def open_ear() -> tuple[Ear, Any]:
    loop = asyncio.get_running_loop()
    transport, ear = await loop.create_datagram_endpoint(Ear, local_addr=("127.0.0.1", 0))
    return ear, transport.get_extra_info("sockname")


async def test_every_datagram_of_a_socket_passes_the_line_both_ways() -> None:
    line = FaultyLine(LineFaults())
    with line.installed():
        ear, address = await open_ear()
    friend, friends_address = await open_ear()  # not on the line any more
    loop = asyncio.get_running_loop()
    line.cut(loop.time(), loop.time() + 60)
    ear.transport.sendto(b"there", friends_address)
    friend.transport.sendto(b"back", address)
    await asyncio.sleep(0.05)
    assert ear.heard == friend.heard == []
    line.cut(0.0, 0.0)
    ear.transport.sendto(b"there again", friends_address)
    friend.transport.sendto(b"back again", address)
    await asyncio.sleep(0.05)
    assert (friend.heard, ear.heard) == ([b"there again"], [b"back again"])
    assert ear.transport.get_extra_info("sockname") == address
    ear.transport.close()
    friend.transport.close()


async def test_datagrams_that_are_late_arrive_late_and_overtake_each_other() -> None:
    line = FaultyLine(LineFaults(delay_ms=20, jitter_ms=40), seed=2)
    with line.installed():
        ear, _ = await open_ear()
    friend, friends_address = await open_ear()
    start_s = time.monotonic()
    sent = [bytes((number,)) for number in range(20)]
    for data in sent:
        ear.transport.sendto(data, friends_address)
    await asyncio.sleep(0.01)
    assert friend.heard == []
    while len(friend.heard) < len(sent):
        assert time.monotonic() - start_s < 5
        await asyncio.sleep(0.005)
    assert friend.heard != sent and sorted(friend.heard) == sent
    ear.transport.sendto(b"too late", friends_address)
    ear.transport.close()
    await asyncio.sleep(0.08)  # a socket that is closed meanwhile is no error
    assert len(friend.heard) == len(sent)
    friend.transport.close()


def entry(second: float, what: str, **more: Any) -> dict[str, Any]:
    return {"s": 100 + second, "what": what, **more}


def offered(second: float, number: int, replaces: int | None = None) -> dict[str, Any]:
    return entry(second, "offered", number=number, replaces=replaces)


def answered(second: float, number: int, **more: Any) -> dict[str, Any]:
    return entry(second, "answered", number=number, **{"held": True, **more})


# Two references, the second of them in an outage of 5 s and in the place of the first picture; a third is refused.
SENDER = [
    offered(1, 1),
    answered(2, 1),
    offered(6, 2, replaces=0),
    entry(6, "outage", start=106.3, until=111.3),
    answered(12, 2),
    offered(13, 3, replaces=1),
    answered(14, 3, held=False),
]
RECEIVER = [
    entry(-3, "state", state="waiting"),
    *(entry(0.04 * step, "picture", state="live", latency_ms=60.0) for step in range(158)),
    answered(1.9, 1, replaces=None),
    entry(7.8, "state", state="no connection"),
    entry(11.8, "picture", state="live", latency_ms=4000.0),
    entry(11.9, "picture", state="live", latency_ms=70.0),
    entry(12, "picture", state="live", latency_ms=80.0),
    answered(11.9, 2, replaces=0),
    answered(13.5, 3, replaces=1, held=False),
    entry(15, "state", state="ended"),
]
SENDER_STATS = {
    "ended": "the caller hung up",
    "references": {"sent": 4, "held": 2},
    "frames": {"held_back": 80},
}
RECEIVER_STATS = {
    "ended": "the caller hung up",
    "references_held": 2,
    "frames": {"sent": 400, "unknown_reference": 0},
}


def test_two_diaries_make_one_course() -> None:
    course = read_course(SENDER, RECEIVER)
    assert course.outage == pytest.approx((6.3, 11.3))
    assert len(course.pictures) == 161 and course.pictures[0] == (0, 60)
    assert [state for _, state in course.states] == ["waiting", "live", "no connection", "live", "ended"]
    # What a reference replaces is not named from the moment it is offered, unless it is refused.
    assert course.sender_held == [(0, 1), (1, 1), (2, 2), (6, 1), (12, 2), (13, 1), (14, 2)]
    assert course.receiver_held == [(0, 1), (pytest.approx(1.9), 2), (pytest.approx(11.9), 2)]
    assert course.acknowledged == [2, 12]
    assert course.is_agreed


def test_a_call_that_went_on_is_judged_so() -> None:
    report = judge(read_course(SENDER, RECEIVER), SENDER_STATS, RECEIVER_STATS)
    assert report["is_survived"]
    assert report["first_picture_after_s"] == pytest.approx(0.5)
    assert report["first_fresh_picture_after_s"] == pytest.approx(0.6)
    assert report["first_reference_after_s"] == pytest.approx(0.7)
    assert report["pictures_in_outage"] == 0
    assert report["latency_before_ms"] == {"p50": 60, "p95": 60}
    assert report["latency_after_ms"]["p50"] == 75
    assert report["frames"] == {"sent": 400, "unknown_reference": 0, "held_back": 80}
    assert json.loads(json.dumps(report)) == report


@pytest.mark.parametrize(
    ("sender", "receiver"),
    [
        ({**SENDER_STATS, "references": {"sent": 4, "held": 3}}, RECEIVER_STATS),
        (SENDER_STATS, {**RECEIVER_STATS, "references_held": 1}),
        (SENDER_STATS, {**RECEIVER_STATS, "ended": "nothing was heard from the other side for 12 s"}),
        (SENDER_STATS, {**RECEIVER_STATS, "frames": {"sent": 400, "unknown_reference": 1}}),
    ],
)
def test_statistics_that_do_not_fit_are_no_survival(sender: dict[str, Any], receiver: dict[str, Any]) -> None:
    assert not judge(read_course(SENDER, RECEIVER), sender, receiver)["is_survived"]


def without(entries: list[dict[str, Any]], what: str, second: float) -> list[dict[str, Any]]:
    return [one for one in entries if one["what"] != what or one["s"] < 100 + second]


@pytest.mark.parametrize(
    ("sender", "receiver"),
    [
        (without(SENDER, "answered", 7), RECEIVER),  # no reference after the outage
        (SENDER, without(RECEIVER, "picture", 6.5)),  # no picture
        (SENDER, without(RECEIVER, "picture", 11.85)),  # only one of the outage's own
    ],
)
def test_a_call_that_does_not_go_on_has_not_survived(
    sender: list[dict[str, Any]], receiver: list[dict[str, Any]]
) -> None:
    assert not judge(read_course(sender, receiver), SENDER_STATS, RECEIVER_STATS)["is_survived"]


def agreement(sender: list[dict[str, Any]], receiver: list[dict[str, Any]]) -> Course:
    cut = entry(6, "outage", start=106.3, until=111.3)
    return read_course([*sender, cut], [entry(0, "picture", state="live", latency_ms=None), *receiver])


def test_what_is_under_way_at_the_end_may_be_held_or_not() -> None:
    assert agreement([offered(1, 1)], []).is_agreed
    assert agreement([offered(1, 1)], [answered(2, 1, replaces=None)]).is_agreed
    assert agreement([offered(1, 1, replaces=0)], []).is_agreed
    assert agreement([offered(1, 1, replaces=0)], [answered(2, 1, replaces=0)]).is_agreed
    # But one that was acknowledged is held, and one that was refused is not.
    assert not agreement([offered(1, 1), answered(2, 1)], []).is_agreed
    refused = [offered(1, 1), answered(2, 1, held=False)]
    assert not agreement(refused, [answered(2, 1, replaces=None)]).is_agreed


def test_a_call_without_a_picture_or_without_an_outage_says_why() -> None:
    with pytest.raises(HeadganError, match="no picture was shown"):
        read_course(SENDER, [entry(0, "state", state="waiting")])
    with pytest.raises(HeadganError, match="no reference was sent after --at"):
        read_course([offered(1, 1)], RECEIVER)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.mp4"], "none.mp4 does not exist"),
        (["clip.mp4", "--loss", "0.6"], "--loss 0.6: give 0 to 0.5"),
        (["clip.mp4", "--delay", "-1"], "--delay -1: give 0 or more"),
    ],
)
def test_bad_options_are_usage_errors(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"")
    assert main(["outage", str(tmp_path / words[0]), *words[1:], "-o", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def test_a_watched_command_is_that_command(tmp_path: Path) -> None:
    diary = tmp_path / "diary.jsonl"
    words = launch_words("sender", diary, LineFaults(loss=0.1), Outage(at_s=6, seconds=5, after_s=1))
    result = subprocess.run([*words, "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("headgan-send ")
    assert read_diary(diary) == []
