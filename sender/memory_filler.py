"""Analysed frames in, which references each is drawn from and pictures for the other side's memory out.

camera's thread   look ── ReferencePlanner ── the best picture of late ── PictureEncoder ── Shipment
event loop        answered ── what the receiver holds ──▶ look
"""

from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.codec.picture_coder import CHAIN_MEDIA_TYPE, PictureEncoder
from headgan.codec.reference_planner import ReferencePlanner
from headgan.models.fitting import project
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.models.view_descriptor import describe_view
from headgan.proto.reference_transfer import Reference
from headgan.sender.analysis import AnalysedFrame


@dataclass(frozen=True, eq=False)
class Shipment:
    """One more reference, ready to be sent.

    Attributes:
        number: what it is called on the wire.
        replaces: number of the reference that is given up for it, or None.
        reference: its bytes.
        image: what the receiver will hold.
        is_urgent: whether it is to be sent faster than the rate, which it then owes.
    """

    number: int
    replaces: int | None
    reference: Reference
    image: ReferenceImage
    is_urgent: bool = False


class MemoryFiller:
    """Belongs to the camera's thread, but for `answered`."""

    def __init__(
        self,
        model: MorphableModel,
        first: ReferenceImage,
        encoder: PictureEncoder,
        *,
        capacity: int,
        kbps: float,
    ) -> None:
        """Prepares for a call.

        Args:
            model: the morphable model.
            first: the reference that the call begins with.
            encoder: that its picture went through, if it begins the chain.
            capacity: how many references the receiver holds.
            kbps: kbit/s that they may cost.
        """
        self.sent = 1
        self.sent_bytes = 0
        self._model, self._identity = model, first.identity
        self._encoder = encoder
        self._answers: SimpleQueue[tuple[int, bool]] = SimpleQueue()
        self._planner: ReferencePlanner[AnalysedFrame] = ReferencePlanner(
            self._describe(first.picture_rgb, first.params), capacity=capacity, kbps=kbps
        )

    @property
    def held(self) -> int:
        """How many references the receiver is known to hold; to be asked when the camera's thread has ended."""
        self._take_answers()
        return len(self._planner.held)

    @property
    def distance(self) -> float:
        """How far the last frame is from the reference that it is drawn from, in the measure of `describe_view`."""
        return self._planner.distance

    def answered(self, number: int, *, is_held: bool) -> None:
        """Learns that the receiver holds a reference, or refused it; from any thread."""
        self._answers.put((number, is_held))

    def look(
        self, frame: AnalysedFrame, now_ms: float, *, is_urgent: bool = False
    ) -> tuple[tuple[int, ...], Shipment | None]:
        """The references to draw `frame` from, none without a face; and what to send now, if anything.

        Args:
            frame: as analysed.
            now_ms: when it was taken.
            is_urgent: whether what the receiver holds is known not to show what there is now.
        """
        self._take_answers()
        if frame.params is None:
            return (), None
        descriptor = self._describe(frame.crop_rgb, frame.params)
        proposal = self._planner.saw(descriptor, frame, now_ms, is_urgent=is_urgent)
        used = self._planner.choose(descriptor)
        if proposal is None or proposal.item.params is None:
            return used, None
        coded = self._encoder.encode(proposal.item.crop_rgb)
        reference = Reference(coded.data, CHAIN_MEDIA_TYPE, proposal.item.params.to_bytes())
        size = len(reference.image) + len(reference.payload)
        self._planner.spent(size, now_ms)
        self.sent += 1
        self.sent_bytes += size
        image = ReferenceImage(coded.picture_rgb, self._identity, proposal.item.params)
        return used, Shipment(proposal.number, proposal.replaces, reference, image, is_urgent)

    def _describe(self, picture_rgb: NDArray[np.uint8], params: FaceParams) -> NDArray[np.float32]:
        return describe_view(project(self._model, self._identity, params), params, picture_rgb)

    def _take_answers(self) -> None:
        while True:
            try:
                number, is_held = self._answers.get_nowait()
            except Empty:
                return
            if is_held:
                self._planner.acknowledged(number)
            else:
                # What follows in the chain could not be decoded: the next one begins another.
                self._planner.refused(number)
                self._encoder = PictureEncoder()
