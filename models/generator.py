"""What the receiver knows of a frame in, its picture out: ỹ_t = G(x_t, y_ref, x_ref) of the paper, Eq. 2.

A generator is an ONNX graph run by onnxruntime. It is fed the inputs that it declares, of these:

    reference       uint8 [256, 256, 3]    y_ref, the reference picture, RGB
    reference_pncc  uint8 [256, 256, 3]    x_ref, the reference's coordinate code
    pncc            uint8 [256, 256, 3]    x_t, the new frame's coordinate code
    source_grid     float32 [256, 256, 2]  the flow prior: each pixel's place in the reference, -1 to 1
    background      uint8 [256, 256, 3]    the reference without the person
    uncovered       float32 [256, 256]     0 to 1, where the head was in the reference and nothing is now
    mouth           float32 [256, 256]     0 to 1, where a mouth opens that the reference shows closed

and its output is `picture`, uint8 [256, 256, 3] RGB.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from headgan.models.runtime import open_session
from headgan.models.weights import weights_path
from headgan.proto.errors import ModelError

_OF_REFERENCE = ("reference", "reference_pncc", "background")
_OF_FRAME = ("source_grid", "uncovered", "mouth", "pncc")
INPUTS = frozenset(_OF_REFERENCE + _OF_FRAME)


@dataclass(frozen=True, eq=False)
class GeneratorReference:
    """The person to draw.

    Attributes:
        reference: uint8 [256, 256, 3].
        background: uint8 [256, 256, 3].
        reference_pncc: uint8 [256, 256, 3], or None when the generator does not ask for it.
    """

    reference: NDArray[np.uint8]
    background: NDArray[np.uint8]
    reference_pncc: NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False)
class GeneratorFrame:
    """One frame to draw.

    Attributes:
        source_grid: float32 [256, 256, 2].
        uncovered: float32 [256, 256].
        mouth: float32 [256, 256].
        pncc: uint8 [256, 256, 3], or None when the generator does not ask for it.
    """

    source_grid: NDArray[np.float32]
    uncovered: NDArray[np.float32]
    mouth: NDArray[np.float32]
    pncc: NDArray[np.uint8] | None = None


class Generator(Protocol):
    """Draws frames of one person from a reference."""

    @property
    def provider(self) -> str:
        """What runs it, in words."""
        ...

    def needs(self, name: str) -> bool:
        """Whether it uses the input `name`; what it does not use need not be rendered."""
        ...

    def set_reference(self, reference: GeneratorReference) -> None:
        """Takes the person to draw from now on."""
        ...

    def generate(self, frame: GeneratorFrame) -> NDArray[np.uint8]:
        """Uint8 [256, 256, 3]: the picture of `frame`; a reference has to be set before."""
        ...


class OnnxGenerator:
    """A generator from an ONNX file. Not thread-safe."""

    def __init__(self, path: Path | None = None, *, provider: str = "auto") -> None:
        """Loads the graph, the one that ships if `path` is left out.

        Args:
            path: an ONNX file.
            provider: `auto`, `cpu`, `openvino`, `cuda` or `tensorrt`.

        Raises:
            ModelError: the file is missing, damaged, or asks for inputs that nobody has.
            UsageError: the provider cannot be had on this machine.
        """
        path = path or weights_path("prior.onnx")
        self._session, self._provider = open_session(path, provider)
        self._inputs = {item.name for item in self._session.get_inputs()}
        unknown = self._inputs - INPUTS
        if unknown or [item.name for item in self._session.get_outputs()] != ["picture"]:
            raise ModelError(
                f"{path} is no generator of this version (inputs {', '.join(sorted(self._inputs))})"
            )
        self._reference: dict[str, NDArray[np.generic]] = {}

    @property
    def provider(self) -> str:
        """What runs it, in words."""
        return self._provider

    def needs(self, name: str) -> bool:
        """Whether the graph declares the input `name`."""
        return name in self._inputs

    def set_reference(self, reference: GeneratorReference) -> None:
        """Takes the person to draw; see `Generator`."""
        self._reference = self._declared(reference, _OF_REFERENCE)

    def generate(self, frame: GeneratorFrame) -> NDArray[np.uint8]:
        """The picture of `frame`; see `Generator`."""
        feed = {**self._reference, **self._declared(frame, _OF_FRAME)}
        if missing := self._inputs - feed.keys():
            raise ValueError(f"the generator needs {', '.join(sorted(missing))}")
        picture: NDArray[np.uint8] = self._session.run(["picture"], feed)[0]
        return picture

    def _declared(
        self, given: GeneratorReference | GeneratorFrame, names: tuple[str, ...]
    ) -> dict[str, NDArray[np.generic]]:
        """The arrays of `given` that the graph asks for."""
        arrays = {name: getattr(given, name) for name in names if name in self._inputs}
        return {name: np.ascontiguousarray(array) for name, array in arrays.items() if array is not None}
