"""What the receiver knows of a frame in, its picture out: ỹ_t = G(x_t, y_ref, x_ref) of the paper, Eq. 2.

A generator is an ONNX graph run by onnxruntime. It is fed the inputs that it declares, of these:

    reference       uint8 [256, 256, 3]    y_ref, the reference picture, RGB
    reference_pncc  uint8 [256, 256, 3]    x_ref, the reference's coordinate code
    pncc            uint8 [256, 256, 3]    x_t, the new frame's coordinate code
    source_grid     float32 [256, 256, 2]  the flow prior: each pixel's place in the reference, -1 to 1

and its output is `picture`, uint8 [256, 256, 3] RGB.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from headgan.models.runtime import open_session
from headgan.models.weights import weights_path
from headgan.proto.errors import ModelError
from numpy.typing import NDArray

INPUTS = frozenset({"reference", "reference_pncc", "pncc", "source_grid"})


@dataclass(frozen=True, eq=False)
class GeneratorFrame:
    """One frame to draw.

    Attributes:
        source_grid: float32 [256, 256, 2].
        pncc: uint8 [256, 256, 3], or None when the generator does not ask for it.
    """

    source_grid: NDArray[np.float32]
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

    def set_reference(self, picture_rgb: NDArray[np.uint8], pncc: NDArray[np.uint8] | None) -> None:
        """Takes the reference picture, uint8 [256, 256, 3], and its coordinate code, the same shape."""
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
        self._reference: dict[str, NDArray[np.uint8]] = {}

    @property
    def provider(self) -> str:
        """What runs it, in words."""
        return self._provider

    def needs(self, name: str) -> bool:
        """Whether the graph declares the input `name`."""
        return name in self._inputs

    def set_reference(self, picture_rgb: NDArray[np.uint8], pncc: NDArray[np.uint8] | None) -> None:
        """Takes the reference; see `Generator`."""
        given = {"reference": picture_rgb, "reference_pncc": pncc}
        self._reference = {
            name: np.ascontiguousarray(value)
            for name, value in given.items()
            if name in self._inputs and value is not None
        }

    def generate(self, frame: GeneratorFrame) -> NDArray[np.uint8]:
        """The picture of `frame`; see `Generator`."""
        feed: dict[str, NDArray[np.generic]] = dict(self._reference)
        for name in ("source_grid", "pncc"):
            value = getattr(frame, name)
            if name in self._inputs and value is not None:
                feed[name] = value
        if missing := self._inputs - feed.keys():
            raise ValueError(f"the generator needs {', '.join(sorted(missing))}")
        picture: NDArray[np.uint8] = self._session.run(["picture"], feed)[0]
        return picture
