"""What a call sends of its sound in, what makes that of blocks of samples out."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from headgan.codec.said_record import SaidRecord
from headgan.codec.voice import FRAME_MS, VoiceEncoder, VoiceFrame
from headgan.sender.open_sound import FEATURES
from headgan.sender.said_encoder import SaidEncoder
from headgan.sender.send_settings import SendSettings

SoundFrame = VoiceFrame | SaidRecord
Encode = Callable[[NDArray[np.float32], float], Sequence[SoundFrame]]


def open_encoder(
    settings: SendSettings, loss: Callable[[], float], frame_ms: Callable[[], float | None]
) -> Encode:
    """Takes samples, float32 [N] at 48 kHz, and the time of the first; gives what is complete by now.

    Args:
        settings: of the call.
        loss: tells what share of packets is lost, 0 to 1.
        frame_ms: tells when a frame of late was captured; None before the first.

    Raises:
        DeviceError: there is no libopus for a voice.
        ModelError: there is no network that hears what is said.
    """
    if settings.audio == FEATURES:
        return SaidEncoder(frame_ms=frame_ms).encode
    encoder = VoiceEncoder(settings.voice_kbps, copy_delay=max(1, round(settings.packet_ms / FRAME_MS)))

    def encode(samples: NDArray[np.float32], capture_ms: float) -> Sequence[SoundFrame]:
        encoder.expect_loss(loss())
        return encoder.encode(samples, capture_ms)

    return encode
