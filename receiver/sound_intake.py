"""Sound as the network brings it in; what is played, and what the networks hear at the time of a frame, out.

hear ──────┬── VoicePlayer ── voice.fill, asked by what plays it; DueFrames has the clock of both
           └── Ears ─────┐
hear_said ──── ToldEars ─┴── heard_at, asked for each frame; where what is said comes alone nothing waits for it
"""

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from headgan.codec.stage_times import KEPT_FRAMES, StageTimes
from headgan.codec.voice import FRAME_MS, VoiceFrame
from headgan.models.ears import Ears
from headgan.models.told_ears import ToldEars
from headgan.proto.said import SaidPacket
from headgan.proto.voice import VoiceNumbers, VoicePacket
from headgan.receiver.due_frames import DueFrames
from headgan.receiver.voice_player import VoicePlayer


class SoundIntake:
    """Of one call: sound comes on one thread, and is asked for by the drawing thread and that of what plays it.

    Attributes:
        voice: what is to be heard; None where there is no sound.
        told: what the networks listen with where what is said comes without the voice.
        known_after_ms: what of the sound after a frame had come when that was drawn.
    """

    def __init__(
        self,
        frames: DueFrames,
        times: StageTimes,
        clock_ms: Callable[[], float],
        ears: Ears | None,
        told: ToldEars | None,
        on_played: Callable[[NDArray[np.float32], float], None] | None,
    ) -> None:
        """Begins with silence.

        Args:
            frames: knows when what was captured is shown.
            times: how long listening takes.
            clock_ms: a monotonic clock.
            ears: what the networks listen with; None for networks that do not.
            told: the same where what is said comes without the voice.
            on_played: takes what is heard, and when it was said, on the thread of what plays it; None where there is
                no sound.
        """
        self.voice: VoicePlayer | None = None
        if on_played is not None:
            self.voice = VoicePlayer(frames.captured_ms, on_played, clock_ms=clock_ms)
        self.told = told
        self.known_after_ms: deque[float] = deque(maxlen=KEPT_FRAMES)
        self._frames = frames
        self._times = times
        self._ears = ears
        self._numbers = VoiceNumbers()
        self._heard_until_ms: float | None = None

    def hear(self, voice: VoicePacket, now_ms: float) -> None:
        """Takes a voice that arrived at `now_ms`.

        Raises:
            WireError: it is nowhere near the pictures, or no sound.
        """
        if self.voice is None:
            return
        last_ms = self._frames.unwrapped_ms(voice.start_ms)
        if last_ms is None:
            return
        numbers = self._numbers.place(voice)
        oldest_ms: float | None = None
        for number, frame in zip(numbers, voice.frames, strict=True):
            start_ms = float(last_ms - (numbers[-1] - number) * FRAME_MS)
            spoken = VoiceFrame(number, start_ms, frame.data, frame.is_copy)
            is_new = self.voice.push(spoken)
            self._heard_until_ms = max(self._heard_until_ms or 0.0, start_ms + FRAME_MS)
            if self._ears is not None:
                self._ears.push(spoken)
            if is_new and oldest_ms is None:
                oldest_ms = start_ms
        if oldest_ms is not None:
            # What of it is later has waited less, and would make the packet look earlier than it is.
            self._frames.hear(oldest_ms, now_ms, self.voice.ahead_ms)

    def hear_said(self, said: SaidPacket) -> None:
        """Takes what is said, where it comes without the voice.

        Raises:
            WireError: it is nowhere near the pictures, or no record.
        """
        if self.told is None:
            return
        start_ms = self._frames.unwrapped_ms(said.start_ms)
        if start_ms is not None:
            self.told.push(said, float(start_ms))

    def heard_at(self, capture_ms: int, *, is_busy: bool) -> dict[str, NDArray[np.float32] | None]:
        """What a frame is drawn with, by its name: `audio`, as `Reconstructor.draw` takes it, or nothing.

        Args:
            capture_ms: when the frame was captured, unwrapped.
            is_busy: whether there is no time to listen.
        """
        if self._heard_until_ms is not None:
            self.known_after_ms.append(self._heard_until_ms - capture_ms)
        ears = self.told or self._ears
        # Listening takes a third of the time that drawing from one reference does, and brings less than fusing.
        if is_busy:
            if self._ears is not None:
                self._ears.follow(capture_ms)
        elif ears is not None:
            with self._times.measure("listen"):
                return {"audio": ears.at(capture_ms)}
        return {}
