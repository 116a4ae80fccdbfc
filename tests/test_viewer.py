"""The web viewer: the newest picture reaches every page of ours and no page of another site."""

import asyncio
import json
import shutil
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import cv2
import numpy as np
import numpy.typing as npt
import pytest
import pytest_asyncio

from headgan.proto.errors import DeviceError
from headgan.receiver.display import Display, ViewerStats, number_texts
from headgan.receiver.viewer import UPDATES_IN_FLIGHT, Viewer

LIVE = ViewerStats("live", kbps_payload=4.12, kbps_wire=6.2, fps=24.9, latency_ms=141.6, provider="CPU")
RED, GREEN, BLUE = (220, 30, 40), (20, 200, 60), (30, 60, 210)

Update = tuple[dict[str, Any], npt.NDArray[np.uint8] | None]


def plain(colour: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    return np.full((256, 256, 3), colour, np.uint8)


@pytest_asyncio.fixture
async def viewer() -> AsyncIterator[Viewer]:
    viewer = Viewer()
    yield viewer
    await viewer.close()


@pytest_asyncio.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def receive(socket: aiohttp.ClientWebSocketResponse, *, answers: bool = True) -> Update:
    data = await socket.receive_bytes(timeout=5)
    if answers:
        await socket.send_str("shown")
    (size,) = struct.unpack(">H", data[:2])
    jpeg = np.frombuffer(data[2 + size :], np.uint8)
    frame_rgb = cv2.cvtColor(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB) if jpeg.size else None
    return json.loads(data[2 : 2 + size]), frame_rgb


async def test_a_watcher_gets_the_state_and_then_each_newest_picture(
    viewer: Viewer, client: aiohttp.ClientSession
) -> None:
    display: Display = viewer
    address = await viewer.start()
    async with client.ws_connect(address + "watch", origin=address.rstrip("/")) as socket:
        text, frame_rgb = await receive(socket)
        assert (text["state"], text["text"], text["numbers"]) == ("waiting", "Waiting for a call", [])
        assert frame_rgb is None

        await asyncio.to_thread(display.publish, plain(RED), LIVE)  # from another thread
        text, frame_rgb = await receive(socket)
        assert text["state"] == "live"
        assert text["numbers"] == ["4.1 kbit/s", "6.2 on the wire", "25 fps", "142 ms delay", "CPU"]
        assert frame_rgb is not None
        np.testing.assert_allclose(frame_rgb, plain(RED), atol=6)

        viewer.publish(None, ViewerStats("no face", fps=25))
        text, frame_rgb = await receive(socket)
        assert (text["text"], frame_rgb) == ("No face: holding the last picture", None)

        viewer.publish(None, ViewerStats("no connection", kbps_payload=4.1, fps=25))
        text, frame_rgb = await receive(socket)
        assert (text["state"], frame_rgb) == ("no connection", None)
        assert (text["text"], text["numbers"]) == ("No connection: holding the last picture", [])


async def test_who_comes_late_gets_the_last_picture(viewer: Viewer, client: aiohttp.ClientSession) -> None:
    viewer.publish(plain(RED), LIVE)
    address = await viewer.start()
    viewer.publish(plain(GREEN), LIVE)
    viewer.publish(None, ViewerStats("no face"))
    for _ in range(2):
        async with client.ws_connect(address + "watch") as socket:
            text, frame_rgb = await receive(socket)
            assert text["state"] == "no face"
            assert frame_rgb is not None
            np.testing.assert_allclose(frame_rgb, plain(GREEN), atol=6)


async def test_pictures_for_a_slow_watcher_are_dropped(viewer: Viewer, client: aiohttp.ClientSession) -> None:
    address = await viewer.start()
    slow_url = fast_url = address + "watch"
    async with client.ws_connect(slow_url) as slow, client.ws_connect(fast_url) as fast:
        await receive(slow, answers=False)
        await receive(fast)
        for level in range(0, 200, 10):
            viewer.publish(plain((level, level, level)), LIVE)
            _, frame_rgb = await receive(fast)
            assert frame_rgb is not None
            assert frame_rgb.mean() == pytest.approx(level, abs=3)
        for _ in range(UPDATES_IN_FLIGHT - 1):
            await receive(slow, answers=False)
        with pytest.raises(TimeoutError):
            await slow.receive(timeout=0.1)
        await slow.send_str("shown")
        _, frame_rgb = await receive(slow, answers=False)
        assert frame_rgb is not None
        assert frame_rgb.mean() == pytest.approx(190, abs=3)  # the newest, and not the next


async def test_nothing_is_encoded_while_nobody_watches(
    viewer: Viewer, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[npt.NDArray[np.uint8]] = []

    def count(frame_rgb: npt.NDArray[np.uint8]) -> bytes:
        encoded.append(frame_rgb)
        return b"jpeg"

    monkeypatch.setattr("headgan.receiver.viewer._to_jpeg", count)
    address = await viewer.start()
    for _ in range(5):
        viewer.publish(plain(RED), LIVE)
        await asyncio.sleep(0)
    assert not encoded
    async with client.ws_connect(address + "watch") as one, client.ws_connect(address + "watch") as two:
        assert (await one.receive_bytes()).endswith(b"jpeg")
        assert (await two.receive_bytes()).endswith(b"jpeg")
    assert len(encoded) == 1


async def test_pages_of_other_sites_are_refused(viewer: Viewer, client: aiohttp.ClientSession) -> None:
    address = await viewer.start()
    port = address.rstrip("/").rpartition(":")[2]
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", f"https://127.0.0.1:{port}"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await client.ws_connect(address + "watch", origin=origin)
        assert refusal.value.status == 403
    # A name that was rebound to our address sends itself as Host, and as Origin the same.
    for host in (f"evil.example:{port}", "127.0.0.1.evil.example", "[::1", ""):
        async with client.get(address, headers={"Host": host, "Origin": f"http://{host}"}) as response:
            assert response.status in (400, 403)
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        async with client.get(address, headers={"Host": host}) as response:
            assert response.status == 200


class Speaker:
    """What the page can mute."""

    is_open = True
    is_muted = False


async def test_every_page_shows_and_switches_the_sound(viewer: Viewer, client: aiohttp.ClientSession) -> None:
    address = await viewer.start()
    async with client.ws_connect(address + "watch") as one, client.ws_connect(address + "watch") as other:
        for socket in (one, other):
            assert (await receive(socket))[0]["sound"] is None
        await one.send_str("mute")  # there is nothing to mute, and no answer
        viewer.speaker = speaker = Speaker()
        viewer.publish(None, LIVE)
        for socket in (one, other):
            assert (await receive(socket))[0]["sound"] == "on"
        for word, sound in (("mute", "muted"), ("unmute", "on"), ("mute", "muted")):
            await one.send_str(word)
            for socket in (one, other):
                text, frame_rgb = await receive(socket)
                assert (text["state"], text["sound"], frame_rgb) == ("live", sound, None)
            assert speaker.is_muted == (word == "mute")
        speaker.is_open = False
        viewer.publish(None, ViewerStats("ended"))
        assert (await receive(other))[0]["sound"] is None


async def test_mute_is_no_answer_to_a_picture(viewer: Viewer, client: aiohttp.ClientSession) -> None:
    viewer.speaker = Speaker()
    address = await viewer.start()
    async with client.ws_connect(address + "watch") as socket:
        await receive(socket, answers=False)
        for word in ("mute", "unmute", "mute", "unmute", "mute"):
            await socket.send_str(word)
        for _ in range(UPDATES_IN_FLIGHT - 1):
            await receive(socket, answers=False)
        viewer.publish(plain(RED), LIVE)
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0.2)
        await socket.send_str("shown")
        text, frame_rgb = await receive(socket)
        assert text["sound"] == "muted"
        assert frame_rgb is not None


async def test_the_page_is_complete_in_itself(viewer: Viewer, client: aiohttp.ClientSession) -> None:
    address = await viewer.start()
    for name, content_type in (
        ("", "text/html"),
        ("viewer.css", "text/css"),
        ("viewer.js", "text/javascript"),
    ):
        async with client.get(address + name) as response:
            assert (response.status, response.content_type) == (200, content_type)
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            assert "//" not in (await response.text()).replace("ws://${location.host}", "").replace("// ", "")
    async with client.get(address + "viewer.py") as response:
        assert response.status == 404


async def test_a_taken_port_is_explained(viewer: Viewer) -> None:
    address = await viewer.start()
    second = Viewer(port=int(address.rstrip("/").rpartition(":")[2]))
    with pytest.raises(DeviceError, match="choose another port"):
        await second.start()
    await second.close()


async def test_close_shows_the_last_state_and_can_be_repeated(client: aiohttp.ClientSession) -> None:
    viewer = Viewer()
    address = await viewer.start()
    async with client.ws_connect(address + "watch") as socket:
        await receive(socket, answers=False)
        viewer.publish(plain(RED), LIVE)
        viewer.publish(None, ViewerStats("ended"))
        closing = asyncio.create_task(viewer.close())
        text, _ = await receive(socket, answers=False)
        assert text["state"] == "ended"
        assert (await socket.receive(timeout=5)).type == aiohttp.WSMsgType.CLOSE
        await closing
    await viewer.close()
    viewer.publish(plain(RED), LIVE)  # too late, and no error
    await Viewer().close()  # never started


def test_publish_refuses_what_is_no_picture() -> None:
    viewer = Viewer()
    for frame in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((0, 8, 3), np.uint8)):
        with pytest.raises(ValueError, match="need uint8"):
            viewer.publish(frame, LIVE)  # type: ignore[arg-type]


def test_numbers_that_are_not_known_are_left_out() -> None:
    assert number_texts(ViewerStats("no face", 1, 2, 3)) == ["1.0 kbit/s", "2.0 on the wire", "3 fps"]
    assert number_texts(ViewerStats("ended", 1, 2, 3, 4, "CPU")) == []


@pytest.mark.browser
async def test_the_page_in_a_browser(viewer: Viewer) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium")
    from playwright.async_api import async_playwright, expect

    address = await viewer.start()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(address)
        status = page.get_by_role("status")
        await expect(status).to_have_text("Waiting for a call")
        await expect(page).to_have_title("Waiting for a call · headgan")

        for colour in (RED, GREEN, BLUE):
            viewer.publish(plain(colour), LIVE)
            await page.wait_for_function(
                """colour => {
                    const canvas = document.getElementById("picture");
                    const pixel = canvas.getContext("2d").getImageData(100, 150, 1, 1).data;
                    return colour.every((level, index) => Math.abs(pixel[index] - level) < 8);
                }""",
                arg=list(colour),
            )
        await expect(status).to_have_text("Live")
        await expect(page.get_by_role("listitem")).to_have_text(number_texts(LIVE))
        await expect(page.locator("#nobody")).to_be_hidden()

        mute = page.get_by_role("button", name="Mute")
        await expect(mute).to_have_count(0)
        await page.keyboard.press("m")  # nothing to mute
        viewer.speaker = speaker = Speaker()
        viewer.publish(None, replace(LIVE))
        await expect(mute).to_have_attribute("aria-pressed", "false")
        await mute.click()
        await expect(mute).to_have_attribute("aria-pressed", "true")
        assert speaker.is_muted
        await expect(page.locator("#mute .cross")).to_be_visible()
        await expect(page.locator("#mute .waves")).to_be_hidden()
        await page.keyboard.press("M")
        await expect(mute).to_have_attribute("aria-pressed", "false")
        assert not speaker.is_muted
        await page.keyboard.press("Control+m")
        await mute.press("Space")
        await expect(mute).to_have_attribute("aria-pressed", "true")

        viewer.publish(None, ViewerStats("no face", fps=25))
        await expect(status).to_have_text("No face: holding the last picture")
        viewer.publish(None, ViewerStats("no connection"))
        await expect(status).to_have_text("No connection: holding the last picture")
        await expect(page.get_by_role("listitem")).to_have_count(0)
        dot = "getComputedStyle(document.getElementById('state'), '::before').backgroundColor"
        assert await page.evaluate(dot) == "rgb(163, 92, 0)"  # the colour of what is held
        viewer.publish(plain(GREEN), LIVE)
        await expect(status).to_have_text("Live")
        viewer.publish(None, ViewerStats("ended"))
        await expect(status).to_have_text("Call ended")
        await expect(page).to_have_title("Call ended · headgan")
        assert complaints == []

        port = int(address.rstrip("/").rpartition(":")[2])
        viewer.publish(None, LIVE)
        await expect(status).to_have_text("Live")
        await viewer.close()
        await expect(status).to_have_text("The viewer does not answer: trying again")
        await expect(mute).to_have_count(0)
        again = Viewer(port=port)
        await again.start()
        again.publish(plain(RED), LIVE)
        await expect(status).to_have_text("Live", timeout=10_000)
        await browser.close()
        await again.close()
