"""The desktop window on a virtual display: it opens, shows the newest picture, and closes either way."""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from headgan.proto.errors import DeviceError
from headgan.receiver.display import STATE_TEXTS, Display, State, ViewerStats
from headgan.receiver.window import HEADER, Window, _write_update

LIVE = ViewerStats("live", kbps_payload=4.1, kbps_wire=6.2, fps=25, latency_ms=140, provider="CPU")
RED, GREEN = (220, 30, 40), (20, 200, 60)

# The user closes the window: WM_DELETE_WINDOW, which tkinter answers by destroying the root.
CLOSED_BY_USER = """
import sys, tkinter
from headgan.receiver import window
open_root = tkinter.Tk
def open_and_close(**options):
    root = open_root(**options)
    root.after(200, root.destroy)
    return root
tkinter.Tk = open_and_close
sys.exit(window.main())
"""

Screenshot = Callable[[], npt.NDArray[np.uint8]]


@pytest.fixture(scope="module")
def screenshot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screenshot]:
    """A virtual display, in DISPLAY, and a function that returns its pixels: uint8 [H, W, 3] RGB."""
    pytest.importorskip("tkinter")
    server = shutil.which("Xvfb")
    if server is None:
        pytest.skip("there is no Xvfb")
    folder = tmp_path_factory.mktemp("screen")
    read_end, write_end = os.pipe()
    command = [server, "-displayfd", str(write_end), "-screen", "0", "800x800x24", "-fbdir", str(folder)]
    # Its complaints about keyboard maps would only fill the test's output.
    with subprocess.Popen(command, pass_fds=[write_end], stderr=subprocess.DEVNULL) as process:
        os.close(write_end)
        with os.fdopen(read_end) as answers, pytest.MonkeyPatch.context() as patch:
            patch.setenv("DISPLAY", ":" + answers.readline().strip())
            yield lambda: read_xwd(folder / "Xvfb_screen0")
        process.terminate()


def read_xwd(path: Path) -> npt.NDArray[np.uint8]:
    data = path.read_bytes()
    header = struct.unpack(">25I", data[:100])
    header_size, width, height, row_size, colours = header[0], header[4], header[5], header[12], header[19]
    start = header_size + 12 * colours
    rows = np.frombuffer(data, np.uint8, row_size * height, start).reshape(height, row_size)
    bgrx = rows[:, : 4 * width].reshape(height, width, 4)
    return np.ascontiguousarray(bgrx[..., 2::-1])


def plain(colour: tuple[int, int, int], height: int = 256, width: int = 256) -> npt.NDArray[np.uint8]:
    return np.full((height, width, 3), colour, np.uint8)


def wait_for(claim: Callable[[], bool]) -> bool:
    deadline_s = time.monotonic() + 10
    while not claim():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.05)
    return True


def share_of(colour: tuple[int, int, int], screenshot: Screenshot) -> float:
    return float((np.abs(screenshot().astype(int) - colour).max(axis=2) < 8).mean())


def test_the_newest_picture_is_on_the_screen(screenshot: Screenshot) -> None:
    window = Window()
    display: Display = window
    try:
        for _ in range(50):
            display.publish(plain(RED), LIVE)
        display.publish(plain(GREEN), LIVE)
        assert wait_for(lambda: share_of(GREEN, screenshot) > 0.5)
        assert share_of(RED, screenshot) == 0

        display.publish(None, ViewerStats("no face"))  # the last picture stays
        display.publish(plain(RED, height=128), LIVE)  # half as high as wide
        assert wait_for(lambda: share_of(RED, screenshot) > 0.2)
        rows, columns = np.nonzero(np.abs(screenshot().astype(int) - RED).max(axis=2) < 8)
        assert np.ptp(columns) + 1 == pytest.approx(2 * (np.ptp(rows) + 1), abs=2)
        assert not window.is_closed
    finally:
        window.close()
    assert window.is_closed
    assert wait_for(lambda: share_of(RED, screenshot) == 0)
    window.close()


def test_a_state_without_a_picture_keeps_the_last_one(screenshot: Screenshot) -> None:
    window = Window()
    try:
        window.publish(plain(GREEN), LIVE)
        window.publish(None, ViewerStats("no connection"))
        window.publish(None, ViewerStats("ended"))  # neither must take the place of the picture
        assert wait_for(lambda: share_of(GREEN, screenshot) > 0.5)
    finally:
        window.close()


@pytest.mark.parametrize("state", STATE_TEXTS)
def test_every_state_has_a_title_and_a_line(state: State) -> None:
    pipe = BytesIO()
    _write_update(pipe, None, ViewerStats(state, fps=25))
    width, height, size = HEADER.unpack(pipe.getvalue()[: HEADER.size])
    text = json.loads(pipe.getvalue()[HEADER.size :])
    assert (width, height, size) == (0, 0, len(pipe.getvalue()) - HEADER.size)
    assert text["title"] == f"{STATE_TEXTS[state]} · headgan"
    assert text["line"].startswith(STATE_TEXTS[state])
    assert ("25 fps" in text["line"]) == (state in ("live", "no face", "held", "video"))


def test_publishing_goes_on_after_the_user_closed_it(screenshot: Screenshot) -> None:
    window = Window()
    try:
        window.publish(plain(GREEN), LIVE)
        assert wait_for(lambda: share_of(GREEN, screenshot) > 0.5)
        window._process.terminate()  # what the parent sees is the same: the child is gone
        assert wait_for(lambda: window.is_closed)
        for _ in range(5):
            window.publish(plain(RED), LIVE)
    finally:
        window.close()


@pytest.mark.usefixtures("screenshot")
def test_the_child_ends_in_peace_when_the_user_closes_it() -> None:
    command = [sys.executable, "-c", CLOSED_BY_USER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None and child.stderr is not None
        assert child.wait(10) == 0  # while its input is still open
        assert (child.stdout.read(), child.stderr.read()) == (b"ready\n", b"")


@pytest.mark.usefixtures("screenshot")
def test_publish_does_not_wait_for_a_window_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgan.receiver.window.CLOSE_LIMIT_S", 0.2)
    window = Window()
    try:
        window._process.send_signal(signal.SIGSTOP)
        started_s = time.monotonic()
        for _ in range(50):
            window.publish(plain(RED), LIVE)
        assert time.monotonic() - started_s < 2
    finally:
        window.close()
    assert window.is_closed


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a display")
def test_no_display_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(DeviceError, match=r"display.*--viewer web"):
        Window()


def test_no_tkinter_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tkinter.py").write_text("raise ImportError('no Tk in this Python')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(DeviceError, match=r"no Tk in this Python.*install python3-tk.*--viewer web"):
        Window()


@pytest.mark.usefixtures("screenshot")
def test_publish_refuses_what_is_no_picture() -> None:
    window = Window()
    try:
        for frame in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), plain(RED, 0, 0)):
            with pytest.raises(ValueError, match="need uint8"):
                window.publish(frame, LIVE)  # type: ignore[arg-type]
    finally:
        window.close()
