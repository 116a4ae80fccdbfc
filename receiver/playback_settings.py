"""What is agreed and wished of a call, as its playback needs to know it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PlaybackSettings:
    """How frames are drawn, heard and recorded.

    Attributes:
        rate_fps: of the recording.
        record_path: the recording, or None.
        record_plain: whether the recording has no sign on pictures that are held.
        capacity: how many references are held.
        fuses: from how many of them one frame is drawn, at most.
        fuses_at_first: from how many the first is; as many as at most if None.
        hears: whether there is sound, which somebody fetches with `SoundIntake.voice.fill`.
    """

    rate_fps: float
    record_path: Path | None = None
    record_plain: bool = False
    capacity: int = 1
    fuses: int = 1
    fuses_at_first: int | None = None
    hears: bool = False
