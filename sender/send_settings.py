"""What the user wants of a call, as the sender needs to know it."""

from dataclasses import dataclass
from pathlib import Path

from headgan.codec.memory import DEFAULT_CAPACITY
from headgan.codec.param_encoder import DEFAULT_QUALITY
from headgan.codec.reference_planner import DEFAULT_KBPS
from headgan.codec.voice import DEFAULT_VOICE_KBPS
from headgan.proto.hello import PICTURE_PX
from headgan.proto.ice import IceConfig
from headgan.proto.signalling import Address
from headgan.sender.open_sound import VOICE


@dataclass(frozen=True)
class SendSettings:
    """What a call needs to know.

    Attributes:
        peer: where the receiver listens.
        ice: STUN and TURN servers.
        rate_fps: frames a second.
        crop_path: where the video that is encoded goes, or None.
        references: how many pictures of the caller the receiver may hold.
        reference_kbps: kbit/s that sending them may cost.
        fallback_kbps: kbit/s of the video that is sent while no face can be drawn; 0 for none.
        quality: of the parameters, 0 (coarse) to 1 (fine).
        face_kbps: kbit/s of the parameters' records to hold instead; None holds the quality.
        frames_per_packet: how many frames share a packet, 1 to 4.
        voice_kbps: kbit/s of the voice.
        audio: what is sent of the sound: an entry of AUDIO_CHOICES.
        picture_px: side of the pictures of the caller, 256 or 512, where the receiver wants the larger ones.
    """

    peer: Address
    ice: IceConfig
    rate_fps: float
    crop_path: Path | None
    references: int = DEFAULT_CAPACITY
    reference_kbps: float = DEFAULT_KBPS
    fallback_kbps: float = 0.0
    quality: float = DEFAULT_QUALITY
    face_kbps: float | None = None
    frames_per_packet: int = 1
    voice_kbps: float = DEFAULT_VOICE_KBPS
    audio: str = VOICE
    picture_px: int = PICTURE_PX

    @property
    def packet_ms(self) -> float:
        """From packet to packet."""
        return self.frames_per_packet * 1000 / self.rate_fps
