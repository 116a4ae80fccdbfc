"""A voice and the phase of its microphone in, how long it waits for the packets of the faces out; nothing in real time.

voice ── blocks of 10 ms, at their times ── VoiceEncoder ── newest frame ── packet, at its time ── wait, age
                                                 └────────── CutPhase ◀──────────┘
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from headgan.codec.cut_phase import CutPhase
from headgan.codec.libopus import RATE
from headgan.codec.voice import VoiceEncoder

BLOCK_MS = 10.0
_BLOCK = round(RATE * BLOCK_MS / 1000)


@dataclass
class CutCourse:
    """What became of a voice.

    Attributes:
        waits_ms: of the newest frame of each packet, from when it was complete to the packet.
        ages_ms: of the same, from its first sample to the packet.
        shifts: how often frames were cut anew.
    """

    waits_ms: list[float] = field(default_factory=list)
    ages_ms: list[float] = field(default_factory=list)
    shifts: int = 0


def run_cut(
    sound: NDArray[np.float32],
    phase_ms: float,
    apart_ms: float,
    *,
    seconds: float,
    jitter_ms: float = 0.0,
    is_moved: bool = True,
) -> CutCourse:
    """Encodes a voice over and over.

    Args:
        sound: float32 [N] at 48 kHz.
        phase_ms: how much later than the first packet the microphone starts.
        apart_ms: from packet to packet.
        seconds: how long.
        jitter_ms: by how much packets are early or late, at most.
        is_moved: whether frames are cut in time for their packets.
    """
    course, encoder, phase = CutCourse(), VoiceEncoder(), CutPhase()
    chance = np.random.default_rng(1)
    number, packet_ms, start_ms = 0, 0.0, 0.0
    there_ms: float | None = None
    for block in range(round(1000 * seconds / BLOCK_MS)):
        samples = np.take(sound, np.arange(block * _BLOCK, (block + 1) * _BLOCK), mode="wrap")
        now_ms = phase_ms + (block + 1) * BLOCK_MS
        while packet_ms < now_ms:
            if there_ms is not None:
                course.waits_ms.append(packet_ms - there_ms)
                course.ages_ms.append(packet_ms - start_ms)
                phase.waited(packet_ms - there_ms)
                there_ms = None
            number += 1
            packet_ms = number * apart_ms + chance.uniform(-1, 1) * jitter_ms
        shift_ms = phase.shift_ms() if is_moved else 0.0
        if shift_ms:
            encoder.shift(shift_ms)
            course.shifts += 1
        if shift_ms or encoder.is_shifting:
            phase.shifted()
        for frame in encoder.encode(samples, now_ms - BLOCK_MS):
            there_ms, start_ms = now_ms, frame.start_ms
            phase.cut(encoder.left_ms, BLOCK_MS)
    return course
