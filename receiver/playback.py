"""Packets that arrive in, pictures at their times out: the drawing thread of the receiver.

take() ── JitterBuffer ── due ── FaceParams ── Reconstructor ─┬─ show(), record()
show_video() ─────────────────── where no face can be drawn ──┘
hear() ── VoicePlayer ── fill(), asked by what plays it; the JitterBuffer has the clock of both
hear_said() ── ToldEars, where what is said comes without the voice; nothing waits for it
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headgan.codec.frame_moments import FrameMoments
from headgan.codec.memory import ReferenceMemory
from headgan.codec.params import FaceParams
from headgan.codec.stage_times import StageTimes
from headgan.codec.voice import FRAME_MS, VoiceFrame
from headgan.models.detail import enlarged
from headgan.models.ears import Ears
from headgan.models.reconstruct import Reconstructor, ReferenceImage
from headgan.models.told_ears import ToldEars
from headgan.proto.errors import WireError
from headgan.proto.said import SaidPacket
from headgan.proto.voice import VoiceNumbers, VoicePacket
from headgan.receiver.display import State
from headgan.receiver.fusing_pace import FusingPace
from headgan.receiver.jitter_buffer import Due, JitterBuffer
from headgan.receiver.missing_frames import MissingFrames
from headgan.receiver.recording import Recording
from headgan.receiver.voice_player import VoicePlayer

log = logging.getLogger(__name__)

# An hour of frames: what the statistics look back on.
_KEPT = 90_000
_KEPT_CHANGES = 1000
_IDLE_S = 0.1
# Sound that waits to be recorded until the next picture is.
_KEPT_SOUNDS = 1000
# How fast the time that drawing takes is learned.
_LEARNED = 0.05
_MOST_DRAWING_MS = 100.0
# At most this much of a recording's start is made up for frames that were lost before the first that arrived.
_MAX_LEAD_MS = 5000.0


@dataclass(frozen=True, eq=False)
class ShownPicture:
    """A picture at the moment it is ready.

    Attributes:
        picture_rgb: uint8 [256, 256, 3], or [512, 512, 3].
        state: `live`, or why another picture is shown: the sender sees no face, knows that what would be drawn is not
            what is there, or names an unknown reference.
        latency_ms: since its capture; None until the sender's clock is known.
    """

    picture_rgb: NDArray[np.uint8]
    state: State
    latency_ms: float | None


@dataclass(frozen=True, eq=False)
class _Frame:
    """A frame as it came.

    Attributes:
        params: the face, or None.
        references: numbers of those to draw it from, the best one first; empty for the first of the call.
        is_untrue: whether what would be drawn is known not to be there.
        is_guessed: whether it did not come, and stands in for one that is missing.
    """

    params: FaceParams | None
    references: tuple[int, ...]
    is_untrue: bool
    is_guessed: bool = False


@dataclass(frozen=True)
class Latency:
    """When a picture was shown and how long after its capture, in milliseconds of the receiver's clock."""

    shown_ms: float
    latency_ms: float


class StateChange(NamedTuple):
    """The frame that was captured at `capture_ms` of the sender's clock, and those after it, were shown in `state`."""

    capture_ms: int
    state: State


class Playback:
    """Draws packets in a thread of its own; `close` plays out what is left and joins it."""

    def __init__(
        self,
        reconstructor: Reconstructor,
        first_picture: NDArray[np.uint8],
        *,
        rate_fps: float,
        record_path: Path | None,
        clock_ms: Callable[[], float],
        age_ms: Callable[[int, float], float | None],
        show: Callable[[ShownPicture], None],
        capacity: int = 1,
        fuses: int = 1,
        fuses_at_first: int | None = None,
        record_plain: bool = False,
        hears: bool = False,
        ears: Ears | None = None,
        told: ToldEars | None = None,
    ) -> None:
        """Starts the thread.

        Args:
            reconstructor: draws the caller from the first reference; nobody else may use it from now on.
            first_picture: uint8 [256, 256, 3], held until the first frame with a face.
            rate_fps: of the recording.
            record_path: the recording, or None.
            clock_ms: a monotonic clock.
            age_ms: (the sender's capture time, now) to the time between, or None while it is unknown.
            show: takes each picture, on the drawing thread; must not block.
            capacity: how many references are held.
            fuses: from how many of them one frame is drawn, at most.
            fuses_at_first: from how many the first is; as many as at most if None.
            record_plain: whether the recording has no sign on pictures that are held.
            hears: whether there is sound, which somebody fetches with `voice.fill`.
            ears: what the networks listen with; None for networks that do not.
            told: the same where what is said comes without the voice.
        """
        self.times = StageTimes(clock_ms)
        self.latencies: deque[Latency] = deque(maxlen=_KEPT)
        self.moments = FrameMoments(clock_ms)
        self.without_face = 0
        self.unknown_reference = 0
        self.untrue = 0
        self.guessed = 0
        self.video_frames = 0
        # Which state each frame began that was not in that of the one before.
        self.changes: deque[StateChange] = deque(maxlen=_KEPT_CHANGES)
        self._memory: ReferenceMemory[Reconstructor] = ReferenceMemory(capacity)
        self._memory.admit(0, reconstructor)
        self._pace = FusingPace(fuses, 1000 / rate_fps, fuses_at_first)
        # From how many references each frame was drawn.
        self.drawn_from: deque[int] = deque(maxlen=_KEPT)
        # Frames that were on their way may still name the one that was given up last.
        self._given_up: tuple[int, Reconstructor] | None = None
        self._picture, self._size = first_picture, len(first_picture)
        # The newest frame of live video; of no use any more once a face is drawn.
        self._video: NDArray[np.uint8] | None = None
        self._rate_fps = rate_fps
        self._recording: Recording | None = None
        if record_path is not None:
            self._recording = Recording(
                record_path,
                size=len(first_picture),
                rate_fps=rate_fps,
                is_plain=record_plain,
                has_sound=hears,
            )
        self.voice = VoicePlayer(self._captured_ms, self._keep_sound, clock_ms=clock_ms) if hears else None
        self.told = told
        self._ears = ears
        self._voice_numbers = VoiceNumbers()
        # What of the sound after a frame had come when that was drawn.
        self.known_after_ms: deque[float] = deque(maxlen=_KEPT)
        self._heard_until_ms: float | None = None
        self._sounds: deque[tuple[NDArray[np.float32], float]] = deque(maxlen=_KEPT_SOUNDS)
        # How long after its time a picture is there.
        self._drawing_ms = 0.0
        self._clock_ms = clock_ms
        self._age_ms = age_ms
        self._show = show
        self._buffer: JitterBuffer[_Frame] = JitterBuffer()
        self._gap = MissingFrames(1000 / rate_fps)
        self._changed = threading.Condition()
        self._is_closing = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="playback", daemon=True)
        self._thread.start()

    @property
    def buffer(self) -> JitterBuffer[_Frame]:
        """Its counts, to be read after `close`."""
        return self._buffer

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
        with self._changed:
            self._buffer.push(seq, capture_ms, _Frame(params, references, is_untrue), now_ms)
            self._changed.notify()

    def hear(self, voice: VoicePacket, now_ms: float) -> None:
        """Takes a voice that arrived at `now_ms`.

        Raises:
            WireError: it is nowhere near the pictures, or no sound.
        """
        if self.voice is None:
            return
        with self._changed:
            last_ms = self._buffer.unwrapped_ms(voice.start_ms)
        if last_ms is None:
            return
        numbers = self._voice_numbers.place(voice)
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
            with self._changed:
                self._buffer.hear(oldest_ms, now_ms, self.voice.ahead_ms)

    def hear_said(self, said: SaidPacket) -> None:
        """Takes what is said, where it comes without the voice.

        Raises:
            WireError: it is nowhere near the pictures, or no record.
        """
        if self.told is None:
            return
        with self._changed:
            start_ms = self._buffer.unwrapped_ms(said.start_ms)
        if start_ms is not None:
            self.told.push(said, float(start_ms))

    def _captured_ms(self, play_ms: float) -> float | None:
        """When that was said which is to be heard at `play_ms`."""
        with self._changed:
            return self._buffer.captured_ms(play_ms - self._drawing_ms)

    def _keep_sound(self, samples: NDArray[np.float32], start_ms: float) -> None:
        """Takes what is heard, on the thread of what plays it."""
        if self._recording is not None:
            self._sounds.append((samples, start_ms))

    def show_video(self, picture_rgb: NDArray[np.uint8]) -> None:
        """Takes a picture, uint8 [256, 256, 3], to show while no face can be drawn."""
        with self._changed:
            self._video = picture_rgb if self._size == len(picture_rgb) else enlarged(picture_rgb)
            self.video_frames += 1

    def line_silent(self) -> None:
        """Learns that nothing arrives any more, which the recording is to show."""
        if self._recording is not None:
            self._recording.line_silent()

    def hold(self, number: int, reconstructor: Reconstructor, replaces: int | None) -> None:
        """Takes one more reference, in place of another if it names one.

        Raises:
            WireError: the sender has another idea of what is held.
        """
        with self._changed:
            given_up = None if replaces is None else self._memory.get(replaces)
            try:
                self._memory.admit(number, reconstructor, replaces=replaces)
            except ValueError as exc:
                raise WireError(str(exc)) from exc
            if replaces is not None and given_up is not None:
                self._given_up = (replaces, given_up)

    @property
    def references_held(self) -> int:
        """How many references there are to draw from."""
        return len(self._memory)

    @property
    def references(self) -> tuple[ReferenceImage, ...]:
        """What there is to draw from, the latest first."""
        return tuple(reconstructor.reference for reconstructor in self._memory)[::-1]

    def close(self, timeout_s: float = 1.0) -> None:
        """Plays out what has arrived, finishes the recording, and re-raises an error of the thread."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            log.warning("the drawing thread did not end in time")
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _work(self) -> None:
        try:
            with ExitStack() as stack:
                self._play(stack)
        except Exception as error:  # raised again by close()
            self._error = error

    def _play(self, stack: ExitStack) -> None:
        """Draws until the end; a recording is finished by `stack`."""
        recording = self._recording
        if recording is not None:
            stack.callback(recording.close)
            stack.callback(self._record_sound, recording)
        # Recorded only if a frame comes after them: at the end of a call there was nothing more to see.
        guesses: list[tuple[NDArray[np.uint8], int]] = []
        while (due := self._next_due()) is not None:
            self._mark(due, "due")
            shown = self._draw(due)
            self._mark(due, "drawn")
            self._show(shown)
            self._mark(due, "shown")
            if recording is None:
                continue
            if due.item.is_guessed:
                guesses.append((shown.picture_rgb, due.capture_ms))
                continue
            with self.times.measure("record"):
                if not recording.is_open:
                    recording.open(self._start_ms(due))
                for picture_rgb, capture_ms in guesses:
                    recording.write_guess(picture_rgb, capture_ms)
                recording.write(shown.picture_rgb, shown.state, due.capture_ms)
                self._record_sound(recording)
            guesses.clear()

    def _mark(self, due: Due[_Frame], moment: str) -> None:
        if not due.item.is_guessed:
            self.moments.mark(due.capture_ms, moment)

    def _record_sound(self, recording: Recording) -> None:
        while self._sounds:
            recording.write_sound(*self._sounds.popleft())

    def _next_due(self) -> Due[_Frame] | None:
        """Waits for the next packet's time; None at the end."""
        with self._changed:
            while True:
                now_ms = self._clock_ms()
                due = self._buffer.pop(now_ms)
                if due is not None:
                    return due
                next_ms = self._buffer.next_due_ms()
                if self._is_closing and next_ms is None:
                    return None
                guess = None if self._is_closing else self._gap.next_guess(self._buffer, next_ms)
                if guess is not None and guess.due_ms <= now_ms:
                    self._gap.filled()
                    return Due(
                        guess.seq, guess.capture_ms, _Frame(guess.params, guess.references, False, True)
                    )
                waits = [one for one in (next_ms, guess.due_ms if guess else None) if one is not None]
                self._changed.wait(max(0.0, min(waits) - now_ms) / 1000 if waits else _IDLE_S)

    def _draw(self, due: Due[_Frame]) -> ShownPicture:
        frame = due.item
        state = self._why_not(frame)
        if state is None and frame.params is not None:
            reconstructors = self._reconstructors(frame.references)
            if reconstructors:
                best, *others = reconstructors
                heard = {}
                if self._heard_until_ms is not None:
                    self.known_after_ms.append(self._heard_until_ms - due.capture_ms)
                ears = self.told or self._ears
                # Listening takes a third of the time that drawing from one reference does, and brings less than fusing.
                if self._pace.is_busy:
                    if self._ears is not None:
                        self._ears.follow(due.capture_ms)
                elif ears is not None:
                    with self.times.measure("listen"):
                        heard["audio"] = ears.at(due.capture_ms)
                begin_ms, before = self._clock_ms(), self._picture
                with self.times.measure("draw"):
                    self._picture = best.draw(frame.params, *others, **heard)
                if self._picture is not before:
                    now_ms = self._clock_ms()
                    self._pace.drew(now_ms - begin_ms, now_ms)
                self.drawn_from.append(len(reconstructors))
                self.guessed += frame.is_guessed
            else:
                self.unknown_reference += 1
                state = "held"
        if not self.changes or self.changes[-1].state != (state or "live"):
            self.changes.append(StateChange(due.capture_ms, state or "live"))
        if not frame.is_guessed:
            shown = frame.params if state is None else None
            self._gap.shown(due.seq, due.capture_ms, shown, frame.references)
        now_ms = self._clock_ms()
        latency_ms = self._age_ms(due.capture_ms, now_ms)
        if not frame.is_guessed:
            with self._changed:
                late_ms = min(max(now_ms - self._buffer.due_ms_of(due.capture_ms), 0.0), _MOST_DRAWING_MS)
                self._drawing_ms += _LEARNED * (late_ms - self._drawing_ms)
        if latency_ms is not None and not frame.is_guessed:
            self.latencies.append(Latency(now_ms, latency_ms))
        return ShownPicture(self._picture, state or "live", latency_ms)

    def _why_not(self, frame: _Frame) -> State | None:
        """Why no face is drawn for this frame; None if one is. The newest live video takes its place."""
        with self._changed:
            if frame.params is not None and not frame.is_untrue:
                self._video = None
                return None
            video = self._video
        self.without_face += frame.params is None
        self.untrue += frame.is_untrue
        if video is not None:
            self._picture = video
            return "video"
        return "no face" if frame.params is None else "held"

    def _reconstructors(self, references: tuple[int, ...]) -> list[Reconstructor]:
        """What draws from those of these that are held, the best one first; no more of them than are to be fused."""
        with self._changed:
            given_up = dict([self._given_up]) if self._given_up else {}
            found = [self._memory.get(number) or given_up.get(number) for number in references or (0,)]
        return [one for one in found if one is not None][: self._pace.count]

    def _start_ms(self, first: Due[_Frame]) -> float:
        """When a recording starts: with the first frame that was sent, even when it came too late or never."""
        with self._changed:
            earliest = self._buffer.earliest or first
        lead_ms = min(earliest.seq * 1000 / self._rate_fps, _MAX_LEAD_MS)
        return earliest.capture_ms - lead_ms
