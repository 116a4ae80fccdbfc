"""Pictures, states and what the wire carried in, a display that shows them with their numbers out: of one call."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from headgan.proto.peer import Peer
from headgan.receiver.display import Display, Frame, State, ViewerStats
from headgan.receiver.shown_pictures import ShownPicture

_RATE_INTERVAL_S = 0.5


@dataclass(frozen=True)
class _Rates:
    """What the last half second was like."""

    kbps_payload: float = 0.0
    kbps_wire: float = 0.0
    fps: float = 0.0


class CallView:
    """What the user sees of a call.

    Attributes:
        pictures: how many were shown.
        first_ms: when the first of them was, by the call's clock.
        last_ms: when the last of them was.
    """

    def __init__(self, display: Display | None, clock_ms: Callable[[], float], provider: str) -> None:
        """Shows nothing yet.

        Args:
            display: shows the call, or None.
            clock_ms: a monotonic clock.
            provider: what runs the networks.
        """
        self.pictures = 0
        self.first_ms = 0.0
        self.last_ms = 0.0
        self._display = display
        self._clock_ms = clock_ms
        self._provider = provider
        self._rates = _Rates()
        self._newest = ViewerStats("waiting")  # what the last picture came with

    def show(self, shown: ShownPicture) -> None:
        """Takes a picture from the drawing thread."""
        now_ms = self._clock_ms()
        if self.pictures == 0:
            self.first_ms = now_ms
        self.last_ms = now_ms
        self.pictures += 1
        rates = self._rates
        self._newest = ViewerStats(
            state=shown.state,
            kbps_payload=rates.kbps_payload,
            kbps_wire=rates.kbps_wire,
            fps=rates.fps,
            latency_ms=shown.latency_ms,
            provider=self._provider,
        )
        self._publish(self._newest, shown.picture_rgb)

    def show_state(self, state: State) -> None:
        """Shows how the call stands; the last picture stays."""
        self._publish(ViewerStats(state))

    def show_newest(self) -> None:
        """Shows again what the last picture came with."""
        self._publish(self._newest)

    async def stop_with_window(self, stopped: asyncio.Event) -> None:
        """Sets `stopped` once the window is closed: such a user wants no call, or no more of it."""
        while self._display:
            await asyncio.sleep(_RATE_INTERVAL_S)
            if self._display.is_closed:
                stopped.set()
                return

    async def measure_rates(self, peer: Peer) -> None:
        """Keeps the numbers beside the picture fresh; never returns."""
        loop = asyncio.get_running_loop()
        then_s, wire, pictures = loop.time(), peer.wire_bytes(), self.pictures
        while True:
            await asyncio.sleep(_RATE_INTERVAL_S)
            now_s, new_wire, new_pictures = loop.time(), peer.wire_bytes(), self.pictures
            seconds = now_s - then_s
            payload = new_wire.params_payload_received - wire.params_payload_received
            both_ways = new_wire.received + new_wire.sent - wire.received - wire.sent
            self._rates = _Rates(
                payload * 8 / 1000 / seconds,
                both_ways * 8 / 1000 / seconds,
                (new_pictures - pictures) / seconds,
            )
            then_s, wire, pictures = now_s, new_wire, new_pictures

    def _publish(self, stats: ViewerStats, picture_rgb: Frame | None = None) -> None:
        if self._display:
            self._display.publish(picture_rgb, stats)
