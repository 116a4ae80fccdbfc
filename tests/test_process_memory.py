"""What was freed is given back to the system, and what is in use stays."""

import sys

import pytest

from headgan.benchmarks.own_process import resident_mb
from headgan.proto.process_memory import give_back


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is given back")
def test_what_was_freed_in_the_midst_of_the_heap_goes_back() -> None:
    # Smaller than what the C library maps by itself, and held apart by what stays.
    pieces = [bytearray(b"x") * 60_000 for _ in range(2000)]
    kept = pieces[::20]
    before_mb = resident_mb()
    del pieces
    give_back()
    assert resident_mb() < before_mb - 60
    assert all(piece == bytearray(b"x") * 60_000 for piece in kept)
