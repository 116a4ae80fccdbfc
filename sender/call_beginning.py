"""The first good picture of the caller in, what a call begins with out: as messages, and for finding drift."""

from dataclasses import dataclass

from headgan.codec.picture_coder import CHAIN_MEDIA_TYPE, CodedPicture, PictureEncoder
from headgan.codec.still import encode_still
from headgan.models.drift_finder import DriftFinder
from headgan.models.drift_watch import BIT_WORTH
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.proto.hello import LARGE_PICTURE_PX, PICTURE_PX
from headgan.proto.reference_transfer import Reference
from headgan.sender.param_packer import NARROW_MS
from headgan.sender.send_settings import SendSettings

# Where the parameters have to do with fewer kbit/s than this, what is no face follows more sluggishly.
_DRIFT_KBPS = 1.5
# The same where packets are made long to save bytes.
_NARROW_SCARCITY = 5.0


@dataclass(frozen=True, eq=False)
class FirstPicture:
    """The first reference at one size.

    Attributes:
        message: as it travels.
        encoder: that its picture went through; None where no more are to follow.
        coded: what came out.
    """

    message: Reference
    encoder: PictureEncoder | None = None
    coded: CodedPicture | None = None


@dataclass(frozen=True, eq=False)
class CallBeginning:
    """What a call begins with.

    Attributes:
        reference: the first.
        firsts: the same as it travels, by the side of its picture: 256, and 512 where the receiver may have that.
        drift: finds how what is no face moves; None where one picture is all that is sent.
    """

    reference: ReferenceImage
    firsts: dict[int, FirstPicture]
    drift: DriftFinder | None

    @property
    def message(self) -> Reference:
        """The first reference at 256 pixels."""
        return self.firsts[PICTURE_PX].message

    @property
    def large_message(self) -> Reference | None:
        """The first reference at 512 pixels, where it is there."""
        large = self.firsts.get(LARGE_PICTURE_PX)
        return large.message if large else None


def begin_call(model: MorphableModel, reference: ReferenceImage, settings: SendSettings) -> CallBeginning:
    """Prepares `reference` for all that a receiver may ask for; takes a while."""
    firsts = {PICTURE_PX: _first_picture(reference, PICTURE_PX, settings.references)}
    if reference.large_rgb is not None and settings.picture_px == LARGE_PICTURE_PX:
        firsts[LARGE_PICTURE_PX] = _first_picture(reference, LARGE_PICTURE_PX, settings.references)
    drift = _watch_drift(model, reference, settings) if settings.references > 1 else None
    return CallBeginning(reference, firsts, drift)


def _first_picture(reference: ReferenceImage, picture_px: int, references: int) -> FirstPicture:
    """The first reference at a size; where more are to follow it begins their chain."""
    payload = reference.params.to_bytes()
    picture_rgb = reference.picture_rgb if picture_px == PICTURE_PX else reference.largest_rgb
    if references == 1:
        still = encode_still(picture_rgb)
        return FirstPicture(Reference(still.data, still.media_type, payload))
    encoder = PictureEncoder(size=picture_px)
    coded = encoder.encode(picture_rgb)
    return FirstPicture(Reference(coded.data, CHAIN_MEDIA_TYPE, payload), encoder, coded)


def _watch_drift(model: MorphableModel, reference: ReferenceImage, settings: SendSettings) -> DriftFinder:
    """Prepares to find how what is no face moves."""
    scarcity = max(1.0, _DRIFT_KBPS / (settings.face_kbps or _DRIFT_KBPS))
    if settings.packet_ms >= NARROW_MS:
        scarcity *= _NARROW_SCARCITY
    drift = DriftFinder(model, BIT_WORTH * scarcity**2)
    drift.prepare(reference)
    return drift
