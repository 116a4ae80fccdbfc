"""References to send, and the generator that both ends have, in; coded as what differs from what it can already draw.

references so far ── the nearest ── Generator, the new one's parameters ── synthesised ──┐
new picture ─────────────────────────────────────────────────────────────── coder ───────┴── bytes ── decoded

residual                a VP9 chain of the differences
synthesised before      a VP9 chain of two: the synthesised picture, whose bytes either end makes for itself, then the
                        true one
chain with synthesised  one VP9 chain of all, each picture after its synthesised one. A bound: the bytes of the
                        synthesised ones do not count, and no codec lets the other side put a picture into a chain

The memory holds what was decoded, so that both ends draw alike. The nearest is taken from all that were sent before,
given up or not, which is a little in favour of these ways. They presume that both ends' networks agree to the bit,
which different machines do not promise.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from headgan.benchmarks.reference_coders import Coded, Coder, Picture, code_next, timed
from headgan.codec.picture_coder import PictureDecoder, PictureEncoder
from headgan.models.generator import Generator
from headgan.models.metrics.clip_memory import Moment
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import Reconstructor, ReferenceImage
from headgan.models.view_descriptor import describe_reference

# A residual of half the size asks for half the quantiser's step, which this many levels of VP9's quality are.
_HALF_STEP = 14

# The place of a picture in its sequence, the picture and what was synthesised for it in, what was coded out.
_CodeNext = Callable[[Picture, Picture], Coded]


class SynthesisedCoders:
    """Ways to code the references of one clip. Not thread-safe."""

    def __init__(
        self,
        model: MorphableModel,
        generator: Generator,
        identity: NDArray[np.float32],
        moments: Sequence[Moment],
    ) -> None:
        """Args: moments: the references in the order in which they are sent."""
        self._model, self._generator, self._identity = model, generator, identity
        self._moments = moments
        views = np.stack(
            [
                describe_reference(model, ReferenceImage(moment.picture_rgb, identity, moment.params))
                for moment in moments
            ]
        )
        self._nearest = [
            int(np.argmin(np.linalg.norm(views[:place] - views[place], axis=1))) if place else None
            for place in range(len(moments))
        ]

    @property
    def coders(self) -> dict[str, Coder]:
        """By name; each takes the pictures of the moments, and VP9's quality, 0 (best) to 63."""
        return {
            "residual": partial(self._code, lambda quality: _residual_chain(quality, halved=False)),
            "residual, halved": partial(self._code, lambda quality: _residual_chain(quality, halved=True)),
            "synthesised before": partial(self._code, _pair_chain),
            "chain with synthesised": self._code_mixed,
        }

    def synthesised(self, pictures: Sequence[Picture]) -> list[Picture | None]:
        """What is drawn for each moment from `pictures`, which stand for what was decoded; None for the first."""
        drawer = _Drawer(self._model, self._generator, self._identity, self._moments)
        return [
            None if near is None else drawer.draw(place, near, pictures[near])
            for place, near in enumerate(self._nearest)
        ]

    def _code(
        self, begin: Callable[[int], _CodeNext], pictures: Sequence[Picture], quality: int
    ) -> list[Coded]:
        """The first as it is, all others by what `begin` makes for the quality."""
        return self._closed_loop(pictures, lambda picture: _first(picture, quality), begin(quality))

    def _code_mixed(self, pictures: Sequence[Picture], quality: int) -> list[Coded]:
        """One chain of all pictures, each after its synthesised one, whose bytes do not count."""
        encoder, decoder = PictureEncoder(quality), PictureDecoder()

        def code(picture: Picture, synthesised: Picture) -> Coded:
            known = code_next(encoder, decoder, synthesised)
            return _with_more(code_next(encoder, decoder, picture), known)

        return self._closed_loop(pictures, lambda picture: code_next(encoder, decoder, picture), code)

    def _closed_loop(
        self, pictures: Sequence[Picture], code_first: Callable[[Picture], Coded], code: _CodeNext
    ) -> list[Coded]:
        drawer = _Drawer(self._model, self._generator, self._identity, self._moments)
        coded: list[Coded] = []
        for place, (picture, near) in enumerate(zip(pictures, self._nearest, strict=True)):
            if near is None:
                coded.append(code_first(picture))
                continue
            seen = coded[near].picture_rgb
            synthesised, draw_ms = timed(drawer.draw, place, near, seen)
            one = code(picture, synthesised)
            coded.append(replace(one, encode_ms=one.encode_ms + draw_ms, decode_ms=one.decode_ms + draw_ms))
        return coded


class _Drawer:
    """Draws moments from decoded references, each prepared once."""

    def __init__(
        self,
        model: MorphableModel,
        generator: Generator,
        identity: NDArray[np.float32],
        moments: Sequence[Moment],
    ) -> None:
        self._model, self._generator, self._identity = model, generator, identity
        self._moments = moments
        self._prepared: dict[int, Reconstructor] = {}

    def draw(self, place: int, near: int, seen: Picture) -> Picture:
        """The moment `place` from the moment `near`, which looks like `seen`."""
        if near not in self._prepared:
            reference = ReferenceImage(seen, self._identity, self._moments[near].params)
            self._prepared[near] = Reconstructor(self._model, self._generator, reference)
        return self._prepared[near].draw(self._moments[place].params)


def _first(picture: Picture, quality: int) -> Coded:
    return code_next(PictureEncoder(quality), PictureDecoder(), picture)


def _residual_chain(quality: int, *, halved: bool) -> _CodeNext:
    """A chain of the differences to the synthesised pictures, halved to keep them all or cut where they are large."""
    finer = max(0, quality - _HALF_STEP) if halved else quality
    factor = 2 if halved else 1
    encoder, decoder = PictureEncoder(finer), PictureDecoder()

    def code(picture: Picture, synthesised: Picture) -> Coded:
        coded = code_next(encoder, decoder, difference(picture, synthesised, factor))
        return replace(coded, picture_rgb=with_difference(synthesised, coded.picture_rgb, factor))

    return code


def difference(picture: Picture, synthesised: Picture, factor: int) -> Picture:
    """Uint8, of the pictures' shape: how much brighter `picture` is, divided by `factor`, around 128."""
    levels = np.rint((picture.astype(np.int16) - synthesised) / factor) + 128
    return np.asarray(np.clip(levels, 0, 255), np.uint8)


def with_difference(synthesised: Picture, levels: Picture, factor: int) -> Picture:
    """The way back from `difference`; with a factor of 2 to a level, with 1 exact up to differences of 127."""
    whole = synthesised.astype(np.int16) + factor * (levels.astype(np.int16) - 128)
    return np.asarray(np.clip(whole, 0, 255), np.uint8)


def _pair_chain(quality: int) -> _CodeNext:
    """A chain of two for each picture: the synthesised one, whose bytes either end makes for itself, and the true."""

    def code(picture: Picture, synthesised: Picture) -> Coded:
        encoder, decoder = PictureEncoder(quality), PictureDecoder()
        known = code_next(encoder, decoder, synthesised)
        return _with_more(code_next(encoder, decoder, picture), known)

    return code


def _with_more(coded: Coded, known: Coded) -> Coded:
    """`coded`, and the time for the picture that is not sent: both ends code it, one to decode what follows it."""
    return replace(
        coded,
        encode_ms=coded.encode_ms + known.encode_ms,
        decode_ms=coded.decode_ms + known.encode_ms + known.decode_ms,
    )
