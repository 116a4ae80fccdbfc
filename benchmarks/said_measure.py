"""A clip's sound in, what its features cost as `--audio features` sends them and how far off they arrive out.

Features of each 40 ms are told, which lie where the frames of a call at 25 a second do. Distances are root mean
squares, of the 84 in deviations of speech, of the 216 on their scale of 0 to 1.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headgan.codec.said_code import FEATURES, SaidCode
from headgan.codec.said_record import SaidRecord, decode_said, encode_said, steps_of
from headgan.codec.said_stream import Pauses, SaidStream
from headgan.models.clip_sound import ClipSound
from headgan.models.said_build import bits_of
from headgan.models.speech import LOOK_AHEAD_MS, clip_features
from headgan.models.speech_classes import CLASSES
from headgan.models.speech_low import LOW_SIZE, SAMPLE_RATE
from headgan.models.speech_phonemes import PARTS, SpeechNet
from headgan.models.told_ears import ToldEars
from headgan.models.told_speech import moved_on
from headgan.proto.errors import HeadganError
from headgan.proto.said import SAID_FRAME_MS, SaidPacket, said_frame

Expect = Callable[[NDArray[np.float32], NDArray[np.float32], int], NDArray[np.float32]]
STEP_FACTORS = (0.5, 0.71, 1.0, 1.41, 2.0)
LOSSES = (0.0, 0.05, 0.15)
# How long after the capture of a frame the sound ends of which something is known when it is drawn: where pictures wait
# for all that the networks want to hear, and where they are drawn as soon as they are there, with the record that was
# ready when they left.
DRAWN_AFTER_MS = {"late enough": LOOK_AHEAD_MS, "at once": -10.0}
EXPECTED: dict[str, Expect] = {
    "moved on": moved_on,
    "held": lambda told, _usual, _count: told,
    "no sound": lambda told, _usual, _count: np.zeros_like(told),
}
_BESIDE_MS = 10.0
# After so many times 40 ms a part is compared with what it was told to be at first.
LATER = (1, 2, 3, 7)
_BLOCK = SAMPLE_RATE * SAID_FRAME_MS // 1000
# What each packet of one record has beside it: the time, number and length.
_OVERHEAD_BYTES = len(SaidPacket(0, (said_frame(0, b""),)).inside())


@dataclass(frozen=True, eq=False)
class ToldClip:
    """A clip as it is told.

    Attributes:
        told: float32 [N, 300], the features of each 40 ms, and so of each frame.
        beside: float32 [N, 300], those 10 ms later.
        is_pause: bool [N].
    """

    told: NDArray[np.float32]
    beside: NDArray[np.float32]
    is_pause: NDArray[np.bool_]

    @classmethod
    def of(cls, sound: ClipSound, net: SpeechNet) -> "ToldClip":
        """Of a clip's sound."""
        blocks = sound.samples[: len(sound.samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK) / np.float32(
            32768
        )
        frames_ms = SAID_FRAME_MS * np.arange(1, len(blocks) + 1) - LOOK_AHEAD_MS
        pauses = Pauses()
        return cls(
            clip_features(sound.samples, SAMPLE_RATE, frames_ms, net=net),
            clip_features(sound.samples, SAMPLE_RATE, frames_ms + _BESIDE_MS, net=net),
            np.array([pauses.is_pause(block) for block in blocks]),
        )


def measure_said(clip: ToldClip, code: SaidCode) -> dict[str, Any]:
    """Sums over the clip, see `as_means`: what is sent, and squared distances.

    Raises:
        HeadganError: a record does not say what was coded.
    """
    records, spoken = _records(clip, code), clip.told[~clip.is_pause]
    return {
        "frames": len(clip.told),
        "pauses": int(clip.is_pause.sum()),
        "speech": _cost(record for record in records if not clip.is_pause[record.number]),
        "pause": _cost(record for record in records if clip.is_pause[record.number]),
        "usual": _apart(np.broadcast_to(code.mean, clip.told.shape), clip.told),
        "stack": _apart(_stacked(clip.told), clip.told),
        "beside": _apart(code.features_of(steps_of(code, clip.told)), clip.beside),
        "heard_bits": float(bits_of(code, spoken)[code.axes[:, LOW_SIZE:].any(axis=1)].sum()) * len(spoken),
        "part": {str(later): _changed(clip.told, later) for later in LATER},
        "steps": {f"{factor:g}": _coded(clip, code.with_steps(factor)) for factor in STEP_FACTORS},
        "calls": {
            f"{drawn}, {loss:g}, {name}": _apart(
                _drawn(records, code, len(clip.told), after_ms, loss, expect), clip.told
            )
            for drawn, after_ms in DRAWN_AFTER_MS.items()
            for loss in LOSSES
            for name, expect in EXPECTED.items()
        },
    }


def _records(clip: ToldClip, code: SaidCode) -> list[SaidRecord]:
    stream = SaidStream(code)
    found = [
        stream.next(SAID_FRAME_MS * place, lambda features=features: features, is_pause=bool(is_pause))  # type: ignore[misc]
        for place, (features, is_pause) in enumerate(zip(clip.told, clip.is_pause, strict=True))
    ]
    records = [record for record in found if record is not None]
    for record in records:
        wanted = steps_of(code, clip.told[record.number])
        if record.data and not np.array_equal(decode_said(code, record.data), wanted):
            raise HeadganError(f"record {record.number} does not say what was coded")
    return records


def _cost(records: Iterable[SaidRecord]) -> dict[str, int]:
    sizes = [len(record.data) for record in records]
    return {"record_bytes": sum(sizes), "packet_bytes": sum(sizes) + _OVERHEAD_BYTES * len(sizes)}


def _coded(clip: ToldClip, code: SaidCode) -> dict[str, Any]:
    """Of what is no pause: the bytes of all records, and how far they are from what they tell of."""
    told = clip.told[~clip.is_pause]
    coded = steps_of(code, told)
    sizes = sum(len(encode_said(code, row)) for row in coded)
    return {"frames": len(told), "record_bytes": sizes} | _apart(code.features_of(coded), told)


def _stacked(told: NDArray[np.float32]) -> NDArray[np.float32]:
    """Float32 [N, 300]: the 216 put together of the newest parts of eight moments, uncoded."""
    newest = told[:, -CLASSES:]
    before = np.concatenate([np.repeat(newest[:1], PARTS - 1, axis=0), newest])
    parts = [before[place : place + len(told)] for place in range(PARTS)]
    return np.concatenate([told[:, :LOW_SIZE], *parts], axis=1)


def _changed(told: NDArray[np.float32], later: int) -> dict[str, float]:
    """Sums of mean squares: of what the newest part is told to be, and what it is so many times 40 ms later."""
    parts = told[:, LOW_SIZE:].reshape(-1, PARTS, CLASSES)
    squares = (parts[: max(len(parts) - later, 0), -1] - parts[later:, -1 - later]).astype(np.float64) ** 2
    return {"parts": len(squares), "heard": float(squares.mean(axis=1).sum()) if len(squares) else 0.0}


def _drawn(
    records: Iterable[SaidRecord], code: SaidCode, count: int, after_ms: float, loss: float, expect: Expect
) -> NDArray[np.float32]:
    """Float32 [count, 300]: what the networks of a receiver hear, which loses this share of the records."""
    random, ears = np.random.default_rng(0), ToldEars(code, expect)
    on_the_way = [record for record in records if random.random() >= loss]
    drawn = np.zeros((count, FEATURES), np.float32)
    for row in range(count):
        frame_ms = SAID_FRAME_MS * (row + 1) - LOOK_AHEAD_MS
        while on_the_way and on_the_way[0].start_ms + SAID_FRAME_MS <= frame_ms + after_ms:
            record = on_the_way.pop(0)
            ears.push(SaidPacket(0, (said_frame(record.number, record.data),)), record.start_ms)
        heard = ears.at(frame_ms)
        drawn[row] = code.mean if heard is None else heard
    return drawn


def _apart(one: NDArray[np.float32], other: NDArray[np.float32]) -> dict[str, float]:
    """Sums over the frames of mean squares."""
    squares = (one - other).astype(np.float64) ** 2
    return {
        "low": float(squares[:, :LOW_SIZE].mean(axis=1).sum()),
        "heard": float(squares[:, LOW_SIZE:].mean(axis=1).sum()),
    }
