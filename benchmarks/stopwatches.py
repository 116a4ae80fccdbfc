"""Functions of the program in, the same with stopwatches around them while a context is open, their times out.

The code that a call runs is measured as it is: nothing is copied, and nothing in it knows.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import headgan.models.frame_graphs
import headgan.models.generator
import headgan.models.reconstruct
from headgan.codec.stage_times import StageTimes
from headgan.models.flow_prior import FlowPrior

FLOW, RENDER, WHOLE = "F (dense flow)", "R (rendering)", "F and R"
# What a Reconstructor calls, by name in its module; none of them calls another.
_DRAWING = {
    "project": "project",
    "render_pncc": "PNCC",
    "render_eyes": "eyes",
    "render_landmarks": "landmark sketch",
    "moved_prior": "drift applied",
    "mouth_mask": "mouth mask",
}
_PRIOR = "prior flow"
DRAWING_PARTS = (*_DRAWING.values(), _PRIOR, FLOW, RENDER, WHOLE)


@contextmanager
def drawing_watched(times: StageTimes) -> Iterator[None]:
    """Measures the parts of drawing, `DRAWING_PARTS`, of whatever is opened and drawn inside, on one thread."""
    with ExitStack() as stack:
        for name, stage in _DRAWING.items():
            stack.enter_context(_watched(headgan.models.reconstruct, name, stage, times))
        stack.enter_context(_watched(FlowPrior, "prior", _PRIOR, times))
        for module in (headgan.models.frame_graphs, headgan.models.generator):
            stack.enter_context(replaced(module, "open_session", lambda open_: _watching(open_, times)))
        yield


@contextmanager
def replaced(owner: Any, name: str, change: Callable[[Any], Any]) -> Iterator[None]:  # noqa: ANN401
    """`owner.name` as `change` makes it of what it was, and afterwards as it was.

    Raises:
        AttributeError: there is no such name: the program was changed, and this has to follow.
    """
    before = getattr(owner, name)
    setattr(owner, name, change(before))
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def _watched(owner: Any, name: str, stage: str, times: StageTimes) -> Iterator[None]:  # noqa: ANN401
    def change(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def watched(*given: Any, **named: Any) -> Any:  # noqa: ANN401
            with times.measure(stage):
                return function(*given, **named)

        return watched

    with replaced(owner, name, change):
        yield


class _WatchedSession:
    """A session whose runs are measured; in all else it is the session."""

    def __init__(self, session: Any, stage: str, times: StageTimes) -> None:  # noqa: ANN401
        self._session, self._stage, self._times = session, stage, times

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        attribute = getattr(self._session, name)
        if not name.startswith("run"):
            return attribute

        def run(*given: Any, **named: Any) -> Any:  # noqa: ANN401
            with self._times.measure(self._stage):
                return attribute(*given, **named)

        return run


def _watching(open_: Callable[..., Any], times: StageTimes) -> Callable[..., Any]:
    @wraps(open_)
    def open_watched(path: Path, *given: Any, **named: Any) -> tuple[Any, str]:  # noqa: ANN401
        session, provider = open_(path, *given, **named)
        parts = Path(path).suffixes
        if ".reference" in parts:
            return session, provider
        stage = FLOW if ".flow" in parts else RENDER if ".render" in parts else WHOLE
        return _WatchedSession(session, stage, times), provider

    return open_watched
