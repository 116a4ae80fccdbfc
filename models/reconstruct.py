"""Face parameters in, pictures of the person in the reference out: renderer, flow prior and generator.

FaceParams ── project ──┬─ render_pncc ── pncc ────────┐
                        ├─ render_eyes ── eyes ────────┤
                        ├─ render_landmarks ───────────┤  in place of pncc, where the generator asks for it
                        ├─ FlowPrior ── moved_prior ───┤  by the drift
                        └─ mouth_mask ─── mouth ───────┴─ Generator ── picture
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.codes import render_landmarks
from headgan.models.detail import LARGE_SIZE, enlarged, shrunk
from headgan.models.drift_field import moved_prior
from headgan.models.eyes import render_eyes
from headgan.models.fitting import project
from headgan.models.flow_prior import FlowPrior
from headgan.models.foreground import foreground_mask, inpaint_background
from headgan.models.generator import Generator, GeneratorFrame, GeneratorReference, View
from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.mouth import mouth_mask
from headgan.models.pncc import CROP_SIZE, pncc_colors, render_pncc


@dataclass(frozen=True, eq=False)
class ReferenceImage:
    """A person to draw.

    Attributes:
        picture_rgb: uint8 [256, 256, 3], head and shoulders.
        identity: float32 [n_id], the person's identity coefficients.
        params: where and how the face is in the picture.
        large_rgb: uint8 [512, 512, 3], the same at twice the size, where that is known.
    """

    picture_rgb: NDArray[np.uint8]
    identity: NDArray[np.float32]
    params: FaceParams
    large_rgb: NDArray[np.uint8] | None = None

    @classmethod
    def of_picture(
        cls, picture_rgb: NDArray[np.uint8], identity: NDArray[np.float32], params: FaceParams
    ) -> Self:
        """A person in a picture of either size, uint8 [256, 256, 3] or [512, 512, 3]."""
        if len(picture_rgb) == LARGE_SIZE:
            return cls(shrunk(picture_rgb), identity, params, picture_rgb)
        return cls(picture_rgb, identity, params)

    @property
    def largest_rgb(self) -> NDArray[np.uint8]:
        """The picture at the larger size that is known."""
        return self.picture_rgb if self.large_rgb is None else self.large_rgb


@dataclass(frozen=True, eq=False)
class _Shown:
    """What a frame looks like from any reference of a person.

    Attributes:
        identity: float32 [n_id], the person's.
        points: float32 [478, 3], projected.
        pncc: uint8 [256, 256, 3], or None when the generator does not ask for it.
        eyes: uint8 [256, 256], likewise.
        landmarks: uint8 [256, 256, 3], likewise.
    """

    identity: NDArray[np.float32]
    points: NDArray[np.float32]
    pncc: NDArray[np.uint8] | None
    eyes: NDArray[np.uint8] | None
    landmarks: NDArray[np.uint8] | None


@dataclass(frozen=True, eq=False)
class _Seen:
    """What a picture was drawn from."""

    params: FaceParams
    others: tuple["Reconstructor", ...]
    audio: NDArray[np.float32] | None

    def is_as(self, other: "_Seen") -> bool:
        """Whether both make the same picture."""
        if self.others != other.others:
            return False
        if self.audio is not other.audio and (
            self.audio is None or other.audio is None or not np.array_equal(self.audio, other.audio)
        ):
            return False
        return self.params.is_same(other.params)


class Reconstructor:
    """Draws one person from one reference; several may share a generator. Not thread-safe."""

    def __init__(
        self,
        model: MorphableModel,
        generator: Generator,
        reference: ReferenceImage,
        size: int = CROP_SIZE,
    ) -> None:
        """Does what is done once for a reference; size: of the pictures to draw, 256 or 512."""
        self.reference = reference
        self._model = model
        self._generator = generator
        self._identity = reference.identity
        self._drawn: tuple[_Seen, NDArray[np.uint8]] | None = None
        points = self._reference_points = project(model, reference.identity, reference.params)
        person = foreground_mask(reference.picture_rgb, points[:MESH_VERTICES])
        self._prior = FlowPrior(model, reference.identity, reference.params, person)
        self._colors = pncc_colors(model)
        self._reference = generator.prepare(
            GeneratorReference(
                reference.picture_rgb,
                inpaint_background(reference.picture_rgb, person),
                self._pncc("reference_pncc", points),
                render_eyes(points) if generator.needs("reference_eyes") else None,
                render_landmarks(points) if generator.needs("reference_landmarks") else None,
                enlarged(reference.largest_rgb) if size == LARGE_SIZE else None,
            )
        )

    def draw(
        self, params: FaceParams, *others: "Reconstructor", audio: NDArray[np.float32] | None = None
    ) -> NDArray[np.uint8]:
        """Uint8 [256, 256, 3], or [512, 512, 3]: the person with the expression, pose and gaze of `params`.

        What is asked for twice in a row is drawn once: it is the same array, not to be written to.

        Args:
            params: of the frame.
            others: of the same person and generator; it is drawn from their references as well, where that fuses.
            audio: float32 [300], what is heard at that time (`headgan.models.speech`); None if nothing is known.
        """
        seen = _Seen(params, others, audio)
        if self._drawn is None or not seen.is_as(self._drawn[0]):
            shown = self._show(params)
            views = [one.view(params, audio, shown) for one in (self, *others)]
            self._drawn = seen, self._generator.generate(*views)
        return self._drawn[1]

    def view(
        self, params: FaceParams, audio: NDArray[np.float32] | None = None, shown: "_Shown | None" = None
    ) -> View:
        """What the generator is given to draw `params` from this reference, alone or beside others; see `draw`.

        Args:
            params: of the frame.
            audio: see `draw`.
            shown: of the frame, if it is known.
        """
        if shown is None or not np.array_equal(shown.identity, self._identity):
            shown = self._show(params)
        points = shown.points
        drift = params.drift - self.reference.params.drift
        prior = moved_prior(self._prior.prior(params, points), drift)
        frame = GeneratorFrame(
            prior.source_grid,
            prior.uncovered,
            mouth_mask(points, self._reference_points),
            shown.pncc,
            shown.eyes,
            shown.landmarks,
            audio,
        )
        return View(self._reference, frame)

    def _show(self, params: FaceParams) -> "_Shown":
        points = project(self._model, self._identity, params)
        return _Shown(
            self._identity,
            points,
            self._pncc("pncc", points),
            render_eyes(points) if self._generator.needs("eyes") else None,
            render_landmarks(points) if self._generator.needs("landmarks") else None,
        )

    def _pncc(self, name: str, points: NDArray[np.float32]) -> NDArray[np.uint8] | None:
        if not self._generator.needs(name):
            return None
        return render_pncc(points[:MESH_VERTICES], self._model.triangles, self._colors)
