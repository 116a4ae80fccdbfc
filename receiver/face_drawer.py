"""The face of a frame in, its picture out: drawn from those references that it names, with what is heard then."""

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.codec.stage_times import KEPT_FRAMES, StageTimes
from headgan.receiver.fusing_pace import FusingPace
from headgan.receiver.held_references import HeldReferences
from headgan.receiver.playback_settings import PlaybackSettings
from headgan.receiver.sound_intake import SoundIntake


class FaceDrawer:
    """Belongs to the drawing thread.

    Attributes:
        drawn_from: from how many references each frame was drawn.
    """

    def __init__(
        self,
        references: HeldReferences,
        sound: SoundIntake,
        settings: PlaybackSettings,
        times: StageTimes,
        clock_ms: Callable[[], float],
    ) -> None:
        """Draws nothing yet.

        Args:
            references: what there is to draw from.
            sound: what is heard.
            settings: from how many references a frame is drawn at most, and at first.
            times: how long drawing takes.
            clock_ms: a monotonic clock.
        """
        self.drawn_from: deque[int] = deque(maxlen=KEPT_FRAMES)
        self._references = references
        self._sound = sound
        self._pace = FusingPace(settings.fuses, 1000 / settings.rate_fps, settings.fuses_at_first)
        self._times = times
        self._clock_ms = clock_ms

    def draw(
        self,
        params: FaceParams,
        references: tuple[int, ...],
        capture_ms: int,
        before: NDArray[np.uint8],
    ) -> NDArray[np.uint8] | None:
        """The picture, of the size that is drawn; None where none of its references is held.

        Args:
            params: the face.
            references: numbers of those to draw it from, the best one first; empty for the first of the call.
            capture_ms: when it was captured, unwrapped.
            before: what is shown now; the same once more took no time to draw.
        """
        reconstructors = self._references.find(references)[: self._pace.count]
        if not reconstructors:
            return None
        best, *others = reconstructors
        heard = self._sound.heard_at(capture_ms, is_busy=self._pace.is_busy)
        begin_ms = self._clock_ms()
        with self._times.measure("draw"):
            picture_rgb = best.draw(params, *others, **heard)
        if picture_rgb is not before:
            now_ms = self._clock_ms()
            self._pace.drew(now_ms - begin_ms, now_ms)
        self.drawn_from.append(len(reconstructors))
        return picture_rgb
