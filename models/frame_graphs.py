"""The files of a generator's frame part in, what draws a frame with them out.

A frame graph is run as it is, for one reference, or, on a processor, in two halves (`headgan.models.cut_frames`), in
single precision or in eight bits.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headgan.models.cut_frames import COARSE_KEY, CutFrameGraph
from headgan.models.drawn_frame import DrawnFrame
from headgan.models.runtime import Session, is_processor, open_session
from headgan.proto.errors import ModelError, UsageError

Arrays = Mapping[str, NDArray[np.generic]]
# A property of the files of networks that were trained with sound: `speech_form` of then.
SPEECH_KEY = "headgan_speech"
# A property of 8-bit halves: the digest of those in single precision that they were made from.
MADE_FROM_KEY = "headgan_made_from"
# How a processor computes, and what that puts before the ending of the halves' files.
PRECISIONS = {"float32": "", "int8": ".int8"}
# Inputs of a frame; all others of a whole graph are what was made of a reference, once.
_OF_FRAME = frozenset(("pncc", "landmarks", "eyes", "source_grid", "audio", "uncovered", "mouth"))


class FrameGraph(Protocol):
    """Draws one frame from the inputs that it asks for."""

    @property
    def speech(self) -> str | None:
        """The form of the features of sound that it was trained with; None if in silence."""
        ...

    @property
    def inputs(self) -> frozenset[str]:
        """What it asks for, by name."""
        ...

    @property
    def fuses(self) -> bool:
        """Whether several references make one picture; otherwise only the first of them does."""
        ...

    def kept(self, arrays: Arrays) -> dict[str, NDArray[np.generic]]:
        """What of a reference's arrays, `inputs`, is enough to draw from it."""
        ...

    def run(self, views: Sequence[Arrays]) -> NDArray[np.uint8]:
        """Uint8 [H, W, 3], the picture; views: at least `inputs` for each reference, the best one first."""
        ...

    def draw(self, views: Sequence[Arrays]) -> DrawnFrame:
        """The picture and where it is from; views: as for `run`, and `source_grid` of each."""
        ...


def open_frame_graph(
    path: Path, provider: str, precision: str = "float32", *, in_halves: bool = False
) -> tuple[FrameGraph, str]:
    """What draws with `path`, and what runs it, in words.

    Args:
        path: the whole frame graph; the halves beside it are taken where that is faster.
        provider: see `open_session`.
        precision: one of `PRECISIONS`, for a processor.
        in_halves: whether to take the halves on any provider: only they draw from several references, and tell what
            flow F found.

    Raises:
        ModelError: a file is missing or damaged, or draws no picture.
        UsageError: the provider is unknown or does not work on this machine, or there are no files of that precision.
    """
    flow_path, render_path = half_paths(path, precision)
    whole = None
    # A card takes a while to make a graph ready: it is not to do so for halves that something else will run.
    if precision == "float32" and not in_halves and not is_processor(provider):
        whole = _whole(path, provider)
        if whole[1] != "cpu":
            return whole
    if flow_path.exists() and render_path.exists():
        flow, name = open_session(flow_path, provider if whole is None else "cpu")
        # Halves of another version are left alone: the whole does the same.
        if (name == "cpu" or in_halves) and COARSE_KEY in flow.get_modelmeta().custom_metadata_map:
            render, _ = open_session(render_path, name)
            words = name if precision == "float32" else f"{name}, {precision}"
            return CutFrameGraph(flow, render, _speech_of(render)), words
    if precision != "float32":
        raise UsageError(
            f"--precision {precision}: there is no {flow_path.name} for a processor; "
            "headgan export --precision int8 makes it"
        )
    return whole or _whole(path, provider)


def _whole(path: Path, provider: str) -> tuple[FrameGraph, str]:
    session, name = open_session(path, provider, _OF_FRAME)
    return _WholeFrameGraph(_drawing(session, path)), name


def half_paths(path: Path, precision: str) -> tuple[Path, Path]:
    """The files of the flow and the render graph that belong to the whole graph `path`."""
    ending = f"{PRECISIONS[precision]}.onnx"
    return path.with_suffix(f".flow{ending}"), path.with_suffix(f".render{ending}")


class _WholeFrameGraph:
    """One session."""

    fuses = False

    def __init__(self, session: Session) -> None:
        self._session = session
        self.speech = _speech_of(session)
        self.inputs = frozenset(names_of(session.get_inputs()))

    def kept(self, arrays: Arrays) -> dict[str, NDArray[np.generic]]:
        """All of them; see `FrameGraph`."""
        return dict(arrays)

    def run(self, views: Sequence[Arrays]) -> NDArray[np.uint8]:
        picture: NDArray[np.uint8] = self._session.run(["picture"], _chosen(views[0], self.inputs))[0]
        return picture

    def draw(self, views: Sequence[Arrays]) -> DrawnFrame:
        """See `FrameGraph`; what flow is added to the geometry's, a whole graph does not tell."""
        grid = np.asarray(views[0]["source_grid"], np.float32)
        return DrawnFrame(self.run(views[:1]), (grid,), (np.ones((1, 1), np.float32),))


def names_of(items: Sequence[Any]) -> list[str]:
    """Names of a session's inputs or outputs."""
    return [item.name for item in items]


def _speech_of(session: Session) -> str | None:
    form: str | None = session.get_modelmeta().custom_metadata_map.get(SPEECH_KEY)
    return form


def _drawing(session: Session, path: Path) -> Session:
    if names_of(session.get_outputs()) != ["picture"]:
        raise ModelError(f"{path} is no generator of this version: it draws no picture")
    return session


def _chosen(given: Arrays, names: Sequence[str] | frozenset[str]) -> dict[str, NDArray[np.generic]]:
    return {name: given[name] for name in names}
