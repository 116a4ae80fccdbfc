"""What is heard of the other side and the time in; pings, notices of silence and the other side's clock out."""

from headgan.proto.clock import ClockEstimate, PeerClock, wrap_ms
from headgan.proto.control import Ping, Pong
from headgan.proto.hello import Role
from headgan.proto.session_events import LineBack, LineSilent, PeerLost

# A receiver has to know the sender's clock, and its Pings tell the sender that it is there. The other way round frames
# and Pongs tell it; Ping, answer and what SCTP says to both would be a tenth of the bytes of a narrow call.
PING_INTERVAL_MS = {Role.SENDER: 5000, Role.RECEIVER: 1000}
# A call outlives an outage of 5 s, after which the channels need up to 2 s, with as much again to spare. Longer
# than 24 s it could not be: then WebRTC takes the silence for the end.
SILENCE_LIMIT_MS = 12_000
# When silence is worth telling. A receiver hears every frame, or at least a Pong a second; a sender only what comes
# over the reliable channel, where a message that was lost takes a second more.
NOTICE_MS = {Role.SENDER: 2500, Role.RECEIVER: 1500}


class LineWatch:
    """The line of one call, as the side of `role` hears it."""

    def __init__(self, role: Role) -> None:
        self._role = role
        self._clock = PeerClock()
        self._heard_ms = 0
        self._silent_since_ms: int | None = None
        self._next_ping_ms = 0

    @property
    def clock(self) -> ClockEstimate | None:
        """The other side's clock, once a Ping was answered."""
        return self._clock.estimate

    def start(self, now_ms: int) -> None:
        """The line is there: from now on the other side should be heard."""
        self._heard_ms = self._next_ping_ms = now_ms

    def heard(self, now_ms: int) -> None:
        """Something came from the other side."""
        self._heard_ms = now_ms

    def answered(self, pong: Pong, now_ms: int) -> None:
        """The answer to a Ping came."""
        self._clock.add_pong(pong.ping_ms, pong.own_ms, now_ms)

    def lost(self, now_ms: int) -> PeerLost | None:
        """The end of the call, when nothing was heard for too long."""
        silent_ms = now_ms - self._heard_ms
        return PeerLost(silent_ms) if silent_ms >= SILENCE_LIMIT_MS else None

    def notice(self, now_ms: int, *, is_streaming: bool) -> LineSilent | LineBack | None:
        """What is to be told once when the line falls silent, and once when it is back."""
        silent_ms, since_ms = now_ms - self._heard_ms, self._silent_since_ms
        if since_ms is None:
            if not is_streaming or silent_ms < NOTICE_MS[self._role]:
                return None
            self._silent_since_ms = self._heard_ms
            return LineSilent(silent_ms)
        if self._heard_ms == since_ms:
            return None
        self._silent_since_ms = None
        return LineBack(self._heard_ms - since_ms)

    def due_ping(self, now_ms: int) -> Ping | None:
        """A Ping, when it is time for one."""
        if now_ms < self._next_ping_ms:
            return None
        self._next_ping_ms = now_ms + PING_INTERVAL_MS[self._role]
        return Ping(wrap_ms(now_ms))
