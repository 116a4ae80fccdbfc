"""Analysed frames in, which references each is drawn from and pictures for the other side's memory out.

camera's thread   look ── ReferencePlanner ── the best picture of late      what was made ── Shipment
quiet thread                                        └───── PictureEncoder ─────┘
event loop        answered ── what the receiver holds ──▶ look

A picture takes the time of a frame or two to code: frames go on meanwhile, and it is sent with a later one.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.codec.picture_coder import CHAIN_MEDIA_TYPE, CodedPicture, PictureEncoder
from headgan.codec.reference_params import code_reference_params
from headgan.codec.reference_planner import Proposal, ReferencePlanner
from headgan.models.contacts import reference_digest
from headgan.models.detail import LARGE_SIZE, enlarged
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.models.view_descriptor import describe_reference
from headgan.proto.reference_transfer import Reference
from headgan.sender.analysis import AnalysedFrame


@dataclass(frozen=True, eq=False)
class Shipment:
    """One more reference, ready to be sent.

    Attributes:
        number: what it is called on the wire.
        replaces: number of the reference that is given up for it, or None.
        reference: its bytes.
        is_urgent: whether it is to be sent faster than the rate, which it then owes.
    """

    number: int
    replaces: int | None
    reference: Reference
    is_urgent: bool = False


# Begins work that is not waited for.
Begin = Callable[[Callable[[], CodedPicture]], "Future[CodedPicture]"]


@dataclass(frozen=True, eq=False)
class _Making:
    """A reference whose picture is being coded.

    Attributes:
        proposal: what is to be sent.
        image: as the camera saw it.
        payload: its face, as it travels.
        coded: the picture, when it is done.
        is_urgent: see `Shipment`.
    """

    proposal: Proposal[AnalysedFrame]
    image: ReferenceImage
    payload: bytes
    coded: "Future[CodedPicture]"
    is_urgent: bool


def at_once(work: Callable[[], CodedPicture]) -> "Future[CodedPicture]":
    """Does the work before it returns."""
    done: Future[CodedPicture] = Future()
    done.set_result(work())
    return done


class MemoryFiller:
    """Belongs to the camera's thread, but for `answered`."""

    def __init__(
        self,
        model: MorphableModel,
        first: ReferenceImage,
        encoder: PictureEncoder,
        coded: CodedPicture,
        *,
        capacity: int,
        kbps: float,
        fuses: int = 1,
        known: Mapping[int, tuple[bytes, ReferenceImage]] | None = None,
        has_drift: bool = False,
        begin: Begin = at_once,
        prepare: Callable[[ReferenceImage], None] | None = None,
    ) -> None:
        """Prepares for a call.

        Args:
            model: the morphable model.
            first: the reference that the call begins with.
            encoder: that its picture went through, if it begins the chain.
            coded: what came out.
            capacity: how many references the receiver holds.
            kbps: kbit/s that they may cost.
            fuses: from how many the receiver draws one frame, at most.
            known: by their numbers, digest and reference of what the receiver has from earlier calls; 0 among them
                takes the place of `first`, which then was not sent.
            has_drift: whether the receiver reads how what is no face moved.
            begin: has pictures coded on another thread, one after the other.
            prepare: called there with each new reference, before any frame names it.
        """
        known = known or {}
        begins_known = 0 in known
        self.known = len(known)
        self.sent = 0 if begins_known else 1
        self.first_bytes = 0 if begins_known else len(coded.data) + len(first.params.to_bytes())
        self.sent_bytes = 0
        # What the receiver holds, or may soon: digests of what it sees, and what the camera saw.
        self._references = {0: (_digest(first, coded), first), **known}
        # What each of those on their way is sent in place of.
        self._given_up: dict[int, int | None] = {}
        self._has_drift = has_drift
        self._model, self._identity, self._fuses = model, first.identity, fuses
        # Without a first picture the chain begins with the next one.
        self._encoder = PictureEncoder(size=encoder.size) if begins_known else encoder
        self._begin, self._prepare = begin, prepare
        self._making: _Making | None = None
        self._answers: SimpleQueue[tuple[int, bool]] = SimpleQueue()
        self._planner: ReferencePlanner[AnalysedFrame] = ReferencePlanner(
            describe_reference(model, self._references[0][1]), capacity=capacity, kbps=kbps
        )
        for number in sorted(known.keys() - {0}):
            self._planner.expects(number, describe_reference(model, known[number][1]))

    @property
    def held(self) -> int:
        """How many references the receiver is known to hold; to be asked when the camera's thread has ended."""
        self._take_answers()
        return len(self._planner.held)

    @property
    def distance(self) -> float:
        """How far the last frame is from the reference that it is drawn from, in the measure of `describe_view`."""
        return self._planner.distance

    def reference(self, number: int) -> ReferenceImage:
        """The one of this number, which a frame names, as the camera saw it."""
        return self._references[number][1]

    def references(self) -> dict[bytes, ReferenceImage]:
        """Those that the receiver is known to hold, the latest first; to be asked once the camera has ended.

        The digests are those of the references as the receiver sees them, the pictures those of the camera.
        """
        self._take_answers()
        return dict(self._references[number] for number in sorted(self._planner.held, reverse=True))

    def answered(self, number: int, *, is_held: bool) -> None:
        """Learns that the receiver holds a reference, or refused it; from any thread."""
        self._answers.put((number, is_held))

    def look(
        self, frame: AnalysedFrame, now_ms: float, *, is_urgent: bool = False, on_credit: bool = True
    ) -> tuple[tuple[int, ...], Shipment | None]:
        """The references to draw `frame` from, none without a face; and what to send now, if anything.

        Args:
            frame: as analysed.
            now_ms: when it was taken.
            is_urgent: whether what the receiver holds is known not to show what there is now.
            on_credit: whether what is urgent may be paid for afterwards.
        """
        self._take_answers()
        if frame.params is None:
            return (), self._made(now_ms)
        descriptor = self._describe(frame.crop_rgb, frame.params)
        proposal = self._planner.saw(descriptor, frame, now_ms, is_urgent=is_urgent, on_credit=on_credit)
        used = self._planner.choose(descriptor, self._fuses)
        if proposal is not None and proposal.item.params is not None:
            self._making = self._make(proposal, proposal.item.params, is_urgent=is_urgent)
        return used, self._made(now_ms)

    def _make(self, proposal: Proposal[AnalysedFrame], params: FaceParams, *, is_urgent: bool) -> _Making:
        """Has a picture coded; there is only one at a time, as the planner waits for the answer to each."""
        payload, params = self._coded_params(params)
        item = proposal.item
        image = ReferenceImage(item.crop_rgb, self._identity, params, item.large_rgb)

        def code() -> CodedPicture:
            is_large = self._encoder.size == LARGE_SIZE
            coded = self._encoder.encode(enlarged(image.largest_rgb) if is_large else item.crop_rgb)
            if self._prepare is not None:
                self._prepare(image)
            return coded

        return _Making(proposal, image, payload, self._begin(code), is_urgent)

    def _made(self, now_ms: float) -> Shipment | None:
        """What has been coded since the last frame."""
        making = self._making
        if making is None or not making.coded.done():
            return None
        self._making = None
        proposal, coded = making.proposal, making.coded.result()
        self._references[proposal.number] = _digest(making.image, coded), making.image
        self._given_up[proposal.number] = proposal.replaces
        reference = Reference(coded.data, CHAIN_MEDIA_TYPE, making.payload)
        size = len(reference.image) + len(reference.payload)
        self._planner.spent(size, now_ms)
        self.sent += 1
        self.sent_bytes += size
        return Shipment(proposal.number, proposal.replaces, reference, making.is_urgent)

    def _coded_params(self, params: FaceParams) -> tuple[bytes, FaceParams]:
        """The face of a reference as it travels, and as the receiver then has it."""
        return code_reference_params(params) if self._has_drift else (params.to_bytes(), params)

    def _describe(self, picture_rgb: NDArray[np.uint8], params: FaceParams) -> NDArray[np.float32]:
        return describe_reference(self._model, ReferenceImage(picture_rgb, self._identity, params))

    def _take_answers(self) -> None:
        while True:
            try:
                number, is_held = self._answers.get_nowait()
            except Empty:
                return
            given_up = self._given_up.pop(number, None)
            if is_held:
                self._planner.acknowledged(number)
                if given_up is not None:
                    del self._references[given_up]
            else:
                # What follows in the chain could not be decoded: the next one begins another.
                self._planner.refused(number)
                del self._references[number]
                self._encoder = PictureEncoder(size=self._encoder.size)


def _digest(image: ReferenceImage, coded: CodedPicture) -> bytes:
    """Of a reference as it is once its picture was coded."""
    return reference_digest(ReferenceImage.of_picture(coded.picture_rgb, image.identity, image.params))
