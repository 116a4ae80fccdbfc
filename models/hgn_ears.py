"""The sound of a .hgn file in, what a network that listens is told at each of its frames out.

packets of Opus ── OpusDecoder ── sound, up to what the frame wants ── SpeechFeatures ── 300 numbers
"""

import numpy as np
from numpy.typing import NDArray

from headgan.codec.hgn_header import SOUND_RATE
from headgan.codec.hgn_reader import HgnReader
from headgan.codec.libopus import OpusDecoder
from headgan.models.speech import HEARD_MS, SpeechFeatures
from headgan.models.speech_phonemes import SpeechNet
from headgan.proto.errors import WireError


class HgnEars:
    """Of the frames of one file in their order. Not thread-safe."""

    def __init__(self, reader: HgnReader, start: int = 0, *, net: SpeechNet | None = None) -> None:
        """Begins so much before frame `start` that it is told what it would be from the beginning of the file.

        Raises:
            DeviceError: there is no libopus.
            ModelError: the network that hears speech is not there.
        """
        self._frame_ms = 1000 / float(reader.header.rate_fps)
        self._packet_ms = reader.header.packet_ms
        self._lead_ms = 1000 * reader.header.pre_skip / SOUND_RATE
        before = int(HEARD_MS / self._frame_ms) + 1
        self._packets = reader.sound(max(0, start - before))
        self._decoder = OpusDecoder()
        self._features = SpeechFeatures(SOUND_RATE, net=net)
        self._until_ms = -float("inf")
        self._has_heard = False

    def at(self, number: int) -> NDArray[np.float32] | None:
        """Float32 [300] for a frame; None where nothing was heard. Frames come in rising order."""
        time_ms = number * self._frame_ms
        while self._until_ms < self._features.wants_until_ms(time_ms):
            packet = next(self._packets, None)
            if packet is None:
                break
            start_ms = packet[0] * self._packet_ms - self._lead_ms
            self._until_ms = start_ms + self._packet_ms
            try:
                self._features.push(self._decoder.decode(packet[1]), start_ms)
            except WireError:  # it is silent, as where a chunk is damaged
                continue
            self._has_heard = True
        return self._features.at(time_ms) if self._has_heard else None
