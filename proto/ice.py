"""The addresses of STUN and TURN servers as a user writes them in, checked parts out."""

import re
from dataclasses import dataclass

from headgan.proto.errors import UsageError

_STUN = re.compile(r"stun:[^\s:/?@]+(:\d{1,5})?")
_TURN = re.compile(r"(turns?):([^\s:@]+):([^\s@]+)@([^\s:/?@]+(?::\d{1,5})?(?:\?transport=(?:udp|tcp))?)")


@dataclass(frozen=True)
class TurnServer:
    """A TURN server with the account to use there."""

    url: str
    user: str
    password: str


@dataclass(frozen=True)
class IceConfig:
    """Helpers for two sides that cannot reach each other directly; by default none is asked.

    Attributes:
        stun: stun:HOST[:PORT], which tells a side its address outside of its network.
        turn: turn:USER:PASSWORD@HOST[:PORT][?transport=tcp], which relays the call.
    """

    stun: str | None = None
    turn: str | None = None

    def __post_init__(self) -> None:
        if self.stun is not None and not _STUN.fullmatch(self.stun):
            raise UsageError(f"STUN server {self.stun!r} must look like stun:HOST:PORT")
        if self.turn is not None and not _TURN.fullmatch(self.turn):
            raise UsageError("the TURN server must look like turn:USER:PASSWORD@HOST:PORT")

    @property
    def turn_server(self) -> TurnServer | None:
        """The parts of `turn`."""
        match = _TURN.fullmatch(self.turn or "")
        if match is None:
            return None
        scheme, user, password, server = match.groups()
        return TurnServer(f"{scheme}:{server}", user, password)
