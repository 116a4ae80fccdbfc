"""What the receiver knows of a frame in, its picture out: ỹ_t = G(x_t, y_ref, x_ref) of the paper, Eq. 2.

A generator is an ONNX graph run by onnxruntime. It is fed the inputs that it declares, of these:

    reference            uint8 [256, 256, 3]    y_ref, the reference picture, RGB
    reference_pncc       uint8 [256, 256, 3]    x_ref, the reference's coordinate code
    reference_eyes       uint8 [256, 256]       its eyes and irises
    reference_landmarks  uint8 [256, 256, 3]    a sketch of its landmarks, in place of the code
    background           uint8 [256, 256, 3]    the reference without the person
    pncc                 uint8 [256, 256, 3]    x_t, the new frame's coordinate code
    eyes                 uint8 [256, 256]       its eyes and irises
    landmarks            uint8 [256, 256, 3]    a sketch of its landmarks, in place of the code
    source_grid          float32 [256, 256, 2]  the flow prior: each pixel's place in the reference, -1 to 1
    uncovered            float32 [256, 256]     0 to 1, where the head was in the reference and nothing is now
    mouth                float32 [256, 256]     0 to 1, where a mouth opens that the reference shows closed
    audio                float32 [300]          h_t^(a), `headgan.models.speech`; zeros where no sound is known

and its output is `picture`, uint8 [256, 256, 3] RGB, to which the detail of a larger reference may be added
(`headgan.models.detail`). Beside NAME.onnx there may be a NAME.reference.onnx: it is run
once for each reference, and its outputs are inputs of NAME.onnx. And there may be NAME.flow.onnx and NAME.render.onnx,
which on a processor do together what NAME.onnx does, in less time: the reference is warped between them. The same in
eight bits are NAME.flow.int8.onnx and NAME.render.int8.onnx.
"""

import logging
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from headgan.models.detail import Unknown, add_detail
from headgan.models.frame_graphs import names_of, open_frame_graph
from headgan.models.runtime import open_session
from headgan.models.speech import SPEECH_SIZE, speech_form
from headgan.models.weights import weights_path
from headgan.proto.errors import ModelError

_OF_REFERENCE = ("reference", "reference_pncc", "reference_landmarks", "reference_eyes", "background")
_OF_FRAME = ("pncc", "landmarks", "eyes", "source_grid", "uncovered", "mouth", "audio")
INPUTS = frozenset(_OF_REFERENCE + _OF_FRAME)
SHIPPED_GENERATOR, PRIOR_GENERATOR = "live.onnx", "prior.onnx"
_NO_SOUND = np.zeros(SPEECH_SIZE, np.float32)
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class GeneratorReference:
    """The person to draw.

    Attributes:
        reference: uint8 [256, 256, 3].
        background: uint8 [256, 256, 3].
        reference_pncc: uint8 [256, 256, 3], or None when the generator does not ask for it.
        reference_eyes: uint8 [256, 256], or None when the generator does not ask for them.
        reference_landmarks: uint8 [256, 256, 3], or None when the generator does not ask for it.
        large: uint8 [512, 512, 3], the reference at twice the size, where frames shall have that size.
    """

    reference: NDArray[np.uint8]
    background: NDArray[np.uint8]
    reference_pncc: NDArray[np.uint8] | None = None
    reference_eyes: NDArray[np.uint8] | None = None
    reference_landmarks: NDArray[np.uint8] | None = None
    large: NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False)
class GeneratorFrame:
    """One frame to draw.

    Attributes:
        source_grid: float32 [256, 256, 2].
        uncovered: float32 [256, 256].
        mouth: float32 [256, 256].
        pncc: uint8 [256, 256, 3], or None when the generator does not ask for it.
        eyes: uint8 [256, 256], or None when the generator does not ask for them.
        landmarks: uint8 [256, 256, 3], or None when the generator does not ask for it.
        audio: float32 [300], or None where no sound is known.
    """

    source_grid: NDArray[np.float32]
    uncovered: NDArray[np.float32]
    mouth: NDArray[np.float32]
    pncc: NDArray[np.uint8] | None = None
    eyes: NDArray[np.uint8] | None = None
    landmarks: NDArray[np.uint8] | None = None
    audio: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class PreparedReference:
    """What a generator made of a reference; of use to that generator only.

    Attributes:
        arrays: inputs of its frame graph by name.
        large: see `GeneratorReference`.
    """

    arrays: dict[str, NDArray[np.generic]]
    large: NDArray[np.uint8] | None = None


class View(NamedTuple):
    """One frame as one reference is to show it."""

    reference: PreparedReference
    frame: GeneratorFrame


class Generator(Protocol):
    """Draws frames from references; it remembers none, so many people can share it."""

    @property
    def name(self) -> str:
        """What draws: `live`, `prior`, or another file's name."""
        ...

    @property
    def provider(self) -> str:
        """What runs it, in words."""
        ...

    def needs(self, name: str) -> bool:
        """Whether it uses the input `name`; what it does not use need not be rendered."""
        ...

    def prepare(self, reference: GeneratorReference) -> PreparedReference:
        """Does what is done once for a reference."""
        ...

    @property
    def fuses(self) -> bool:
        """Whether several references make one picture; otherwise only the first of them does."""
        ...

    def generate(self, *views: View) -> NDArray[np.uint8]:
        """Uint8 [256, 256, 3]: a frame, drawn from one reference or more, the best one first.

        [512, 512, 3] where all references are there at this size.
        """
        ...


class OnnxGenerator:
    """A generator from ONNX files. Not thread-safe."""

    def __init__(
        self,
        path: Path | None = None,
        *,
        provider: str = "auto",
        precision: str = "float32",
        in_halves: bool = False,
    ) -> None:
        """Loads the graph, the one that ships if `path` is left out.

        Args:
            path: an ONNX file; the reference's graph beside it is taken too.
            provider: `auto`, `cpu`, `openvino`, `cuda` or `tensorrt`.
            precision: `float32`, or `int8`, in which a processor computes faster and a little less exactly.
            in_halves: whether pictures are wanted from several references, or at twice the size, which a whole graph
                cannot draw: a card is given the halves then.

        Raises:
            ModelError: a file is missing, damaged, or asks for inputs that nobody has.
            UsageError: the provider cannot be had on this machine, or the precision for this generator.
        """
        path = path or weights_path(SHIPPED_GENERATOR)
        self._name = path.stem
        self._frame_graph, self._provider = open_frame_graph(path, provider, precision, in_halves=in_halves)
        reference_path = path.with_suffix(".reference.onnx")
        self._reference_session = None
        if reference_path.exists():
            self._reference_session, _ = open_session(reference_path, provider)
        once = set(names_of(self._reference_session.get_inputs())) if self._reference_session else set()
        kept = set(names_of(self._reference_session.get_outputs())) if self._reference_session else set()
        self._frame_inputs = self._frame_graph.inputs
        self._inputs = once | (self._frame_inputs - kept)
        if self._inputs - INPUTS:
            raise ModelError(
                f"{path} is no generator of this version (inputs {', '.join(sorted(self._inputs))})"
            )
        self._once_inputs = once
        self._hears = self._frame_graph.speech == speech_form()
        if self._frame_graph.speech and not self._hears:
            log.warning("%s was trained with features of sound of another version: it stays deaf", path)

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self._name

    @property
    def provider(self) -> str:
        """What runs it, in words."""
        return self._provider

    def needs(self, name: str) -> bool:
        """Whether a graph declares the input `name`, and for `audio` also whether it was trained with any."""
        return name in self._inputs and (name != "audio" or self._hears)

    def prepare(self, reference: GeneratorReference) -> PreparedReference:
        """Does what is done once for a reference; see `Generator`."""
        given = self._declared(reference, _OF_REFERENCE)
        arrays = {name: array for name, array in given.items() if name in self._frame_inputs}
        if self._reference_session is not None:
            feed = _all_of(self._once_inputs, given)
            # The halves do without some of what the whole graph is given, and a reference is to be small.
            names = [
                name for name in names_of(self._reference_session.get_outputs()) if name in self._frame_inputs
            ]
            arrays |= dict(zip(names, self._reference_session.run(names, feed), strict=True))
        return PreparedReference(self._frame_graph.kept(arrays), reference.large)

    @property
    def fuses(self) -> bool:
        """Whether several references make one picture; see `Generator`."""
        return self._frame_graph.fuses

    def generate(self, *views: View) -> NDArray[np.uint8]:
        """A frame, drawn from one reference or more; see `Generator`."""
        feeds = [self._feed(*view) for view in views]
        large = [one for view in views if (one := view.reference.large) is not None]
        if len(large) < len(views):
            return self._frame_graph.run(feeds)
        first = views[0].frame
        drawn = self._frame_graph.draw(
            [{**feed, "source_grid": view.frame.source_grid} for feed, view in zip(feeds, views, strict=True)]
        )
        return add_detail(drawn, large, Unknown(first.uncovered, first.mouth))

    def _feed(self, reference: PreparedReference, frame: GeneratorFrame) -> dict[str, NDArray[np.generic]]:
        given = {**reference.arrays, **self._declared(frame, _OF_FRAME)}
        if "audio" in self._frame_inputs:
            given.setdefault("audio", _NO_SOUND)
        return _all_of(self._frame_inputs, given)

    def _declared(
        self, given: GeneratorReference | GeneratorFrame, names: tuple[str, ...]
    ) -> dict[str, NDArray[np.generic]]:
        """The arrays of `given` that the graphs ask for."""
        arrays = {name: getattr(given, name) for name in names if self.needs(name)}
        return {name: np.ascontiguousarray(array) for name, array in arrays.items() if array is not None}


def _all_of(names: Set[str], given: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    if missing := names - given.keys():
        raise ValueError(f"the generator needs {', '.join(sorted(missing))}")
    return {name: given[name] for name in names}
