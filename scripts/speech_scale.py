"""Measures mean and deviation of the low-level features of sound over clips: models/weights/speech.npz.

    .venv/bin/python scripts/speech_scale.py clips/ models/weights/speech.npz

Every 100 ms of the clips counts whose loudest sample is above a twentieth of the level, which leaves out pauses.
"""

import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from headgan.models.clip_sound import read_sound
from headgan.models.metrics.clip_frames import find_clips
from headgan.models.sound_track import SoundTrack
from headgan.models.speech import LEVEL_SAMPLES, levelled
from headgan.models.speech_low import LEAD, SAMPLE_RATE, WINDOW, low_level

_STEP_MS = 100
_LOUD = 0.05


def main(clips: str, output: str) -> None:
    """Writes the table `output`, float32 [84] twice, for the clips in the folder `clips`."""
    rows, heard = [], 0
    for path in tqdm(find_clips([Path(clips)]).values(), unit="clip"):
        sound = read_sound(path)
        heard += bool(sound.samples.size)
        track = SoundTrack(SAMPLE_RATE)
        track.push(sound.samples / np.float32(32768), 0.0)
        for end_ms in np.arange(_STEP_MS, 1000 * sound.samples.size / SAMPLE_RATE, _STEP_MS):
            window = levelled(track.before(float(end_ms), LEVEL_SAMPLES))[-(LEAD + WINDOW) :]
            if np.abs(window).max() > _LOUD:
                rows.append(low_level(window))
    table = np.array(rows)
    found = {"mean": table.mean(axis=0), "deviation": table.std(axis=0)}
    np.savez(output, **{name: values.astype(np.float32) for name, values in found.items()})
    sys.stdout.write(f"{output}: {heard} clips with sound, {len(rows)} moments\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
