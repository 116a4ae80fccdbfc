"""Each answer that SCTP would send to a datagram in, those that are needed out.

aiortc answers every datagram with data at once, by a SACK of some ninety bytes on the wire: as many as the headers of
the frame itself. RFC 9260, section 6.2, asks for one after every second datagram, and for what it skips within 200 ms;
so it is done here, where datagrams come so closely that the next one is not far. On a line that loses something every
one is answered: there a sender should know at once what has arrived. aiortc does not offer it; should its insides
change, everything is answered as before.
"""

import asyncio
import logging
from typing import Any

# Datagrams that come no farther apart are answered two by two, at the latest after this time.
LONGEST_S = 0.1
# After something was missing, or came twice, every one is answered for so long.
_WARY_S = 10.0

_log = logging.getLogger(__name__)


class FewerSacks:
    """Skips answers of one RTCSctpTransport, from now on."""

    def __init__(self, sctp: Any) -> None:  # noqa: ANN401
        self._loop = asyncio.get_running_loop()
        self._last_s = self._wary_until_s = -float("inf")
        self._owed: asyncio.TimerHandle | None = None
        # Kept so that it is not thrown away before it has ended.
        self._late: asyncio.Task[None] | None = None
        try:
            self._sctp, self._send = sctp, sctp._send_sack
            _ = (sctp._sack_needed, sctp._sack_misordered, sctp._sack_duplicates)
        except AttributeError:
            _log.warning("this version of aiortc is unknown; every datagram is answered")
            return
        sctp._send_sack = self._answer

    def close(self) -> None:
        """Puts no answer off any more."""
        self._wary_until_s = float("inf")
        self._settle()

    async def _answer(self) -> None:
        """Answers a datagram that came, and those before it, or puts it off."""
        now_s = self._loop.time()
        is_close, self._last_s = now_s - self._last_s <= LONGEST_S, now_s
        if self._sctp._sack_misordered or self._sctp._sack_duplicates:
            self._wary_until_s = max(self._wary_until_s, now_s + _WARY_S)
        if self._owed is None and is_close and now_s >= self._wary_until_s:
            self._sctp._sack_needed = False
            self._owed = self._loop.call_later(LONGEST_S, self._answer_late)
            return
        self._settle()
        await self._send()

    def _answer_late(self) -> None:
        self._settle()
        self._late = self._loop.create_task(self._send_if_open())

    async def _send_if_open(self) -> None:
        try:
            await self._send()
        except ConnectionError:
            _log.debug("the connection ended before an answer was sent")

    def _settle(self) -> None:
        """Nothing is owed any more."""
        if self._owed is not None:
            self._owed.cancel()
            self._owed = None
