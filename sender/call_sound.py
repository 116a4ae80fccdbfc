"""A source of sound in, encoded frames of it out while the camera runs: what one call sends of its sound."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from headgan.codec.cut_phase import CutPhase
from headgan.codec.said_code import shipped_said_code
from headgan.proto.agreement import Agreement
from headgan.proto.errors import DeviceError, ModelError
from headgan.proto.said import SILENT_CAPABILITY, said_capability
from headgan.sender.camera import Camera
from headgan.sender.open_sound import FEATURES, NO_SOUND
from headgan.sender.send_settings import SendSettings
from headgan.sender.sound_encoder import SoundFrame, open_encoder
from headgan.sender.sound_source import SoundSource
from headgan.sender.voice_thread import VoiceThread

log = logging.getLogger(__name__)

OpenSound = Callable[[Callable[[], float | None]], SoundSource | None]


class CallSound:
    """Of one call.

    Attributes:
        voice: the thread that encodes; None until it is opened, and where nobody hears it.
        source: what is heard, likewise.
    """

    def __init__(
        self,
        open_sound: OpenSound | None,
        phase: CutPhase,
        loss: Callable[[], float],
        frame_ms: Callable[[], float | None],
    ) -> None:
        """Opens nothing yet.

        Args:
            open_sound: opens what is heard, given what tells when the first frame was due; None without sound.
            phase: tells by how much the voice is to be cut anew.
            loss: tells what share of packets is lost, 0 to 1.
            frame_ms: tells when a frame of late was captured; None before the first.
        """
        self.voice: VoiceThread[SoundFrame] | None = None
        self.source: SoundSource | None = None
        self._open_sound = open_sound
        self._phase = phase
        self._loss = loss
        self._frame_ms = frame_ms
        self._is_muted = False

    def toggle_mute(self) -> bool:
        """Has silence sent instead of the voice, or ends that; from any thread. Returns whether it is silent now."""
        self._is_muted = not self._is_muted
        if self.voice is not None:
            self.voice.is_muted = self._is_muted
        return self._is_muted

    def open(
        self, settings: SendSettings, camera: Camera, deliver: Callable[[SoundFrame], None]
    ) -> AbstractContextManager[object]:
        """What encodes the sound while its context is open; nothing where that cannot be, which the user is told.

        Args:
            settings: of the call.
            camera: what is seen, which the sound of a file keeps in step with.
            deliver: takes each frame, in a thread.
        """
        if self._open_sound is None:
            return nullcontext()
        try:
            encode = open_encoder(settings, self._phase, self._loss, self._frame_ms)
        except (DeviceError, ModelError) as error:
            log.warning("%s; the call goes on in silence", error)
            return nullcontext()
        source = self._open_sound(lambda: camera.started_ms)
        if source is None:
            return nullcontext()
        what = "; what is said is sent, and no voice" if settings.audio == FEATURES else ""
        log.info("sound: %s%s", source.describe(), what)
        self.voice, self.source = VoiceThread(source, encode, deliver), source
        self.voice.is_muted = self._is_muted
        return self.voice


def sound_capabilities(audio: str) -> tuple[str, ...]:
    """What the other side is told of a call without a voice; audio: an entry of AUDIO_CHOICES."""
    if audio == FEATURES:
        return (said_capability(shipped_said_code().code_id),)
    return (SILENT_CAPABILITY,) if audio == NO_SOUND else ()


def is_heard(audio: str, agreed: Agreement) -> bool:
    """Whether the other side can use what is sent of the sound; says what that is."""
    if audio == NO_SOUND:
        log.info("no sound is sent: the microphone stays closed")
        return False
    if audio != FEATURES:
        return agreed.has_voice
    if not agreed.has_said:
        log.info("nothing is sent of what you say: the networks of the other side do not listen")
    return agreed.has_said
