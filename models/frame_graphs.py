"""The files of a generator's frame part in, what draws a frame with them out.

A frame graph is run as it is, for one reference, or, on a processor, in two halves. Between them the reference is
warped, for which onnxruntime needs five times as long as OpenCV, and what was found for several references is fused,
weighed by a softmax of how much F trusts each where:

    for each reference   flow graph ── grid ── warp the reference ── warped ──┐
                                  └─── trust, middle, coarse, decoded ────────┤
                                                                             fuse ── render graph ── picture
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.pncc import to_pixels
from headgan.models.runtime import Session, open_session
from headgan.proto.errors import ModelError

Arrays = Mapping[str, NDArray[np.generic]]
# References share a place by the softmax of F's trust times this: flatter, and the picture blurs where they do not
# quite agree.
TRUST_SHARPNESS = 4.0
# A property of the files of networks that were trained with sound: `speech_form` of then.
SPEECH_KEY = "headgan_speech"
_HINTS = ("uncovered", "mouth")
# Inputs of a frame; all others of the graphs are what was made of a reference, once.
_OF_FRAME = frozenset(("pncc", "landmarks", "eyes", "source_grid", "audio", *_HINTS))
_OF_RENDER = _OF_FRAME | {"warped", "middle", "coarse", "decoded"}
# Pictures whose planes are kept: references and backgrounds of a frame, and of the one before.
_RECENT = 12


@dataclass(frozen=True, eq=False)
class DrawnFrame:
    """A picture and where it is from.

    Attributes:
        picture: uint8 [H, W, 3].
        grids: float32 [H, W, 2] for each reference that has a part in it, each pixel's place there, -1 to 1.
        shares: float32 [h, w] for each of these, what part it has; together 1.
    """

    picture: NDArray[np.uint8]
    grids: tuple[NDArray[np.float32], ...]
    shares: tuple[NDArray[np.float32], ...]


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

    def run(self, views: Sequence[Arrays]) -> NDArray[np.uint8]:
        """Uint8 [H, W, 3], the picture; views: at least `inputs` for each reference, the best one first."""
        ...

    def draw(self, views: Sequence[Arrays]) -> DrawnFrame:
        """The picture and where it is from; views: as for `run`, and `source_grid` of each."""
        ...


def open_frame_graph(path: Path, provider: str, *, tells_flow: bool = False) -> tuple[FrameGraph, str]:
    """What draws with `path`, and the name of the provider that runs it.

    Args:
        path: the whole frame graph; the halves beside it are taken where that is faster.
        provider: see `open_session`.
        tells_flow: whether to take the halves on any provider, as only they tell what flow F found.

    Raises:
        ModelError: a file is missing or damaged, or draws no picture.
        UsageError: the provider is unknown or does not work on this machine.
    """
    flow_path, render_path = path.with_suffix(".flow.onnx"), path.with_suffix(".render.onnx")
    if flow_path.exists() and render_path.exists():
        flow, name = open_session(flow_path, provider, _OF_FRAME)
        if name == "cpu" or tells_flow:
            render, _ = open_session(render_path, name, _OF_RENDER)
            return _CutFrameGraph(flow, _drawing(render, render_path)), name
    session, name = open_session(path, provider, _OF_FRAME)
    return _WholeFrameGraph(_drawing(session, path)), name


class _WholeFrameGraph:
    """One session."""

    fuses = False

    def __init__(self, session: Session) -> None:
        self._session = session
        self.speech = _speech_of(session)
        self.inputs = frozenset(names_of(session.get_inputs()))

    def run(self, views: Sequence[Arrays]) -> NDArray[np.uint8]:
        picture: NDArray[np.uint8] = self._session.run(["picture"], _chosen(views[0], self.inputs))[0]
        return picture

    def draw(self, views: Sequence[Arrays]) -> DrawnFrame:
        """See `FrameGraph`; what flow is added to the geometry's, a whole graph does not tell."""
        grid = np.asarray(views[0]["source_grid"], np.float32)
        return DrawnFrame(self.run(views[:1]), (grid,), (np.ones((1, 1), np.float32),))


class _CutFrameGraph:
    """Two sessions, and what is done between them."""

    fuses = True

    def __init__(self, flow: Session, render: Session) -> None:
        self._flow, self._render = flow, render
        self.speech = _speech_of(render)
        self._read_first, self._read_then = names_of(flow.get_inputs()), names_of(render.get_inputs())
        self._found = names_of(flow.get_outputs())
        asked = {"reference", *self._read_first, *self._read_then}
        if "uncovered" in asked:
            asked.add("background")
        self.inputs = frozenset(asked - {"warped", *self._found})
        self._recent: deque[tuple[NDArray[np.generic], list[NDArray[np.float32]]]] = deque(maxlen=_RECENT)

    def run(self, views: Sequence[Arrays]) -> NDArray[np.uint8]:
        return self.draw(views).picture

    def draw(self, views: Sequence[Arrays]) -> DrawnFrame:
        """See `FrameGraph`."""
        moved = [self._move(view) for view in views]
        shares = _shares(moved)
        fused = moved[0] if len(moved) == 1 else _fused(moved, shares)
        picture: NDArray[np.uint8] = self._render.run(
            ["picture"], _chosen({**views[0], **fused}, self._read_then)
        )[0]
        return DrawnFrame(picture, tuple(one["grid"][0] for one in moved), tuple(shares))

    def _move(self, view: Arrays) -> dict[str, NDArray[np.float32]]:
        """What the render graph, or the fusion, has to know of one reference."""
        found = self._flow.run(self._found, _chosen(view, self._read_first))
        moved = dict(zip(self._found, found, strict=True))
        moved["warped"] = self._warp(view, moved["grid"][0])
        return moved | {name: np.asarray(view[name], np.float32) for name in _HINTS if name in view}

    def _warp(self, view: Arrays, grid: NDArray[np.float32]) -> NDArray[np.float32]:
        """Float32 [1, 3, H, W], -1 to 1: the reference fetched at `grid`, float32 [H, W, 2]; or its background."""
        places = to_pixels(grid, len(grid))
        warped = np.stack(
            [
                cv2.remap(color, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
                for color in self._colors(view["reference"])
            ]
        )
        if "background" in self.inputs and view["uncovered"].any():
            background = np.stack(self._colors(view["background"]))
            warped += view["uncovered"] * (background - warped)
        return warped[None]

    def _colors(self, picture: NDArray[np.generic]) -> list[NDArray[np.float32]]:
        """Three planes of a reference or its background, -1 to 1; made once for those of late."""
        for known, colors in self._recent:
            if known is picture:
                return colors
        levels = np.asarray(picture, np.float32) / np.float32(127.5) - 1
        colors = [np.ascontiguousarray(levels[..., color]) for color in range(3)]
        self._recent.append((picture, colors))
        return colors


def _shares(moved: Sequence[dict[str, NDArray[np.float32]]]) -> NDArray[np.float32]:
    """Float32 [K, h, w]: what part each reference has in the picture where, by F's trust in it."""
    trust = TRUST_SHARPNESS * np.stack([one["trust"][0, 0] for one in moved])
    shares: NDArray[np.float32] = np.exp(trust - trust.max(axis=0))
    shares /= shares.sum(axis=0)
    return shares


def _fused(
    moved: Sequence[dict[str, NDArray[np.float32]]], shares: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """The mean over the references of all planes but grid and trust, weighed by their shares."""

    def mean(name: str) -> NDArray[np.float32]:
        size = moved[0][name].shape[:-3:-1]
        weighed = [
            one[name] * cv2.resize(share, size, interpolation=cv2.INTER_LINEAR)
            for one, share in zip(moved, shares, strict=True)
        ]
        total: NDArray[np.float32] = np.sum(weighed, axis=0, dtype=np.float32)
        return total

    return {name: mean(name) for name in moved[0].keys() - {"grid", "trust"}}


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
