"""Bytes of the two data channels in and out of one WebRTC connection; the only file that knows aiortc.

aiortc's errors end here as PeerError. A call has two data channels: `params` loses what cannot be sent at
once, `control` loses nothing and keeps the order.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiortc import RTCConfiguration, RTCDataChannel, RTCIceServer, RTCPeerConnection, RTCSessionDescription

from headgan.proto.arrivals import Arrivals
from headgan.proto.channel_queue import ChannelQueue
from headgan.proto.errors import PeerError
from headgan.proto.fewer_sacks import FewerSacks
from headgan.proto.ice import IceConfig
from headgan.proto.wire_meter import WireBytes, WireMeter

PARAMS_LABEL = "params"
CONTROL_LABEL = "control"
CONTROL_QUEUE_BYTES = 64 * 1024
CLOSE_LIMIT_S = 0.5
# What a peer keeps before `listen`: the newest params; control up to a whole reference transfer.
EARLY_PARAMS = 8
EARLY_CONTROL = 64
# UDP, IP, DTLS and SCTP around one short message: only for the estimate when datagrams cannot be counted.
OVERHEAD_BYTES = 93
UNKNOWN_AIORTC = "this version of aiortc is unknown; bytes on the wire are estimated"

_log = logging.getLogger(__name__)


class Peer:
    """One WebRTC connection to the other side.

    The caller makes an offer and takes the answer, the other side answers the offer; then both `wait_open`.
    All methods belong to the event loop that made the peer.

    After an outage both channels go on within about a second: aiortc tries again at its smallest timeout, and does not
    double it as RFC 9260 has it, which after 5 s could cost as much again. tests/test_peer.py notices if that changes.
    """

    def __init__(self, ice: IceConfig) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=_ice_servers(ice)))
        self._channels: dict[str, RTCDataChannel] = {}
        self._meter: WireMeter | None = None
        self._early_params: deque[bytes] = deque(maxlen=EARLY_PARAMS)
        self._early_control: deque[bytes] = deque()
        self._on_params: Callable[[bytes], None] | None = None
        self._on_control: Callable[[bytes], None] | None = None
        self._on_lost: Callable[[], None] | None = None
        self._on_arrived: Callable[[int], None] | None = None
        self._arrivals: Arrivals | None = None
        self._sacks: FewerSacks | None = None
        self._is_lost = False
        self._opened_or_lost = asyncio.Event()
        self._control_queue: ChannelQueue | None = None
        self._control_turn = asyncio.Lock()
        self._closing: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()
        self._payload_sent = self._payload_received = self._estimate_sent = self._estimate_received = 0
        self._connection.on("connectionstatechange", self._on_connection_state)
        self._connection.on("datachannel", self._add_channel)

    async def make_offer(self) -> str:
        """The SDP to send to the other side."""
        with _peer_errors("no WebRTC offer could be made"):
            # Before the offer: only then does it name the data transport.
            create = self._connection.createDataChannel
            self._add_channel(create(CONTROL_LABEL))
            params = create(PARAMS_LABEL, ordered=False, maxRetransmits=0)
            self._add_channel(params)
            self._arrivals = Arrivals(self._connection.sctp, params, self._take_arrival)
            self._sacks = FewerSacks(self._connection.sctp)
            self._watch_datagrams()
            await self._connection.setLocalDescription(await self._connection.createOffer())
            return str(self._connection.localDescription.sdp)

    async def take_answer(self, sdp: str) -> None:
        """Takes the SDP that the other side answered with."""
        with _peer_errors("the answer is no WebRTC session description that fits"):
            await self._connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def answer_offer(self, sdp: str) -> str:
        """The SDP that answers the other side's offer."""
        with _peer_errors("the offer is no WebRTC session description that fits"):
            await self._connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
            if self._connection.sctp is None or self._connection.getTransceivers():
                raise PeerError("the offer must have data channels and neither audio nor video")
            self._sacks = FewerSacks(self._connection.sctp)
            self._watch_datagrams()
            await self._connection.setLocalDescription(await self._connection.createAnswer())
            return str(self._connection.localDescription.sdp)

    async def wait_open(self) -> None:
        """Returns once both channels are open; the caller limits the time.

        Raises:
            PeerError: the connection failed.
        """
        await self._opened_or_lost.wait()
        if self._is_lost:
            raise PeerError("no direct connection to the other side could be made")

    def listen(
        self,
        *,
        on_params: Callable[[bytes], None],
        on_control: Callable[[bytes], None],
        on_lost: Callable[[], None],
        on_arrived: Callable[[int], None] | None = None,
    ) -> None:
        """Delivers messages to these from now on, first those that came before.

        `on_arrived` takes the number of each message on `params` that is known to have arrived at the other side; only
        the side that made the offer learns that.

        Each call runs on its own turn of the event loop, whose exception handler gets what it raises.
        `on_lost` comes at most once, when the connection ends without `close`; when the network is cut that
        takes WebRTC up to 30 s, so a session has a heartbeat.
        """
        self._on_params, self._on_control, self._on_lost = on_params, on_control, on_lost
        self._on_arrived = on_arrived
        for early, callback in ((self._early_control, on_control), (self._early_params, on_params)):
            while early:
                self._loop.call_soon(self._deliver, callback, early.popleft())
        if self._is_lost:
            self._loop.call_soon(on_lost)

    def send_params(self, data: bytes, number: int = 0) -> bool:
        """Sends one message on `params`, which `on_arrived` will name by `number`; False when it was dropped.

        It is dropped while an earlier one is still queued, as a late frame is worth less than a lost one, and
        while the channel is not open.
        """
        channel = self._channels.get(PARAMS_LABEL)
        if channel is None or channel.readyState != "open" or channel.bufferedAmount > 0:
            return False
        with _peer_errors("a frame could not be sent"):
            channel.send(data)
        if self._arrivals is not None:
            self._arrivals.sending(number)
        self._payload_sent += len(data)
        self._estimate_sent += len(data) + OVERHEAD_BYTES
        return True

    async def send_control(self, data: bytes) -> None:
        """Sends one message on `control`; waits while more than 64 KiB are queued there.

        Raises:
            PeerError: the channel is not open, or was lost meanwhile.
        """
        async with self._control_turn:
            await self.control_drained(CONTROL_QUEUE_BYTES)
            with _peer_errors("a control message could not be sent, the channel is not open"):
                self._channels[CONTROL_LABEL].send(data)
            self._estimate_sent += len(data) + OVERHEAD_BYTES

    async def control_drained(self, limit_bytes: int = 0) -> None:
        """Waits until at most `limit_bytes` are queued on `control`, or it is lost.

        What SCTP has put on the wire and nobody has acknowledged yet does not count.
        """
        if self._control_queue is not None:
            await self._control_queue.drained(limit_bytes)

    def wire_bytes(self) -> WireBytes:
        """What the connection has put on the wire so far."""
        payload = (self._payload_sent, self._payload_received)
        if self._meter is None:
            return WireBytes(self._estimate_sent, self._estimate_received, *payload, is_measured=False)
        return WireBytes(self._meter.sent_bytes, self._meter.received_bytes, *payload, is_measured=True)

    async def wait_closed(self) -> None:
        """Returns once `close` is through."""
        await self._closed.wait()

    async def close(self) -> None:
        """Sends what is queued on `control`, then ends the connection; takes at most 0.5 s, again nothing."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_LIMIT_S / 2):
                await self.control_drained()
        except TimeoutError:
            _log.info("the last control messages could not be sent")
        self._give_up()
        try:
            # A TURN server that does not answer can hold this up.
            async with asyncio.timeout(CLOSE_LIMIT_S / 2):
                await self._connection.close()
        except TimeoutError:
            _log.info("the connection did not end in time and was left alone")
        finally:
            self._closed.set()

    def _add_channel(self, channel: RTCDataChannel) -> None:
        """Takes a channel that this side made or the other side opened."""
        label = channel.label
        is_reliable = channel.ordered and channel.maxRetransmits is None and channel.maxPacketLifeTime is None
        is_unreliable = not channel.ordered and channel.maxRetransmits == 0
        is_expected = is_reliable if label == CONTROL_LABEL else label == PARAMS_LABEL and is_unreliable
        if not is_expected or label in self._channels:
            _log.warning("the other side opened a data channel that is not part of a call")
            channel.close()
            return
        self._channels[label] = channel
        channel.on("message", self._take_params if label == PARAMS_LABEL else self._take_control)
        channel.on("open", self._check_open)
        channel.on("close", self._lose)
        if label == CONTROL_LABEL:
            self._control_queue = ChannelQueue(channel)
            channel.on("bufferedamountlow", self._control_queue.wake)
        self._check_open()

    def _check_open(self) -> None:
        if [channel.readyState for channel in self._channels.values()] == ["open", "open"]:
            self._opened_or_lost.set()

    def _take_params(self, message: bytes | str) -> None:
        data = _as_bytes(message)
        self._payload_received += len(data)
        self._estimate_received += len(data) + OVERHEAD_BYTES
        if self._on_params is None:
            self._early_params.append(data)
        else:
            self._loop.call_soon(self._deliver, self._on_params, data)

    def _take_arrival(self, number: int) -> None:
        if self._on_arrived is not None and self._closing is None:
            self._loop.call_soon(self._on_arrived, number)

    def _take_control(self, message: bytes | str) -> None:
        data = _as_bytes(message)
        self._estimate_received += len(data) + OVERHEAD_BYTES
        if self._on_control is not None:
            self._loop.call_soon(self._deliver, self._on_control, data)
        elif len(self._early_control) < EARLY_CONTROL:
            self._early_control.append(data)
        else:
            _log.warning("the other side floods the control channel")
            self._lose()

    def _deliver(self, callback: Callable[[bytes], None], data: bytes) -> None:
        if self._closing is None:  # nothing is delivered after close
            callback(data)

    def _on_connection_state(self) -> None:
        if self._connection.connectionState in ("failed", "closed"):
            self._lose()

    def _lose(self) -> None:
        if self._is_lost or self._closing is not None:
            return
        self._give_up()
        if self._on_lost is not None:
            self._loop.call_soon(self._on_lost)

    def _give_up(self) -> None:
        """Wakes whoever waits for the channels."""
        self._is_lost = True
        self._opened_or_lost.set()
        if self._sacks is not None:
            self._sacks.close()
        if self._control_queue is not None:
            self._control_queue.lose()

    def _watch_datagrams(self) -> None:
        """Wraps the one place of aioice where sockets are made, before they are made.

        A connection without media has no public statistics in aiortc: `getStats` is empty. Should the insides
        change, `wire_bytes` estimates instead. aioice also leaves out the loopback address; a computer that
        is in no network would have no address at all and could not call itself.
        """
        try:
            ice = self._connection.sctp.transport.transport.iceGatherer._connection
            gather = ice.get_component_candidates
            protocols = ice._protocols
        except AttributeError:
            _log.warning(UNKNOWN_AIORTC)
            return
        meter = self._meter = WireMeter()

        async def gather_and_watch(component: int, addresses: list[str], timeout: int = 5) -> Any:  # noqa: ANN401, ASYNC109
            candidates = await gather(component, addresses or ["127.0.0.1"], timeout)
            try:
                for protocol in protocols:
                    meter.watch(protocol)
            except AttributeError:
                _log.warning(UNKNOWN_AIORTC)
                self._meter = None
            return candidates

        ice.get_component_candidates = gather_and_watch


def _ice_servers(ice: IceConfig) -> list[RTCIceServer]:
    """The servers for aiortc, which asks a public one unless the list is given, empty or not."""
    servers = [RTCIceServer(ice.stun)] if ice.stun else []
    if turn := ice.turn_server:
        servers.append(RTCIceServer(turn.url, username=turn.user, credential=turn.password))
    return servers


def _as_bytes(message: bytes | str) -> bytes:
    """A message as bytes; text is no part of the protocol and fails when it is parsed."""
    return message.encode("utf-8") if isinstance(message, str) else message


@contextmanager
def _peer_errors(what: str) -> Iterator[None]:
    """Turns every error of aiortc into a PeerError that says `what`.

    aiortc meets a session description that it does not like with errors of any class, so all are caught.
    """
    try:
        yield
    except PeerError:
        raise
    except Exception as error:
        raise PeerError(f"{what} ({str(error) or type(error).__name__})") from error
