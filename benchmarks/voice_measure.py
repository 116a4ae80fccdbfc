"""Clips in, by rate, way, packet and line the errors of what is heard out; kept clip by clip and rate by rate."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.benchmarks.kept import Kept, file_state
from headgan.benchmarks.param_line import LineSettings
from headgan.benchmarks.voice_line import CONCEALED, COPIES, SILENT, WAYS, Heard, Sent, lose, receive, send
from headgan.benchmarks.voice_scores import PhonemeReader, edit_distance, spectral_distances
from headgan.codec.libopus import RATE
from headgan.proto.errors import HeadganError

RATES_KBPS = (6.0, 8.0, 12.0, 16.0, 24.0, 32.0)
LOSSES = (0.0, 0.05, 0.10, 0.15, 0.30)
# Packets that are lost in a row, in the mean; 0: each by itself.
BURST = 3.0
FRAMES_PER_PACKET = (1, 3)
_VERSION = 2
# What is decoded follows the loudness of the clip at least so well, or something is broken.
_BROKEN = 0.8
_LOUDNESS_SAMPLES = RATE // 25
# Encoder and decoder are late by 6.5 ms.
_LATE_SAMPLES = 312
Sound = NDArray[np.float32]
# `kbps`, `way`, `frames_per_packet`, `loss`, `burst`, and what was measured.
Run = dict[str, Any]


@dataclass(frozen=True)
class Truth:
    """What the sound of a line is compared with: the clip, and what its encoder gives without loss.

    Attributes:
        clip: phonemes of the clip, or None.
        whole: phonemes of the decoded sound without loss, or None.
        sound: that of the clip, as late as a decoder is.
    """

    clip: list[int] | None
    whole: list[int] | None
    sound: Sound


class VoiceMeasurer:
    """Measures clips; what a folder keeps is not measured again."""

    def __init__(self, folder: Path, reader: PhonemeReader | None, seeds: int) -> None:
        """Args: folder: where results are kept; seeds: how many patterns of loss for each line."""
        self._kept, self._reader, self._seeds = Kept(folder), reader, seeds

    def measure(
        self, clips: Mapping[str, tuple[Path, Sound]], rates_kbps: Sequence[float] = RATES_KBPS
    ) -> list[Run]:
        """A run for each rate, way, packet and line: sums over all clips.

        Raises:
            HeadganError: what is decoded cannot be right.
        """
        every = list(product(clips.items(), rates_kbps))
        found: dict[tuple[Any, ...], Run] = {}
        for (name, (path, sound)), kbps in tqdm(every, desc="voices", unit="rate"):
            for run in self._runs(name, path, sound, kbps):
                key = tuple(run[about] for about in ("kbps", "way", "frames_per_packet", "loss", "burst"))
                found[key] = _added(found[key], run) if key in found else run
        return [_finished(run) for run in found.values()]

    def _runs(self, name: str, path: Path, sound: Sound, kbps: float) -> list[Run]:
        depends = {
            "version": _VERSION,
            "clip": file_state(path),
            "samples": len(sound),
            "seeds": self._seeds,
            "phonemes": self._reader is not None,
        }
        measured = self._kept.get(
            f"{name}_{kbps:g}", depends, lambda: {"runs": list(self._measured(name, sound, kbps))}
        )
        return list(measured["runs"])

    def _measured(self, name: str, sound: Sound, kbps: float) -> Iterator[Run]:
        truth = self._truth(name, sound, kbps)
        encoded: dict[tuple[str, float, int], Sent | None] = {}
        lines = [
            LineSettings(loss, burst) for loss, burst in product(LOSSES, (0.0, BURST)) if loss or not burst
        ]
        for way, frames_per_packet, line in product(WAYS, FRAMES_PER_PACKET, lines):
            known_loss = line.loss if way == COPIES else 0.0
            key = (CONCEALED if way == SILENT else way), known_loss, frames_per_packet
            if key not in encoded:
                encoded[key] = send(sound, kbps, *key)
            sent = encoded[key]
            if sent is None:
                continue
            about = {"kbps": kbps, "way": way, "frames_per_packet": frames_per_packet}
            sums = self._score(name, sent, way, line, truth)
            yield about | {"loss": line.loss, "burst": line.burst} | sums

    def _truth(self, name: str, sound: Sound, kbps: float) -> Truth:
        sent = send(sound, kbps, CONCEALED, 0.0, 1)
        assert sent is not None
        whole = receive(sent, [False] * len(sent.packets)).sound
        _check(f"{name} at {kbps:g} kbit/s", sound, whole)
        late = np.concatenate([np.zeros(_LATE_SAMPLES, np.float32), sound])[: len(whole)]
        return Truth(self._read(sound), self._read(whole), late)

    def _score(self, name: str, sent: Sent, way: str, line: LineSettings, truth: Truth) -> Run:
        sums: Run = {"frames": 0, "bits": 0.0, "fec_frames": 0.0}
        for seed in range(self._seeds if line.loss else 1):
            lost = lose(len(sent.packets), line, f"{seed} {name} {sent.frames_per_packet}")
            heard = receive(sent, lost, conceals=way != SILENT)
            one = self._errors(heard, truth) | {
                "frames": sent.frames,
                "bits": sent.kbps * sent.frames,
                "fec_frames": sent.fec_share * sent.frames,
                "lost": sum(lost),
                "packets": len(lost),
            }
            sums = _added(sums, one)
        return sums

    def _errors(self, heard: Heard, truth: Truth) -> Run:
        distances = spectral_distances(heard.sound, truth.sound)
        sums: Run = asdict(heard.counts) | {
            "distance_db": float(distances.sum()),
            "pieces": len(distances),
        }
        read = self._read(heard.sound)
        if read is not None and truth.whole is not None and truth.clip is not None:
            sums |= {
                "errors": edit_distance(read, truth.whole),
                "phonemes": len(truth.whole),
                "clip_errors": edit_distance(read, truth.clip),
                "clip_phonemes": len(truth.clip),
            }
        return sums

    def _read(self, sound: Sound) -> list[int] | None:
        return None if self._reader is None else self._reader.read(sound)


def _added(one: Run, other: Run) -> Run:
    """Sums of what was counted; what tells of the run is the same in both."""
    about = ("kbps", "way", "frames_per_packet", "loss", "burst")
    return {
        name: other[name] if name in about else one.get(name, 0) + other.get(name, 0)
        for name in [*one, *(name for name in other if name not in one)]
    }


def _finished(run: Run) -> Run:
    """Shares and means of the sums; None where there is nothing to share."""
    about = {name: run[name] for name in ("kbps", "way", "frames_per_packet", "loss", "burst")}
    return about | {
        "real_kbps": run["bits"] / run["frames"],
        "fec_share": run["fec_frames"] / run["frames"],
        "lost": run["lost"] / run["packets"],
        **{name: run[name] / run["frames"] for name in ("decoded", "recovered", "concealed", "silent")},
        "distance_db": run["distance_db"] / run["pieces"] if run["pieces"] else None,
        "phoneme_errors": _share(run, "errors", "phonemes"),
        "phoneme_errors_to_clip": _share(run, "clip_errors", "clip_phonemes"),
    }


def _share(run: Run, errors: str, phonemes: str) -> float | None:
    return run[errors] / run[phonemes] if run.get(phonemes) else None


def _check(what: str, sound: Sound, decoded: Sound) -> None:
    pieces = [sound[: len(decoded) - _LATE_SAMPLES], decoded[_LATE_SAMPLES:]]
    clip, heard = (_loudness(piece) for piece in pieces)
    follows = float(np.corrcoef(clip, heard)[0, 1]) if len(clip) > 1 else 0.0
    if not follows > _BROKEN:
        raise HeadganError(f"{what}: the decoded sound does not follow the clip ({follows:.2f} of 1)")


def _loudness(sound: Sound) -> Sequence[float]:
    parts = sound[: len(sound) // _LOUDNESS_SAMPLES * _LOUDNESS_SAMPLES].reshape(-1, _LOUDNESS_SAMPLES)
    return [float(value) for value in np.sqrt((parts**2).mean(1))]
