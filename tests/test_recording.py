"""The sign on a recorded picture: on those that are held, in a corner, on a copy."""

from typing import get_args

import numpy as np
import pytest

from headgan.receiver.display import STATE_TEXTS, State, short_text
from headgan.receiver.recording import with_sign

PICTURE = np.random.default_rng(3).integers(0, 256, (256, 256, 3)).astype(np.uint8)


@pytest.mark.parametrize("state", get_args(State))
def test_a_picture_that_is_held_has_a_sign_and_no_other(state: State) -> None:
    before = PICTURE.copy()
    signed = with_sign(PICTURE, state)
    assert np.array_equal(PICTURE, before)
    if state in ("live", "video"):
        assert signed is PICTURE
        return
    changed = np.argwhere((signed != PICTURE).any(axis=-1))
    top, left = changed.min(axis=0)
    bottom, right = changed.max(axis=0)
    # In the lower left, inside the picture, and on a twelfth of it at most.
    assert top > 225 and bottom < 252 and left >= 4 and right < 250
    assert (bottom - top) * (right - left) < 256 * 256 / 12


def test_signs_tell_the_reasons_apart() -> None:
    states: tuple[State, ...] = ("no face", "held", "no connection")
    signs = [with_sign(PICTURE, state).tobytes() for state in states]
    assert len(set(signs)) == 3
    assert [short_text(state) for state in states] == ["No face", "Cannot be drawn now", "No connection"]
    assert all(STATE_TEXTS[state].startswith(short_text(state)) for state in STATE_TEXTS)
