"""Faces in, what a receiver can read of them over a line that loses packets out; nothing runs in real time.

encoder ── ParamPacket ── lost or half a round trip later ── FrameReader
   └──────── what has come, refresh wanted ── lost or half a round trip later ──┘

What tells of arrivals is as SCTP's SACK: one for each packet that comes, each lost alike, each saying all that came.
Packets keep their order. A wish to be refreshed goes over the reliable channel and is not lost. Every face that is read
is compared with what the encoder meant.
"""

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.benchmarks.param_tracks import FRAME_MS, Track
from headgan.codec.param_encoder import DEFAULT_QUALITY, Face, ParamEncoder
from headgan.codec.params import FaceParams
from headgan.proto.errors import HeadganError
from headgan.proto.param_numbers import NumbersIn, NumbersOut
from headgan.proto.wire import FrameMark, ParamPacket
from headgan.receiver.frame_reader import FrameReader


@dataclass(frozen=True)
class LineSettings:
    """What a line does.

    Attributes:
        loss: share of packets that are lost, each way.
        burst: mean number of packets lost in a row (Gilbert's model); 0: each by itself.
        round_trip_ms: there and back.
    """

    loss: float = 0.0
    burst: float = 0.0
    round_trip_ms: float = 40.0


@dataclass(frozen=True)
class Strategy:
    """What a face is predicted from.

    Attributes:
        only_certain: from nothing but what is known to have arrived.
        key_every: each so many-th face stands for itself and the others follow the one before; 0: as calls do.
    """

    only_certain: bool = False
    key_every: int = 0


WEIGHED = Strategy()


@dataclass(frozen=True)
class Coding:
    """How faces are sent.

    Attributes:
        quality: 0 to 1.
        strategy: what they are predicted from.
        frames_per_packet: 1 to 4.
    """

    quality: float = DEFAULT_QUALITY
    strategy: Strategy = WEIGHED
    frames_per_packet: int = 1


@dataclass(frozen=True, eq=False)
class Received:
    """What became of the N frames of a track.

    Attributes:
        record_bytes: of each packet's records.
        packet_bytes: of each packet, with its header.
        has_arrived: bool [N], whether the packet of the frame came.
        read: of each frame the face, if it could be read when its packet came.
        refreshes: how often the receiver asked for a face that stands for itself.
    """

    record_bytes: tuple[int, ...]
    packet_bytes: tuple[int, ...]
    has_arrived: NDArray[np.bool_]
    read: tuple[FaceParams | None, ...]
    refreshes: int = 0


class WatchedEncoder(ParamEncoder):
    """The encoder of calls, and what it takes the other side to have."""

    def meant(self, number: int) -> FaceParams:
        """The face of frame `number`, as whoever can read it has to have it."""
        return self._code.params_of(np.array(self._sent[number].state.values))


class CertainEncoder(WatchedEncoder):
    """Predicts from nothing but what is known to have arrived."""

    def _arrives(self, number: int) -> float:
        packet = self._packets.get(number)
        return 1.0 if packet is None or packet.has_arrived else 0.0


class Chance:
    """Which packets are lost; the same ones for the same seed."""

    def __init__(self, settings: LineSettings, seed: str) -> None:
        self._random = random.Random(seed)
        self._settings = settings
        self._is_bad = False

    def is_lost(self) -> bool:
        """Whether the next packet is."""
        loss, burst = self._settings.loss, self._settings.burst
        if not burst:
            return self._random.random() < loss
        leaves = 1 / burst if self._is_bad else loss / (burst * (1 - loss))
        if self._random.random() < leaves:
            self._is_bad = not self._is_bad
        return self._is_bad


class _Receiver:
    """The far end: reads, and compares what it reads with what was meant."""

    def __init__(self, encoder: WatchedEncoder) -> None:
        self._encoder = encoder
        self._numbers, self._reader = NumbersIn(), FrameReader()
        self.read: dict[int, FaceParams] = {}

    def take(self, message: bytes, now_ms: float) -> bool:
        """Takes a packet; returns whether to ask for a refresh."""
        packet = self._numbers.parse(message)
        if packet is None:
            return False
        for frame in self._reader.read(packet, now_ms):
            if frame.params is None:
                continue
            if not np.array_equal(frame.params.to_array(), self._encoder.meant(frame.seq).to_array()):
                raise HeadganError(f"frame {frame.seq} was read as another face than was sent")
            if frame.seq >= packet.seq:  # an older one that waited comes too late to be shown
                self.read[frame.seq] = frame.params
        return self._reader.wants_refresh(now_ms)


def transmit(track: Track, coding: Coding, line: LineSettings, seed: int) -> Received:
    """Sends a track over a line.

    Raises:
        HeadganError: a face was read as another than was sent.
    """
    strategy = coding.strategy
    encoder_class = CertainEncoder if strategy.only_certain else WatchedEncoder
    encoder = encoder_class(quality=coding.quality, loses=not strategy.key_every)
    numbers, receiver = NumbersOut(), _Receiver(encoder)
    there, back = (Chance(line, f"{seed} {track.name} {way}") for way in ("there", "back"))
    # When it comes back, how many packets had arrived, whether a refresh is wanted.
    news: deque[tuple[float, int, bool]] = deque()
    arrived: list[int] = []
    told = 0
    record_bytes, packet_bytes, refreshes = [], [], 0
    for packet in _frames_of_packets(track, coding.frames_per_packet):
        now_ms = (packet.stop - 1) * FRAME_MS
        while news and news[0][0] < now_ms:
            _, count, wants_refresh = news.popleft()
            for number in arrived[told:count]:
                numbers.arrived(number)
                encoder.arrived(number)
            told = max(told, count)
            if wants_refresh and not strategy.key_every:
                refreshes += 1
                encoder.forget()
        is_key = bool(strategy.key_every) and packet.start % strategy.key_every == 0
        message, size = _pack(encoder, numbers, track, packet, is_key=is_key)
        record_bytes.append(size)
        packet_bytes.append(len(message))
        if there.is_lost():
            continue
        wants_refresh = receiver.take(message, now_ms + line.round_trip_ms / 2)
        arrived.append(packet.start)
        count = 0 if back.is_lost() else len(arrived)
        news.append((now_ms + line.round_trip_ms, count, wants_refresh))
    frames = len(track.params)
    has_arrived = np.isin(np.arange(frames) // coding.frames_per_packet * coding.frames_per_packet, arrived)
    read = tuple(receiver.read.get(number) for number in range(frames))
    return Received(tuple(record_bytes), tuple(packet_bytes), has_arrived, read, refreshes)


def _frames_of_packets(track: Track, frames_per_packet: int) -> Sequence[range]:
    frames = len(track.params)
    return [
        range(start, min(start + frames_per_packet, frames)) for start in range(0, frames, frames_per_packet)
    ]


def _pack(
    encoder: ParamEncoder, numbers: NumbersOut, track: Track, frames: range, *, is_key: bool
) -> tuple[bytes, int]:
    """A packet's message, and how many bytes of it are records."""
    params = [track.params[number] for number in frames]
    faces = [None if one is None else Face(one) for one in params]
    records = encoder.encode(frames.start, faces, is_key=is_key)
    marks = tuple(
        FrameMark(round(place * FRAME_MS), has_face=one is not None) for place, one in enumerate(params)
    )
    packet = ParamPacket(frames.start, round(frames.start * FRAME_MS), marks, records)
    return numbers.pack(packet), len(records)
