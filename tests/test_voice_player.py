"""The playout clock of what is heard: in time with the pictures, whatever these do, and without a click."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from headgan.codec.libopus import RATE
from headgan.codec.voice import FRAME_SAMPLES, VoiceEncoder, VoiceFrame
from headgan.receiver.voice_player import VoicePlayer

START_MS = 5000.0
BLOCK = 480


def encoded(sound: NDArray[np.float32]) -> list[VoiceFrame]:
    encoder = VoiceEncoder(24)
    frames: list[VoiceFrame] = []
    for at in range(0, len(sound), FRAME_SAMPLES):
        frames += encoder.encode(sound[at : at + FRAME_SAMPLES], START_MS + at * 1000 / RATE)
    return frames


def play(
    player: VoicePlayer,
    frames: list[VoiceFrame],
    seconds: float,
    arrives_ms: Callable[[VoiceFrame], float] = lambda frame: frame.start_ms + 45,
    begin_ms: float = START_MS,
) -> NDArray[np.float32]:
    """What is heard from `begin_ms` on, of frames that arrive as told."""
    waiting = sorted(frames, key=arrives_ms)
    heard = np.zeros(round(seconds * RATE) // BLOCK * BLOCK, np.float32)
    for at in range(0, len(heard), BLOCK):
        play_ms = begin_ms + at * 1000 / RATE
        while waiting and arrives_ms(waiting[0]) <= play_ms:
            player.push(waiting.pop(0))
        player.fill(heard[at : at + BLOCK], play_ms)
    return heard


def delay_ms(sound: NDArray[np.float32], heard: NDArray[np.float32], from_s: float, to_s: float) -> float:
    """By how much later what was said from one second to another is heard; the louder, the surer."""
    said = sound[round(from_s * RATE) : round(to_s * RATE)]
    padded = np.concatenate([heard[round(from_s * RATE) :], np.zeros(len(said), np.float32)])
    most = RATE // 2
    scores = np.correlate(padded[: len(said) + most], said, "valid")
    return int(np.argmax(scores)) * 1000 / RATE


def test_what_is_heard_is_in_time_to_the_sample(voice: NDArray[np.float32]) -> None:
    player = VoicePlayer(lambda play_ms: play_ms - 100)
    heard = play(player, encoded(voice), 6)
    assert delay_ms(voice, heard, 0.3, 1.7) == pytest.approx(100, abs=1.5)
    assert delay_ms(voice, heard, 4.3, 5.7) == pytest.approx(100, abs=1.5)
    assert np.abs(heard[: RATE // 11]).max() < 0.02
    report = player.report()
    assert report["concealed"] == report["jumps"] == 0 and report["decoded"] > 60
    assert abs(report["ahead_of_picture_ms"]["p50"]) <= 3


def test_someone_who_comes_later_hears_the_rest_in_time(voice: NDArray[np.float32]) -> None:
    player = VoicePlayer(lambda play_ms: play_ms - 100 if play_ms > START_MS + 700 else None)
    heard = play(player, encoded(voice), 6)
    assert np.abs(heard[: round(0.69 * RATE)]).max() == 0
    assert delay_ms(voice, heard, 0.8, 1.7) == pytest.approx(100, abs=1.5)


@pytest.mark.parametrize("later_ms", [60, -50])
def test_sound_follows_when_the_delay_changes_without_a_gap(
    voice: NDArray[np.float32], later_ms: float
) -> None:
    speech = np.concatenate([voice[: 2 * RATE], voice[4 * RATE :], voice[: 2 * RATE], voice[4 * RATE :]])
    first_ms = 150.0
    player = VoicePlayer(lambda t: t - first_ms - (later_ms if t > START_MS + 1000 else 0))
    heard = play(player, encoded(speech), 8)
    assert delay_ms(speech, heard, 0.3, 0.8) == pytest.approx(first_ms, abs=2)
    assert delay_ms(speech, heard, 4.3, 7.7) == pytest.approx(first_ms + later_ms, abs=8)
    report = player.report()
    assert report["jumps"] == report["concealed"] == 0
    changed = report["stretched_ms"] if later_ms > 0 else report["shortened_ms"]
    assert abs(later_ms) - 10 <= changed <= abs(later_ms) + 40
    # Nobody hears a step that the speech itself does not have.
    assert np.abs(np.diff(heard)).max() <= 1.5 * np.abs(np.diff(speech)).max()


def test_after_an_outage_sound_jumps_and_is_in_time(voice: NDArray[np.float32]) -> None:
    frames = [frame for frame in encoded(voice) if not 1000 < frame.start_ms - START_MS < 4400]
    player = VoicePlayer(lambda t: t - 100 - (2000 if 1200 < t - START_MS < 3000 else 0))
    heard = play(player, frames, 6.5)
    assert delay_ms(voice, heard, 4.6, 5.7) == pytest.approx(100, abs=2)
    assert player.report()["jumps"] >= 1
    assert np.abs(np.diff(heard)).max() <= 1.5 * np.abs(np.diff(voice)).max()


def test_a_frame_that_is_late_is_concealed_and_one_that_is_lost_too(voice: NDArray[np.float32]) -> None:
    frames = encoded(voice)
    lost, late = frames[10].number, frames[20].number
    player = VoicePlayer(lambda play_ms: play_ms - 100)
    heard = play(
        player,
        [frame for frame in frames if frame.number != lost],
        6,
        lambda frame: frame.start_ms + (300 if frame.number == late else 45),
    )
    assert player.report()["concealed"] == 2
    assert delay_ms(voice, heard, 1.0, 1.7) == pytest.approx(100, abs=1.5)


def test_what_is_decoded_is_told_with_the_time_at_which_it_was_said(voice: NDArray[np.float32]) -> None:
    told: list[tuple[NDArray[np.float32], float]] = []
    player = VoicePlayer(
        lambda play_ms: play_ms - 100, lambda samples, start_ms: told.append((samples, start_ms))
    )
    play(player, encoded(voice), 6.5)
    said = np.zeros(len(voice) + RATE, np.float32)
    for samples, start_ms in told:
        at = round((start_ms - START_MS) * RATE / 1000)
        if at >= 0:
            said[at : at + len(samples)] = samples
    assert delay_ms(voice, said, 0.3, 1.7) == pytest.approx(0, abs=0.2)
    assert delay_ms(voice, said, 4.3, 5.7) == pytest.approx(0, abs=0.2)


def test_before_anything_came_it_is_silent_and_copies_are_nothing_new(voice: NDArray[np.float32]) -> None:
    player = VoicePlayer(lambda play_ms: play_ms)
    out = np.ones(BLOCK, np.float32)
    player.fill(out, START_MS)
    assert not out.any()
    first = encoded(voice)[0]
    assert player.push(first)
    assert not player.push(first)
    assert not player.push(VoiceFrame(first.number, first.start_ms, first.data, is_copy=True))


def test_how_early_a_device_wants_its_sound_is_known() -> None:
    now_ms = 0.0
    player = VoicePlayer(lambda _play_ms: None, clock_ms=lambda: now_ms)
    block = np.zeros(RATE // 50, np.float32)
    player.fill(block, 30.0)
    assert player.ahead_ms == 50
    for _ in range(500):
        now_ms += 20
        player.fill(block, now_ms + 10)
    assert player.ahead_ms == pytest.approx(30, abs=1)
    # One that asks for what would have been heard needs nothing early.
    late = VoicePlayer(lambda _play_ms: None, clock_ms=lambda: 100.0)
    late.fill(block, 80.0)
    assert late.ahead_ms == 0
