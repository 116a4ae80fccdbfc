"""The reference memory: what is held, what is worth sending, what a frame is drawn from."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headgan.codec.memory import Coverage, ReferenceMemory
from headgan.codec.reference_planner import Proposal, ReferencePlanner


def at(*place: float) -> NDArray[np.float32]:
    return np.array(place, np.float32)


def test_a_memory_holds_what_it_was_given() -> None:
    memory: ReferenceMemory[str] = ReferenceMemory(2)
    memory.admit(0, "front")
    memory.admit(3, "side")
    assert (
        len(memory) == memory.capacity
        and memory.numbers == (0, 3)
        and memory.get(3) == "side"
        and memory.get(1) is None
    )
    memory.admit(4, "smile", replaces=0)
    assert list(memory) == ["side", "smile"] and memory.get(0) is None


@pytest.mark.parametrize(
    ("number", "replaces", "message"),
    [(1, None, "came after"), (2, 0, "not held"), (2, None, "no room")],
)
def test_a_memory_refuses_what_both_ends_cannot_agree_on(
    number: int, replaces: int | None, message: str
) -> None:
    memory: ReferenceMemory[str] = ReferenceMemory(1)
    memory.admit(1, "front")
    with pytest.raises(ValueError, match=message):
        memory.admit(number, "other", replaces=replaces)
    assert memory.numbers == (1,)


@pytest.mark.parametrize("capacity", [0, 65])
def test_a_memory_has_a_size(capacity: int) -> None:
    with pytest.raises(ValueError, match="1 to 64"):
        ReferenceMemory(capacity)


def test_the_offer_is_the_share_of_the_distances_that_it_takes_away() -> None:
    coverage = Coverage()
    coverage.hold(0, at(0, 0))
    for place in (0, 40, 60):
        coverage.saw(at(place, 0))
    # Distances 0, 40, 60 become 0, 0, 20.
    assert coverage.offer(at(40, 0), is_full=False).gain == pytest.approx(0.8)
    # One that is on its way counts as there: 0, 0, 20 become 0, 0, 0, of what is little already.
    last = coverage.offer(at(60, 0), coming=at(40, 0), is_full=False)
    assert last.gain == pytest.approx(20 / 30) and last.replaces is None


def test_the_reference_that_is_missed_least_makes_room() -> None:
    coverage = Coverage()
    for number, place in enumerate((0, 10, 100)):
        coverage.hold(number, at(place, 0))
    for place in (0, 0, 12, 100, 200):
        coverage.saw(at(place, 0))
    offer = coverage.offer(at(200, 0), is_full=True)
    assert offer.replaces == 1
    # 2 + 100 in all; afterwards 12.
    assert offer.gain == pytest.approx(90 / 102, abs=1e-4)


def test_an_offer_is_what_the_newest_frames_and_the_held_references_make_of_it() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 90, (12, 2))
    went_on, anew = Coverage(history=5), Coverage(history=5)
    for number, point in enumerate(points):
        if number % 3 == 0:
            went_on.hold(number, at(*point[::-1]))
        went_on.saw(at(*point))
        if number == 7:
            went_on.drop(3)
    for point in points[-5:]:
        anew.saw(at(*point))
    for number in (0, 6, 9):
        anew.hold(number, at(*points[number][::-1]))
    for place in ((3, 80), (50, 50), (88, 2)):
        for is_full in (False, True):
            one, other = (coverage.offer(at(*place), is_full=is_full) for coverage in (went_on, anew))
            assert one.replaces == other.replaces
            assert one.gain == pytest.approx(other.gain, abs=1e-6)


def test_the_nearest_is_chosen_but_not_for_a_trifle() -> None:
    coverage = Coverage(hysteresis=0.8)
    coverage.hold(0, at(0, 0))
    coverage.hold(1, at(10, 0))
    assert coverage.choose(at(2, 0)) == (0,)
    assert coverage.choose(at(5.3, 0)) == (0,)  # 4.7 is more than 0.8 times 5.3
    assert coverage.choose(at(5.8, 0)) == (1,)
    assert coverage.choose(at(4.8, 0)) == (1,)
    assert coverage.choose(at(0, 0), 2) == (0, 1)
    coverage.drop(1)
    assert coverage.choose(at(9, 0)) == (0,)
    coverage.drop(0)
    with pytest.raises(ValueError, match="no reference"):
        coverage.choose(at(0, 0))


def test_a_face_that_comes_back_needs_no_new_reference() -> None:
    planner: ReferencePlanner[int] = ReferencePlanner(at(0, 0), capacity=4, kbps=8)
    proposals = []
    for step in range(300):
        place = at(10 * (step // 10 % 3), 0)
        if (proposal := planner.saw(place, step, 200.0 * step)) is not None:
            proposals.append(proposal)
            planner.spent(1000, 200.0 * step)
            planner.acknowledged(proposal.number)
    assert [proposal.number for proposal in proposals] == [1, 2]
    assert planner.held == {0, 1, 2}
    assert [planner.choose(at(10 * place, 0)) for place in range(3)] == [(0,), (1,), (2,)]


def test_what_is_not_acknowledged_is_not_used() -> None:
    planner: ReferencePlanner[int] = ReferencePlanner(at(0, 0))
    assert planner.saw(at(9, 0), 0, 0.0) is not None
    assert planner.choose(at(9, 0)) == (0,)
    assert planner.saw(at(50, 0), 1, 5000.0) is None  # one at a time
    planner.refused(1)
    assert planner.choose(at(9, 0)) == (0,)
    proposal = planner.saw(at(9, 0), 2, 5200.0)
    # The frame that was seen while the line was busy brings more.
    assert proposal is not None and proposal.number == 2 and proposal.item == 1
    planner.acknowledged(2)
    assert planner.choose(at(50, 0)) == (2,)
    planner.acknowledged(1)  # too late, and refused: nobody holds it
    assert planner.held == {0, 2}


def test_what_is_urgent_is_the_present_frame_and_is_paid_for_afterwards() -> None:
    planner: ReferencePlanner[int] = ReferencePlanner(at(0, 0), capacity=8, kbps=8)
    assert planner.saw(at(30, 0), 0, 0.0) is not None
    planner.spent(3000, 0.0)  # three seconds' worth
    planner.acknowledged(1)
    assert planner.saw(at(60, 0), 1, 200.0) is None
    assert planner.saw(at(90, 0), 1, 400.0, is_urgent=True, on_credit=False) is None
    proposal = planner.saw(at(90, 0), 2, 600.0, is_urgent=True)
    assert proposal is not None and proposal.item == 2
    planner.spent(4000, 600.0)
    planner.acknowledged(2)
    # No more on credit than five seconds' worth.
    assert planner.saw(at(0, 90), 3, 1800.0, is_urgent=True) is None
    assert planner.saw(at(0, 90), 4, 2200.0, is_urgent=True) is not None


def test_a_reference_has_to_bring_more_the_more_has_been_spent() -> None:
    def sent(seconds_spent: float) -> bool:
        planner: ReferencePlanner[int] = ReferencePlanner(at(0, 0), capacity=8, kbps=8)
        planner.spent(round(1000 * seconds_spent), -1e6)
        # Once in a while the face is where no reference shows it.
        steps = range(100)
        return any(planner.saw(at(20 if step % 25 == 24 else 1, 0), step, 200.0 * step) for step in steps)

    assert sent(0)
    assert not sent(90)


def test_what_is_known_is_used_once_it_is_held_and_first_of_all() -> None:
    planner: ReferencePlanner[int] = ReferencePlanner(at(0, 0), capacity=3)
    planner.expects(1, at(10, 0))
    planner.expects(2, at(20, 0))
    assert planner.saw(at(90, 0), 0, 0.0) is None and planner.choose(at(10, 0)) == (0,)
    planner.acknowledged(1)
    assert planner.choose(at(10, 0)) == (1,) and planner.held == {0, 1}
    assert planner.saw(at(90, 0), 1, 1000.0) is None
    planner.refused(2)
    proposal = planner.saw(at(90, 0), 2, 2000.0)
    assert proposal is not None and (proposal.number, proposal.replaces) == (3, None)


def test_one_reference_stays_one() -> None:
    planner: ReferencePlanner[int] = ReferencePlanner(at(0, 0), capacity=1)
    assert all(planner.saw(at(step, 0), step, 200.0 * step) is None for step in range(50))


@settings(max_examples=60, deadline=None)
@given(
    places=st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=20, max_size=150),
    delay=st.integers(0, 20),
    capacity=st.integers(1, 5),
    kbps=st.floats(1, 50),
    sizes=st.lists(st.integers(200, 3000), min_size=1, max_size=5),
    refusals=st.sets(st.integers(1, 30)),
)
def test_the_sender_names_only_what_the_receiver_holds_and_keeps_its_rate(
    places: list[tuple[float, float]],
    delay: int,
    capacity: int,
    kbps: float,
    sizes: list[int],
    refusals: set[int],
) -> None:
    """Over a line that is `delay` frames long either way, and a receiver that refuses some."""
    planner: ReferencePlanner[int] = ReferencePlanner(at(*places[0]), capacity=capacity, kbps=kbps)
    memory: ReferenceMemory[int] = ReferenceMemory(capacity)
    memory.admit(0, -1)
    to_receiver: list[tuple[int, Proposal[int] | tuple[int, ...]]] = []
    to_sender: list[tuple[int, int, bool]] = []
    begun: list[tuple[float, int]] = []
    for step, place in enumerate(places):
        now_ms = 200.0 * step
        while to_sender and to_sender[0][0] <= step:
            _, number, is_held = to_sender.pop(0)
            (planner.acknowledged if is_held else planner.refused)(number)
        proposal = planner.saw(at(*place), step, now_ms)
        if proposal is not None:
            size = sizes[len(begun) % len(sizes)]
            planner.spent(size, now_ms)
            begun.append((now_ms, size))
            to_receiver.append((step + delay, proposal))
        named = planner.choose(at(*place), 3)
        assert planner.held.issuperset(named) and len(planner.held) <= capacity
        assert len(named) == min(3, len(planner.held))
        to_receiver.append((step + delay, named))
        while to_receiver and to_receiver[0][0] <= step:
            _, message = to_receiver.pop(0)
            if isinstance(message, tuple):
                assert all(memory.get(number) is not None for number in message)
            elif message.number in refusals:
                to_sender.append((step + delay, message.number, False))
            else:
                memory.admit(message.number, message.item, replaces=message.replaces)
                to_sender.append((step + delay, message.number, True))
    for (before_ms, size), (after_ms, _) in pairwise(begun):
        assert (after_ms - before_ms) * kbps >= size * 8 * 0.999
