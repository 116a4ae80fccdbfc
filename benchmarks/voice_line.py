"""Sound in, what a receiver hears of it over a line that loses packets out; nothing runs in real time.

sound ── encode ── packets of one or more frames ── lost or not ── VoiceDecoder ── sound

When a number is decoded, the packet after its own has come if it comes at all: a receiver waits that long anyway.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.benchmarks.param_line import Chance, LineSettings
from headgan.codec.libopus import OpusEncoder, has_fec
from headgan.codec.voice import FRAME_MS, FRAME_SAMPLES, VoiceEncoder, VoiceFrame
from headgan.codec.voice_decoder import VoiceCounts, VoiceDecoder

COPIES, IN_BAND, CONCEALED, SILENT = "copies", "Opus FEC", "concealment only", "silence instead"
WAYS = (COPIES, IN_BAND, CONCEALED, SILENT)
# libopus switches FEC on above one rate and off below a lower one. At these, of those that are measured, it can be had
# in such a band if the first frame has more.
_FEC_BANDS = {16.0: "medium", 24.0: "wide", 32.0: "wide"}
_FEC_START_KBPS = 4.0
# What makes libopus keep FEC longest.
_FEC_PERCENT = 25
Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Sent:
    """What goes over the line.

    Attributes:
        packets: their frames, copies among them.
        frames_per_packet: how many numbers each stands for.
        frames: numbers there are.
        fec_share: of frames with Opus' own FEC.
    """

    packets: tuple[tuple[VoiceFrame, ...], ...]
    frames_per_packet: int
    frames: int
    fec_share: float

    @property
    def kbps(self) -> float:
        """Of Opus data, pauses included; without any header."""
        size = sum(len(frame.data) for packet in self.packets for frame in packet)
        return size * 8 / (self.frames * FRAME_MS)


@dataclass(frozen=True)
class Heard:
    """What comes of it.

    Attributes:
        sound: float32 [1920 * frames].
        counts: what became of the numbers.
    """

    sound: Sound
    counts: VoiceCounts


def send(sound: Sound, kbps: float, way: str, loss: float, frames_per_packet: int) -> Sent | None:
    """Encodes for a line that is known to lose so much; None where libopus has no FEC at that rate."""
    parts = sound[: len(sound) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    if way == IN_BAND:
        found = _with_fec(parts, kbps)
        if found is None:
            return None
    else:
        encoder = VoiceEncoder(kbps, copy_delay=frames_per_packet)
        encoder.expect_loss(loss if way == COPIES else 0.0)
        found = [encoder.encode(part, FRAME_MS * number) for number, part in enumerate(parts)]
    packets = [
        tuple(frame for frames in found[start : start + frames_per_packet] for frame in frames)
        for start in range(0, len(found), frames_per_packet)
    ]
    every = [frame for packet in packets for frame in packet]
    share = sum(has_fec(frame.data) for frame in every) / max(1, len(every))
    return Sent(tuple(packets), frames_per_packet, len(parts), share)


def _with_fec(parts: Sound, kbps: float) -> list[list[VoiceFrame]] | None:
    band = _FEC_BANDS.get(kbps)
    if band is None:
        return None
    encoder = OpusEncoder(kbps + _FEC_START_KBPS)
    encoder.set_bandwidth("medium" if band == "medium" else "wide")
    encoder.set_expected_loss(_FEC_PERCENT)
    frames: list[list[VoiceFrame]] = []
    was_silence = False
    for number, part in enumerate(parts):
        frame = VoiceFrame(number, FRAME_MS * number, encoder.encode(part))
        encoder.set_kbps(kbps)
        frames.append([] if was_silence and frame.is_silence else [frame])
        was_silence = frame.is_silence
    return frames


def lose(packets: int, line: LineSettings, seed: str) -> list[bool]:
    """Which packets the line loses."""
    chance = Chance(line, seed)
    return [chance.is_lost() for _ in range(packets)]


def receive(sent: Sent, lost: Sequence[bool], *, conceals: bool = True) -> Heard:
    """Decodes what comes; `conceals` False: what did not come is silent."""
    decoder = VoiceDecoder()
    pieces = []
    for number in range(sent.frames):
        if number % sent.frames_per_packet == 0:
            own = number // sent.frames_per_packet
            for packet in range(own if number == 0 else own + 1, min(own + 2, len(sent.packets))):
                for frame in () if lost[packet] else sent.packets[packet]:
                    decoder.push(frame)
        concealed = decoder.counts.concealed
        piece = decoder.decode(number)
        pieces.append(piece if conceals or decoder.counts.concealed == concealed else np.zeros_like(piece))
    return Heard(np.concatenate(pieces), decoder.counts)
