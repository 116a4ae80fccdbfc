"""Prepared segments in, training samples out: K references and T driving frames of one person, with their geometry.

Everything that the networks are told is computed here from the parameters, exactly as a call does it: coordinate
code, eyes, flow prior, mouth mask. The scene is turned, zoomed and shifted a little, pictures and cameras alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.codec.drift import DRIFT_SHAPE
from headgan.codec.params import FaceParams
from headgan.models.codes import CodeRenderer
from headgan.models.drift_field import moved_prior
from headgan.models.fitting import project
from headgan.models.flow_prior import FlowPrior
from headgan.models.foreground import HIDDEN, foreground_mask
from headgan.models.morphable import MESH_VERTICES
from headgan.models.mouth import INNER_LIPS, mouth_mask
from headgan.models.train.coded_references import coded_rows
from headgan.models.train.drift_of_set import drift_rows
from headgan.models.train.flow_teacher import teach_flow
from headgan.models.train.prepared_set import PreparedSet, Segment
from headgan.models.train.scene import Scene
from headgan.models.train.speech_of_set import speech_rows

# A mouth's box is this many times as wide as the lips are.
_MOUTH_BOX = 1.5


@dataclass(frozen=True, eq=False)
class Sample:
    """K references and T driving frames of one person.

    Attributes:
        reference: uint8 [K, 3, H, W].
        background: uint8 [K, 3, H, W].
        reference_code: uint8 [K, C, H, W].
        picture: uint8 [T, 3, H, W], the true driving frames.
        code: uint8 [T, C (1 + past), H, W].
        grid: float32 [T, K, H, W, 2].
        uncovered: uint8 [T, K, 1, H, W].
        mouth: uint8 [T, K, 1, H, W].
        mouth_box: float32 [T, 3], centre x-y and half side of the mouth's box, in half crop widths.
        face_box: float32 [T, 3], of the face.
        lesson: float32 [T, K, 64, 64, 3], from the flow teacher, or [T, K, 0, 0, 3] without one.
        person: uint8 [T, K, 1, H, W], where the frame or the reference shows the person, or [T, K, 1, 0, 0] where
            nobody asks for it.
        audio: float32 [T, 300], `headgan.models.speech`, zeros where there is no sound; or [T, 0] where nobody listens.
    """

    reference: NDArray[np.uint8]
    background: NDArray[np.uint8]
    reference_code: NDArray[np.uint8]
    picture: NDArray[np.uint8]
    code: NDArray[np.uint8]
    grid: NDArray[np.float32]
    uncovered: NDArray[np.uint8]
    mouth: NDArray[np.uint8]
    mouth_box: NDArray[np.float32]
    face_box: NDArray[np.float32]
    lesson: NDArray[np.float32]
    person: NDArray[np.uint8]
    audio: NDArray[np.float32]


class SampleMaker:
    """Makes samples of segments; holds what is the same for all of them."""

    def __init__(
        self,
        prepared: PreparedSet,
        renderer: CodeRenderer,
        *,
        past_frames: int = 0,
        teaches: bool = False,
        masks: bool = False,
        hears: bool = False,
        drifts: bool = False,
        codes: bool = False,
    ) -> None:
        """Prepares to read from `prepared`.

        Args:
            prepared: where the segments are from.
            renderer: draws the codes.
            past_frames: so many earlier codes stack behind each.
            teaches: whether samples have the flow teacher's lesson.
            masks: whether samples say where the person is.
            hears: whether samples have sound; what it says is computed now, if no earlier run has kept it.
            drifts: whether geometry may know how far what is no face has moved; found now, if no earlier run has.
            codes: whether references may be as the other end of a call sees them; coded now, if no earlier run has.
        """
        self._teaches, self._masks = teaches, masks
        self._speech = speech_rows(prepared) if hears else None
        self._drift = drift_rows(prepared) if drifts else None
        self._coded = coded_rows(prepared) if codes else None
        self._prepared = prepared
        self._renderer = renderer
        self._past_frames = past_frames
        self._model = renderer.model

    def make(
        self,
        segment: Segment,
        references: NDArray[np.integer],
        frames: NDArray[np.integer],
        scene: Scene | None = None,
        *,
        drifts: bool = True,
        codes: bool = True,
    ) -> Sample:
        """One sample.

        Args:
            segment: of one person.
            references: [K], indices into the segment's `reference_frames`.
            frames: [T], indices of the driving frames.
            scene: how pictures and cameras are moved, not at all if left out.
            drifts: whether this sample's geometry follows drift, where the maker knows it.
            codes: whether this sample's references are coded ones, where the maker has them.
        """
        scene = scene or Scene()
        prepared, identity = self._prepared, segment.identity
        poses, chosen = prepared.params(segment), prepared.reference_frames(segment)
        reference_frames = [chosen[int(index)] for index in references]
        reference_params = [
            scene.of_params(FaceParams.from_array(poses[frame])) for frame in reference_frames
        ]
        reference_points = [project(self._model, identity, params) for params in reference_params]
        masks = [prepared.mask(segment, int(index)) for index in references]
        people = [scene.of_picture(mask) for mask in masks]
        priors = [
            FlowPrior(self._model, identity, params, person.astype(np.float32))
            for params, person in zip(reference_params, people, strict=True)
        ]
        geometry = [
            self._driving(segment, int(frame), scene, priors, reference_points, drift)
            for frame, drift in zip(
                frames, self._drifts(segment, reference_frames, frames, drifts), strict=True
            )
        ]
        shown, grids, uncovered, mouths, mouth_boxes, face_boxes, points = zip(*geometry, strict=True)

        seen = self._seen(segment, references, reference_frames, masks if codes else None)
        reference = [scene.of_picture(picture) for picture, _ in seen]
        truth = [scene.of_picture(prepared.picture(segment, int(frame))) for frame in frames]
        return Sample(
            reference=_planes(reference),
            background=_planes([scene.of_picture(background) for _, background in seen]),
            reference_code=_planes([self._renderer.draw(points) for points in reference_points]),
            picture=_planes(truth),
            code=np.stack(shown),
            grid=np.stack(grids),
            uncovered=np.stack(uncovered),
            mouth=np.stack(mouths),
            mouth_box=np.stack(mouth_boxes),
            face_box=np.stack(face_boxes),
            lesson=np.stack(
                [self._lessons(reference, *item) for item in zip(truth, grids, uncovered, strict=True)]
            ),
            person=np.stack([self._person(people, *item) for item in zip(truth, points, strict=True)]),
            audio=self._audio(segment, frames),
        )

    def _seen(
        self,
        segment: Segment,
        references: NDArray[np.integer],
        frames: list[int],
        masks: list[NDArray[np.float32]] | None,
    ) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """Each reference as it is to be seen, and its background.

        Args:
            segment: of one person.
            references: [K].
            frames: those of the references.
            masks: where the person is in each, to see it coded; None to see it as it was.
        """
        prepared = self._prepared
        backgrounds = [prepared.background(segment, int(index)) for index in references]
        if self._coded is None or masks is None:
            pictures = [prepared.picture(segment, frame) for frame in frames]
            return list(zip(pictures, backgrounds, strict=True))
        # Where nobody stood the background is the picture itself.
        return [
            (picture, np.where(mask[..., None] > HIDDEN, background, picture))
            for picture, mask, background in zip(
                self._coded.of(segment, references), masks, backgrounds, strict=True
            )
        ]

    def _drifts(
        self, segment: Segment, references: list[int], frames: NDArray[np.integer], drifts: bool
    ) -> NDArray[np.int16]:
        """Int16 [T, K, 8, 8, 2]: the drift of each frame less that of each reference."""
        if self._drift is None or not drifts:
            return np.zeros((len(frames), len(references), *DRIFT_SHAPE), np.int16)
        of_references = self._drift.of(segment, np.array(references))
        difference: NDArray[np.int16] = self._drift.of(segment, frames)[:, None] - of_references
        return difference

    def _audio(self, segment: Segment, frames: NDArray[np.integer]) -> NDArray[np.float32]:
        """Float32 [T, 300], or [T, 0]."""
        if self._speech is None:
            return np.zeros((len(frames), 0), np.float32)
        audio: NDArray[np.float32] = self._speech.of(segment, frames)
        return audio

    def _person(
        self, references: Sequence[NDArray[np.generic]], truth: NDArray[np.uint8], points: NDArray[np.float32]
    ) -> NDArray[np.uint8]:
        """Uint8 [K, 1, H, W] of one driving frame: where it or the reference shows the person."""
        if not self._masks:
            return np.zeros((len(references), 1, 0, 0), np.uint8)
        mine = foreground_mask(truth, points[:MESH_VERTICES])
        return _levels([np.maximum(mine, reference).astype(np.float32) for reference in references])

    def _lessons(
        self,
        references: list[NDArray[np.uint8]],
        truth: NDArray[np.uint8],
        grids: NDArray[np.float32],
        uncovered: NDArray[np.uint8],
    ) -> NDArray[np.float32]:
        """Float32 [K, 64, 64, 3] of one driving frame."""
        if not self._teaches:
            return np.zeros((len(references), 0, 0, 3), np.float32)
        return np.stack(
            [
                teach_flow(reference, truth, grid, levels[0] / np.float32(255))
                for reference, grid, levels in zip(references, grids, uncovered, strict=True)
            ]
        )

    def _driving(
        self,
        segment: Segment,
        frame: int,
        scene: Scene,
        priors: list[FlowPrior],
        reference_points: list[NDArray[np.float32]],
        drifts: NDArray[np.int16],
    ) -> tuple[NDArray[np.generic], ...]:
        """Code, grids, uncovered, mouths, mouth box, face box and projected points of one driving frame.

        Args: drifts: int16 [K, 8, 8, 2], what is no face has moved so far since each reference.
        """
        stack = [max(frame - back, 0) for back in range(self._past_frames + 1)]
        poses = self._prepared.params(segment)
        params = [scene.of_params(FaceParams.from_array(poses[index])) for index in stack]
        points = [project(self._model, segment.identity, item) for item in params]
        found = [
            moved_prior(prior.prior(params[0], points[0]), scene.of_drift(drift))
            for prior, drift in zip(priors, drifts, strict=True)
        ]
        return (
            np.concatenate([_planes([self._renderer.draw(item)])[0] for item in points]),
            np.stack([prior.source_grid for prior in found]).astype(np.float32),
            _levels([prior.uncovered for prior in found]),
            _levels([mouth_mask(points[0], reference) for reference in reference_points]),
            _box(points[0][list(INNER_LIPS)], _MOUTH_BOX),
            _box(points[0][:MESH_VERTICES], 1.0),
            points[0],
        )


def _planes(pictures: Sequence[NDArray[np.generic]]) -> NDArray[np.uint8]:
    """Uint8 [N, C, H, W] of pictures [H, W, C]."""
    return np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2)).astype(np.uint8)


def _levels(shares: list[NDArray[np.float32]]) -> NDArray[np.uint8]:
    """Uint8 [N, 1, H, W] of shares [H, W], 0 to 1."""
    return np.rint(np.stack(shares)[:, None] * 255).astype(np.uint8)


def _box(points: NDArray[np.float32], enlarge: float) -> NDArray[np.float32]:
    """Float32 [3]: centre x-y and half the longer side of the box around `points`, times `enlarge`."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return np.array([*((low + high) / 2), (high - low).max() / 2 * enlarge], np.float32)
