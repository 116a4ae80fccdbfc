"""The Hellos of both sides in, what they agree on out: sizes, sound and what else a call consists of.

No messages, no time: the same two Hellos give the same answers on both sides.
"""

from dataclasses import dataclass, replace
from typing import Self

from headgan.proto.errors import WireError
from headgan.proto.hello import DRIFT_CAPABILITY, LARGE_PICTURE_PX, PICTURE_PX, Hello, Role
from headgan.proto.known_references import is_asked
from headgan.proto.said import said_codes
from headgan.proto.voice import VOICE_CAPABILITY


@dataclass(frozen=True)
class Agreement:
    """What one side knows of it.

    Attributes:
        own: what this side said.
        peer: what the other side said; None until it came, and then a call is as small as it can be.
    """

    own: Hello
    peer: Hello | None = None

    def with_peer(self, peer: Hello) -> Self:
        """The same once the other side's Hello came; raises WireError where one came before or it is of this role."""
        if self.peer is not None:
            raise WireError("Hello came twice")
        if peer.role is self.own.role:
            raise WireError(f"both sides are a {peer.role}; one must be a sender and one a receiver")
        return replace(self, peer=peer)

    @property
    def references(self) -> int:
        """How many references the receiver of this call holds, as both sides have said; 1 before Hello."""
        return 1 if self.peer is None else min(self.own.references, self.peer.references)

    @property
    def fuses(self) -> int:
        """From how many references the receiver of this call draws one frame at most, as it has said."""
        if self.own.role is Role.RECEIVER:
            return self.own.fuses
        return 1 if self.peer is None else self.peer.fuses

    @property
    def picture_px(self) -> int:
        """The side of the references of this call, 256 or 512, as both sides have said; 256 before Hello."""
        both = PICTURE_PX if self.peer is None else min(self.own.picture_px, self.peer.picture_px)
        return LARGE_PICTURE_PX if both >= LARGE_PICTURE_PX else PICTURE_PX

    @property
    def asks_what_is_known(self) -> bool:
        """Whether the receiver is asked which references of the sender's Hello it knows."""
        if self.peer is None:
            return False
        is_sender = self.own.role is Role.SENDER
        return is_asked(self.own, self.peer) if is_sender else is_asked(self.peer, self.own)

    @property
    def has_drift(self) -> bool:
        """Whether records of this call say how what is no face moves."""
        return self.peer is not None and all(
            DRIFT_CAPABILITY in hello.capabilities for hello in (self.own, self.peer)
        )

    @property
    def has_voice(self) -> bool:
        """Whether the receiver of this call wants to hear the sender; asked of a sender."""
        return self.peer is not None and VOICE_CAPABILITY in self.peer.capabilities

    @property
    def has_said(self) -> bool:
        """Whether the receiver of this call can tell its networks what the sender says, in the code that it sends."""
        peer = self.peer
        return peer is not None and bool(said_codes(peer.capabilities) & said_codes(self.own.capabilities))
