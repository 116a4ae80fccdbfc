"""Datagram sockets of a peer in, bytes on the wire out: handshakes, acknowledgements, parameters."""

from dataclasses import dataclass
from typing import Any

UDP_HEADER_BYTES = 8
IPV4_HEADER_BYTES = 20
IPV6_HEADER_BYTES = 40


@dataclass(frozen=True)
class WireBytes:
    """What a call has put on the wire.

    Attributes:
        sent: bytes of all datagrams that were sent, IP and UDP headers included.
        received: the same for all datagrams that were received.
        params_payload_sent: bytes of the messages that were sent on the channel `params`, without any header.
        params_payload_received: the same for the messages that were received.
        is_measured: False when the datagrams could not be watched and `sent` and `received` are estimates,
            which must not be published.
    """

    sent: int
    received: int
    params_payload_sent: int
    params_payload_received: int
    is_measured: bool


class WireMeter:
    """Counts the datagrams of the aioice protocols that it watches.

    Framing of a TURN server (4 bytes a datagram, and its own keep-alive) passes below this place and is not
    counted; neither is what a STUN server answers before `watch`.
    """

    def __init__(self) -> None:
        self.sent_bytes = 0
        self.received_bytes = 0

    def watch(self, protocol: Any) -> None:  # noqa: ANN401 - aioice has no types here
        """Counts from now on what passes through `protocol`, an aioice.ice.StunProtocol.

        Raises:
            AttributeError: the protocol does not look like one of aioice.
        """
        receive = protocol.datagram_received
        is_ipv6 = ":" in protocol.transport.get_extra_info("sockname")[0]
        header_bytes = UDP_HEADER_BYTES + (IPV6_HEADER_BYTES if is_ipv6 else IPV4_HEADER_BYTES)

        def count_and_receive(data: bytes, address: tuple[Any, ...]) -> None:
            self.received_bytes += len(data) + header_bytes
            receive(data, address)

        protocol.transport = _CountingTransport(self, protocol.transport, header_bytes)
        protocol.datagram_received = count_and_receive


class _CountingTransport:
    """A datagram transport that tells the meter what is sent through it."""

    def __init__(self, meter: WireMeter, transport: Any, header_bytes: int) -> None:  # noqa: ANN401
        self._meter = meter
        self._transport = transport
        self._header_bytes = header_bytes

    def sendto(self, data: bytes, address: tuple[str, int]) -> None:
        self._meter.sent_bytes += len(data) + self._header_bytes
        self._transport.sendto(data, address)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._transport, name)


def wire_report(total: WireBytes, seconds: float) -> dict[str, Any]:
    """Bytes of a call of `seconds` by direction, and the same in kbit/s, ready for JSON."""
    bytes_by_name = {
        "payload_sent": total.params_payload_sent,
        "payload_received": total.params_payload_received,
        "wire_sent": total.sent,
        "wire_received": total.received,
    }
    report: dict[str, Any] = {"bytes": {**bytes_by_name, "is_measured": total.is_measured}}
    if seconds > 0:
        report["kbps"] = {name: round(count * 8 / 1000 / seconds, 2) for name, count in bytes_by_name.items()}
    return report
