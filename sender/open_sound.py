"""`--audio` and `--microphone` in, what is sent of the sound and the source of it out."""

from collections.abc import Callable

from headgan.codec.sound_devices import parse_device
from headgan.codec.voice import DEFAULT_VOICE_KBPS, check_voice_kbps
from headgan.proto.errors import UsageError
from headgan.proto.program import monotonic_ms
from headgan.sender.camera import is_device
from headgan.sender.file_sound import FileSound
from headgan.sender.microphone import Microphone
from headgan.sender.sound_source import SoundSource
from headgan.sender.sources import FileSource, Source

NO_SOUND, OF_FILE = "none", "file"
# What is sent of the sound: the voice, what is said without the voice, or nothing.
VOICE, FEATURES = "voice", "features"
AUDIO_CHOICES = (VOICE, FEATURES, NO_SOUND)


def choose_audio(audio: str, microphone: str | None, voice_kbps: float) -> str:
    """What is sent of the sound, an entry of AUDIO_CHOICES; without a microphone that is nothing.

    Args:
        audio: what --audio says.
        microphone: what --microphone says; None where it was left out.
        voice_kbps: what --voice-kbps says.

    Raises:
        UsageError: these contradict each other.
    """
    if audio == FEATURES and microphone == NO_SOUND:
        raise UsageError(
            "--audio features --microphone none: nothing is heard; name a microphone, or --audio none"
        )
    if audio == NO_SOUND and microphone not in (None, NO_SOUND):
        raise UsageError(
            f"--audio none --microphone {microphone}: no microphone is opened; leave one of them out"
        )
    if audio != VOICE and voice_kbps != DEFAULT_VOICE_KBPS:
        raise UsageError(
            f"--audio {audio} --voice-kbps {voice_kbps:g}: no voice is sent; leave one of them out"
        )
    return NO_SOUND if microphone == NO_SOUND else audio


def check_sound(microphone: str | None, voice_kbps: float, camera: str) -> None:
    """Raises UsageError unless the call can have this sound.

    Args:
        microphone: what --microphone says; None where it was left out.
        voice_kbps: kbit/s.
        camera: what --camera says.
    """
    check_voice_kbps(voice_kbps)
    if microphone is not None and not microphone.strip():
        raise UsageError("--microphone: give a number or a name of headgan-send --list, none or file")
    if microphone == OF_FILE and is_device(camera):
        raise UsageError(f"--microphone file: --camera {camera} is no file; name a microphone, or none")


def open_sound(
    microphone: str | None,
    source: Source,
    started_ms: Callable[[], float | None],
    *,
    clock_ms: Callable[[], float] = monotonic_ms,
) -> SoundSource | None:
    """What is heard in the call; None for nothing. A device is opened in a thread and never fails.

    Args:
        microphone: a number, a part of a name, `none`, `file`, or None: the sound of a file that is played as camera,
            else the system's microphone.
        source: the camera, or the file.
        started_ms: Camera.started_ms of the Camera that plays it.
        clock_ms: the clock of the call.
    """
    if microphone == NO_SOUND:
        return None
    if microphone == OF_FILE or (microphone is None and not source.is_live):
        return FileSound(source, started_ms, clock_ms=clock_ms) if isinstance(source, FileSource) else None
    return Microphone(None if microphone is None else parse_device(microphone), clock_ms=clock_ms)
