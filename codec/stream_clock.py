"""Times of a sound stream in, the same times on the program's clock out.

PortAudio stamps each block on a clock of its own. Each callback shows both clocks at once, but late: it had to wait
for Python. A delay only ever makes the difference larger, so the smallest of the last while is the true one.
"""

from collections import deque

WINDOW_BLOCKS = 128
# A block is recorded before it arrives and heard after it was asked for, but never so long.
MAX_AHEAD_S = 2.0


class StreamClock:
    """Maps the times of one stream."""

    def __init__(self) -> None:
        self._differences_ms: deque[float] = deque(maxlen=WINDOW_BLOCKS)

    def to_ms(self, time_s: float, current_s: float, now_ms: float, fallback_ms: float) -> float:
        """A time of the stream as milliseconds of the program.

        Args:
            time_s: what is to be mapped: when a block was recorded, or will be heard.
            current_s: the stream's clock in this callback.
            now_ms: the program's clock in this callback.
            fallback_ms: the answer where the driver gives no times, or such as cannot be.
        """
        if time_s <= 0 or current_s <= 0 or abs(time_s - current_s) > MAX_AHEAD_S:
            return fallback_ms
        self._differences_ms.append(now_ms - current_s * 1000)
        return time_s * 1000 + min(self._differences_ms)
