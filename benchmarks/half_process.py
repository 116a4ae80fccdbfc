"""What to measure in, what was measured out: half a call, or another codec, in a process of its own.

A process of its own so that processor time, memory and the choice of cores are those of that half alone:
`python -m headgan.benchmarks.half_process WHAT PLAN RESULT`, the plan in JSON, the result a JSON file.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from headgan.benchmarks.children import end_child, finish_child, start_child
from headgan.benchmarks.half_plans import CodecPlan, Plan, ReceiverPlan, SenderPlan
from headgan.models.one_thread import keep_to_one_thread
from headgan.proto.options import run_command

# A child imports what it measures and nothing else: the memory of the rest is not its own.
_WORK: dict[str, tuple[type[Any], str, str]] = {
    "sender": (SenderPlan, "headgan.benchmarks.sender_half", "run_sender"),
    "receiver": (ReceiverPlan, "headgan.benchmarks.receiver_half", "run_receiver"),
    "codec": (CodecPlan, "headgan.benchmarks.codec_costs", "run_codec"),
}
# Nothing that is measured takes so long.
_LIMIT_S = 3600.0


def measure_apart(plan: Plan, folder: Path, name: str) -> dict[str, Any]:
    """What a child process measures; it leaves its log in `folder`.

    Raises:
        HeadganError: it failed; with what it said last.
    """
    what = next(word for word, (kind, *_) in _WORK.items() if isinstance(plan, kind))
    log, result = folder / f"{name}.log", folder / f"{name}.result.json"
    result.unlink(missing_ok=True)
    words = [
        sys.executable,
        "-m",
        "headgan.benchmarks.half_process",
        what,
        json.dumps(asdict(plan)),
        str(result),
    ]
    child = start_child(words, log)
    try:
        finish_child(child, name, log, _LIMIT_S)
    finally:
        end_child(child)
    measured: dict[str, Any] = json.loads(result.read_text())
    result.unlink()
    return measured


def main(argv: Sequence[str]) -> int:
    """What the child does; returns its exit code."""
    what, plan, result = argv
    kind, module, name = _WORK[what]
    run: Callable[[Any], dict[str, Any]] = getattr(import_module(module), name)

    def measure() -> int:
        keep_to_one_thread()
        Path(result).write_text(json.dumps(run(kind(**json.loads(plan)))))
        return 0

    return run_command(what, measure)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
