"""Frames that are missing: the face goes on as it moved, slower and slower, and only for a little while."""

import numpy as np
import pytest

from headgan.codec.concealer import MOST_FRAMES, Concealer
from headgan.codec.param_code import params_from, shipped_code, vector_of
from headgan.codec.params import FaceParams
from headgan.receiver.jitter_buffer import JitterBuffer
from headgan.receiver.missing_frames import MissingFrames

REST = shipped_code().rest


def face(place: float) -> FaceParams:
    vector = REST.copy()
    vector[32] += place
    return params_from(vector)


def place_of(params: FaceParams) -> float:
    return float(vector_of(params)[32] - REST[32])


def test_a_face_goes_on_and_comes_to_rest() -> None:
    concealer = Concealer()
    concealer.saw(face(0.00), 0)
    concealer.saw(face(0.01), 40)
    found = [concealer.missing(number, 40) for number in range(1, MOST_FRAMES + 2)]
    assert found[-1] is None
    guesses = [one for one in found if one is not None]
    assert [time_ms for time_ms, _ in guesses] == [80, 120, 160, 200]
    places = [0.01, *(place_of(params) for _, params in guesses)]
    moves = np.diff(places)
    assert moves == pytest.approx(0.01 * 0.6 ** np.arange(1, 5), abs=1e-5)


def test_a_movement_over_several_frames_is_taken_for_one() -> None:
    concealer = Concealer()
    concealer.saw(face(0.00), 0)
    concealer.saw(face(0.03), 120)
    found = concealer.missing(1, 40)
    assert found is not None and place_of(found[1]) == pytest.approx(0.036, abs=1e-5)


def test_nothing_is_known_of_how_a_face_moves() -> None:
    concealer = Concealer()
    assert concealer.missing(1, 40) is None
    concealer.saw(face(0), 0)
    assert concealer.missing(1, 40) is None
    concealer.saw(face(1), 0)  # not later
    assert concealer.missing(1, 40) is None
    concealer.saw(face(1), 1000)  # long after
    assert concealer.missing(1, 40) is None
    concealer.saw(face(1), 1040)
    assert concealer.missing(1, 40) is not None
    concealer.forget()
    assert concealer.missing(1, 40) is None


def buffer_of(*captures_ms: int) -> JitterBuffer[None]:
    buffer: JitterBuffer[None] = JitterBuffer()
    for seq, capture_ms in enumerate(captures_ms):
        buffer.push(seq, capture_ms, None, capture_ms + 1000.0)
    return buffer


def test_a_guess_comes_when_the_frame_did_not() -> None:
    buffer = buffer_of(0, 40)
    gap = MissingFrames(40)
    gap.shown(0, 0, face(0), (2,))
    gap.shown(1, 40, face(0.01), (2,))
    guess = gap.next_guess(buffer, None)
    assert guess is not None and (guess.seq, guess.capture_ms, guess.references) == (1, 80, (2,))
    assert guess.due_ms == pytest.approx(1080 + buffer.delay_ms + 10)
    # Another frame that is due shortly after is waited for, one that is later is not.
    assert gap.next_guess(buffer, guess.due_ms + 10) is None
    assert gap.next_guess(buffer, guess.due_ms + 30) is not None
    gap.filled()
    second = gap.next_guess(buffer, None)
    assert second is not None and second.capture_ms == 120
    for _ in range(MOST_FRAMES):
        gap.filled()
    assert gap.next_guess(buffer, None) is None
    gap.shown(6, 240, None, ())
    assert gap.next_guess(buffer, None) is None


def test_the_rate_of_the_camera_is_learned() -> None:
    buffer, gap = buffer_of(0), MissingFrames(40)
    for seq in range(100):
        gap.shown(seq, seq * 66, face(seq % 2 * 0.01), ())
    guess = gap.next_guess(buffer, None)
    assert guess is not None and guess.capture_ms == pytest.approx(99 * 66 + 66, abs=1)
