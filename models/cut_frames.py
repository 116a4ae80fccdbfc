"""The two halves of a generator's frame part in, a frame graph that runs them on a processor out.

Between the halves features and picture are warped, for which OpenCV and numba need a fraction of onnxruntime's time,
and what was found for several references is fused, weighed by a softmax of how much F trusts each where:

    for each reference   start, hints, started ── flow graph ─┬─ residual ── grid ── warp ── warped, middle, coarse ─┐
                                                              └─ trust, decoded ─────────────────────────────────────┤
                                                                                 fuse ── render graph ── picture

Whatever has channels has them last here. A half that computes in eight bits says in its inputs' names in which form it
wants them (`headgan.models.nets.eight_bits`), and leaves the changes that it makes to the warped picture as bytes.
"""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.models.drawn_frame import DrawnFrame
from headgan.models.planes import Changer, add_share, fetched, patches
from headgan.models.pncc import to_pixels
from headgan.models.runtime import Session

Arrays = Mapping[str, NDArray[np.generic]]
# References share a place by the softmax of F's trust times this: flatter, and the picture blurs where they do not
# quite agree.
TRUST_SHARPNESS = 4.0
# R takes away what was warped by the sigmoid of what it says less this.
STARTS_CLOSED = 4.0
# Properties of a flow graph's file: which arrays of a reference are the tables that features are fetched from. A row is
# the features of a pixel, of the one right of it, below it, and below that: a whole graph gathers all four at once.
MIDDLE_KEY, COARSE_KEY = "headgan_middle", "headgan_coarse"
_HINTS = ("uncovered", "mouth")
_FUSED = ("middle", "coarse", "decoded", "warped", *_HINTS)


class CutFrameGraph:
    """Two sessions, and what is done between them. Not thread-safe."""

    fuses = True

    def __init__(self, flow: Session, render: Session, speech: str | None) -> None:
        """Args: speech: see `FrameGraph`."""
        self.speech = speech
        self._flow, self._render = _Half(flow), _Half(render)
        properties = flow.get_modelmeta().custom_metadata_map
        self._middle, self._coarse = properties[MIDDLE_KEY], properties[COARSE_KEY]
        channels = self._render.channels
        self._tables = {self._middle: channels["middle"], self._coarse: channels["coarse"]}
        asked = self._flow.asked | self._render.asked
        own = {"start", "hints", "started", "warped", "middle", "coarse", "decoded"}
        given = {"reference", "background", "source_grid", *_HINTS, self._middle, self._coarse}
        self.inputs = frozenset((asked - own) | given)
        scales = render.get_modelmeta().custom_metadata_map.get("changes/bytes")
        self._changer: Changer | None = None
        if scales is not None:
            zero, *channels = json.loads(scales)
            self._changer = Changer(zero, np.array(channels, np.float32), STARTS_CLOSED)

    def kept(self, arrays: Arrays) -> dict[str, NDArray[np.generic]]:
        """Of each table a quarter: the rest is the features of the pixels beside and below; see `FrameGraph`."""
        return {
            name: self._features(arrays, name) if name in self._tables else arrays[name] for name in arrays
        }

    def run(self, views: Sequence[Arrays]) -> NDArray[np.uint8]:
        """Uint8 [H, W, 3], the picture; see `FrameGraph`."""
        return self.draw(views).picture

    def draw(self, views: Sequence[Arrays]) -> DrawnFrame:
        """See `FrameGraph`."""
        made: dict[tuple[int, int], NDArray[np.uint8]] = {}
        moved = [self._move(view, made) for view in views]
        shares = _shares(moved)
        fused = moved[0] if len(moved) == 1 else _fused(moved, shares)
        found = self._render.run({**views[0], **fused}, made)
        picture: NDArray[np.uint8]
        if self._changer is None:
            picture = found["picture"]
        else:
            picture = self._changer.changed(fused["warped"], found["changes"][0])
        return DrawnFrame(picture, tuple(one["grid"] for one in moved), tuple(shares))

    def _move(self, view: Arrays, made: dict[tuple[int, int], NDArray[np.uint8]]) -> dict[str, NDArray[Any]]:
        """What the render graph, or the fusion, has to know of one reference."""
        whole: NDArray[Any] = np.asarray(view["source_grid"], np.float32)
        start = _smaller(whole, 4)
        hints = np.dstack([_smaller(np.asarray(view[name], np.float32), 4) for name in _HINTS])
        started = fetched(self._features(view, self._coarse), _smaller(start, 2))
        seen = {"start": start[None], "hints": hints[None], "started": started}
        found = self._flow.run({**view, **seen}, made)
        grid = whole + cv2.resize(found["residual"][0], whole.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        quarter = _smaller(grid, 4)
        return {
            "grid": grid,
            "trust": found["trust"][0, ..., 0],
            "decoded": found["decoded"],
            "middle": fetched(self._features(view, self._middle), quarter),
            "coarse": fetched(self._features(view, self._coarse), _smaller(quarter, 2)),
            "warped": _warped(view, grid),
            **{name: np.asarray(view[name], np.float32) for name in _HINTS},
        }

    def _features(self, arrays: Arrays, name: str) -> NDArray[np.float32]:
        """Float32 [h w, C] of a table, [h w, 4 C], or of what was kept of it."""
        return np.ascontiguousarray(arrays[name][:, : self._tables[name]], np.float32)


class _Half:
    """A session whose inputs and outputs are asked for, and given, with their channels last."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._inputs = [(item.name, *_form(item.name), len(item.shape)) for item in session.get_inputs()]
        self._outputs = [item.name for item in session.get_outputs()]
        self.asked = {name for _, name, *_ in self._inputs}
        # Of what is given with its channels last, or as planes.
        self.channels = {
            _form(item.name)[0]: item.shape[-1 if _form(item.name)[1] else 1]
            for item in session.get_inputs()
            if len(item.shape) == 4
        }
        # Patches of what was asked for last, by picture and side: references of one frame share them.
        self._recent: deque[Any] = deque(maxlen=8)

    def run(self, given: Arrays, made: dict[tuple[int, int], NDArray[np.uint8]]) -> dict[str, NDArray[Any]]:
        """Its outputs by name; made: patches of this frame by picture and side."""
        feed = {}
        for whole, name, form, rank in self._inputs:
            value = given[name]
            if form.isdigit():
                key = id(value), int(form)
                if key not in made:
                    made[key] = patches(_as_bytes(value), int(form))
                value = made[key]
            elif not form and rank == 4:
                value = _planes(value)
            feed[whole] = value
        found = dict(zip(self._outputs, self._session.run(self._outputs, feed), strict=True))
        return {_form(name)[0]: _last(value, _form(name)[1]) for name, value in found.items()}


def _form(name: str) -> tuple[str, str]:
    """An input's or output's plain name, and the form that it is wanted in."""
    plain, _, form = name.partition("/")
    return plain, form


def _as_bytes(value: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Uint8 [H, W, C] of a picture, or of a plane, float32 [H, W], 0 to 1."""
    levels: NDArray[Any] = value if value.dtype == np.uint8 else cv2.convertScaleAbs(value, alpha=255)
    return levels if levels.ndim == 3 else levels[..., None]


def _planes(value: NDArray[np.generic]) -> NDArray[np.float32]:
    """Float32 [1, C, H, W] of features, float32 [1, H, W, C], or a picture, uint8 [H, W, C]."""
    if value.dtype == np.uint8:
        levels = np.asarray(value.transpose(2, 0, 1), np.float32)
        return (levels / np.float32(127.5) - 1)[None]
    return np.ascontiguousarray(value.transpose(0, 3, 1, 2), np.float32)


def _last(value: NDArray[Any], form: str) -> NDArray[Any]:
    return value if form or value.ndim != 4 else np.ascontiguousarray(value.transpose(0, 2, 3, 1))


def _smaller(planes: NDArray[Any], factor: int) -> NDArray[Any]:
    """[H / factor, W / factor, ...], averaged."""
    height, width = planes.shape[:2]
    small: NDArray[Any] = cv2.resize(
        planes, (width // factor, height // factor), interpolation=cv2.INTER_AREA
    )
    return small


def _warped(view: Arrays, grid: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Uint8 [H, W, 3]: the reference fetched at `grid`, float32 [H, W, 2]; or its background."""
    places = to_pixels(grid, len(grid))
    warped: NDArray[np.uint8] = cv2.remap(
        view["reference"], places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    uncovered = np.asarray(view["uncovered"], np.float32)
    if uncovered.any():
        total = np.full(warped.shape, 0.5, np.float32)
        add_share(total, warped, 1 - uncovered)
        add_share(total, view["background"], uncovered)
        warped = total.astype(np.uint8)
    return warped


def _shares(moved: Sequence[dict[str, NDArray[Any]]]) -> NDArray[np.float32]:
    """Float32 [K, h, w]: what part each reference has in the picture where, by F's trust in it."""
    trust = TRUST_SHARPNESS * np.stack([one["trust"] for one in moved])
    shares: NDArray[np.float32] = np.exp(trust - trust.max(axis=0))
    shares /= shares.sum(axis=0)
    return shares


def _fused(moved: Sequence[dict[str, NDArray[Any]]], shares: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """The mean over the references of all but where they are from, weighed by their shares."""
    sized: dict[tuple[int, int], list[NDArray[np.float32]]] = {}

    def mean(name: str) -> NDArray[Any]:
        first = moved[0][name]
        is_batch = first.ndim == 4
        height, width = first.shape[1:3] if is_batch else first.shape[:2]
        if (height, width) not in sized:
            sized[height, width] = [
                cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR) for share in shares
            ]
        total = np.full((height, width, first.size // (height * width)), 0.0, np.float32)
        for one, share in zip(moved, sized[height, width], strict=True):
            add_share(total, one[name].reshape(total.shape), share)
        if first.dtype == np.uint8:
            return (total + np.float32(0.5)).astype(np.uint8)
        return total.reshape(first.shape)

    return {name: mean(name) for name in _FUSED}
