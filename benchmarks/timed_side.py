"""One of the two commands in, the same with all that is known of each frame in its statistics out.

A process of its own: `python -m headgan.benchmarks.timed_side sender|receiver OPTION...`. Two keys are added to what
`--stats` writes: `moments`, a row for each of the newest frames as `FrameMoments` has it, and, of a receiver,
`shown_ms`, when each picture was shown. Both are of the machine's own clock, which is one for all its processes.
Sound is heard by nobody: no speaker of this machine is opened.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import headgan.receiver.cli
import headgan.sender.cli
from headgan.receiver.silent_speaker import Fill, SilentSpeaker


def timed_words(side: str) -> tuple[str, ...]:
    """What to run in place of `headgan-send` (`sender`) or `headgan-recv` (`receiver`), before its options."""
    return sys.executable, "-m", "headgan.benchmarks.timed_side", side


def main(argv: Sequence[str]) -> int:
    """Runs the side that the first word names; returns the command's exit code."""
    side, *words = argv
    if side == "sender":
        _replace(headgan.sender.cli, "sender_stats", lambda stats: _with_moments(stats))
        return headgan.sender.cli.main(words)
    _replace(headgan.receiver.cli, "receiver_stats", lambda stats: _with_shown(stats))
    _replace(headgan.receiver.cli, "open_speaker", lambda _: _silent_speaker)
    return headgan.receiver.cli.main(words)


def _replace(module: Any, name: str, change: Callable[[Any], Any]) -> None:  # noqa: ANN401
    """Changes what a command's module uses; its process is ours alone."""
    setattr(module, name, change(getattr(module, name)))


def _with_moments(stats: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def timed_stats(call: Any) -> dict[str, Any]:  # noqa: ANN401
        return {**stats(call), "moments": call.moments.rows()}

    return timed_stats


def _with_shown(stats: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def timed_stats(call: Any, generator: Any) -> dict[str, Any]:  # noqa: ANN401
        report = stats(call, generator)
        if call.playback:
            report["moments"] = call.playback.moments.rows()
            report["shown_ms"] = [round(one.shown_ms, 1) for one in call.playback.shown.latencies]
        return report

    return timed_stats


def _silent_speaker(_speaker: str | None, fill: Fill) -> SilentSpeaker:
    return SilentSpeaker(fill)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
