"""A .hgn file in, its video out.

HgnReader ─┬─ HgnFrame ── Reconstructor ── VideoWriter ─┬─ MP4
           └─ packets of Opus ──────────────────────────┘
"""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.codec.hgn_chain import StoredReference
from headgan.codec.hgn_reader import HgnFrame, HgnReader
from headgan.codec.hgn_sound import add_sound
from headgan.codec.video import VideoWriter
from headgan.models.generator import Generator
from headgan.models.hgn_ears import HgnEars
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.models.reconstruct import Reconstructor, ReferenceImage
from headgan.proto.errors import DeviceError, ModelError, UsageError

# Prepared references; each takes some megabytes.
_KEPT = 16


@dataclass(frozen=True)
class DecodeResult:
    """What was written.

    Attributes:
        frames: of the video.
        held: frames in which the last picture stays: there is no face, or it is lost.
        has_sound: whether there is sound in it; the file may have none, or have lost it.
        faults: what was damaged or missing in the file, in words.
    """

    frames: int
    held: int
    has_sound: bool
    faults: tuple[str, ...]


class FileDrawer:
    """Draws the frames of one file. Not thread-safe."""

    def __init__(
        self, model: MorphableModel, generator: Generator, reader: HgnReader, *, fused: int = 1
    ) -> None:
        """Args: fused: from how many references a frame is drawn, at most.

        Raises:
            ModelError: the file was made with another morphable model.
        """
        if reader.header.model_id != model.model_id or len(reader.header.identity) != model.identity_size:
            raise ModelError(
                f"the file was made with the morphable model {reader.header.model_id.hex()}, here is "
                f"{model.model_id.hex()}; decode it with the version of headgan that wrote it"
            )
        self._model, self._generator = model, generator
        self._identity = reader.header.identity
        self._fused = fused
        self._prepared: OrderedDict[int, Reconstructor] = OrderedDict()

    def draw(self, frame: HgnFrame, audio: NDArray[np.float32] | None = None) -> NDArray[np.uint8] | None:
        """Uint8 [256, 256, 3]; None if there is no face, or nothing to draw it from; audio: as of a `Reconstructor`."""
        if frame.params is None or not frame.references:
            return None
        best, *others = (self._prepare(reference) for reference in frame.references[: self._fused])
        return best.draw(frame.params, *others, audio=audio)

    def _prepare(self, reference: StoredReference) -> Reconstructor:
        prepared = self._prepared.get(reference.number)
        if prepared is None:
            image = ReferenceImage(reference.picture_rgb, self._identity, reference.params)
            prepared = self._prepared[reference.number] = Reconstructor(self._model, self._generator, image)
        self._prepared.move_to_end(reference.number)
        if len(self._prepared) > max(_KEPT, self._fused):
            self._prepared.popitem(last=False)
        return prepared


def decode_to_video(
    path: Path,
    output: Path,
    generator: Generator,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    fused: int = 1,
) -> DecodeResult:
    """Draws a file, or a part of it.

    The video can be played while it grows, and if this is interrupted; its sound comes last.

    Args:
        path: the .hgn file.
        output: the MP4 to write.
        generator: draws.
        start_s: where to begin, in seconds.
        end_s: where to end; None for the end of the file.
        fused: from how many references a frame is drawn, at most; the file has to name as many.

    Raises:
        DeviceError: a file cannot be read or written.
        ModelError: the file was made with other models.
        UsageError: there is nothing between start and end.
        WireError: it is no .hgn file, or its header is damaged.
    """
    try:
        file = path.open("rb")
    except OSError as exc:
        raise DeviceError(f"{path}: cannot be read ({exc.strerror})") from exc
    with file:
        reader = HgnReader(file)
        reader.check_code()
        drawer = FileDrawer(MorphableModel.load(), generator, reader, fused=fused)
        rate_fps = reader.header.rate_fps
        start = round(start_s * rate_fps)
        stop = reader.frames if end_s is None else min(reader.frames, round(end_s * rate_fps))
        if not 0 <= start < stop:
            raise UsageError(f"{path} plays for {reader.seconds:.1f} s; there is nothing to draw there")
        listens = generator.needs("audio") and reader.header.packet_ms
        held = _draw(reader, drawer, output, start, stop, listens=bool(listens))
        packets = reader.sound(start)
        heard = next(packets, None)
        if heard is not None:
            add_sound(
                output,
                chain([heard], packets),
                packet_ms=reader.header.packet_ms,
                pre_skip=reader.header.pre_skip,
                start_s=start / rate_fps,
            )
        return DecodeResult(stop - start, held, heard is not None, tuple(reader.faults))


def _draw(
    reader: HgnReader, drawer: FileDrawer, output: Path, start: int, stop: int, *, listens: bool
) -> int:
    """Writes the pictures; returns how often the last one was held."""
    # Without a face in the first frame, the last one before it is shown, as if all had been played.
    last_face = reader.last_face(start)
    begin = start if last_face is None else last_face
    picture: NDArray[np.uint8] = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
    held = 0
    ears = HgnEars(reader, begin) if listens else None
    with (
        VideoWriter(
            output, width=CROP_SIZE, height=CROP_SIZE, rate_fps=float(reader.header.rate_fps)
        ) as writer,
        tqdm(desc="drawing", unit="frame", total=stop - start) as bar,
    ):
        for frame in reader.play(begin, stop):
            drawn = None
            if frame.number >= start or frame.number == begin:
                heard = ears.at(frame.number) if ears and frame.params is not None else None
                drawn = drawer.draw(frame, heard)
            picture = picture if drawn is None else drawn
            if frame.number >= start:
                held += drawn is None
                writer.write(picture)
                bar.update()
    return held
