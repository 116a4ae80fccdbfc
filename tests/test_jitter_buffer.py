"""The playout clock against simulated networks: nothing is lost from the books, nothing early, nothing too late."""

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headgan.proto.errors import WireError
from headgan.receiver.jitter_buffer import MAX_CLOCK_STEP_MS, MAX_DELAY_MS, MIN_DELAY_MS, JitterBuffer

FRAME_MS = 40
U32 = 2**32


@dataclass(frozen=True)
class Packet:
    """A frame on its way; several with one `seq` are copies."""

    seq: int
    capture_ms: int
    arrival_ms: float


@dataclass(frozen=True)
class Shown:
    seq: int
    capture_ms: int
    shown_ms: float


def frames(transits_ms: Sequence[float | None], start_ms: int = 0) -> list[Packet]:
    """One packet for each transit time; None is a lost one. The sender's clock starts at `start_ms`."""
    return [
        Packet(seq, start_ms + seq * FRAME_MS, seq * FRAME_MS + transit)
        for seq, transit in enumerate(transits_ms)
        if transit is not None
    ]


def play(packets: Sequence[Packet], buffer: JitterBuffer[int] | None = None) -> list[Shown]:
    """Delivers `packets` when they arrive and shows each frame when it is due."""
    buffer = buffer or JitterBuffer()
    shown: list[Shown] = []

    def show_until(end_ms: float, now_ms: float) -> None:
        while (due_ms := buffer.next_due_ms()) is not None and due_ms <= end_ms:
            now_ms = max(now_ms, due_ms)
            due = buffer.pop(now_ms)
            assert due is not None
            assert due.item == due.seq
            shown.append(Shown(due.seq, due.capture_ms, now_ms))

    now_ms = -float("inf")
    for packet in sorted(packets, key=lambda packet: packet.arrival_ms):
        show_until(packet.arrival_ms, now_ms)
        now_ms = packet.arrival_ms
        buffer.push(packet.seq, packet.capture_ms % U32, packet.seq, now_ms)
    show_until(float("inf"), now_ms)
    return shown


def test_an_even_network_shows_every_frame_evenly() -> None:
    buffer: JitterBuffer[int] = JitterBuffer()
    shown = play(frames([30.0] * 50), buffer)
    assert [frame.seq for frame in shown] == list(range(50))
    assert {frame.shown_ms - frame.seq * FRAME_MS for frame in shown} == {30.0 + MIN_DELAY_MS}
    assert buffer.counts.arrived == buffer.counts.shown == 50
    assert buffer.is_empty
    assert buffer.next_due_ms() is None
    assert buffer.pop(1e9) is None


def test_a_burst_of_losses_leaves_a_gap_and_nothing_else() -> None:
    transits: list[float | None] = [30.0] * 50
    transits[10:20] = [None] * 10
    buffer: JitterBuffer[int] = JitterBuffer()
    shown = play(frames(transits), buffer)
    assert [frame.seq for frame in shown] == [*range(10), *range(20, 50)]
    assert (buffer.counts.arrived, buffer.counts.late) == (40, 0)


def test_frames_that_overtake_each_other_are_put_in_order() -> None:
    rng = random.Random(1)
    buffer: JitterBuffer[int] = JitterBuffer()
    # The first second teaches the delay; then neighbours swap.
    shown = play(frames([rng.choice([30.0, 110.0]) for _ in range(200)]), buffer)
    assert [frame.seq for frame in shown] == sorted(frame.seq for frame in shown)
    after = [frame.seq for frame in shown if frame.seq >= 10]
    assert after == list(range(10, 200))
    assert buffer.counts.late <= 2


def test_copies_are_counted_and_shown_once() -> None:
    packets = frames([30.0] * 20)
    copies = [Packet(packet.seq, packet.capture_ms, packet.arrival_ms + 300) for packet in packets[::2]]
    buffer: JitterBuffer[int] = JitterBuffer()
    assert len(play([*packets, *packets, *copies], buffer)) == 20
    assert (buffer.counts.arrived, buffer.counts.duplicates, buffer.counts.late) == (20, 30, 0)


def test_a_frame_that_missed_its_time_is_dropped_and_counted() -> None:
    transits = [30.0] * 100
    transits[50] = 500.0
    buffer: JitterBuffer[int] = JitterBuffer()
    shown = play(frames(transits), buffer)
    assert 50 not in [frame.seq for frame in shown]
    assert (buffer.counts.shown, buffer.counts.late) == (99, 1)


def test_a_caller_who_was_busy_gets_the_newest_frame() -> None:
    buffer: JitterBuffer[str] = JitterBuffer()
    for seq, item in enumerate("abc"):
        buffer.push(seq, seq * FRAME_MS, item, 30.0 + seq * FRAME_MS)
    due = buffer.pop(10_000.0)
    assert due is not None
    assert (due.seq, due.item) == (2, "c")
    assert (buffer.counts.shown, buffer.counts.late) == (1, 2)
    assert not buffer.push(1, FRAME_MS, "b", 10_001.0)


def test_the_senders_clock_may_wrap() -> None:
    shown = play(frames([30.0] * 50, start_ms=U32 - 25 * FRAME_MS))
    assert [frame.seq for frame in shown] == list(range(50))
    captures = [frame.capture_ms for frame in shown]
    assert captures == list(range(captures[0], captures[0] + 50 * FRAME_MS, FRAME_MS))


def test_a_clock_that_jumps_breaks_the_protocol() -> None:
    buffer: JitterBuffer[int] = JitterBuffer()
    buffer.push(0, 1000, 0, 0.0)
    buffer.push(1, 1000 + int(MAX_CLOCK_STEP_MS), 1, 0.0)
    with pytest.raises(WireError, match="clock jumped by 60 s"):
        buffer.push(2, 1001 + int(MAX_CLOCK_STEP_MS), 2, 0.0)
    # Step by step is no way around it: what counts is the whole.
    with pytest.raises(WireError, match="clock jumped by -61 s"):
        buffer.push(3, U32 - 60_000, 3, 0.0)
    assert buffer.counts.arrived == 2


def test_a_flood_of_frames_stays_small() -> None:
    buffer: JitterBuffer[int] = JitterBuffer()
    for seq in range(1000):
        buffer.push(seq, seq, seq, 0.0)
    assert len(buffer._held) == 64
    assert buffer.counts.late == 1000 - 64


def test_the_earliest_frame_is_remembered_even_if_it_was_late() -> None:
    buffer: JitterBuffer[int] = JitterBuffer()
    assert buffer.earliest is None
    play([Packet(3, 120, 150.0), Packet(1, 40, 900.0), Packet(4, 160, 910.0)], buffer)
    assert buffer.earliest is not None
    assert (buffer.earliest.seq, buffer.earliest.capture_ms) == (1, 40)


def test_the_delay_follows_the_jitter_up_at_once_and_down_slowly() -> None:
    rng = random.Random(2)
    buffer: JitterBuffer[int] = JitterBuffer()
    calm, rough = 10 * 25, 20 * 25

    def transit(seq: int) -> float:
        return 20 + rng.uniform(0, 80 if calm <= seq < calm + rough else 2)

    packets = frames([transit(seq) for seq in range(2 * calm + rough + 30 * 25)])
    delays: list[float] = []
    late: list[int] = []
    for packet in sorted(packets, key=lambda packet: packet.arrival_ms):
        late_before = buffer.counts.late
        while (due_ms := buffer.next_due_ms()) is not None and due_ms <= packet.arrival_ms:
            buffer.pop(due_ms)
        if not buffer.push(packet.seq, packet.capture_ms, packet.seq, packet.arrival_ms):
            late.append(packet.seq)
        assert buffer.counts.late >= late_before
        delays.append(buffer.delay_ms)
    assert delays[calm - 10] == MIN_DELAY_MS
    assert max(delays[calm : calm + 25]) > 60
    assert max(delays) <= 80
    # Beside the first second of it, rough weather costs 3 frames in 100.
    assert len([seq for seq in late if seq >= calm + 25]) <= 0.03 * rough
    assert delays[-1] < 8


@pytest.mark.parametrize("held_ms", [700.0, 5000.0])
def test_the_delay_is_after_an_outage_what_it_was_before(held_ms: float) -> None:
    """Frames of the outage's last `held_ms` come all at once when it ends, and the next half second is rough."""
    rng = random.Random(4)
    outage_ms, calm, end = 5000.0, 10 * 25, 25 * 25
    start_ms = calm * FRAME_MS
    transits: list[float | None] = []
    for seq in range(end):
        sent_ms, transit_ms = seq * FRAME_MS, 20 + rng.uniform(0, 30)
        if start_ms <= sent_ms < start_ms + outage_ms:
            waits_ms = start_ms + outage_ms - sent_ms
            transits.append(waits_ms + transit_ms if waits_ms <= held_ms else None)
        elif 0 <= sent_ms - start_ms - outage_ms < 500:
            transits.append(transit_ms + rng.uniform(0, 200))
        else:
            transits.append(transit_ms)
    buffer: JitterBuffer[int] = JitterBuffer()
    shown = play(frames(transits), buffer)
    after = [frame for frame in shown if frame.seq * FRAME_MS >= start_ms + outage_ms + 500]
    # All frames that were sent from then on are shown, and none later than the calm network needs.
    assert len(after) >= end - calm - (outage_ms + 500) / FRAME_MS - 5
    assert max(frame.shown_ms - frame.seq * FRAME_MS for frame in after) < 20 + 30 + 30 + MIN_DELAY_MS
    assert buffer.delay_ms < 40
    # What the outage held up is shown when the line is back, at most: no queue is played out in slow motion.
    held = [frame for frame in shown if start_ms <= frame.seq * FRAME_MS < start_ms + outage_ms]
    assert all(frame.shown_ms <= start_ms + outage_ms + 100 for frame in held)


def test_a_slow_sender_has_no_outages() -> None:
    rng = random.Random(5)
    buffer: JitterBuffer[int] = JitterBuffer()
    for seq in range(60):  # a frame a second
        buffer.push(seq, 1000 * seq, seq, 1000 * seq + rng.choice([20.0, 100.0]))
        buffer.pop(1000 * seq + 500)
    assert buffer.delay_ms == pytest.approx(80, abs=1)


@pytest.mark.parametrize("drift", [200e-6, -200e-6])
def test_clocks_that_drift_apart_do_not_add_latency(drift: float) -> None:
    rng = random.Random(3)
    # An hour at 5 frames a second, by the receiver's clock; the sender's runs fast or slow.
    times_ms = [index * 200.0 for index in range(5 * 3600)]
    packets = [
        Packet(seq, 5_000_000 + round(time_ms * (1 + drift)), time_ms + 30 + rng.uniform(0, 10))
        for seq, time_ms in enumerate(times_ms)
    ]
    shown = play(packets)
    latencies = [frame.shown_ms - times_ms[frame.seq] for frame in shown]
    assert len(shown) > 0.95 * len(packets)
    # Unchecked, the drift would add or take 720 ms.
    assert max(latencies) < 30 + 10 + MIN_DELAY_MS
    second_minute, last_minute = latencies[300:600], latencies[-300:]
    assert abs(statistics.mean(last_minute) - statistics.mean(second_minute)) < 1


transit_or_loss = st.none() | st.floats(0, 600)


@settings(max_examples=150, deadline=None)
@example(transits=[360.0, None, 276.0, *[None] * 8, 0.0], copied=[], start_ms=0)
@given(
    transits=st.lists(transit_or_loss, min_size=1, max_size=80),
    copied=st.lists(st.tuples(st.integers(0, 79), st.floats(0, 800)), max_size=10),
    start_ms=st.sampled_from([0, 7, U32 - 1000]),
)
def test_whatever_the_network_does(
    transits: list[float | None], copied: list[tuple[int, float]], start_ms: int
) -> None:
    packets = frames(transits, start_ms)
    arrivals = {packet.seq: packet for packet in packets}
    copies = [
        Packet(seq, arrivals[seq].capture_ms, arrivals[seq].arrival_ms + after_ms)
        for seq, after_ms in copied
        if seq in arrivals
    ]
    buffer: JitterBuffer[int] = JitterBuffer()
    shown = play([*packets, *copies], buffer)
    counts = buffer.counts

    lost = len(transits) - counts.arrived
    assert lost == transits.count(None)
    assert len(transits) == counts.shown + counts.late + lost
    assert counts.duplicates == len(copies)
    assert [frame.seq for frame in shown] == sorted({frame.seq for frame in shown})

    for frame in shown:
        packet = arrivals[frame.seq]
        # All of it happens within the buffer's memory of 5 s, so this is what it can know; of what comes in the very
        # moment in which the frame is shown it may know, or not yet.
        transits_of = {other.seq: other.arrival_ms - other.seq * FRAME_MS for other in packets}
        known = [transits_of[other.seq] for other in packets if other.arrival_ms <= frame.shown_ms]
        before = [transits_of[other.seq] for other in packets if other.arrival_ms < frame.shown_ms]
        assert frame.shown_ms >= packet.arrival_ms
        assert frame.shown_ms >= frame.seq * FRAME_MS + min(known) + MIN_DELAY_MS - 1e-6
        latest_ms = frame.seq * FRAME_MS + min(before, default=packet.arrival_ms) + MAX_DELAY_MS
        assert frame.shown_ms <= max(latest_ms, packet.arrival_ms) + 1e-6


def listening(
    seconds: int, sound_transit_ms: float, *, sound_until_s: int | None = None
) -> JitterBuffer[int]:
    """A buffer that got a picture each 40 ms, 10 ms after its capture, and with it sound that began earlier."""
    buffer: JitterBuffer[int] = JitterBuffer()
    for seq in range(seconds * 25):
        capture_ms = 1000 + 40 * seq
        buffer.push(seq, capture_ms, seq, capture_ms + 10)
        if sound_until_s is None or seq < sound_until_s * 25:
            buffer.hear(capture_ms + 10 - sound_transit_ms, capture_ms + 10)
    return buffer


def test_pictures_wait_for_how_early_a_device_asks() -> None:
    plain, early = listening(4, 65), listening(4, 65)
    for seq in range(100, 200):
        for buffer, ahead_ms in ((plain, 0.0), (early, 30.0)):
            buffer.push(seq, 1000 + 40 * seq, seq, 1010 + 40 * seq)
            buffer.hear(1010 + 40 * seq - 65, 1010 + 40 * seq, ahead_ms)
    assert early.delay_ms == pytest.approx(plain.delay_ms + 30, abs=1)


def test_pictures_wait_for_the_sound_of_their_time() -> None:
    assert listening(4, 10).delay_ms < MIN_DELAY_MS + 1
    buffer = listening(4, 65)
    assert buffer.delay_ms == pytest.approx(55, abs=1)
    captured_ms = buffer.captured_ms(9000)
    assert captured_ms is not None and buffer.due_ms_of(captured_ms) == pytest.approx(9000)


def test_after_a_silence_sound_is_still_waited_for() -> None:
    assert listening(40, 65, sound_until_s=4).delay_ms == pytest.approx(55, abs=1)


def test_sound_out_of_an_outage_says_nothing_about_jitter() -> None:
    assert listening(4, 900).delay_ms < MIN_DELAY_MS + 1


def test_sound_has_the_clock_of_the_pictures() -> None:
    buffer: JitterBuffer[int] = JitterBuffer()
    assert buffer.captured_ms(0) is None and buffer.unwrapped_ms(5) is None
    buffer.push(0, 2**32 - 10, 0, 50)
    assert buffer.unwrapped_ms(30) == 2**32 + 30
    assert buffer.unwrapped_ms(2**32 - 50) == 2**32 - 50
    with pytest.raises(WireError, match="away from the pictures"):
        buffer.unwrapped_ms(100_000)
