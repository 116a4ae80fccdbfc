"""Frames and the references that each is drawn from in, whether the receiver's picture is true out.

camera's thread   look ── now and then ──┐                     ┌──▶ is_true, is_stale
quiet thread                             └── draw ── compare ──┘

The sender draws as the receiver does, with the same generator from the same references, like any video encoder that
decodes what it sends; a generator that listens hears what was sent of the sound. A comparison costs as much as a
frame of the receiver, so it takes a share of the time; but when frames move away from their reference, or a comparison
raised a doubt, the next one comes at once.

It draws without drift, which is found in this very frame and bends a mouth towards a hand before it: what has to be
bent so is no less false, but looks more alike.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from headgan.codec.drift import no_drift
from headgan.codec.params import FaceParams
from headgan.codec.said_record import SaidRecord
from headgan.codec.voice import VoiceFrame
from headgan.models.ears import Ears
from headgan.models.fitting import project
from headgan.models.generator import Generator
from headgan.models.likeness import Likeness, compare_likeness
from headgan.models.morphable import MorphableModel
from headgan.models.quiet_worker import QuietWorker
from headgan.models.reconstruct import Reconstructor, ReferenceImage
from headgan.models.told_ears import ToldEars
from headgan.proto.errors import HeadganError
from headgan.sender.analysis import AnalysedFrame
from headgan.sender.scene_truth import SceneTruth
from headgan.sender.waiting_voice import pack_said

log = logging.getLogger(__name__)

# Share of one core that comparing may take, and the least and longest time between two, in milliseconds.
_SHARE = 0.12
_INTERVAL_MS, _LONGEST_MS = 200.0, 600.0
# A frame this many times as far from its reference, and this much farther, as the last that was compared is news.
_RISE, _FARTHER = 1.3, 4.0
# A prepared reference takes some megabytes.
_MOST_PREPARED = 16
# What is said after a frame is waited for, so often and so long; the receiver shows the frame later, too.
_LISTEN_S, _LISTENS = 0.02, 15


class ClosedLoop:
    """Belongs to the camera's thread; `close` may be called from any."""

    def __init__(
        self,
        model: MorphableModel,
        open_generator: Callable[[], Generator],
        clock_ms: Callable[[], float],
    ) -> None:
        """Prepares for a call.

        Args:
            model: the morphable model.
            open_generator: what draws for the receiver; called on the quiet thread.
            clock_ms: a monotonic clock.
        """
        self.truth = SceneTruth()
        self._model = model
        self._open_generator = open_generator
        self._clock_ms = clock_ms
        self._quiet = QuietWorker()
        self._comparing: Future[Likeness] | None = None
        self._due_ms = -float("inf")
        self._distance = float("inf")
        self._is_doubtful = False
        self._is_broken = False
        self._closed = threading.Event()
        self._ears: Ears | None = None
        self._told: ToldEars | None = None  # in place of them in a call without a voice
        # Of the quiet thread alone; what was used last is last.
        self._generator: Generator | None = None
        self._prepared: dict[ReferenceImage, Reconstructor] = {}

    def look(
        self,
        frame: AnalysedFrame,
        references: Sequence[ReferenceImage],
        distance: float = 0.0,
        *,
        capture_ms: float = 0.0,
        is_doubtful: bool = False,
    ) -> None:
        """Compares `frame` if it is time.

        Args:
            frame: as analysed.
            references: that it is drawn from, the best one first.
            distance: how far it is from that one, 0 where nobody measures it.
            capture_ms: when it was captured, on the clock of the voice.
            is_doubtful: whether that one may show what is no part of the person, such as a hand.
        """
        self._take_result()
        if frame.params is None:
            self.truth.forget()
            return
        is_news = self.truth.is_doubtful or distance > _RISE * self._distance + _FARTHER
        is_due = is_news or self._clock_ms() >= self._due_ms
        if self._comparing is not None or not is_due or self._is_broken:
            return
        self._distance, self._is_doubtful = distance, is_doubtful
        self._comparing = self._quiet.begin(lambda: self._compare(frame, references, capture_ms))

    def hear(self, frame: VoiceFrame | SaidRecord) -> None:
        """Takes what is sent of the sound; on any thread."""
        if isinstance(frame, SaidRecord):
            self._told = self._told or ToldEars()
            self._told.push(pack_said([frame]), float(round(frame.start_ms)))
        elif self._ears is not None and not frame.is_copy:
            # Its time travels in whole milliseconds.
            self._ears.push(replace(frame, start_ms=float(round(frame.start_ms))))

    @property
    def is_comparing(self) -> bool:
        """Whether a comparison is not done yet."""
        return self._comparing is not None and not self._comparing.done()

    def close(self) -> None:
        """Compares no more."""
        self._closed.set()
        self._quiet.close(waits=False)

    def _take_result(self) -> None:
        if self._comparing is None or not self._comparing.done():
            return
        comparing, self._comparing = self._comparing, None
        try:
            self.truth.saw(comparing.result(), is_doubtful=self._is_doubtful)
        except HeadganError as error:
            # The call goes on as one without this check would.
            log.warning("what the other side sees is not checked: %s", error)
            self._is_broken = True

    def _compare(
        self, frame: AnalysedFrame, references: Sequence[ReferenceImage], capture_ms: float
    ) -> Likeness:
        """On the quiet thread."""
        if frame.params is None:
            raise ValueError("a frame without a face cannot be compared")
        best, *others = [self._reconstructor(reference) for reference in references]
        heard = self._heard(capture_ms)
        begin_ms = self._clock_ms()
        params = _undrifted(frame.params)
        drawn = best.draw(params, *others, **heard)
        points = project(self._model, references[0].identity, params)
        likeness = compare_likeness(frame.crop_rgb, drawn, points)
        end_ms = self._clock_ms()
        self._due_ms = end_ms + min(max(_INTERVAL_MS, (end_ms - begin_ms) / _SHARE), _LONGEST_MS)
        return likeness

    def _heard(self, capture_ms: float) -> dict[str, NDArray[np.float32] | None]:
        """What a generator that listens is to hear; nothing for another."""
        if self._ears is None:
            return {}
        ears = self._told or self._ears
        for _ in range(_LISTENS):
            if ears.knows(capture_ms) or self._closed.wait(_LISTEN_S):
                break
        return {"audio": ears.at(capture_ms)}

    def _reconstructor(self, reference: ReferenceImage) -> Reconstructor:
        """One that was prepared, or a new one in the place of the one that was not used for longest."""
        if self._generator is None:
            self._generator = self._open_generator()
            self._ears = Ears() if self._generator.needs("audio") else None
        found = self._prepared.pop(reference, None)
        while len(self._prepared) >= _MOST_PREPARED:
            del self._prepared[next(iter(self._prepared))]
        if found is None:
            still = replace(reference, params=_undrifted(reference.params))
            found = Reconstructor(self._model, self._generator, still)
        self._prepared[reference] = found
        return found


def _undrifted(params: FaceParams) -> FaceParams:
    return replace(params, drift=no_drift())
