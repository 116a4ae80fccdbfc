"""What both sides note of a frame, and where its milliseconds go."""

import json

import pytest

from headgan.benchmarks.latency_legs import LEGS, TOTAL, check_legs, join_rows, summarise_legs
from headgan.codec.frame_moments import FrameMoments
from headgan.codec.stage_times import StageTimes
from headgan.proto.errors import HeadganError

SENT = {
    "capture_ms": 1000,
    "taken": 1003.0,
    "analysed": 1010.0,
    "track": 4.0,
    "crop": 1.0,
    "fit": 0.5,
    "drift found": 1015.0,
    "planned": 1015.5,
    "encoded": 1016.0,
    "sent": 1017.0,
}
SHOWN = {
    "capture_ms": 1000,
    "arrived": 1019.0,
    "read": 1019.5,
    "due": 1030.0,
    "drawn": 1050.0,
    "shown": 1050.5,
}


def test_moments_are_noted_once_and_old_frames_give_way() -> None:
    now = [10.0]
    moments = FrameMoments(lambda: now[0], kept=2)
    moments.mark(40.0, "taken")
    now[0] = 12.0
    moments.mark(40, "taken")  # a second time
    moments.mark(80, "taken", 11.5)
    moments.note(80, {"fit": 0.12345})
    assert moments.rows() == [
        {"capture_ms": 40, "taken": 10.0},
        {"capture_ms": 80, "taken": 11.5, "fit": 0.123},
    ]
    moments.mark(120, "taken")
    assert [row["capture_ms"] for row in moments.rows()] == [80, 120]
    assert json.loads(json.dumps(moments.rows())) == moments.rows()


def test_a_frame_keeps_its_name_when_the_clock_goes_round() -> None:
    moments = FrameMoments(lambda: 0.0)
    moments.mark(2**32 + 40.0, "sent")
    moments.mark(40, "arrived")
    assert moments.rows() == [{"capture_ms": 40, "sent": 0.0, "arrived": 0.0}]


def test_stages_tell_their_newest_runs_and_their_sums() -> None:
    ticks = iter([0.0, 3.0, 10.0, 15.0])
    times = StageTimes(lambda: next(ticks))
    for _ in range(2):
        with times.measure("track"):
            pass
    assert times.newest_ms() == {"track": 5.0}
    assert times.total_ms() == {"track": 8.0}
    times.clear()
    assert times.report() == {} == times.newest_ms()


def test_legs_add_up_to_the_whole() -> None:
    (frame,) = join_rows([SENT], [SHOWN])
    assert frame["analysis queue"] == 3 and frame["track"] == 4 and frame["rest of the analysis"] == 1.5
    assert frame["bundle wait"] == 1 and frame["network"] == 2 and frame["jitter wait"] == 10.5
    assert frame["draw"] == 20 and frame["hand-over"] == 0.5
    assert sum(frame[leg] for leg in LEGS) == pytest.approx(frame[TOTAL]) == pytest.approx(50.5)
    summary = summarise_legs([frame, frame])
    assert sum(float(summary[leg]["mean"] or 0) for leg in LEGS) == pytest.approx(50.5)


def test_a_clock_that_went_round_changes_no_leg() -> None:
    late = 2**32
    sent = {
        name: value + late if name not in ("track", "crop", "fit") else value for name, value in SENT.items()
    }
    shown = {name: value + late for name, value in SHOWN.items()}
    sent["capture_ms"] = shown["capture_ms"] = 1000
    assert join_rows([sent], [shown])[0][TOTAL] == pytest.approx(50.5)
    # Captures are whole milliseconds: one may be rounded up to after the frame was taken.
    early = {**SENT, "taken": 999.6}
    assert join_rows([early], [SHOWN])[0]["analysis queue"] == pytest.approx(-0.4)


def test_frames_that_were_not_shown_are_left_out() -> None:
    lost = {**SENT, "capture_ms": 1040}
    not_sent = {name: value for name, value in SENT.items() if name != "sent"}
    assert len(join_rows([SENT, lost], [SHOWN])) == 1
    assert join_rows([not_sent], [SHOWN]) == []


def test_accounts_that_do_not_fit_together_are_refused() -> None:
    frames = join_rows([SENT], [SHOWN])
    check_legs(frames, {"p50": 52.0})
    with pytest.raises(HeadganError, match=r"50\.5 ms, but the receiver says 90"):
        check_legs(frames, {"p50": 90.0})
    with pytest.raises(HeadganError, match="known to both"):
        check_legs([], {"p50": None})
    backwards = join_rows([SENT], [{**SHOWN, "arrived": 1010.0}])
    with pytest.raises(HeadganError, match="network took less than no time"):
        check_legs(backwards, {"p50": 50.0})
