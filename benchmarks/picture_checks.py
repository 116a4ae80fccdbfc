"""Pictures that a receiver drew in, whether they are what they have to be out.

They have to be nearer to what the camera saw than the first reference is, and some of them are drawn again, afterwards
and by Reconstructors that nobody watches: in the same precision, with which they have to agree, and in single
precision, to tell how far eight bits are from it.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self

import numpy as np

from headgan.benchmarks.half_plans import ReceiverPlan
from headgan.benchmarks.sent_clip import CropFile, Picture, SentClip
from headgan.models.generator import OnnxGenerator
from headgan.models.metrics.pictures import psnr
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import Reconstructor
from headgan.proto.errors import HeadganError
from headgan.receiver.frame_reader import ReadFrame

# The same numbers on other arithmetic differ by no more, on average over a picture, in levels of 255.
MOST_APART = 1.0
_EXACT = "float32"
# Every so many frames are drawn again.
_AGAIN_EVERY = 10


def references_of(frame: ReadFrame, count: int) -> tuple[int, ...]:
    """Numbers of those to draw a frame from, at most `count`, the best one first."""
    return (frame.references or (0,))[:count]


class PictureChecks:
    """Of the pictures of one receiver; a context, as it keeps some on the disk."""

    def __init__(self, clip: SentClip, plan: ReceiverPlan) -> None:
        self._clip, self._plan, self._crops = clip, plan, CropFile(Path(plan.folder))
        self._first = clip.references[0].picture_rgb
        self._psnr: list[float] = []
        self._psnr_repeat: list[float] = []
        # On the disk: a receiver whose memory is measured does not hold pictures that it showed.
        self._shown = TemporaryFile()  # noqa: SIM115 - closed with this object
        self._again: list[ReadFrame] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.close()

    def see(self, place: int, frame: ReadFrame, picture: Picture) -> None:
        """Takes what was drawn for the packet at `place`."""
        if place % _AGAIN_EVERY == 0:
            self._again.append(frame)
            self._shown.write(np.ascontiguousarray(picture).tobytes())
        truth = self._crops.read(place)
        self._psnr.append(psnr(picture, truth))
        self._psnr_repeat.append(psnr(self._first, truth))

    def report(self) -> dict[str, float]:
        """Means over the frames, in dB, and the largest mean distances of a picture, in levels.

        Raises:
            HeadganError: the pictures are not what they have to be.
        """
        drawn, repeated = float(np.mean(self._psnr)), float(np.mean(self._psnr_repeat))
        found = {"psnr": round(drawn, 2), "psnr_repeat": round(repeated, 2)}
        if not self._plan.is_trained:
            return found
        if drawn <= repeated:
            raise HeadganError(
                f"what is drawn ({drawn:.2f} dB) is worse than repeating the first picture ({repeated:.2f} dB)"
            )
        apart = self._apart(self._plan.precision)
        if not apart or max(apart) > MOST_APART:
            raise HeadganError(
                f"what is drawn is {max(apart, default=0):.2f} levels away from what a Reconstructor draws"
            )
        found["apart_levels"] = round(max(apart), 3)
        if self._plan.precision != _EXACT:
            found["float32_levels"] = round(float(np.mean(self._apart(_EXACT))), 3)
        return found

    def _apart(self, precision: str) -> Sequence[float]:
        """How far pictures are, on average, from those in that precision on the processor, in levels."""
        path = Path(self._plan.generator) if self._plan.generator else None
        generator: Any = OnnxGenerator(path, provider="cpu", precision=precision)
        model, drawing = MorphableModel.load(), {}
        apart = []
        self._shown.seek(0)
        for frame in self._again:
            numbers = references_of(frame, self._plan.fused)
            for number in numbers:
                if number not in drawing:
                    drawing[number] = Reconstructor(model, generator, self._clip.references[number])
            if frame.params is None:
                raise HeadganError("a face that was drawn is gone")
            best, *others = (drawing[number] for number in numbers)
            again = best.draw(frame.params, *others)
            picture = np.frombuffer(self._shown.read(again.nbytes), np.uint8).reshape(again.shape)
            apart.append(float(np.abs(picture.astype(np.int16) - again).mean()))
        return apart
