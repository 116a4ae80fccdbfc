"""A wish for a microphone or a speaker in, its blocks with their times out, whatever happens to the device.

             ┌── find, open ──▶ callbacks ── none for a second, or an error ──┐
    wait 2 s ┤                                                                 ├── one warning
             └──◀───────────────────────────────────────────────────────────────┘

A thread keeps the device open. What goes wrong is said once, and again only after there was sound in between.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headgan.codec.sound_devices import (
    KIND_NAMES,
    LIST_HINTS,
    Kind,
    NoSoundLibraryError,
    OpenedStream,
    SoundDevice,
    Wanted,
    find_device,
    leave_behind,
    look_again,
    open_stream,
)
from headgan.codec.stream_clock import StreamClock
from headgan.proto.errors import DeviceError

log = logging.getLogger(__name__)

CHECK_S = 0.1
JOIN_S = 0.8

# Samples float32 [N, C], to be read or to be filled in place; the time of the first; their rate.
OnBlock = Callable[[NDArray[np.float32], float, int], None]


@dataclass(frozen=True)
class Patience:
    """How long a device is waited for.

    Attributes:
        retry_s: after a failure it is tried again so much later.
        stall_s: a device that does not call for so long is gone.
        settle_s: but not so soon after it was opened: headsets without a cable, and sound servers, take a while.
    """

    retry_s: float = 2.0
    stall_s: float = 1.0
    settle_s: float = 3.0


PATIENCE = Patience()


class SoundStream:
    """Keeps one device open from start() to close()."""

    def __init__(
        self,
        kind: Kind,
        wanted: Wanted,
        on_block: OnBlock,
        *,
        clock_ms: Callable[[], float],
        patience: Patience = PATIENCE,
    ) -> None:
        """Touches no device yet.

        Args:
            kind: microphone or speaker.
            wanted: its number, a part of its name, or None for the system's default.
            on_block: takes or fills a block, in a thread of the device; must not wait for anything. Its time says when
                the first sample was recorded, or will be heard.
            clock_ms: the clock of these times.
            patience: how long a device is waited for.
        """
        self._kind: Kind = kind
        self._wanted = wanted
        self._on_block = on_block
        self._clock_ms = clock_ms
        self._patience = patience
        self._opened: OpenedStream | None = None
        self._last_ms: float | None = None  # of the last callback of what is open
        self._stopping = threading.Event()
        self._has_complained = False
        self._has_failed = False
        self.is_given_up = False
        self.troubles = 0
        self._thread = threading.Thread(target=self._work, name=KIND_NAMES[kind], daemon=True)

    def start(self) -> None:
        """Begins to open the device, in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Frees the device within a second; idempotent."""
        self._stopping.set()
        if self._thread.ident is None:
            return
        self._thread.join(JOIN_S)
        if self._thread.is_alive():
            log.warning("%s does not answer and was left behind", self.describe())
            leave_behind()

    @property
    def is_open(self) -> bool:
        """Whether there is a device at present."""
        return self._opened is not None

    @property
    def is_calling(self) -> bool:
        """Whether the device is there and gave or took a block within the last fifth of a second."""
        last_ms = self._last_ms
        return last_ms is not None and self._clock_ms() - last_ms < 200

    def describe(self) -> str:
        """Such as `microphone USB Headset, 48 kHz`."""
        name, opened = KIND_NAMES[self._kind], self._opened
        if opened is not None:
            return f"{name} {opened.device.name}, {opened.rate_hz / 1000:g} kHz"
        return f"the default {name}" if self._wanted is None else f"{name} {self._wanted}"

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                opened = open_stream(self._kind, self._find(), self._callback())
            except NoSoundLibraryError as error:
                self._complain(f"{error}; the call goes on without a {KIND_NAMES[self._kind]}")
                self.is_given_up = True
                return
            except DeviceError as error:
                self._complain(f"{error}; the call goes on in silence until it is there")
            except Exception as error:  # a call never ends because of its sound
                self._complain(f"{self.describe()} cannot be used ({error}); the call goes on in silence")
            else:
                self._watch(opened)
            if self._stopping.wait(self._patience.retry_s):
                return
            self._look_again()

    def _find(self) -> SoundDevice:
        device = find_device(self._kind, self._wanted)
        if isinstance(self._wanted, int):
            # Numbers change when devices come and go, and another device is not the one that was meant.
            self._wanted = device.name
        return device

    def _look_again(self) -> None:
        try:
            look_again()
        except DeviceError as error:
            self._complain(f"{error}; the call goes on in silence until it does")

    def _watch(self, opened: OpenedStream) -> None:
        """Returns, with the device freed, when it is gone or nobody wants it any more."""
        self._opened = opened
        opened_ms, is_heard = self._clock_ms(), False
        while not self._stopping.wait(CHECK_S):
            last_ms = self._last_ms
            if last_ms is not None and not is_heard:
                is_heard, self._has_complained = True, False
                log.info("sound: %s", self.describe())
            end_ms = max(
                opened_ms + self._patience.settle_s * 1000,
                (last_ms or opened_ms) + self._patience.stall_s * 1000,
            )
            if not opened.is_running or self._clock_ms() > end_ms:
                self._complain(
                    f"{self.describe()} stopped: was it unplugged? The call goes on in silence until it is back; "
                    + LIST_HINTS[self._kind]
                )
                break
        self._opened = None
        opened.close()
        self._last_ms = None

    def _complain(self, text: str) -> None:
        if not self._has_complained:
            log.warning("%s", text)
        self._has_complained = True

    def _callback(self) -> Callable[..., None]:
        """What PortAudio is to call for one opened stream."""
        clock = StreamClock()
        is_input = self._kind == "input"

        def called(block: Any, count: int, times: Any, flags: Any) -> None:  # noqa: ANN401 - sounddevice's
            now_ms = self._clock_ms()
            opened = self._opened
            if opened is None or self._stopping.is_set():
                if not is_input:
                    block.fill(0)
                return
            self._last_ms = now_ms
            self.troubles += bool(flags)
            length_ms = count * 1000 / opened.rate_hz
            if is_input:
                time_ms = clock.to_ms(times.inputBufferAdcTime, times.currentTime, now_ms, now_ms - length_ms)
            else:
                time_ms = clock.to_ms(
                    times.outputBufferDacTime, times.currentTime, now_ms, now_ms + length_ms
                )
            self._serve(block, time_ms, opened.rate_hz)

        return called

    def _serve(self, block: NDArray[np.float32], time_ms: float, rate_hz: int) -> None:
        try:
            self._on_block(block, time_ms, rate_hz)
        except Exception as error:  # PortAudio would end the stream and print a traceback
            if self._kind == "output":
                block.fill(0)
            if not self._has_failed:
                log.warning("sound is left out: %s", error, exc_info=error)
            self._has_failed = True
