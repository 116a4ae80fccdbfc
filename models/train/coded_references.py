"""A training set in, its references out as the other end of a call sees them: coded in few bytes."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from headgan.codec.picture_coder import QUALITY, PictureEncoder
from headgan.models.train.kept_rows import KeptRows, RowsOf
from headgan.models.train.prepared_set import PreparedSet, Segment


def coded_rows(prepared: PreparedSet) -> KeptRows:
    """Uint8 [256, 256, 3] RGB a reference; what is not kept yet is coded, some ten milliseconds each.

    Raises:
        DeviceError: the pictures cannot be written.
    """

    def prepare() -> RowsOf:
        return partial(segment_coded, prepared)

    # Other qualities are other pictures.
    return KeptRows(
        prepared, "coded", f"1-{QUALITY}", prepare, "coding references", count=lambda item: item.references
    )


def segment_coded(prepared: PreparedSet, segment: Segment) -> NDArray[np.uint8]:
    """Uint8 [R, 256, 256, 3]: a segment's references, sent one after the other in one chain."""
    encoder = PictureEncoder()
    frames = prepared.reference_frames(segment)
    return np.stack([encoder.encode(prepared.picture(segment, frame)).picture_rgb for frame in frames])
