"""Calls over HTTP on the loopback address: one at a time, and a clear sentence for what goes wrong."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from headgan.proto import signalling
from headgan.proto.errors import PeerError, UsageError
from headgan.proto.ice import IceConfig
from headgan.proto.peer import Peer
from headgan.proto.signalling import MAX_BODY_BYTES, Address, Listener, call, parse_address

HOST = "127.0.0.1"
ICE = IceConfig()


@asynccontextmanager
async def other_server(
    handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
) -> AsyncIterator[int]:
    """A server that is not headgan; gives its port."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def post(listener: Listener, body: bytes, content_type: str = "application/json") -> tuple[int, str]:
    """Status and error sentence for a body posted to /offer."""
    async with (
        aiohttp.ClientSession(headers={"Content-Type": content_type}) as session,
        session.post(f"http://{listener.address}/offer", data=body) as response,
    ):
        return response.status, (await response.json())["error"]


async def test_call_second_caller_and_next_call() -> None:
    async with Listener(HOST, 0, ICE) as listener:
        port = listener.address.port
        sender, receiver = await asyncio.gather(call(HOST, port, ICE), listener.accept())
        arrived = asyncio.Event()
        receiver.listen(on_params=lambda _: arrived.set(), on_control=lambda _: None, on_lost=lambda: None)
        assert sender.send_params(b"face")
        async with asyncio.timeout(5):
            await arrived.wait()
        with pytest.raises(PeerError, match="refused the call: this receiver is in another call"):
            await call(HOST, port, ICE)
        await asyncio.gather(sender.close(), receiver.close())

        # The slot is free again.
        sender, receiver = await asyncio.gather(call(HOST, port, ICE), listener.accept())
        await sender.close()
    # Leaving the listener closes the call that it holds.
    assert not receiver.send_params(b"late")


async def test_sender_that_never_connects_loses_the_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signalling, "CONNECT_LIMIT_S", 0.5)
    async with Listener(HOST, 0, ICE) as listener:
        ghost = Peer(ICE)
        offer = json.dumps({"type": "offer", "sdp": await ghost.make_offer()}).encode()
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"http://{listener.address}/offer", data=offer, headers={"Content-Type": "application/json"}
            ) as response,
        ):
            assert response.status == 200
        assert (await post(listener, offer))[0] == 409
        await ghost.close()
        for _ in range(100):
            if (await post(listener, b"no offer"))[0] == 400:
                break
            await asyncio.sleep(0.05)
        monkeypatch.setattr(signalling, "CONNECT_LIMIT_S", 10.0)
        sender, receiver = await asyncio.gather(call(HOST, listener.address.port, ICE), listener.accept())
        await asyncio.gather(sender.close(), receiver.close())


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 60_000, "not JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"type": "answer", "sdp": ""}', "must be a JSON object"),
        (b'{"type": "offer"}', "has no"),
        (b'{"type": "offer", "sdp": "v=0"}', "no WebRTC session description|must have data channels"),
        (b" " * (MAX_BODY_BYTES + 1), "more than 65536 bytes"),
    ],
)
async def test_malformed_offers_get_400_and_leave_the_slot_free(body: bytes, sentence: str) -> None:
    async with Listener(HOST, 0, ICE) as listener:
        for _ in range(2):
            status, error = await post(listener, body)
            assert status == 400
            assert any(part in error for part in sentence.split("|")), error


async def test_offer_of_a_web_page_is_refused() -> None:
    async with Listener(HOST, 0, ICE) as listener:
        status, error = await post(listener, b'{"type": "offer", "sdp": ""}', "text/plain")
        assert status == 400
        assert "content type" in error


async def test_listener_says_what_it_is() -> None:
    async with (
        Listener(HOST, 0, ICE) as listener,
        aiohttp.ClientSession() as session,
        session.get(f"http://{listener.address}/") as response,
    ):
        assert response.status == 200
        assert "headgan-recv" in await response.text()


async def test_port_in_use() -> None:
    async with Listener(HOST, 0, ICE) as listener:
        with pytest.raises(PeerError, match=r"in use.*another headgan-recv"):
            await Listener(HOST, listener.address.port, ICE).__aenter__()


async def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        port = unused.getsockname()[1]
        with pytest.raises(
            PeerError, match=rf"{port} cannot be reached \(connection refused\); is headgan-recv"
        ):
            await call(HOST, port, ICE)


async def test_nobody_answers() -> None:
    async def sleep(_request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.Response()

    async with other_server(sleep) as port:
        with pytest.raises(PeerError, match=r"did not answer within 0\.3 s"):
            await call(HOST, port, ICE, timeout_s=0.3)


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (404, "not found", r"does not answer as headgan-recv does \(HTTP 404\)"),
        (200, "<html>", "not JSON"),
        (200, "x" * (MAX_BODY_BYTES + 1), "more than 65536 bytes"),
        (
            200,
            '{"type": "answer", "sdp": "v=0"}',
            "the answer is no WebRTC session description|no direct connection",
        ),
        (302, "", "HTTP 302"),
        (409, '{"error": "\\u001b[2Jbusy"}', r"refused the call: \[2Jbusy"),
        (409, '{"error": 1}', "HTTP 409"),
    ],
)
async def test_answers_of_other_programs(status: int, body: str, sentence: str) -> None:
    async def answer(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, text=body, headers={"Location": "/"} if status == 302 else None)

    async with other_server(answer) as port:
        with pytest.raises(PeerError, match=sentence):
            await call(HOST, port, ICE, timeout_s=2.0)


async def test_answer_of_a_peer_that_is_gone_says_what_to_try() -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        peer = Peer(ICE)
        sdp = await peer.answer_offer((await request.json())["sdp"])
        await peer.close()
        return web.json_response({"type": "answer", "sdp": sdp})

    async with other_server(answer) as port:
        with pytest.raises(PeerError, match="no direct connection came about; allow UDP"):
            await call(HOST, port, ICE, timeout_s=1.0)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.168.1.20:8765", Address("192.168.1.20", 8765)),
        ("laptop.local:1", Address("laptop.local", 1)),
        ("[2001:db8::1]:65535", Address("2001:db8::1", 65535)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "host", "host:", ":80", "host:0", "host:65536", "host:http", "::1:80", "[host]:80", "http://a:80"],
)
def test_bad_addresses_are_usage_errors(text: str) -> None:
    with pytest.raises(UsageError, match="must look like"):
        parse_address(text)
