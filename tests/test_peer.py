"""Two peers in one process: both channels, the bytes on the wire, loss of the connection, and closing."""

import asyncio
import logging
import math
import time
from typing import Any

import aioice.ice
import aiortc.rtcsctptransport
import pytest

from headgan.benchmarks.faulty_line import FaultyLine, LineFaults
from headgan.proto.errors import PeerError, UsageError
from headgan.proto.ice import IceConfig, TurnServer
from headgan.proto.peer import EARLY_CONTROL, EARLY_PARAMS, Peer
from headgan.proto.wire_meter import WireMeter
from tests.peer_pair import connect

LIMIT_S = 10.0


class Inbox:
    """What a peer delivered."""

    def __init__(self, peer: Peer) -> None:
        self.params: list[bytes] = []
        self.control: list[bytes] = []
        self.lost = 0
        self._changed = asyncio.Event()
        peer.listen(on_params=self._on_params, on_control=self._on_control, on_lost=self._on_lost)

    def _on_params(self, data: bytes) -> None:
        self.params.append(data)
        self._changed.set()

    def _on_control(self, data: bytes) -> None:
        self.control.append(data)
        self._changed.set()

    def _on_lost(self) -> None:
        self.lost += 1
        self._changed.set()

    async def wait(self, *, params: int = 0, control: int = 0, lost: int = 0) -> None:
        async with asyncio.timeout(LIMIT_S):
            while len(self.params) < params or len(self.control) < control or self.lost < lost:
                self._changed.clear()
                await self._changed.wait()


async def test_messages_bytes_on_the_wire_and_close() -> None:
    caller, callee = await connect(LIMIT_S)
    caller_inbox, callee_inbox = Inbox(caller), Inbox(callee)
    for number in range(10):
        assert caller.send_params(bytes((number,)) * 50)
        await callee_inbox.wait(params=number + 1)
    assert callee.send_params(b"back")
    big = [bytes((number,)) * 16_000 for number in range(12)]
    for message in big:
        await callee.send_control(message)
    await caller.send_control(b"there")
    await caller_inbox.wait(params=1, control=len(big))
    await callee_inbox.wait(control=1)
    assert callee_inbox.params == [bytes((number,)) * 50 for number in range(10)]
    assert caller_inbox.control == big
    assert callee_inbox.control == [b"there"]

    wire = caller.wire_bytes()
    assert wire.is_measured
    assert (wire.params_payload_sent, wire.params_payload_received) == (500, 4)
    assert wire.sent > 500 + 10 * 28
    assert wire.received > sum(map(len, big))

    await callee.send_control(b"farewell")
    started_s = time.monotonic()
    await callee.close()
    await caller_inbox.wait(control=len(big) + 1, lost=1)
    await caller.close()
    await caller.close()
    assert time.monotonic() - started_s < 1.0
    assert caller_inbox.control[-1] == b"farewell"
    assert (caller_inbox.lost, callee_inbox.lost) == (1, 0)
    assert not caller.send_params(b"late")
    with pytest.raises(PeerError, match="not open"):
        await caller.send_control(b"late")


async def test_both_sides_count_the_same_datagrams() -> None:
    caller, callee = await connect(LIMIT_S)
    inbox = Inbox(callee)
    caller.send_params(b"face")
    await inbox.wait(params=1)
    there, back = caller.wire_bytes(), callee.wire_bytes()
    # Nothing is lost in one computer, so all that differs is a datagram that is just on its way.
    assert abs(there.sent - back.received) < 300
    assert abs(there.received - back.sent) < 300
    await asyncio.gather(caller.close(), callee.close())


async def test_messages_before_listen_are_kept_up_to_a_limit() -> None:
    caller, callee = await connect(LIMIT_S)
    for number in range(EARLY_PARAMS + 2):
        assert caller.send_params(bytes((number,)))
        await asyncio.sleep(0.02)
    await caller.send_control(b"hello")
    # The answer comes after all of these were received, as one connection keeps their order here.
    echo = Inbox(caller)
    await callee.send_control(b"echo")
    await echo.wait(control=1)
    await asyncio.sleep(0.05)
    inbox = Inbox(callee)
    await inbox.wait(control=1, params=EARLY_PARAMS)
    assert inbox.params == [bytes((number,)) for number in range(2, EARLY_PARAMS + 2)]
    await asyncio.gather(caller.close(), callee.close())


async def test_flood_before_listen_loses_the_peer(caplog: pytest.LogCaptureFixture) -> None:
    caller, callee = await connect(LIMIT_S)
    with caplog.at_level(logging.WARNING, "headgan"):
        for _ in range(EARLY_CONTROL + 1):
            await caller.send_control(b"flood")
        for _ in range(500):
            if caplog.records:
                break
            await asyncio.sleep(0.01)
    assert "floods the control channel" in caplog.text
    inbox = Inbox(callee)
    await inbox.wait(control=EARLY_CONTROL, lost=1)
    await asyncio.gather(caller.close(), callee.close())


async def test_params_are_dropped_while_one_is_queued() -> None:
    caller, callee = await connect(LIMIT_S)
    inbox = Inbox(callee)
    assert [caller.send_params(b"first"), caller.send_params(b"second")] == [True, False]
    await inbox.wait(params=1)
    assert caller.wire_bytes().params_payload_sent == len(b"first")
    await asyncio.gather(caller.close(), callee.close())


async def test_an_outage_ends_for_both_channels_when_the_line_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """aiortc tries again at an even interval, its smallest timeout. Did it double it, an outage would last on."""
    smallest_s = 0.1  # instead of 1 s, so that the test is short
    monkeypatch.setattr(aiortc.rtcsctptransport, "SCTP_RTO_MIN", smallest_s)
    line = FaultyLine(LineFaults())
    with line.installed():
        caller, callee = await connect(LIMIT_S)
    loop = asyncio.get_running_loop()
    there, back = Inbox(callee), Inbox(caller)
    for number in range(3):  # the timeout follows the first answers
        await caller.send_control(b"before")
        await callee.send_control(b"before")
        await asyncio.gather(there.wait(control=number + 1), back.wait(control=number + 1))
    line.cut(loop.time(), math.inf)  # until it is mended below: a busy machine sends when it comes to it
    end_s = loop.time() + 1.6
    await caller.send_control(b"during")
    await callee.send_control(b"during")
    sent = 0
    while loop.time() < end_s:
        sent += caller.send_params(bytes(150))
        await asyncio.sleep(0.01)
    assert there.params == [] and len(there.control) == len(back.control) == 3
    line.cut(0, end_s := loop.time())
    waiting = asyncio.gather(there.wait(control=4), back.wait(control=4))
    fresh: list[bytes] = []
    while b"fresh" not in there.params:
        fresh.append(b"fresh")
        caller.send_params(b"fresh")
        await asyncio.sleep(0.01)
        assert loop.time() < end_s + 8 * smallest_s
    await waiting
    assert loop.time() < end_s + 8 * smallest_s
    # Of the frames that nobody could receive next to none is sent afterwards.
    assert sent > 5 and len([data for data in there.params if data != b"fresh"]) <= 2
    await asyncio.gather(caller.close(), callee.close())


async def test_exception_in_a_callback_reaches_the_loop_and_not_the_connection() -> None:
    caller, callee = await connect(LIMIT_S)
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context))
    second = asyncio.Event()

    def fail_once(data: bytes) -> None:
        if data == b"one":
            raise RuntimeError("bug")
        second.set()

    callee.listen(on_params=fail_once, on_control=fail_once, on_lost=lambda: None)
    await caller.send_control(b"one")
    await caller.send_control(b"two")
    async with asyncio.timeout(LIMIT_S):
        await second.wait()
    assert [str(error["exception"]) for error in errors] == ["bug"]
    await asyncio.gather(caller.close(), callee.close())


async def test_computer_without_network_uses_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_addresses(**_families: bool) -> list[str]:
        return []

    monkeypatch.setattr(aioice.ice, "get_host_addresses", no_addresses)
    caller, callee = await connect(LIMIT_S)
    assert caller.send_params(b"face")
    await asyncio.gather(caller.close(), callee.close())


async def test_unknown_insides_of_aioice_give_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: WireMeter, _protocol: object) -> None:
        raise AttributeError("datagram_received")

    monkeypatch.setattr(WireMeter, "watch", refuse)
    caller, callee = await connect(LIMIT_S)
    inbox = Inbox(callee)
    caller.send_params(b"face")
    await inbox.wait(params=1)
    wire = caller.wire_bytes()
    assert not wire.is_measured
    assert wire.sent == 4 + 93
    await asyncio.gather(caller.close(), callee.close())


@pytest.mark.parametrize("sdp", ["", "hello", "v=0\r\n", "v=0\r\nm=audio x y z\r\n", "\x00" * 100])
async def test_bad_session_descriptions_are_peer_errors(sdp: str) -> None:
    peer = Peer(IceConfig())
    with pytest.raises(PeerError, match="offer"):
        await peer.answer_offer(sdp)
    await peer.close()


async def test_offer_with_video_is_refused() -> None:
    offer = "\r\n".join(
        (
            "v=0",
            "o=- 1 1 IN IP4 0.0.0.0",
            "s=-",
            "t=0 0",
            "m=video 9 UDP/TLS/RTP/SAVPF 97",
            "c=IN IP4 0.0.0.0",
            "a=mid:0",
            "a=sendrecv",
            "a=rtcp-mux",
            "a=rtpmap:97 VP8/90000",
            "a=ice-ufrag:abcd",
            "a=ice-pwd:abcdefghijklmnopqrstuv",
            "a=fingerprint:sha-256 " + ":".join(["00"] * 32),
            "a=setup:actpass",
            "",
        )
    )
    peer = Peer(IceConfig())
    with pytest.raises(PeerError, match="neither audio nor video"):
        await peer.answer_offer(offer)
    await peer.close()


async def test_close_wakes_who_waits() -> None:
    peer = Peer(IceConfig())
    await peer.make_offer()
    waiting = asyncio.create_task(peer.wait_open())
    await asyncio.sleep(0)
    await peer.close()
    with pytest.raises(PeerError, match="no direct connection"):
        await waiting
    await peer.wait_closed()


def test_ice_config() -> None:
    assert IceConfig().turn_server is None
    config = IceConfig("stun:stun.example.org:3478", "turn:me:secret@turn.example.org:3478?transport=tcp")
    assert config.turn_server == TurnServer("turn:turn.example.org:3478?transport=tcp", "me", "secret")


@pytest.mark.parametrize(
    ("stun", "turn"),
    [
        ("example.org", None),
        ("stun:", None),
        ("stun:a:b:c", None),
        (None, "turn:host"),
        (None, "turn:me@host"),
    ],
)
def test_bad_ice_config_is_a_usage_error(stun: str | None, turn: str | None) -> None:
    with pytest.raises(UsageError, match="must look like"):
        IceConfig(stun, turn)
