"""Lines that the user types in, muting and speaking again out.

A terminal gives a program whole lines, so it is the key and Enter.
"""

import logging
import threading
from collections.abc import Callable, Iterable

log = logging.getLogger(__name__)

KEY = "m"


def watch_mute_key(lines: Iterable[str], toggle: Callable[[], bool]) -> threading.Thread:
    """Watches in a thread of its own, which ends with the lines or the program.

    Args:
        lines: such as sys.stdin.
        toggle: mutes, or ends that; returns whether the sound is muted now.
    """

    def watch() -> None:
        for line in lines:
            if line.strip().lower() == KEY:
                log.info("you are muted" if toggle() else "you are heard again")

    thread = threading.Thread(target=watch, name="mute-key", daemon=True)
    thread.start()
    return thread
