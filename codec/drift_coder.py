"""Changes of a drift in, range-coded symbols out; and back.

Most frames change nothing, which is one symbol. Otherwise each of the 64 nodes, row by row, says whether it moved, as
likely as its neighbours that were said before and itself in the frame before make it, and by how much.
"""

from collections.abc import Sequence

from headgan.codec.drift import DRIFT_NODES, DRIFT_SIDE, MAX_DRIFT
from headgan.codec.range_coder import TOTAL, RangeDecoder, RangeEncoder
from headgan.codec.residual_coder import class_of, smallest_of
from headgan.proto.errors import WireError

# Counted on 60 segments of the training set, 3485 frames: how often a frame changes nothing, where the one before did
# not and did; and how often a node stays, by whether it moved before, and how many of its neighbours move now.
_NOTHING = (0.71, 0.20)
_STAYS = ((0.97, 0.83, 0.57, 0.36), (0.68, 0.36, 0.19, 0.12))
# Of the sizes of a node's change, by classes (see residual_coder.py): along x, along y where there is none along x, and
# along y.
_ACROSS = (0.204, 0.471, 0.174, 0.070, 0.033, 0.024, 0.012, 0.009, 0.003, 0.002, 0.001, 0.001, 0.001)
_ALONE = (0.0, 0.698, 0.201, 0.050, 0.020, 0.017, 0.008, 0.004, 0.003, 0.002, 0.001, 0.001, 0.001)
_ALONG = (0.318, 0.379, 0.144, 0.062, 0.033, 0.036, 0.013, 0.009, 0.003, 0.002, 0.001, 0.001, 0.001)
# The last classes may be of any size up to what a drift can change by.
_CLASSES = class_of(2 * MAX_DRIFT)[0] + 1


def _starts(shares: Sequence[float], count: int) -> tuple[int, ...]:
    """Where each of `count` symbols begins, and TOTAL; each has a frequency of at least 1."""
    padded = [*shares, *(0.0 for _ in range(count - len(shares)))]
    room = TOTAL - count
    starts = [0]
    so_far = 0.0
    for place, share in enumerate(padded):
        so_far += share / sum(padded)
        starts.append(round(room * so_far) + place + 1)
    return tuple(starts)


_NOTHING_STARTS = tuple(_starts((share, 1 - share), 2) for share in _NOTHING)
_STAYS_STARTS = tuple(tuple(_starts((share, 1 - share), 2) for share in row) for row in _STAYS)
_ACROSS_STARTS, _ALONE_STARTS, _ALONG_STARTS = (
    _starts(shares, _CLASSES) for shares in (_ACROSS, _ALONE, _ALONG)
)
_STILL = (0,) * (2 * DRIFT_NODES)


def moved_nodes(change: Sequence[int]) -> tuple[bool, ...]:
    """Which of the 64 nodes a change, 128 numbers, moves."""
    return tuple(bool(x or y) for x, y in zip(change[::2], change[1::2], strict=True))


def encode_drift(coder: RangeEncoder, change: Sequence[int], before: Sequence[bool]) -> None:
    """Codes a change, x and y of each node; before: which nodes moved in the frame that it is counted from."""
    moves = moved_nodes(change)
    _encode(coder, _NOTHING_STARTS[any(before)], int(any(moves)))
    if not any(moves):
        return
    for node, is_moving in enumerate(moves):
        _encode(coder, _STAYS_STARTS[before[node]][_neighbours(moves, node)], int(is_moving))
        if is_moving:
            x, y = change[2 * node : 2 * node + 2]
            _encode_size(coder, _ACROSS_STARTS, x)
            _encode_size(coder, _ALONG_STARTS if x else _ALONE_STARTS, y)


def decode_drift(coder: RangeDecoder, before: Sequence[bool]) -> tuple[int, ...]:
    """The inverse of `encode_drift`.

    Raises:
        WireError: the bytes are none that the encoder writes.
    """
    if coder.decode(_NOTHING_STARTS[any(before)]) == 0:
        return _STILL
    change: list[int] = []
    moves: list[bool] = []
    for node in range(DRIFT_NODES):
        is_moving = coder.decode(_STAYS_STARTS[before[node]][_neighbours(moves, node)]) == 1
        moves.append(is_moving)
        x = _decode_size(coder, _ACROSS_STARTS) if is_moving else 0
        y = _decode_size(coder, _ALONG_STARTS if x else _ALONE_STARTS) if is_moving else 0
        if is_moving and not (x or y):
            raise WireError("coded drift: a node that moves by nothing")
        change += [x, y]
    return tuple(change)


def _neighbours(moves: Sequence[bool], node: int) -> int:
    """How many of a node's neighbours to the left, above, and above to the right move, 0 to 3."""
    row, column = divmod(node, DRIFT_SIDE)
    count = int(column > 0 and moves[node - 1]) + int(row > 0 and moves[node - DRIFT_SIDE])
    return count + int(row > 0 and column < DRIFT_SIDE - 1 and moves[node - DRIFT_SIDE + 1])


def _encode(coder: RangeEncoder, starts: Sequence[int], symbol: int) -> None:
    coder.encode(starts[symbol], starts[symbol + 1] - starts[symbol])


def _encode_size(coder: RangeEncoder, starts: Sequence[int], value: int) -> None:
    size_class, offset, bits = class_of(abs(value))
    _encode(coder, starts, size_class)
    if bits:
        coder.encode_bits(offset, bits)
    if value:
        coder.encode_bits(int(value < 0), 1)


def _decode_size(coder: RangeDecoder, starts: Sequence[int]) -> int:
    smallest, bits = smallest_of(coder.decode(starts))
    size = smallest + (coder.decode_bits(bits) if bits else 0)
    return -size if size and coder.decode_bits(1) else size
