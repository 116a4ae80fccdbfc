"""What a call sends of its sound in, what makes that of blocks of samples out."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from headgan.codec.cut_phase import CutPhase
from headgan.codec.libopus import RATE
from headgan.codec.said_record import SaidRecord
from headgan.codec.voice import FRAME_MS, VoiceEncoder, VoiceFrame
from headgan.sender.open_sound import FEATURES
from headgan.sender.said_encoder import SaidEncoder
from headgan.sender.send_settings import SendSettings

SoundFrame = VoiceFrame | SaidRecord
Encode = Callable[[NDArray[np.float32], float], Sequence[SoundFrame]]


def open_encoder(
    settings: SendSettings,
    phase: CutPhase,
    loss: Callable[[], float],
    frame_ms: Callable[[], float | None],
) -> Encode:
    """Takes samples, float32 [N] at 48 kHz, and the time of the first; gives what is complete by now.

    Args:
        settings: of the call.
        phase: tells by how much a voice is to be cut anew, and learns where it was.
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
        _cut_in_time(encoder, phase)
        frames = encoder.encode(samples, capture_ms)
        if frames:
            phase.cut(encoder.left_ms, 1000 * len(samples) / RATE)
        return frames

    return encode


def _cut_in_time(encoder: VoiceEncoder, phase: CutPhase) -> None:
    """Has the voice cut so that a frame of it is there just before the packet that takes it."""
    shift_ms = phase.shift_ms()
    if shift_ms:
        encoder.shift(shift_ms)
    if shift_ms or encoder.is_shifting:
        phase.shifted()
