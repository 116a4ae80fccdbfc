"""Changes of a drift in, range-coded symbols out; and back.

Most frames change nothing, which is one symbol. Otherwise each of the 64 nodes, row by row, says whether it moved, as
likely as its neighbours that were said before and itself in the frame before make it, and by how much; or, if
neighbours move, by how much more than the middle one of them.
"""

from collections.abc import Sequence

from headgan.codec.drift import DRIFT_NODES, DRIFT_SIDE, MAX_DRIFT
from headgan.codec.range_coder import TOTAL, RangeDecoder, RangeEncoder
from headgan.codec.residual_coder import class_of, smallest_of
from headgan.proto.errors import WireError

# Counted on 60 segments of the training set, 3485 frames: how often a frame changes nothing, where the one before did
# not and did; and how often a node stays, by whether it moved before, and how many of its neighbours move now.
_NOTHING = (0.72, 0.20)
_STAYS = ((0.97, 0.83, 0.59, 0.35), (0.68, 0.40, 0.24, 0.10))
# Of the sizes of what is said of a node that moves, by classes (see residual_coder.py): along x, along y where there is
# none along x, and along y; and of either where neighbours move.
_ACROSS = (0.211, 0.447, 0.166, 0.075, 0.036, 0.030, 0.014, 0.012, 0.003, 0.003, 0.001, 0.001, 0.001)
_ALONE = (0.0, 0.690, 0.196, 0.062, 0.027, 0.022, 0.008, 0.004, 0.003, 0.002, 0.001, 0.001, 0.001)
_ALONG = (0.303, 0.370, 0.149, 0.066, 0.040, 0.035, 0.017, 0.010, 0.004, 0.004, 0.001, 0.001, 0.001)
_MORE = (0.583, 0.281, 0.064, 0.023, 0.013, 0.013, 0.007, 0.007, 0.003, 0.003, 0.001, 0.001, 0.001)
# Classes go up to the size of the largest difference of two changes.
_CLASSES = class_of(4 * MAX_DRIFT)[0] + 1


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
_ACROSS_STARTS, _ALONE_STARTS, _ALONG_STARTS, _MORE_STARTS = (
    _starts(shares, _CLASSES) for shares in (_ACROSS, _ALONE, _ALONG, _MORE)
)
_STILL = (0,) * (2 * DRIFT_NODES)


def _before(node: int) -> tuple[int, ...]:
    """The neighbours of a node that are said before it: to its left, above, and above to the right."""
    row, column = divmod(node, DRIFT_SIDE)
    places = ((row, column - 1), (row - 1, column), (row - 1, column + 1))
    return tuple(r * DRIFT_SIDE + c for r, c in places if r >= 0 and 0 <= c < DRIFT_SIDE)


_NEIGHBOURS = tuple(_before(node) for node in range(DRIFT_NODES))


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
        near = [other for other in _NEIGHBOURS[node] if moves[other]]
        _encode(coder, _STAYS_STARTS[before[node]][len(near)], int(is_moving))
        if is_moving:
            (x, y), (known_x, known_y) = change[2 * node : 2 * node + 2], _middle(change, near)
            _encode_size(coder, _MORE_STARTS if near else _ACROSS_STARTS, x - known_x)
            _encode_size(coder, _starts_along(near, x), y - known_y)


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
        near = [other for other in _NEIGHBOURS[node] if moves[other]]
        is_moving = coder.decode(_STAYS_STARTS[before[node]][len(near)]) == 1
        moves.append(is_moving)
        x = y = 0
        if is_moving:
            known_x, known_y = _middle(change, near)
            x = known_x + _decode_size(coder, _MORE_STARTS if near else _ACROSS_STARTS)
            y = known_y + _decode_size(coder, _starts_along(near, x))
            if not (x or y):
                raise WireError("coded drift: a node that moves by nothing")
        change += [x, y]
    return tuple(change)


def _middle(change: Sequence[int], near: Sequence[int]) -> tuple[int, int]:
    """The change of the middle one of some nodes, along x and along y; of none 0."""
    if not near:
        return 0, 0
    x, y = (sorted(change[2 * node + axis] for node in near)[len(near) // 2] for axis in (0, 1))
    return x, y


def _starts_along(near: Sequence[int], x: int) -> tuple[int, ...]:
    if near:
        return _MORE_STARTS
    return _ALONG_STARTS if x else _ALONE_STARTS


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
