"""Packets that arrive in, pictures at their times out: the drawing thread of the receiver, and the parts it joins.

take() ── DueFrames ── due ── PictureChoice ── ShownPictures ──┬── show()
                              │        ▲ live video            └── CallRecording
                              FaceDrawer                              ▲ what is heard
                              ├── HeldReferences ◀── references       │
                              └── SoundIntake ◀───── voices ──────────┘
"""

import logging
import threading
from collections.abc import Callable
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from headgan.codec.frame_moments import FrameMoments
from headgan.codec.params import FaceParams
from headgan.codec.stage_times import StageTimes
from headgan.models.ears import Ears
from headgan.models.reconstruct import Reconstructor
from headgan.models.told_ears import ToldEars
from headgan.receiver.call_recording import CallRecording
from headgan.receiver.due_frames import CallFrame, DueFrame, DueFrames
from headgan.receiver.face_drawer import FaceDrawer
from headgan.receiver.held_references import HeldReferences
from headgan.receiver.picture_choice import PictureChoice
from headgan.receiver.playback_settings import PlaybackSettings
from headgan.receiver.shown_pictures import ShownPicture, ShownPictures
from headgan.receiver.sound_intake import SoundIntake

log = logging.getLogger(__name__)


class Playback:
    """Draws packets in a thread of its own; `close` plays out what is left and joins it.

    Attributes:
        times: how long listening, drawing and recording take.
        moments: when each frame came, was due, drawn and shown.
        frames: what arrived, until it is due.
        references: what there is to draw from.
        sound: what is heard.
        drawer: draws faces.
        pictures: what is shown for each frame.
        shown: when and in which state it was.
        recording: the file.
    """

    def __init__(
        self,
        reconstructor: Reconstructor,
        first_picture: NDArray[np.uint8],
        settings: PlaybackSettings,
        *,
        clock_ms: Callable[[], float],
        age_ms: Callable[[int, float], float | None],
        show: Callable[[ShownPicture], None],
        ears: Ears | None = None,
        told: ToldEars | None = None,
    ) -> None:
        """Starts the thread.

        Args:
            reconstructor: draws the caller from the first reference; nobody else may use it from now on.
            first_picture: uint8 [256, 256, 3] or [512, 512, 3], held until the first frame with a face.
            settings: how frames are drawn, heard and recorded.
            clock_ms: a monotonic clock.
            age_ms: (the sender's capture time, now) to the time between, or None while it is unknown.
            show: takes each picture, on the drawing thread; must not block.
            ears: what the networks listen with; None for networks that do not.
            told: the same where what is said comes without the voice.
        """
        self.times, self.moments = StageTimes(clock_ms), FrameMoments(clock_ms)
        self.frames = DueFrames(1000 / settings.rate_fps, clock_ms)
        self.references = HeldReferences(reconstructor, settings.capacity)
        self.recording = CallRecording(settings, len(first_picture), self.frames, self.times)
        on_played = self.recording.keep_sound if settings.hears else None
        self.sound = SoundIntake(self.frames, self.times, clock_ms, ears, told, on_played)
        self.drawer = FaceDrawer(self.references, self.sound, settings, self.times, clock_ms)
        self.pictures = PictureChoice(first_picture, self.drawer)
        self.shown = ShownPictures(age_ms)
        self._clock_ms, self._show = clock_ms, show
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="playback", daemon=True)
        self._thread.start()

    @property
    def error(self) -> Exception | None:
        """What ended the thread before its time."""
        return self._error

    def take(
        self,
        seq: int,
        capture_ms: int,
        params: FaceParams | None,
        now_ms: float,
        references: tuple[int, ...] = (),
        *,
        is_untrue: bool = False,
    ) -> None:
        """Takes a frame that arrived at `now_ms`; `params` is None when the sender sees no face.

        Raises:
            WireError: the sender's clock jumped.
        """
        self.moments.mark(capture_ms, "arrived", now_ms)
        self.moments.mark(capture_ms, "read")
        self.frames.push(seq, capture_ms, CallFrame(params, references, is_untrue), now_ms)

    def close(self, timeout_s: float = 1.0) -> None:
        """Plays out what has arrived, finishes the recording, and re-raises an error of the thread."""
        self.frames.close()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            log.warning("the drawing thread did not end in time")
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _work(self) -> None:
        try:
            with closing(self.recording):
                self._play()
        except Exception as error:  # raised again by close()
            self._error = error

    def _play(self) -> None:
        """Draws until the end."""
        while (due := self.frames.next()) is not None:
            self._mark(due, "due")
            shown = self._draw(due)
            self._mark(due, "drawn")
            self._show(shown)
            self._mark(due, "shown")
            self.recording.write(due, shown)

    def _draw(self, due: DueFrame) -> ShownPicture:
        chosen = self.pictures.choose(due)
        now_ms = self._clock_ms()
        self.frames.drew(due, now_ms, is_live=chosen.state == "live")
        return self.shown.add(due, chosen, now_ms)

    def _mark(self, due: DueFrame, moment: str) -> None:
        if not due.item.is_guessed:
            self.moments.mark(due.capture_ms, moment)
