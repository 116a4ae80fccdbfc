"""What a connection has carried in all, now and then, in; what it carried second by second out."""

from dataclasses import astuple, dataclass, field

from headgan.proto.wire_meter import WireBytes

# Four hours.
_MOST_SECONDS = 14_400


@dataclass
class WireCourse:
    """Kilobits of each second.

    Attributes:
        sent: of all datagrams that were sent.
        received: of all that were received.
        params: of the messages on `params`, sent and received together.
    """

    sent: list[float] = field(default_factory=list)
    received: list[float] = field(default_factory=list)
    params: list[float] = field(default_factory=list)
    _before: WireBytes | None = None

    def add(self, total: WireBytes) -> None:
        """Takes the bytes so far; call it once a second."""
        before, self._before = self._before, total
        if before is None or len(self.sent) == _MOST_SECONDS:
            return
        sent, received, *params, _ = (
            now - then for now, then in zip(astuple(total), astuple(before), strict=True)
        )
        for series, size in ((self.sent, sent), (self.received, received), (self.params, sum(params))):
            series.append(round(size * 8 / 1000, 2))

    def to_json(self) -> dict[str, list[float]]:
        """By name, for the statistics."""
        return {"sent": self.sent, "received": self.received, "params": self.params}
