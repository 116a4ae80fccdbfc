"""Frames of the voice are cut so that each is complete just before the packet that takes it, whatever their phase."""

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.benchmarks.cut_measure import BLOCK_MS, run_cut
from headgan.codec.voice import FRAME_MS, VoiceEncoder

RATE = 48_000


@pytest.mark.parametrize("apart_ms", [40.0, 80.0, 120.0])
@pytest.mark.parametrize("phase_ms", [0.0, 3.0, 11.0, 26.0, 39.5])
def test_frames_are_there_just_before_their_packet(
    phase_ms: float, apart_ms: float, voice: NDArray[np.float32]
) -> None:
    line = run_cut(voice, phase_ms, apart_ms, seconds=14 if apart_ms == 40 else 24)
    last = np.array(line.waits_ms[-10:])
    assert (last > 0).all()
    assert last.max() < BLOCK_MS + 9
    # A frame is as old as it is long, and Opus looks 6.5 ms ahead.
    assert max(line.ages_ms[-10:]) < FRAME_MS + 6.5 + BLOCK_MS + 12
    assert line.shifts < 12


def test_a_voice_is_moved_too_and_keeps_its_times(voice: NDArray[np.float32]) -> None:
    encoder = VoiceEncoder(12)
    encoder.shift(17.0)
    frames = encoder.encode(voice[:RATE], 1000.0)
    starts = np.array([frame.start_ms for frame in frames])
    assert not encoder.is_shifting
    # Each starts 40 ms after the one before, but for periods that were left out.
    late = starts - 993.5 - FRAME_MS * np.array([frame.number for frame in frames])
    assert (np.diff(late) > -1e-6).all()
    assert late[-1] == pytest.approx(17, abs=4.1)
    assert np.diff(late).max() <= 15.1
    # What is in no frame ends when the sound does.
    assert starts[-1] + 6.5 + FRAME_MS + encoder.left_ms == pytest.approx(2000, abs=0.1)


@pytest.mark.parametrize("later_ms", [-14.0, 14.0])
def test_a_pause_is_made_longer_or_shorter_at_once(later_ms: float) -> None:
    encoder = VoiceEncoder(12)
    encoder.encode(np.zeros(1920, np.float32), 0.0)
    encoder.shift(later_ms)
    encoder.encode(np.full(1920, 1e-4, np.float32), 40.0)
    assert not encoder.is_shifting
    assert encoder.left_ms == pytest.approx(-later_ms % FRAME_MS, abs=0.1)


def test_packets_that_keep_no_time_move_nothing(voice: NDArray[np.float32]) -> None:
    assert run_cut(voice, 3.0, 33.3, seconds=8).shifts == 0


def test_a_camera_that_wavers_has_all_its_packets_find_their_frame(voice: NDArray[np.float32]) -> None:
    line = run_cut(voice, 2.5, 40.0, seconds=14, jitter_ms=3.0)
    assert min(line.waits_ms[-50:]) > 0 and max(line.waits_ms[-50:]) < 25
