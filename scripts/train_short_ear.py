"""Trains a small network that hears speech, a student of hama's, on the sound of clips. None ships: see docs/speech.md.

    .venv/bin/python scripts/train_short_ear.py clips/ short_ear.onnx

Every tenth person of the folder is kept to check with. With `--steps` it takes less time, or more; `--start` goes on
from a network that is there.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from headgan.models.clip_sound import read_sound
from headgan.models.metrics.clip_frames import find_clips
from headgan.models.speech_phonemes import NET_SHA256, PhonemeNet
from headgan.models.train.hear_teacher import SPEEDS, Lesson, lessons
from headgan.models.train.short_ear import ShortEarTraining, export_short_ear, train_short_ear

_EVERY = 10


def main(clips: Path, output: Path, settings: ShortEarTraining, start: Path | None) -> None:
    """Writes the network `output`."""
    torch.set_num_threads(1)
    teacher, chance = PhonemeNet(), np.random.default_rng(settings.seed)
    learned: list[Lesson] = []
    checked: list[Lesson] = []
    people: dict[str, int] = {}
    for path in tqdm(find_clips([clips]).values(), desc="teacher", unit="clip"):
        number = people.setdefault(path.parent.name, len(people))
        sound = (read_sound(path).samples / np.float32(32768)).astype(np.float32)
        if number % _EVERY == 0:
            checked += lessons(sound, teacher, chance, SPEEDS[:1])
        else:
            learned += lessons(sound, teacher, chance, SPEEDS)
    minutes = sum(len(lesson.shares) for lesson in learned) / 3000
    sys.stdout.write(f"{len(learned)} lessons, {minutes:.0f} min; {len(checked)} to check with\n")
    net, found = train_short_ear(learned, checked, settings, start)
    notes = {"teacher": NET_SHA256, "steps": str(settings.steps), "checked": json.dumps(found)}
    export_short_ear(net, output, notes)
    sys.stdout.write(f"{output}: {output.stat().st_size} bytes, total variation {found}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("clips", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=ShortEarTraining.steps)
    parser.add_argument("--rate", type=float, default=ShortEarTraining.rate)
    parser.add_argument("--seed", type=int, default=ShortEarTraining.seed)
    parser.add_argument("--start", type=Path)
    parser.add_argument("--variation", type=float, default=ShortEarTraining.variation)
    given = parser.parse_args()
    how = ShortEarTraining(steps=given.steps, rate=given.rate, variation=given.variation, seed=given.seed)
    main(given.clips, given.output, how, given.start)
