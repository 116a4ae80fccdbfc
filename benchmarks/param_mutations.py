"""Mutated packets in, what a receiver makes of them out: nothing but WireError, in little time and memory.

What is mutated is a packet as it comes from the channel, header and records. Three readers take each: one that is
renewed now and then and gets sound packets between, so that there is a lot to break; one that gets nothing else and is
never renewed; and one to which the packets' numbers fall. The last two show what is kept.
"""

import pickle
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from headgan.benchmarks.param_tracks import Track
from headgan.codec.param_encoder import Face, ParamEncoder
from headgan.codec.params import FaceParams
from headgan.proto.errors import WireError
from headgan.proto.param_numbers import NumbersIn
from headgan.proto.wire import LONG_TYPE, FrameMark, ParamPacket
from headgan.proto.wire_fields import U32_MAX
from headgan.receiver.frame_reader import FrameReader

# Of the processor's time, for one message that may free others; a frame has 40 ms.
LIMIT_MS = 100.0
# What a reader may keep beyond what it begins with, packed.
LIMIT_KEPT_BYTES = 200_000
_PACKETS = 400
_SOUND_EVERY, _KEY_EVERY = 4, 50
_WEIGHED_EVERY = 5000
_SHOWN = 5
# How often something is other than usual, and how often a packet comes.
_CHANGES, _COME = 0.05, 0.9
# Shares of the mutations that are of short packets, that touch the header, and that add bytes where they may.
_SHORT, _HEADERS, _LONGER = 0.2, 0.1, 0.3
# By how much the number of the next packet is lower, where numbers fall.
_FALL = 1000


@dataclass
class Harm:
    """What came of the mutations.

    Attributes:
        read: messages of which frames were read.
        refused: those that raised WireError.
        idle: all others, which wait or were dropped.
        failures: the first ones that raised anything else, or gave a face that is none: what, and the message.
        failed: how many these were.
        cpu_ms: of each message.
        kept_bytes: by which the reader that is never renewed grew, at most.
        kept_bytes_backwards: the same of one to which each packet has a lower number than the one before.
    """

    read: int = 0
    refused: int = 0
    idle: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    kept_bytes: int = 0
    kept_bytes_backwards: int = 0

    def report(self) -> dict[str, Any]:
        """JSON."""
        times = np.array(self.cpu_ms or [0.0])
        return {
            "mutations": len(self.cpu_ms),
            "read": self.read,
            "refused": self.refused,
            "idle": self.idle,
            "failed": self.failed,
            "failures": self.failures,
            "cpu_ms_p50": round(float(np.median(times)), 3),
            "cpu_ms_p999": round(float(np.percentile(times, 99.9)), 3),
            "cpu_ms_most": round(float(times.max()), 3),
            "kept_bytes": self.kept_bytes,
            "kept_bytes_backwards": self.kept_bytes_backwards,
        }


class _Target:
    """A receiver, as far as messages get into it."""

    def __init__(self) -> None:
        self._numbers, self._reader = NumbersIn(), FrameReader()
        self._now_ms = 0.0

    def take(self, message: bytes) -> int:
        """How many frames could be read; WireError."""
        self._now_ms += 1
        packet = self._numbers.parse(message)
        if packet is None:
            return 0
        frames = self._reader.read(packet, self._now_ms)
        self._reader.wants_refresh(self._now_ms)
        for frame in frames:
            if frame.params is not None and (fault := frame.params.fault()) is not None:
                raise ValueError(f"frame {frame.seq}: {fault}")
        return len(frames)

    def size_bytes(self) -> int:
        """Of all that it keeps."""
        return len(pickle.dumps((self._numbers, self._reader)))


def mutate_packets(tracks: Sequence[Track], count: int, seed: int) -> Harm:
    """Decodes `count` mutated packets."""
    chance = random.Random(seed)
    sound = sound_packets(tracks, chance)
    harm, elsewhere = Harm(), Harm()
    renewed, lasting, backwards = _Target(), _Target(), _Target()
    size_at_first = lasting.size_bytes()
    place = 0
    for number in tqdm(range(count), desc="mutations", unit="packet"):
        if number % (_SOUND_EVERY * _KEY_EVERY) == 0:
            renewed, place = _Target(), chance.randrange(0, len(sound), _KEY_EVERY)
        if number % _SOUND_EVERY == 0:
            _take(renewed, sound[place % len(sound)].to_bytes(), elsewhere)
            place += 1
        message = mutated(sound, place + chance.randrange(-2, 2), chance)
        _take(renewed, message, harm)
        _take(lasting, message, elsewhere)
        _take(backwards, numbered(message, U32_MAX - number * _FALL), elsewhere)
        if number % _WEIGHED_EVERY == 0 or number == count - 1:
            harm.kept_bytes = max(harm.kept_bytes, lasting.size_bytes() - size_at_first)
            grown = backwards.size_bytes() - size_at_first
            harm.kept_bytes_backwards = max(harm.kept_bytes_backwards, grown)
    harm.failed += elsewhere.failed
    harm.failures = [*harm.failures, *elsewhere.failures][:_SHOWN]
    return harm


def sound_packets(tracks: Sequence[Track], chance: random.Random) -> list[ParamPacket]:
    """One call's: of one to three frames, some without a face, with references now and then; each 50th is a key."""
    faces = [face for track in tracks for face in track.params][: 3 * _PACKETS]
    encoder = ParamEncoder()
    packets: list[ParamPacket] = []
    references: tuple[int, ...] = ()
    number = 0
    while number < len(faces) and len(packets) < _PACKETS:
        some = faces[number : number + chance.choice((1, 1, 1, 2, 3))]
        if chance.random() < _CHANGES:
            references = tuple(chance.randrange(16) for _ in range(chance.randrange(4)))
        given = [_face(one, references, chance) for one in some]
        records = encoder.encode(number, given, is_key=len(packets) % _KEY_EVERY == 0)
        marks = tuple(
            FrameMark(40 * place, has_face=one is not None, is_untrue=chance.random() < _CHANGES)
            for place, one in enumerate(given)
        )
        packets.append(ParamPacket(number, 40 * number, marks, records))
        if chance.random() < _COME:
            encoder.arrived(number)
        number += len(some)
    return packets


def _face(params: FaceParams | None, references: tuple[int, ...], chance: random.Random) -> Face | None:
    return None if params is None or chance.random() < _CHANGES else Face(params, references)


def mutated(sound: Sequence[ParamPacket], place: int, chance: random.Random) -> bytes:
    """A packet's message, changed: bits, bytes, its length, its end, or all; mostly the records alone."""
    packet = sound[place % len(sound)]
    message = bytearray(packet.to_bytes(is_short=chance.random() < _SHORT))
    first = 0 if chance.random() < _HEADERS else len(message) - len(packet.records)
    for _ in range(chance.randint(1, 3)):
        kind, where = chance.randrange(7), chance.randint(min(first, len(message)), len(message))
        if kind == 0:
            message.insert(where, chance.randrange(256))
        elif kind == 1:
            del message[where:]
        elif kind == 2 and chance.random() < _LONGER:
            message += chance.randbytes(chance.choice((1, 8, 64, 1024)))
        elif kind == 3:
            message[where:] = chance.choice(sound).records
        elif kind == 4:
            message[where:] = chance.randbytes(chance.randrange(32))
        elif where < len(message):
            message[where] = chance.randrange(256) if kind == 5 else message[where] ^ 1 << chance.randrange(8)
    return bytes(message)


def numbered(message: bytes, seq: int) -> bytes:
    """The message as a packet in the long form of one frame with a face, of that number."""
    head = LONG_TYPE << 4 | 1
    return bytes([head]) + (seq % (U32_MAX + 1)).to_bytes(4, "big") + bytes(4) + message[4:]


def _take(target: _Target, message: bytes, harm: Harm) -> None:
    start = time.thread_time()
    try:
        frames = target.take(message)
    except WireError:
        harm.refused += 1
    except Exception as exc:  # anything else is what is looked for
        harm.failed += 1
        if len(harm.failures) < _SHOWN:
            harm.failures.append(f"{type(exc).__name__}: {exc}; message {message.hex()}")
    else:
        harm.read += frames > 0
        harm.idle += frames == 0
    harm.cpu_ms.append((time.thread_time() - start) * 1000)
