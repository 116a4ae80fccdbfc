"""A generator and a reference in, pictures for face parameters and where the face is in them out."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.fitting import project
from headgan.models.generator import Generator
from headgan.models.metrics.clip_frames import ClipFrames, SeenFrame
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import to_pixels
from headgan.models.reconstruct import Reconstructor


class Drawer(Protocol):
    """A way to draw the person of a clip."""

    def draw(self, frame: SeenFrame) -> NDArray[np.uint8]:
        """Uint8 [256, 256, 3]: the person as in `frame`, from the references that it names."""
        ...

    def points(self, params: FaceParams) -> NDArray[np.float32]:
        """Float32 [478, 3]: where the face is in that picture, in pixels."""
        ...


class GeneratorDrawer:
    """Draws with a generator."""

    def __init__(self, model: MorphableModel, generator: Generator, clip: ClipFrames) -> None:
        """Args: clip: whose references are drawn."""
        self._model = model
        self._identity = clip.reference.identity
        self._generator = generator
        self._references = clip.references
        self._reconstructors: dict[int, Reconstructor] = {}

    def draw(self, frame: SeenFrame) -> NDArray[np.uint8]:
        """See `Drawer`."""
        best, *others = (self._reconstructor(number) for number in frame.references)
        return best.draw(frame.params, *others, audio=frame.audio)

    def _reconstructor(self, number: int) -> Reconstructor:
        if number not in self._reconstructors:
            self._reconstructors[number] = Reconstructor(
                self._model, self._generator, self._references[number]
            )
        return self._reconstructors[number]

    def points(self, params: FaceParams) -> NDArray[np.float32]:
        """See `Drawer`."""
        return to_pixels(project(self._model, self._identity, params))


class StillDrawer:
    """Shows the reference, whatever it is asked for: what a call is worth against a photograph."""

    def __init__(self, clip: ClipFrames) -> None:
        self._picture_rgb = clip.reference.picture_rgb
        self._points = clip.reference_points

    def draw(self, frame: SeenFrame) -> NDArray[np.uint8]:  # noqa: ARG002 - as `Drawer` has it
        """See `Drawer`."""
        return self._picture_rgb

    def points(self, params: FaceParams) -> NDArray[np.float32]:  # noqa: ARG002
        """See `Drawer`."""
        return self._points
