"""What SCTP is told by the other side in, the numbers of messages that have arrived there out.

Each datagram with data is answered with a SACK (RFC 9260, section 3.3.4), which says what has come, piece by piece. So
a sender knows, without a byte more, which messages of an unreliable channel arrived. aiortc does not say it in public;
this looks over its shoulder. Should its insides change, no arrival is ever told.
"""

import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

# Older ones are given up.
_KEPT = 1024
_TSN_MODULUS = 1 << 32

_log = logging.getLogger(__name__)


class Arrivals:
    """Watches one channel's messages; each must fit in one datagram."""

    def __init__(self, sctp: Any, channel: Any, on_arrived: Callable[[int], None]) -> None:  # noqa: ANN401
        """Args: sctp: an RTCSctpTransport; channel: an RTCDataChannel of it; on_arrived: takes each number once."""
        self._channel = channel
        self._on_arrived = on_arrived
        self._queued: deque[int] = deque()
        self._by_tsn: OrderedDict[int, int] = OrderedDict()
        try:
            self._sctp, send, receive_sack = sctp, sctp._send, sctp._receive_sack_chunk
            _ = (sctp._local_tsn, sctp._sent_queue)
        except AttributeError:
            _log.warning("this version of aiortc is unknown; what has arrived is not known")
            return

        async def send_and_note(stream_id: int, *rest: Any, **named: Any) -> None:  # noqa: ANN401
            # The number is given at once, before anything is awaited.
            if stream_id == self._channel.id and self._queued:
                self._note(sctp._local_tsn, self._queued.popleft())
            await send(stream_id, *rest, **named)

        async def look_and_receive(sack: Any) -> None:  # noqa: ANN401
            self._look(sack)
            await receive_sack(sack)

        sctp._send, sctp._receive_sack_chunk = send_and_note, look_and_receive

    def sending(self, number: int) -> None:
        """The next message that the channel sends has this number."""
        self._queued.append(number)

    def _note(self, tsn: int, number: int) -> None:
        self._by_tsn[tsn] = number
        if len(self._by_tsn) > _KEPT:
            self._by_tsn.popitem(last=False)

    def _look(self, sack: Any) -> None:  # noqa: ANN401
        for chunk in list(self._sctp._sent_queue):
            # What was given up is passed over by the other side as if it had come.
            if chunk.tsn in self._by_tsn and not chunk._abandoned and _covers(sack, chunk.tsn):
                self._on_arrived(self._by_tsn.pop(chunk.tsn))


def _covers(sack: Any, tsn: int) -> bool:  # noqa: ANN401
    """Whether a SACK says that a piece has come."""
    ahead = (tsn - sack.cumulative_tsn) % _TSN_MODULUS
    if ahead == 0 or ahead > _TSN_MODULUS // 2:
        return True
    return any(first <= ahead <= last for first, last in sack.gaps)
