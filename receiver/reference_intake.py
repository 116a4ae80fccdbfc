"""References as they travel in, what draws from them out: one after the other, beside the call.

take, add ── queue ── next_prepared ──▶ Reconstructor, to be held
first ────────────────────────────────▶ Reconstructor, to begin with
"""

import asyncio
import logging
from functools import partial

import numpy as np
from numpy.typing import NDArray

from headgan.codec.memory import MAX_CAPACITY
from headgan.codec.params import parse_identity
from headgan.codec.picture_coder import CHAIN_MEDIA_TYPE, PictureDecoder
from headgan.codec.reference_params import parse_reference_params
from headgan.codec.still import decode_still
from headgan.models.generator import Generator
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.models.quiet_worker import QuietWorker
from headgan.models.reconstruct import Reconstructor, ReferenceImage
from headgan.proto.errors import WireError
from headgan.proto.hello import Hello
from headgan.proto.more_references import MoreReceived
from headgan.proto.reference_transfer import Reference

log = logging.getLogger(__name__)


class ReferenceIntake:
    """Of one call; belongs to the event loop.

    Attributes:
        picture_px: side of the references, once that is agreed.
    """

    def __init__(self, model: MorphableModel, generator: Generator, size: int) -> None:
        """Args: size: side of the pictures to show; model and generator: what they are drawn with."""
        self.picture_px = CROP_SIZE
        self._model = model
        self._generator = generator
        self._size = size
        self._sender: Hello | None = None
        self._decoder = PictureDecoder()
        self._quiet = QuietWorker()
        # References to prepare, one after the other: number, picture, and the number of the one that it replaces. A
        # sender that does not wait until they are held is refused.
        self._waiting: asyncio.Queue[tuple[int, ReferenceImage, int | None]] = asyncio.Queue(MAX_CAPACITY)

    def meet(self, sender: Hello, picture_px: int) -> None:
        """Learns who calls, and how large the references are."""
        self._sender = sender
        self.picture_px = picture_px
        self._decoder = PictureDecoder(picture_px)

    def identity(self) -> NDArray[np.float32]:
        """The sender's identity coefficients; raises WireError where its Hello has none."""
        if self._sender is None:
            raise ValueError("nobody knows who calls before hello")
        return parse_identity(self._sender.identity, self._model.identity_size)

    def read(self, reference: Reference) -> ReferenceImage:
        """The picture and its face; raises WireError for what is none."""
        if reference.media_type == CHAIN_MEDIA_TYPE:
            picture_rgb = self._decoder.decode(reference.image)
        else:
            picture_rgb = decode_still(reference.image, reference.media_type, self.picture_px)
        return ReferenceImage.of_picture(
            picture_rgb, self.identity(), parse_reference_params(reference.payload)
        )

    async def first(self, reference: ReferenceImage) -> Reconstructor:
        """What draws from the reference that the call begins with, warm."""
        # Finding the person in the picture takes a while: not on the event loop.
        reconstructor = await asyncio.to_thread(
            Reconstructor, self._model, self._generator, reference, self._size
        )
        # The first frame of a generator is slow; draw it before the call does.
        await asyncio.to_thread(reconstructor.draw, reference.params)
        return reconstructor

    def take(self, more: MoreReceived) -> bool:
        """Has one more reference prepared; returns whether it could be taken."""
        try:
            if self._waiting.full():
                raise WireError("too many are waiting")
            reference = self.read(more.reference)
        except WireError as error:
            log.info("reference %d is refused: %s", more.number, error)
            return False
        self._waiting.put_nowait((more.number, reference, more.replaces))
        return True

    def add(self, number: int, reference: ReferenceImage) -> None:
        """Has a reference prepared that is known from an earlier call."""
        self._waiting.put_nowait((number, reference, None))

    async def next_prepared(self) -> tuple[int, Reconstructor, int | None]:
        """The next one, in the order in which they came: number, what draws from it, the number that it replaces."""
        number, reference, replaces = await self._waiting.get()
        reconstructor = await self._quiet.run(
            partial(Reconstructor, self._model, self._generator, reference, self._size)
        )
        return number, reconstructor, replaces

    def close(self) -> None:
        """Prepares no more; may take a while."""
        self._quiet.close()
