"""Blocks of a sound source in, whatever an encoder makes of them out, in a thread.

source ── read() ──▶ encode(samples, capture_ms) ──▶ deliver(frame), for each
"""

import logging
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from headgan.proto.errors import HeadganError
from headgan.sender.sound_source import SoundSource

log = logging.getLogger(__name__)

JOIN_S = 0.9

T = TypeVar("T")


class VoiceThread(Generic[T]):
    """Runs while its context is open; owns and closes the source. An error ends the sound and never the call.

    Attributes:
        is_muted: whether silence is encoded instead of what is heard; may be set from any thread.
    """

    def __init__(
        self,
        source: SoundSource,
        encode: Callable[[NDArray[np.float32], float], Sequence[T]],
        deliver: Callable[[T], None],
    ) -> None:
        """Starts nothing yet.

        Args:
            source: must not be read by anyone else from now on.
            encode: takes samples, float32 [N] at 48 kHz, and the time of the first; gives what is complete by now.
            deliver: takes each of these, in this thread; must not wait long.
        """
        self.is_muted = False
        self._source = source
        self._encode = encode
        self._deliver = deliver
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="voice", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def is_ended(self) -> bool:
        """Whether no sound will come any more."""
        return self._closed.is_set() or (self._thread.ident is not None and not self._thread.is_alive())

    def close(self) -> None:
        """Ends the thread and frees the source within about a second; nothing is delivered after it; idempotent."""
        self._closed.set()
        self._source.close()
        if self._thread.ident is None or self._thread is threading.current_thread():
            return
        self._thread.join(JOIN_S)
        if self._thread.is_alive():
            log.warning("%s does not answer and was left behind", self._source.describe())

    def _work(self) -> None:
        try:
            while (block := self._source.read()) is not None:
                samples = np.zeros_like(block.samples) if self.is_muted else block.samples
                for frame in self._encode(samples, block.capture_ms):
                    if self._closed.is_set():
                        return
                    self._deliver(frame)
        except HeadganError as error:
            log.warning("%s; the call goes on in silence", error)
        except Exception as error:  # whatever it is, the picture goes on
            log.warning("%s broke; the call goes on in silence", self._source.describe(), exc_info=error)
        finally:
            self._source.close()
