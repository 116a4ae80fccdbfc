"""`--speaker` in, what plays the call's sound out."""

from collections.abc import Callable

from headgan.codec.sound_devices import parse_device
from headgan.proto.errors import UsageError
from headgan.proto.program import monotonic_ms
from headgan.receiver.silent_speaker import Fill, SilentSpeaker
from headgan.receiver.speaker import Speaker

NO_SOUND = "none"


def check_speaker(speaker: str | None) -> None:
    """Raises UsageError unless `--speaker` may name one; None where it was left out."""
    if speaker is not None and not speaker.strip():
        raise UsageError("--speaker: give a number or a name of headgan-recv --list, or none")


def open_speaker(
    speaker: str | None, fill: Fill, *, clock_ms: Callable[[], float] = monotonic_ms
) -> Speaker | SilentSpeaker:
    """What asks `fill` for sound from now on. A device is opened in a thread and never fails.

    Args:
        speaker: a number, a part of a name, `none`, or None for the system's.
        fill: called with samples, float32 [N] at 48 kHz to be filled, and when the first of them is heard.
        clock_ms: the clock of the call.
    """
    if speaker == NO_SOUND:
        return SilentSpeaker(fill, clock_ms=clock_ms)
    return Speaker(None if speaker is None else parse_device(speaker), fill, clock_ms=clock_ms)
