"""Memory that only a start needs: what may be given back is told apart from what may not, and nothing breaks."""

import mmap
import sys
from pathlib import Path

import pytest

from headgan.benchmarks.own_process import resident_mb
from headgan.proto.process_memory import clean_spans, let_go

_SMAPS = """\
7f0000000000-7f0000002000 r-xp 00000000 08:01 11 /usr/lib/library.so
Rss:                   8 kB
Anonymous:             0 kB
7f0000002000-7f0000003000 r--p 00002000 08:01 11 /usr/lib/library.so (deleted)
Rss:                   4 kB
Anonymous:             4 kB
7f0000003000-7f0000004000 rw-p 00003000 08:01 11 /usr/lib/library.so
Anonymous:             0 kB
7f0000004000-7f0000008000 r--p 00000000 08:01 12 /usr/share/table with spaces
Anonymous:             0 kB
7f0000008000-7f0000009000 r--s 00000000 08:01 12 /tmp/shared
Anonymous:             0 kB
7f0000009000-7f000000a000 r--p 00000000 00:00 0
Anonymous:             0 kB
7f000000a000-7f000000b000 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
"""


def test_only_pages_that_a_file_still_has_are_let_go(tmp_path: Path) -> None:
    smaps = tmp_path / "smaps"
    smaps.write_text(_SMAPS)
    spans = [(span.begin, span.size) for span in clean_spans(smaps)]
    assert spans == [(0x7F0000000000, 0x2000), (0x7F0000004000, 0x4000)]
    assert not list(clean_spans(tmp_path / "nowhere"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is let go")
def test_what_was_read_is_read_again(tmp_path: Path) -> None:
    """Less is resident afterwards, and all of it is still there; what was written stays."""
    file = tmp_path / "pages"
    file.write_bytes(bytes(range(256)) * 4 * 40_000)
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ) as pages:
        assert len(pages[:]) == len(pages)  # all of it is touched
        before_mb = resident_mb()
        let_go()
        assert resident_mb() < before_mb - 30
        assert pages[:] == file.read_bytes()
