"""The files of a generator's frame part in, what draws a frame with them out.

A frame graph is run as it is, or, on a processor, in two halves with the warp of the reference between them, for
which onnxruntime needs five times as long as OpenCV:

    flow graph ── grid ── warp the reference ── warped ── render graph ── picture
             └─────────── kept tensors ───────────────────┘
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.pncc import to_pixels
from headgan.models.runtime import Session, open_session
from headgan.proto.errors import ModelError

Arrays = Mapping[str, NDArray[np.generic]]


class FrameGraph(Protocol):
    """Draws one frame from the inputs that it asks for."""

    @property
    def inputs(self) -> frozenset[str]:
        """What it asks for, by name."""
        ...

    def run(self, given: Arrays) -> NDArray[np.uint8]:
        """Uint8 [H, W, 3], the picture; given: at least `inputs`."""
        ...


def open_frame_graph(path: Path, provider: str) -> tuple[FrameGraph, str]:
    """What draws with `path`, and the name of the provider that runs it.

    Raises:
        ModelError: a file is missing or damaged, or draws no picture.
        UsageError: the provider is unknown or does not work on this machine.
    """
    flow_path, render_path = path.with_suffix(".flow.onnx"), path.with_suffix(".render.onnx")
    if flow_path.exists() and render_path.exists():
        flow, name = open_session(flow_path, provider)
        if name == "cpu":
            render, _ = open_session(render_path, name)
            return _CutFrameGraph(flow, _drawing(render, render_path)), name
    session, name = open_session(path, provider)
    return _WholeFrameGraph(_drawing(session, path)), name


class _WholeFrameGraph:
    """One session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.inputs = frozenset(names_of(session.get_inputs()))

    def run(self, given: Arrays) -> NDArray[np.uint8]:
        picture: NDArray[np.uint8] = self._session.run(["picture"], _chosen(given, self.inputs))[0]
        return picture


class _CutFrameGraph:
    """Two sessions and the warp between them."""

    def __init__(self, flow: Session, render: Session) -> None:
        self._flow, self._render = flow, render
        self._read_first, self._read_then = names_of(flow.get_inputs()), names_of(render.get_inputs())
        self._kept = names_of(flow.get_outputs())
        self.inputs = frozenset({"reference", *self._read_first, *self._read_then} - {"warped", *self._kept})
        self._reference: NDArray[np.generic] | None = None
        self._colors: list[NDArray[np.float32]] = []

    def run(self, given: Arrays) -> NDArray[np.uint8]:
        found = self._flow.run(self._kept, _chosen(given, self._read_first))
        kept = dict(zip(self._kept, found, strict=True))
        warped = self._warp(given["reference"], kept["grid"][0])
        feed = _chosen({**given, **kept, "warped": warped}, self._read_then)
        picture: NDArray[np.uint8] = self._render.run(["picture"], feed)[0]
        return picture

    def _warp(self, reference: NDArray[np.generic], grid: NDArray[np.float32]) -> NDArray[np.float32]:
        """Float32 [1, 3, H, W], -1 to 1: the reference fetched at `grid`, float32 [H, W, 2]."""
        if reference is not self._reference:
            levels = np.asarray(reference, np.float32) / np.float32(127.5) - 1
            self._colors = [np.ascontiguousarray(levels[..., color]) for color in range(3)]
            self._reference = reference
        places = to_pixels(grid, len(grid))
        return np.stack(
            [
                cv2.remap(color, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
                for color in self._colors
            ]
        )[None]


def names_of(items: Sequence[Any]) -> list[str]:
    """Names of a session's inputs or outputs."""
    return [item.name for item in items]


def _drawing(session: Session, path: Path) -> Session:
    if names_of(session.get_outputs()) != ["picture"]:
        raise ModelError(f"{path} is no generator of this version: it draws no picture")
    return session


def _chosen(given: Arrays, names: Sequence[str] | frozenset[str]) -> dict[str, NDArray[np.generic]]:
    return {name: given[name] for name in names}
