"""What a sender says of its sound in; what is asked for, listened with and played out: the sound of one call."""

import logging
from collections.abc import Callable

from headgan.codec.said_code import shipped_said_code
from headgan.models.ears import Ears
from headgan.models.generator import Generator
from headgan.models.speech import speech_form
from headgan.models.told_ears import ToldEars
from headgan.proto.hello import Hello
from headgan.proto.said import SILENT_CAPABILITY, said_capability, said_codes
from headgan.proto.voice import VOICE_CAPABILITY
from headgan.receiver.silent_speaker import Fill, SoundOutput

log = logging.getLogger(__name__)


class CallSound:
    """Of one call; owns the speaker, which `close` closes."""

    def __init__(self, generator: Generator, open_speaker: Callable[[Fill], SoundOutput] | None) -> None:
        """Opens nothing yet.

        Args:
            generator: draws the call, and may listen.
            open_speaker: opens what plays what is heard; None for a call without sound.
        """
        self._generator = generator
        self._open_speaker = open_speaker
        self._speaker: SoundOutput | None = None
        # What it names to be told what is said without the voice; None where its networks do not listen.
        self._said = said_capability_of(generator)
        self._of_sender: tuple[str, ...] = ()

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What the sender is told to send of its sound."""
        voice = (VOICE_CAPABILITY,) if self._open_speaker else ()
        return (*voice, self._said) if self._said else voice

    def meet(self, sender: Hello) -> None:
        """Learns what the sender chose, and tells the user if that is no voice."""
        self._of_sender = sender.capabilities
        if SILENT_CAPABILITY in sender.capabilities:
            log.info("the caller chose to send no sound: this call is silent")
        elif self._is_told:
            log.info(
                "the caller chose to send no voice: the lips are drawn by what is said, nothing is heard"
            )
        elif not self._has_voice:
            log.info(
                "the caller chose to send no voice, and these networks do not listen: this call is silent"
            )

    @property
    def hears(self) -> bool:
        """Whether there is sound to be heard."""
        return self._open_speaker is not None and self._has_voice

    def open_ears(self) -> Ears | None:
        """What the networks listen with, where they do and there is something to hear."""
        return Ears() if self.hears and self._generator.needs("audio") else None

    def told_ears(self) -> ToldEars | None:
        """The same where what is said comes without the voice."""
        return ToldEars() if self._is_told else None

    def play(self, fill: Fill) -> None:
        """Opens the speaker, which asks `fill` for what it plays."""
        if self._open_speaker is not None:
            self._speaker = self._open_speaker(fill)

    def close(self) -> None:
        """Closes the speaker; may take a while."""
        if self._speaker:
            self._speaker.close()

    @property
    def troubles(self) -> dict[str, int]:
        """What the speaker could not play in time, by name, for statistics."""
        return self._speaker.troubles() if self._speaker else {}

    @property
    def _has_voice(self) -> bool:
        """Whether the sender does not choose to send no voice."""
        return SILENT_CAPABILITY not in self._of_sender and not said_codes(self._of_sender)

    @property
    def _is_told(self) -> bool:
        """Whether the networks are told what is said without the voice."""
        return self._said in self._of_sender


def said_capability_of(generator: Generator) -> str | None:
    """What is named where `generator` listens, and to features of the form that records are of."""
    code = shipped_said_code()
    if not generator.needs("audio") or str(code.form) != speech_form():
        return None
    return said_capability(code.code_id)
