"""What several files of tests need."""

import numpy as np
import pytest
from numpy.typing import NDArray

RATE = 48_000


@pytest.fixture(scope="session")
def voice() -> NDArray[np.float32]:
    """6 s that libopus takes for a voice, with a pause from 2 to 4 s: syllables of a buzz with moving formants."""
    time_s = np.arange(6 * RATE) / RATE
    pitch_hz = 120 + 25 * np.sin(2 * np.pi * 0.7 * time_s) + 8 * np.sin(2 * np.pi * 2.3 * time_s)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE
    first_hz = 500 + 250 * np.sin(2 * np.pi * 1.9 * time_s)
    second_hz = 1500 + 600 * np.sin(2 * np.pi * 1.3 * time_s + 1)
    sound = np.zeros_like(time_s)
    for harmonic in range(1, 40):
        at_hz = harmonic * pitch_hz
        loudness = 1 / (1 + ((at_hz - first_hz) / 120) ** 2) + 0.5 / (1 + ((at_hz - second_hz) / 200) ** 2)
        sound += loudness * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * 2.1 * time_s) + 0.4, 0, 1)
    sound *= syllables * ((time_s < 2) | (time_s >= 4))
    voice: NDArray[np.float32] = (0.25 * sound / np.abs(sound).max()).astype(np.float32)
    return voice
