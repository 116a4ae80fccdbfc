"""The memory of this process in, less of it out: what was freed in the midst of its heaps goes back to the system.

A start leaves holes behind: graphs that are loaded and made better, pictures of the first face, compiled functions.
Linux with glibc; elsewhere nothing happens.
"""

import ctypes
import sys


def give_back() -> None:
    """Takes some milliseconds, on any thread."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
