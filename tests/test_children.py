"""What a benchmark starts ends with it, however it ends."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headgan.benchmarks.children import (
    bound_words,
    end_child,
    finish_child,
    hang_up,
    start_child,
    wait_running,
)
from headgan.proto.errors import HeadganError

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


def is_running(pid: int) -> bool:
    """A process that nobody has waited for yet, and that is no more, does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does it on Linux")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_killed_benchmark_leaves_nothing_behind(
    tmp_path: Path, how: signal.Signals, until: Callable[..., Any]
) -> None:
    program = f"""
        import time
        from pathlib import Path
        from headgan.benchmarks.children import start_child
        child = start_child({SLEEPS!r}, Path({str(tmp_path / "log")!r}))
        Path({str(tmp_path / "part")!r}).write_text(str(child.pid))
        Path({str(tmp_path / "part")!r}).rename({str(tmp_path / "pid")!r})
        time.sleep(60)
    """
    benchmark = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)])
    try:
        until((tmp_path / "pid").exists, 30)
        pid = int((tmp_path / "pid").read_text())
        # Bound only once it has become the command.
        until(lambda: b"time.sleep(60)" in Path(f"/proc/{pid}/cmdline").read_bytes(), 30)
        until(lambda: b"bound.py" not in Path(f"/proc/{pid}/cmdline").read_bytes(), 30)
        assert is_running(pid)
        benchmark.send_signal(how)
        benchmark.wait()
        until(lambda: not is_running(pid))
    finally:
        benchmark.kill()
        benchmark.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does it on Linux")
def test_a_child_whose_parent_is_gone_at_once_does_not_begin(tmp_path: Path) -> None:
    words = bound_words([sys.executable, "-c", f"open({str(tmp_path / 'begun')!r}, 'w')"])
    place = words.index(str(os.getpid()))
    words[place] = "1"  # of another than its parent
    assert subprocess.run(words, check=False).returncode == 1
    assert not (tmp_path / "begun").exists()


def test_a_child_is_the_command_itself(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = start_child([sys.executable, "-c", "import os, sys; print(os.getpid()); sys.exit(3)"], log)
    with pytest.raises(HeadganError, match=rf"it ended with exit code 3: {child.pid}"):
        finish_child(child, "it", log, 30)


def test_a_child_that_hangs_is_named_and_ended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = start_child(SLEEPS, log)
    with pytest.raises(HeadganError, match="it did not end by itself: it said nothing"):
        finish_child(child, "it", log, 0.05)
    wait_running(child, "it", log, 0.05)
    end_child(child)
    with pytest.raises(HeadganError, match="it ended before it was told to"):
        wait_running(child, "it", log, 5)
    other = start_child(SLEEPS, log)
    hang_up(other, 30)
    assert other.poll() is not None
