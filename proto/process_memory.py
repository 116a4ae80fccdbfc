"""The memory of this process in, less of it resident out: what only a start needs is given back to the system.

heaps       what was freed in the midst of them
libraries   pages of program files that were only read stay resident after their last use, LLVM's 60 MB once numba's
            functions are loaded: they are let go, and read again from the system's cache if they are needed after all

Linux with glibc; elsewhere nothing happens.
"""

import ctypes
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

_DONT_NEED = 4  # of madvise, see mman.h


def let_go() -> None:
    """Gives back what was freed, and the pages of program files; takes some milliseconds, on any thread."""
    libc = _libc()
    if libc is None:
        return
    libc.malloc_trim(0)
    for span in clean_spans(Path("/proc/self/smaps")):
        if libc.madvise(ctypes.c_void_p(span.begin), ctypes.c_size_t(span.size), _DONT_NEED) != 0:
            log.debug("%d bytes at %x stay", span.size, span.begin)


@dataclass(frozen=True)
class Span:
    """Addresses of this process."""

    begin: int
    size: int


def clean_spans(smaps: Path) -> Iterator[Span]:
    """Those of files' pages that nobody can write to and nobody wrote to; see proc(5)."""
    try:
        lines = smaps.read_text().splitlines()
    except OSError:
        return
    span: Span | None = None
    for line in lines:
        first, *rest = line.split()
        if not first.endswith(":"):
            begin, end = (int(part, 16) for part in first.split("-"))
            # permissions, offset, device, inode, path
            is_file = len(rest) > 4 and rest[4].startswith("/") and rest[0] in ("r-xp", "r--p")
            span = Span(begin, end - begin) if is_file else None
        elif first == "Anonymous:" and span is not None:
            # Pages that were changed, by a linker for example, are this process's alone: they would be lost.
            if int(rest[0]) == 0:
                yield span
            span = None


def _libc() -> Any:  # noqa: ANN401
    """The C library, if it is glibc."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None
