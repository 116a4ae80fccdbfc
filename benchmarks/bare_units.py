"""A packet of an encoder in, the units of it that a decoder needs out; and back into what a decoder takes.

Whatever a transport says anyway is not counted against a codec: start codes, marks of where a frame begins, and
messages that no decoder needs, such as an encoder's name.
"""

import re
from collections.abc import Callable, Sequence

_START = b"\0\0\1"
# Access unit delimiters and supplemental enhancement information, by the numbers of each standard.
_H264_SPARE, _HEVC_SPARE, _VVC_SPARE = {6, 9}, {35, 39, 40}, {20, 23, 24}
_TEMPORAL_DELIMITER = 2


def bare_units(codec: str, packet: bytes) -> list[bytes]:
    """The units that have to be sent.

    Args:
        codec: `h264`, `hevc`, `vvc`, `av1` or `vp9`.
        packet: as the encoder gave it.
    """
    if codec == "vp9":
        return [packet]
    if codec == "av1":
        return _av1_units(packet)
    spare, number = _NAL[codec]
    units = (unit.rstrip(b"\0") for unit in re.split(_START, packet))
    return [unit for unit in units if len(unit) > 1 and number(unit) not in spare]


def to_packet(codec: str, units: Sequence[bytes]) -> bytes:
    """What a decoder takes."""
    return b"".join(_START + unit for unit in units) if codec in _NAL else b"".join(units)


_NAL: dict[str, tuple[set[int], Callable[[bytes], int]]] = {
    "h264": (_H264_SPARE, lambda unit: unit[0] & 31),
    "hevc": (_HEVC_SPARE, lambda unit: unit[0] >> 1 & 63),
    "vvc": (_VVC_SPARE, lambda unit: unit[1] >> 3),
}


def _av1_units(packet: bytes) -> list[bytes]:
    """Open bitstream units with a size field each, without temporal delimiters (AV1 specification, 5.3)."""
    units = []
    place = 0
    while place < len(packet):
        header = packet[place]
        if not header & 2:  # without a size it is the last one
            units.append(packet[place:])
            break
        end = place + 1 + (header >> 2 & 1)
        size = shift = 0
        while True:
            byte = packet[end]
            end += 1
            size |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                break
        if header >> 3 & 15 != _TEMPORAL_DELIMITER:
            units.append(packet[place : end + size])
        place = end + size
    return units
