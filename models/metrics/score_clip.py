"""A clip and generators in, what each makes of it and what that is worth out.

frame ─┬─ picture ──────────────── Looker ── Look ─┐
       └─ params ── Drawer ── picture ── Looker ── Look ─┴─ metrics ── Tally ── Score
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.models.generator import Generator
from headgan.models.metrics.clip_frames import ClipFrames, SeenFrame, placed
from headgan.models.metrics.compare import compare_faces, compare_motion, compare_pixels
from headgan.models.metrics.drawers import Drawer, GeneratorDrawer, StillDrawer
from headgan.models.metrics.face_embedding import cosine
from headgan.models.metrics.frontal import frontalisation_error
from headgan.models.metrics.limits import LIMITS
from headgan.models.metrics.look import Look, Looker, Networks
from headgan.models.metrics.pose import euler_degrees, rotation_error
from headgan.models.metrics.tally import Score, Tally
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage

Picture = NDArray[np.uint8]
Retouch = Callable[[Picture, SeenFrame], Picture]
Show = Callable[[dict[str, Picture]], None]
REAL = "real"


@dataclass(frozen=True, eq=False)
class ClipScores:
    """What all ways to draw a clip are worth.

    Attributes:
        scores: by the name of the way that was scored; under `real` the real frames, whose only values are the CSIM
            among them and what the references cost.
        moments: pictures of three frames, at a third, at two thirds and the worst: `real` and the ways by name.
    """

    scores: dict[str, Score]
    moments: list[dict[str, Picture]]


class _Way:
    """One way to draw the clip, and what was seen of it so far."""

    def __init__(self, drawer: Drawer, looker: Looker, retouch: Retouch | None = None) -> None:
        """Args: retouch: what is done to each picture, knowing the true frame."""
        self.tally = Tally()
        self._retouch = retouch
        self._drawer = drawer
        self._looker = looker
        self._last: tuple[SeenFrame, Picture] | None = None

    def draw(self, frame: SeenFrame) -> Picture:
        """Draws `frame`; the same frame again is not drawn anew."""
        if self._last is None or self._last[0] is not frame:
            picture = self._drawer.draw(frame)
            self._last = (frame, self._retouch(picture, frame) if self._retouch else picture)
        return self._last[1]

    def look(self, frame: SeenFrame, *, perceptual: bool) -> Look:
        """Draws `frame` and looks at it."""
        points = self._drawer.points(frame.params)
        return self._looker.look(self.draw(frame), points, perceptual=perceptual)


class ClipScorer:
    """Scores ways to draw the person of one clip, moved by it or by another clip."""

    def __init__(
        self,
        model: MorphableModel,
        networks: Networks,
        clip: ClipFrames,
        driving: ClipFrames | None = None,
        *,
        perceptual_frames: int = 0,
        limits: bool = False,
    ) -> None:
        """Prepares for a clip.

        Args:
            model: the morphable model.
            networks: what looks at the pictures.
            clip: whose reference is drawn.
            driving: whose frames are drawn, the face placed as in the reference of `clip`; left out, those of `clip`,
                and what is drawn is compared with them.
            perceptual_frames: how many frames, spread evenly, get a perceptual distance.
            limits: whether the way under judgement is also scored as if it had known more; see `LIMITS`.
        """
        self._model = model
        self._networks = networks
        self._clip = clip
        self._driving = clip if driving is None else placed(driving, clip.reference.params)
        self._is_cross = driving is not None
        self._limits = LIMITS if limits else {}
        count = len(self._driving.frames)
        wanted = 0 if self._is_cross else min(perceptual_frames, count)
        self._perceptual_places = set(np.linspace(0, count - 1, wanted).round().astype(int).tolist())

    def score(
        self,
        generators: Mapping[str, Generator | None],
        show: Show | None = None,
        *,
        known: Collection[str] = (),
    ) -> ClipScores:
        """Draws every frame in every way.

        Args:
            generators: by name, the one under judgement first; None stands for the still reference.
            show: is given the pictures of each frame, `real` and then those drawn, by name.
            known: names of ways that need no score, only pictures; not the first.
        """
        judged = {name: generator for name, generator in generators.items() if name not in known}
        errors = {} if self._is_cross else self._frontalise(judged)
        drawers = {name: self._drawer(generator) for name, generator in generators.items()}
        ways = {name: _Way(drawer, self._looker()) for name, drawer in drawers.items()}
        first = next(iter(drawers.values()))
        limits = {name: _Way(first, self._looker(), retouch) for name, retouch in self._limits.items()}
        scored = {**{name: ways[name] for name in judged}, **limits}
        real = self._score_frames(scored, ways, show)
        for name, error in errors.items():
            ways[name].tally.add({"are": error})
        scores = {name: way.tally.score() for name, way in scored.items()}
        # Two real pictures of one person, half the clip apart, are what a drawn one can hope for.
        apart = np.roll(real.embeddings, len(real.embeddings) // 2, axis=0)
        real.values["csim"] = float((real.embeddings * apart).sum(axis=1).mean())
        if self._clip.memory is not None:
            real.values.update(self._clip.memory.costs())
        return ClipScores({REAL: real, **scores}, self._moments(ways))

    def _frontalise(self, generators: Mapping[str, Generator | None]) -> dict[str, float]:
        """The ARE of each generator: of the frame whose head is turned the most, as its own reference."""
        turned = max((frame for frame, _ in self._clip.frames), key=_turn)
        reference = ReferenceImage(turned.picture_rgb, self._clip.reference.identity, turned.params)
        errors = {
            name: frontalisation_error(self._model, generator, reference, self._networks.reader)
            for name, generator in generators.items()
            if generator is not None
        }
        return {name: error for name, error in errors.items() if not np.isnan(error)}

    def _drawer(self, generator: Generator | None) -> Drawer:
        if generator is None:
            return StillDrawer(self._clip)
        return GeneratorDrawer(self._model, generator, self._clip)

    def _looker(self) -> Looker:
        return Looker(self._networks, self._clip.reference.identity)

    def _score_frames(
        self, judged: Mapping[str, _Way], shown: Mapping[str, _Way], show: Show | None
    ) -> Score:
        """Fills the tallies of `judged`; returns the score of the real frames."""
        real_tally = Tally()
        looker = Looker(self._networks, self._driving.reference.identity)
        reference = self._networks.embedder.embed(
            self._clip.reference.picture_rgb, self._clip.reference_points
        )
        for place, frames in enumerate(tqdm(self._driving.frames, desc="scoring", unit="frame", leave=False)):
            perceptual = place in self._perceptual_places
            frame = frames[0]
            real = looker.look(frame.picture_rgb, frame.points, perceptual=perceptual)
            real_tally.saw(real)
            for way in judged.values():
                if self._is_cross:
                    self._compare_with_reference(way, frame, real, reference)
                else:
                    self._compare_with_frame(way, frames, real)
            if show is not None:
                show({REAL: frame.picture_rgb, **{name: way.draw(frame) for name, way in shown.items()}})
        return real_tally.score()

    def _compare_with_reference(
        self, way: _Way, frame: SeenFrame, real: Look, reference: NDArray[np.float32]
    ) -> None:
        drawn = way.look(frame, perceptual=False)
        way.tally.saw(drawn)
        way.tally.add({"csim": cosine(reference, drawn.embedding), **compare_faces(real, drawn)})

    def _compare_with_frame(self, way: _Way, frames: tuple[SeenFrame, SeenFrame | None], real: Look) -> None:
        frame, before = frames
        picture_before = None if before is None else way.draw(before)
        drawn = way.look(frame, perceptual=real.perceptual is not None)
        way.tally.saw(drawn)
        way.tally.add({"csim": cosine(real.embedding, drawn.embedding), **compare_faces(real, drawn)})
        way.tally.add(compare_pixels(frame, drawn.picture_rgb))
        way.tally.add(compare_motion(frames, (drawn.picture_rgb, picture_before)))
        if self._networks.perceptual is not None and real.perceptual is not None:
            way.tally.add(
                {"perceptual": self._networks.perceptual.distance(real.perceptual, drawn.perceptual)}
            )

    def _moments(self, ways: Mapping[str, _Way]) -> list[dict[str, Picture]]:
        judged = next(iter(ways.values()))
        worst = judged.tally.worst_place("csim" if self._is_cross else "psnr")
        count = len(self._driving.frames)
        frames = [self._driving.frames[place][0] for place in (count // 3, 2 * count // 3, worst)]
        return [
            {REAL: frame.picture_rgb, **{name: way.draw(frame) for name, way in ways.items()}}
            for frame in frames
        ]


def _turn(frame: SeenFrame) -> float:
    return rotation_error(euler_degrees(frame.params.quaternion))
