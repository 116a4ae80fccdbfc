"""What the user wants of a call, as the receiver needs to know it."""

from dataclasses import dataclass
from pathlib import Path

from headgan.codec.memory import DEFAULT_CAPACITY
from headgan.models.pncc import CROP_SIZE
from headgan.proto.ice import IceConfig
from headgan.proto.signalling import Address


@dataclass(frozen=True)
class ReceiveSettings:
    """What a call needs to know.

    Attributes:
        listen: where to wait for a sender.
        ice: STUN and TURN servers.
        rate_fps: of the recording, until the sender says its own.
        record_path: the recording, or None.
        references: how many pictures of the sender to hold.
        fuses: from how many of them to draw one frame, at most.
        fuses_at_first: from how many to begin with; as many as at most if None.
        remember: name under which they are kept for the next call, or None.
        record_plain: whether the recording has no sign on pictures that are held.
        size: side of the pictures to show, 256 or 512.
    """

    listen: Address
    ice: IceConfig
    rate_fps: float
    record_path: Path | None
    references: int = DEFAULT_CAPACITY
    fuses: int = 1
    fuses_at_first: int | None = None
    remember: str | None = None
    record_plain: bool = False
    size: int = CROP_SIZE
