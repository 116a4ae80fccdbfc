"""An address in, a connected Peer out: the receiver listens on HTTP, the sender posts its WebRTC offer there.

    sender                                     receiver
    POST /offer {"type": "offer", "sdp": …} ──▶
             ◀── 200 {"type": "answer", "sdp": …}      or 400, 409 {"error": "a sentence"}

After the answer both talk directly, HTTP is not used again. One call at a time.
"""

import asyncio
import json
import logging
import os
import re
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from headgan.proto.errors import PeerError, UsageError
from headgan.proto.ice import IceConfig
from headgan.proto.peer import Peer

MAX_BODY_BYTES = 64 * 1024
MAX_ERROR_CHARACTERS = 200
CONNECT_LIMIT_S = 10.0
ABOUT = "headgan-recv: the receiving side of a video call. Call it with headgan-send.\n"
BUSY = "this receiver is in another call; try again when it has ended"
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/\[\]@]+)):(\d{1,5})")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Address:
    """Where a receiver listens; `str()` is HOST:PORT, with brackets around IPv6."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, *, allow_any_port: bool = False) -> Address:
    """The address in HOST:PORT or [IPV6]:PORT; raises UsageError. Port 0, any free one, only if allowed."""
    match = _ADDRESS.fullmatch(text)
    if match is None or not (0 if allow_any_port else 1) <= int(match[3]) <= 65535:
        raise UsageError(f"address {text!r} must look like 192.168.1.20:8765 or [2001:db8::1]:8765")
    return Address(match[1] or match[2], int(match[3]))


class Listener:
    """The receiver's HTTP server, an async context manager; `accept` gives one call after the other.

    A call holds the only slot until its peer is closed. A sender that does not connect within 10 s after its
    offer loses the slot again.

    Args:
        host: the address to listen on, such as 0.0.0.0 for all.
        port: the TCP port; 0 takes a free one, which `address` tells.
        ice: STUN and TURN servers.
    """

    def __init__(self, host: str, port: int, ice: IceConfig) -> None:
        self._wanted = Address(host, port)
        self._ice = ice
        self._runner: web.AppRunner | None = None
        self._held: Peer | None = None
        self._holding: asyncio.Task[None] | None = None
        # One call at a time, so this never holds more than one.
        self._accepted: asyncio.Queue[Peer] = asyncio.Queue(maxsize=1)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/", _answer_about)
        app.router.add_post("/offer", self._answer_offer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._wanted.host, self._wanted.port).start()
        except OSError as error:
            await runner.cleanup()
            raise PeerError(
                f"cannot listen on {self._wanted} ({_reason(error)}); "
                "is another headgan-recv running? choose a different port"
            ) from error
        self._runner = runner
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._held is not None:
            await self._held.close()
        if self._holding is not None:
            await self._holding

    @property
    def address(self) -> Address:
        """Where the server listens, with the port that it got."""
        if self._runner is None:
            raise ValueError("the listener is not open")
        return Address(self._wanted.host, int(self._runner.addresses[0][1]))

    async def accept(self) -> Peer:
        """Waits for the next sender; its channels are open. Close the peer to free the slot."""
        return await self._accepted.get()

    async def _answer_offer(self, request: web.Request) -> web.Response:
        if self._held is not None:
            return _refuse(409, BUSY)
        try:
            # A page in a browser cannot send this type to another host without asking, which is not answered.
            if request.content_type != "application/json":
                return _refuse(400, "the offer must have the content type application/json")
            sdp = _read_description(await request.read(), "offer")
        except web.HTTPRequestEntityTooLarge:
            return _refuse(400, f"the offer has more than {MAX_BODY_BYTES} bytes")
        except PeerError as error:
            return _refuse(400, str(error))
        if self._held is not None:  # taken while the body was read
            return _refuse(409, BUSY)
        peer = self._held = Peer(self._ice)
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                answer = await peer.answer_offer(sdp)
        except (PeerError, TimeoutError) as error:
            await self._free(peer)
            return _refuse(400, str(error) or "the offer names servers that do not answer")
        except asyncio.CancelledError:
            await self._free(peer)
            raise
        self._holding = asyncio.create_task(self._hold(peer))
        return web.json_response({"type": "answer", "sdp": answer})

    async def _hold(self, peer: Peer) -> None:
        """Keeps the slot for `peer` until it is closed, or never connected."""
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                await peer.wait_open()
        except (PeerError, TimeoutError):
            _log.warning("a sender made an offer, but did not connect")
            await self._free(peer)
            return
        self._accepted.put_nowait(peer)
        await peer.wait_closed()
        await self._free(peer)

    async def _free(self, peer: Peer) -> None:
        await peer.close()
        self._held = None


async def call(host: str, port: int, ice: IceConfig, *, timeout_s: float = CONNECT_LIMIT_S) -> Peer:
    """Calls the receiver that listens at `host` and `port`; both channels of the peer are open.

    Args:
        host: name or address of the receiver.
        port: its TCP port.
        ice: STUN and TURN servers.
        timeout_s: for everything together.

    Raises:
        PeerError: nothing listens there, it is not a headgan receiver, it refused, or no direct connection
            came about in time.
    """
    address = Address(host, port)
    deadline_s = asyncio.get_running_loop().time() + timeout_s
    peer = Peer(ice)
    try:
        try:
            async with asyncio.timeout_at(deadline_s):
                offer = await peer.make_offer()
                answer = await _post_offer(address, offer)
                await peer.take_answer(answer)
        except TimeoutError as error:
            raise PeerError(
                f"{address} did not answer within {timeout_s:g} s; is headgan-recv running there, "
                "and does a firewall let it be reached?"
            ) from error
        try:
            async with asyncio.timeout_at(deadline_s):
                await peer.wait_open()
        except (PeerError, TimeoutError) as error:
            raise PeerError(
                f"{address} answered, but no direct connection came about; allow UDP between the two, "
                "or give both sides the same STUN or TURN server"
            ) from error
    except BaseException:
        await peer.close()
        raise
    return peer


async def _post_offer(address: Address, sdp: str) -> str:
    """The SDP of the answer to the offer `sdp`."""
    url = f"http://{address}/offer"
    try:
        # allow_redirects: an offer is for the address that the user gave, and no other.
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json={"type": "offer", "sdp": sdp}, allow_redirects=False) as response,
        ):
            status = response.status
            body = await _read_body(response)
    except aiohttp.ClientConnectorError as error:
        raise PeerError(
            f"{address} cannot be reached ({_reason(error)}); is headgan-recv running there?"
        ) from error
    except (aiohttp.ClientError, ValueError) as error:
        raise PeerError(_not_headgan(address, type(error).__name__)) from error
    if status != 200:
        raise PeerError(_refusal(address, status, body))
    try:
        return _read_description(body, "answer")
    except PeerError as error:
        raise PeerError(_not_headgan(address, str(error))) from error


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    """The whole body, or its first MAX_BODY_BYTES + 1 bytes, which is too much."""
    try:
        return await response.content.readexactly(MAX_BODY_BYTES + 1)
    except asyncio.IncompleteReadError as end:
        return end.partial


def _read_description(body: bytes, kind: str) -> str:
    """The SDP in the JSON {"type": kind, "sdp": …}; raises PeerError."""
    if len(body) > MAX_BODY_BYTES:
        raise PeerError(f"the {kind} has more than {MAX_BODY_BYTES} bytes")
    try:
        description = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PeerError(f"the {kind} is not JSON") from error
    if not isinstance(description, dict) or description.get("type") != kind:
        raise PeerError(f'the {kind} must be a JSON object with "type": "{kind}"')
    sdp = description.get("sdp")
    if not isinstance(sdp, str):
        raise PeerError(f'the {kind} has no "sdp"')
    return sdp


def _refusal(address: Address, status: int, body: bytes) -> str:
    """The sentence for an answer that is not 200: the other side's own where it has one."""
    try:
        sentence = json.loads(body)["error"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return _not_headgan(address, f"HTTP {status}")
    if not isinstance(sentence, str):
        return _not_headgan(address, f"HTTP {status}")
    # It goes to a terminal, and must not control it.
    shown = "".join(character for character in sentence if character.isprintable())[:MAX_ERROR_CHARACTERS]
    return f"{address} refused the call: {shown}"


def _not_headgan(address: Address, what: str) -> str:
    return f"{address} does not answer as headgan-recv does ({what}); is another program on that port?"


def _reason(error: OSError) -> str:
    """The system's own words; asyncio puts addresses into them that the sentence already has."""
    if error.errno and error.errno > 0:
        return os.strerror(error.errno).lower()
    return error.strerror or str(error)


def _refuse(status: int, sentence: str) -> web.Response:
    """An answer that the sender shows to its user."""
    return web.json_response({"error": sentence}, status=status)


async def _answer_about(_request: web.Request) -> web.Response:
    return web.Response(text=ABOUT)
