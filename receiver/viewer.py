r"""Pictures and numbers of a call in, a web page on this machine out.

    publish() --newest wins--> [slot] --woken--> one sender a watcher --WebSocket--> viewer.js
                                  \--JPEG in a thread, only when a watcher asks--/

A message to the page is one update: u16 length of the JSON, the JSON (state, text, numbers, and sound: "on",
"muted", or null without a speaker), and a JPEG, which is left out when the picture has not changed. The page answers
each update with "shown"; a watcher who owes more than UPDATES_IN_FLIGHT answers gets nothing, so that pictures are
dropped and never queued. It may also say "mute" and "unmute".

Anybody with an account on this machine can open the page; pages of other sites cannot read it.
"""

import asyncio
import ipaddress
import json
import struct
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import cv2
import numpy as np
from aiohttp import WSCloseCode, web

from headgan.proto.errors import DeviceError
from headgan.receiver.display import STATE_TEXTS, Frame, ViewerStats, check_frame, number_texts

JPEG_QUALITY = 90
UPDATES_IN_FLIGHT = 2  # one is drawn while the next one travels
CLOSE_LIMIT_S = 1.0
JSON_LENGTH = struct.Struct(">H")
PAGE_FILES = {
    "/": ("viewer.html", "text/html"),
    "/viewer.css": ("viewer.css", "text/css"),
    "/viewer.js": ("viewer.js", "text/javascript"),
}
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Mutable(Protocol):
    """A speaker, as far as the page shows and switches it; read and written from the event loop."""

    is_muted: bool

    @property
    def is_open(self) -> bool:
        """Whether there is anything to be muted."""


class Viewer:
    """A web page that shows the call to everyone who opens it; a `Display`.

    Attributes:
        speaker: what the page's button mutes; may be set at any time, None hides the button.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Nothing is opened before `start`; port 0 takes a free one."""
        self.speaker: Mutable | None = None
        self._host = host
        self._port = port
        self._lock = threading.Lock()  # guards the four below, which publish() shares with the event loop
        self._stats = ViewerStats("waiting")
        self._frame: Frame | None = None
        self._frame_number = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake_is_scheduled = False
        self._watchers: set[_Watcher] = set()
        self._runner: web.AppRunner | None = None
        self._encoder: ThreadPoolExecutor | None = None
        self._encode_lock = asyncio.Lock()
        self._jpeg = b""
        self._jpeg_number = 0

    async def start(self) -> str:
        """Starts the server and returns the page's address, such as http://127.0.0.1:8080/.

        Raises:
            DeviceError: the port is taken, or this machine does not have the address `host`.
        """
        app = web.Application(middlewares=[self._refuse_other_sites])
        for path, (name, content_type) in PAGE_FILES.items():
            app.router.add_get(path, _file_handler(Path(__file__).with_name(name), content_type))
        app.router.add_get("/watch", self._watch)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_LIMIT_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise DeviceError(
                f"the viewer cannot listen on {self._host}:{self._port} ({error.strerror}); "
                "choose another port, or 0 for a free one"
            ) from error
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="viewer-jpeg")
        with self._lock:
            self._loop = asyncio.get_running_loop()
        host, port = self._runner.addresses[0][:2]
        if ipaddress.ip_address(host).is_unspecified:
            host = "127.0.0.1" if "." in host else "::1"
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    @property
    def is_closed(self) -> bool:
        """Never: a page can be opened again."""
        return False

    def publish(self, frame_rgb: Frame | None, stats: ViewerStats) -> None:
        """Shows a copy of the picture, uint8 [H, W, 3] RGB, from any thread; None keeps the last picture."""
        if frame_rgb is not None:
            check_frame(frame_rgb)
            frame_rgb = frame_rgb.copy()
        with self._lock:
            self._stats = stats
            if frame_rgb is not None:
                self._frame = frame_rgb
                self._frame_number += 1
            if self._loop is not None and not self._wake_is_scheduled:
                self._wake_is_scheduled = True
                self._loop.call_soon_threadsafe(self._wake_watchers)

    async def close(self) -> None:
        """Shows every watcher what was published last and stops the server; a second call does nothing."""
        with self._lock:
            self._loop = None
        for watcher in tuple(self._watchers):
            with suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(CLOSE_LIMIT_S):
                    await self._send_update(watcher)
                    await watcher.socket.close(code=WSCloseCode.GOING_AWAY)
        if self._runner is not None:
            await self._runner.cleanup()
        if self._encoder is not None:
            self._encoder.shutdown()

    def _wake_watchers(self) -> None:
        with self._lock:
            self._wake_is_scheduled = False
        for watcher in self._watchers:
            watcher.has_news.set()

    @web.middleware
    async def _refuse_other_sites(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Refuses what a page of another site sends, also when its name was made to point to us.

        Such a rebound name is the only way to get a foreign Host header here; addresses cannot be rebound.
        """
        host = _host_name(f"//{request.host}")
        if not (_is_address(host) or host in ("localhost", self._host.lower())):
            raise web.HTTPForbidden(text="Open this page by its numeric address.\n")
        origin = request.headers.get("Origin")
        if origin is not None and origin.lower() != f"http://{request.host}".lower():
            raise web.HTTPForbidden(text="Pages of other sites cannot watch.\n")
        return await handler(request)

    async def _watch(self, request: web.Request) -> web.WebSocketResponse:
        watcher = _Watcher(web.WebSocketResponse(timeout=CLOSE_LIMIT_S, heartbeat=15, max_msg_size=64))
        await watcher.socket.prepare(request)
        self._watchers.add(watcher)
        try:
            async with asyncio.TaskGroup() as tasks:
                sender = tasks.create_task(self._send_updates(watcher))
                async for answer in watcher.socket:
                    if answer.data in ("mute", "unmute"):
                        self._mute(answer.data == "mute")
                        continue
                    watcher.credit = min(watcher.credit + 1, UPDATES_IN_FLIGHT)
                    watcher.has_news.set()
                sender.cancel()
        finally:
            self._watchers.discard(watcher)
        return watcher.socket

    def _mute(self, is_muted: bool) -> None:
        if self.speaker is not None:
            self.speaker.is_muted = is_muted
        for watcher in self._watchers:
            watcher.has_news.set()

    async def _send_updates(self, watcher: "_Watcher") -> None:
        while True:
            await watcher.has_news.wait()
            watcher.has_news.clear()
            if watcher.credit > 0:
                with suppress(ConnectionError):  # the reader in _watch ends with the connection
                    await self._send_update(watcher)

    async def _send_update(self, watcher: "_Watcher") -> None:
        with self._lock:
            stats, number = self._stats, self._frame_number
        sound = _sound_of(self.speaker)
        if (stats, sound, number) == (watcher.stats, watcher.sound, watcher.frame_number):
            return
        jpeg = b""
        if number != watcher.frame_number:
            jpeg, number = await self._newest_jpeg()
        watcher.stats, watcher.sound, watcher.frame_number = stats, sound, number
        watcher.credit -= 1
        text = {
            "state": stats.state,
            "text": STATE_TEXTS[stats.state],
            "numbers": number_texts(stats),
            "sound": sound,
        }
        text_bytes = json.dumps(text).encode()
        await watcher.socket.send_bytes(JSON_LENGTH.pack(len(text_bytes)) + text_bytes + jpeg)

    async def _newest_jpeg(self) -> tuple[bytes, int]:
        """The newest picture and its number; encoded once, however many watch."""
        async with self._encode_lock:
            with self._lock:
                frame, number = self._frame, self._frame_number
            if number != self._jpeg_number and frame is not None:
                loop = asyncio.get_running_loop()
                self._jpeg = await loop.run_in_executor(self._encoder, _to_jpeg, frame)
                self._jpeg_number = number
            return self._jpeg, self._jpeg_number


class _Watcher:
    """One open page, what it was sent last, and how many updates it may still be sent."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.credit = UPDATES_IN_FLIGHT
        self.stats: ViewerStats | None = None
        self.sound: str | None = None
        self.frame_number = 0
        self.has_news = asyncio.Event()
        self.has_news.set()  # the state, to begin with


def _sound_of(speaker: Mutable | None) -> str | None:
    """What the page is told about the sound: "on", "muted", or None where there is nothing to be muted."""
    if speaker is None or not speaker.is_open:
        return None
    return "muted" if speaker.is_muted else "on"


def _to_jpeg(frame_rgb: Frame) -> bytes:
    return encode_jpeg(to_bgr(frame_rgb))


def to_bgr(frame_rgb: Frame) -> Frame:
    """Uint8 [H, W, 3], blue first, as OpenCV wants it."""
    frame_bgr: Any = cv2.cvtColor(frame_rgb, cv2.COLOR_RGB2BGR)
    return np.asarray(frame_bgr, np.uint8)


def encode_jpeg(frame_bgr: Frame) -> bytes:
    """The picture as the page gets it; frame_bgr: uint8 [H, W, 3], blue first."""
    _, jpeg = cv2.imencode(".jpg", frame_bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return np.asarray(jpeg).tobytes()


def _file_handler(path: Path, content_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    body = path.read_bytes()

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=HEADERS)

    return handle


def _host_name(address: str) -> str:
    with suppress(ValueError):
        return urlsplit(address).hostname or ""
    return ""


def _is_address(host: str) -> bool:
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    return False
