"""A clip's frames in, what a call's reference memory would hold at each of them out.

The planner and the coder of a call, over a line without loss: a reference is drawn from once its bytes, at the given
rate, and the time of an acknowledgement have passed. Nothing of the future is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.codec.picture_coder import PictureEncoder
from headgan.codec.reference_planner import DEFAULT_KBPS, ReferencePlanner
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.models.reconstruct import ReferenceImage
from headgan.models.view_descriptor import describe_reference

# There and back, and the decoding.
ACKNOWLEDGED_AFTER_MS = 100.0


@dataclass(frozen=True)
class MemorySettings:
    """Of the memory.

    Attributes:
        references: how many it holds.
        kbps: kbit/s that filling it may cost.
        fused: how many of them draw a frame, at most.
        size: side of their pictures, 256 or 512.
        quality: libvpx's, see `PictureEncoder`; None for what suits the size.
        uncoded: whether the other side sees references as they were before they were coded, for the same bytes.
    """

    references: int = 1
    kbps: float = DEFAULT_KBPS
    fused: int = 1
    size: int = CROP_SIZE
    quality: int | None = None
    uncoded: bool = False


@dataclass(frozen=True, eq=False)
class Moment:
    """A frame of the clip with a face.

    Attributes:
        pts_ms: its time.
        picture_rgb: uint8 [256, 256, 3].
        params: the face in it.
        large_rgb: uint8 [512, 512, 3], the same at twice the size, where references shall have it.
    """

    pts_ms: float
    picture_rgb: NDArray[np.uint8]
    params: FaceParams
    large_rgb: NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False)
class ClipMemory:
    """What was sent, and what each frame is drawn from.

    Attributes:
        references: in the order in which they were sent, as the other side sees them.
        originals: the same before they were coded.
        sent_bytes: of each.
        sent_ms: when each was begun.
        used: for each moment, the places in `references` of those to draw it from, the best one first.
        held: for each moment, how many could be drawn from.
    """

    references: tuple[ReferenceImage, ...]
    originals: tuple[Moment, ...]
    sent_bytes: tuple[int, ...]
    sent_ms: tuple[float, ...]
    used: tuple[tuple[int, ...], ...]
    held: tuple[int, ...]

    def costs(self) -> dict[str, float]:
        """`references` that were sent, `reference_bytes` of the first, and `reference_bytes_later` on average."""
        costs = {"references": float(len(self.sent_bytes)), "reference_bytes": float(self.sent_bytes[0])}
        if len(self.sent_bytes) > 1:
            costs["reference_bytes_later"] = float(np.mean(self.sent_bytes[1:]))
        return costs


def fill_memory(
    model: MorphableModel,
    identity: NDArray[np.float32],
    moments: Sequence[Moment],
    settings: MemorySettings,
) -> ClipMemory:
    """Plays a call; the first of the moments, in order of time, is its first reference."""
    encoder = PictureEncoder(settings.quality, settings.size)

    def described(moment: Moment) -> NDArray[np.float32]:
        return describe_reference(model, ReferenceImage(moment.picture_rgb, identity, moment.params))

    def encoded(moment: Moment) -> tuple[ReferenceImage, int]:
        large = moment.large_rgb if settings.size > CROP_SIZE else None
        given = moment.picture_rgb if large is None else large
        coded = encoder.encode(given)
        seen = given if settings.uncoded else coded.picture_rgb
        image = ReferenceImage.of_picture(seen, identity, moment.params)
        return image, len(coded.data)

    first = moments[0]
    sent, originals = [encoded(first)], [first]
    sent_ms, used, held = [first.pts_ms], [], []
    planner: ReferencePlanner[Moment] = ReferencePlanner(
        described(first), capacity=settings.references, kbps=settings.kbps
    )
    coming: tuple[float, int] | None = None
    for moment in moments:
        if coming is not None and coming[0] <= moment.pts_ms:
            planner.acknowledged(coming[1])
            coming = None
        descriptor = described(moment)
        proposal = planner.saw(descriptor, moment, moment.pts_ms)
        if proposal is not None:
            sent.append(encoded(proposal.item))
            originals.append(proposal.item)
            sent_ms.append(moment.pts_ms)
            planner.spent(sent[-1][1], moment.pts_ms)
            arrives_ms = moment.pts_ms + sent[-1][1] * 8 / settings.kbps + ACKNOWLEDGED_AFTER_MS
            coming = (arrives_ms, proposal.number)
        used.append(planner.choose(descriptor, settings.fused))
        held.append(len(planner.held))
    references, sizes = zip(*sent, strict=True)
    return ClipMemory(references, tuple(originals), sizes, tuple(sent_ms), tuple(used), tuple(held))
