"""One of the two commands in, its call behind a bad line and a diary of it out: a process of its own.

A diary has a JSON object a line. Each has "s", seconds of the machine's monotonic clock, and "what":

    sender      outage      until               of the line, in the middle of the reference that was just offered
                offered     number, replaces    a reference, to the receiver
                answered    number, held        whether it is held
    receiver    answered    number, replaces, held
                picture     state, latency_ms   shown
                state       state               shown without a picture
"""

import dataclasses
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import headgan.receiver.call
import headgan.receiver.cli
import headgan.sender.call
import headgan.sender.cli
from headgan.benchmarks.faulty_line import FaultyLine, LineFaults
from headgan.proto.more_references import MoreReceived, ReferenceAnswered
from headgan.proto.reference_transfer import Reference
from headgan.proto.session import Session
from headgan.proto.session_events import StartStreaming, Step
from headgan.receiver.display import Frame, ViewerStats

# The first piece of a reference has left by then, and the last one has not.
_INTO_REFERENCE_S = 0.3
# No reference for so long after the time asked for: there will be none.
_NO_REFERENCE_S = 20.0


@dataclass(frozen=True)
class Outage:
    """When the sender's line is cut.

    Attributes:
        at_s: after so much of the call, with the next reference that is sent.
        seconds: how long; 0 for not at all.
        after_s: how long the call goes on afterwards.
    """

    at_s: float
    seconds: float
    after_s: float


def launch_words(
    side: str, diary: Path, faults: LineFaults | None = None, outage: Outage | None = None
) -> tuple[str, ...]:
    """What to run in place of `headgan-send` or `headgan-recv`, before its options.

    Args:
        side: sender or receiver; one of the two stands behind the line, which is that of both.
        diary: the file, replaced if it exists.
        faults: of the line, for the sender.
        outage: of the line, for the sender.
    """
    plan = {
        "faults": faults and dataclasses.asdict(faults),
        "outage": outage and dataclasses.asdict(outage),
    }
    return sys.executable, "-m", "headgan.benchmarks.watched_side", side, str(diary), json.dumps(plan)


def read_diary(path: Path) -> list[dict[str, Any]]:
    """The entries of a diary, in their order."""
    return [json.loads(line) for line in path.read_text().splitlines()]


class _Diary:
    """A file that several threads write to."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", buffering=1)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, what: str, **more: Any) -> None:  # noqa: ANN401
        with self._lock:
            self._file.write(json.dumps({"s": time.monotonic(), "what": what, **more}) + "\n")


def _sender_session(diary: _Diary, line: FaultyLine, outage: Outage) -> type[Session]:
    """Sessions of a sender that write down what becomes of references, and whose line is cut in one of them."""

    def hang_up() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    def after(seconds: float, do: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, do)
        timer.daemon = True
        timer.start()

    class WatchedSession(Session):
        _ready_s: float | None = None
        _has_had_outage = False
        _is_under_way = False
        _is_time_to_end = False

        def receive(self, data: bytes, now_ms: int) -> Step:
            step = super().receive(data, now_ms)
            for event in step.events:
                match event:
                    case StartStreaming():
                        self._ready_s = time.monotonic()
                        after(outage.at_s + outage.seconds + outage.after_s + _NO_REFERENCE_S, hang_up)
                    case ReferenceAnswered(number, is_held):
                        diary.write("answered", number=number, held=is_held)
                        self._is_under_way = False
                        if self._is_time_to_end:
                            hang_up()
                    case _:
                        pass
            return step

        def offer_reference(
            self, number: int, reference: Reference, replaces: int | None = None
        ) -> tuple[bytes, ...]:
            messages = super().offer_reference(number, reference, replaces)
            diary.write("offered", number=number, replaces=replaces)
            self._is_under_way = True
            now_s = time.monotonic()
            is_time = self._ready_s is not None and now_s - self._ready_s >= outage.at_s
            if is_time and not self._has_had_outage:
                self._has_had_outage = True
                start_s = now_s + _INTO_REFERENCE_S
                end_s = start_s + outage.seconds
                line.cut(start_s, end_s)
                diary.write("outage", start=start_s, until=end_s)
                after(end_s + outage.after_s - now_s, self._end)
            return messages

        def _end(self) -> None:
            """Hangs up when no reference is under way, so that both ends can be compared."""
            self._is_time_to_end = True
            if not self._is_under_way:
                hang_up()

    return WatchedSession


def _receiver_session(diary: _Diary) -> type[Session]:
    """Sessions of a receiver that write down what becomes of references."""

    class WatchedSession(Session):
        _replaces: int | None = None

        def receive(self, data: bytes, now_ms: int) -> Step:
            step = super().receive(data, now_ms)
            for event in step.events:
                if isinstance(event, MoreReceived):
                    self._replaces = event.replaces  # one is answered before the next one comes
            return step

        def answer_reference(self, number: int, *, is_held: bool) -> Step:
            diary.write("answered", number=number, replaces=self._replaces, held=is_held)
            return super().answer_reference(number, is_held=is_held)

    return WatchedSession


class _DiaryDisplay:
    """A display that only writes down what it is to show; stands in for the window."""

    is_closed = False

    def __init__(self, diary: _Diary) -> None:
        self._diary = diary

    def publish(self, frame_rgb: Frame | None, stats: ViewerStats) -> None:
        if frame_rgb is None:
            self._diary.write("state", state=stats.state)
        else:
            self._diary.write("picture", state=stats.state, latency_ms=stats.latency_ms)

    def close(self) -> None:
        """There is nothing to close."""


def main(argv: Sequence[str]) -> int:
    """Runs a side as `launch_words` has it; returns the command's exit code."""
    side, diary_path, plan_text, *words = argv
    plan = json.loads(plan_text)
    line = FaultyLine(LineFaults(**plan["faults"])) if plan["faults"] else None
    with _Diary(Path(diary_path)) as diary, line.installed() if line else nullcontext():
        if side == "receiver":
            _replace(headgan.receiver.call, "Session", _receiver_session(diary))
            _replace(headgan.receiver.cli, "Window", lambda: _DiaryDisplay(diary))
            return headgan.receiver.cli.main([*words, "--viewer", "window"])
        if line is None:
            raise ValueError("a watched sender needs a line")
        if plan["outage"]:
            _replace(headgan.sender.call, "Session", _sender_session(diary, line, Outage(**plan["outage"])))
        return headgan.sender.cli.main(words)


def _replace(module: Any, name: str, stand_in: Any) -> None:  # noqa: ANN401
    """Puts something in the place of what a command's module would use; its process is ours alone."""
    if not hasattr(module, name):
        raise AttributeError(f"{module.__name__} has no {name} to watch")
    setattr(module, name, stand_in)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
