"""Pictures and numbers of a call in, a window on the desktop out.

Window toolkits want the main thread of a process, so the window is a child process that reads from its
standard input, for each update:

    offset  size  field
    0       4     width of the picture, 0: keep the last one
    4       4     height
    8       4     n, length of the JSON
    12      n     JSON: the title, and the line below the picture
    12 + n  ...   the picture, height x width x RGB

Its first line on standard output is "ready", or the reason why there is no window.
"""

import json
import signal
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO, Any

import cv2
import numpy as np

from headgan.proto.errors import DeviceError
from headgan.receiver.display import STATE_TEXTS, Frame, ViewerStats, check_frame, number_texts

HEADER = struct.Struct("<III")
OPEN_LIMIT_S = 20.0
CLOSE_LIMIT_S = 2.0
TICK_MS = 15
GROUND, TEXT = "#151413", "#a39d94"
NO_WINDOW = (
    "no window can be opened ({}); log in to a desktop and install tkinter "
    "(Debian, Ubuntu: apt install python3-tk), or use --viewer web"
)


class Window:
    """A desktop window that shows the call; a `Display`. The user may close it at any time."""

    def __init__(self) -> None:
        """Opens the window, which takes about half a second.

        Raises:
            DeviceError: there is no desktop, or Python has no tkinter.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-m", "headgan.receiver.window"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._pipe: IO[bytes] = self._process.stdin
        with self._process.stdout as answers:
            limit = threading.Timer(OPEN_LIMIT_S, self._process.kill)
            limit.start()
            answer = answers.readline().decode(errors="replace").strip()
            limit.cancel()
        if answer != "ready":
            self._process.kill()
            self._process.wait()
            self._pipe.close()
            raise DeviceError(NO_WINDOW.format(answer or "its process ended"))
        self._changed = threading.Condition()  # guards the three below
        self._frame: Frame | None = None
        self._stats: ViewerStats | None = None
        self._is_closing = False
        self._writer = threading.Thread(target=self._write_newest, name="window-writer", daemon=True)
        self._writer.start()

    @property
    def is_closed(self) -> bool:
        """Whether the window is gone, because the user or `close` closed it."""
        return self._process.poll() is not None

    def publish(self, frame_rgb: Frame | None, stats: ViewerStats) -> None:
        """Shows a copy of the picture, uint8 [H, W, 3] RGB, from any thread; None keeps the last picture."""
        if frame_rgb is not None:
            check_frame(frame_rgb)
            frame_rgb = frame_rgb.copy()
        with self._changed:
            self._stats = stats
            if frame_rgb is not None:
                self._frame = frame_rgb
            self._changed.notify()

    def close(self) -> None:
        """Closes the window; a second call does nothing."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._writer.join(CLOSE_LIMIT_S)
        if self._writer.is_alive():  # it waits for a window that does not read any more
            self._process.kill()
            self._writer.join()
        try:
            self._process.wait(CLOSE_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _write_newest(self) -> None:
        # A broken pipe only means that the user closed the window, which `is_closed` tells.
        with suppress(OSError), self._pipe as pipe:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._stats is not None or self._is_closing)
                    if self._is_closing or self._stats is None:
                        return
                    frame_rgb, stats = self._frame, self._stats
                    self._frame = self._stats = None
                _write_update(pipe, frame_rgb, stats)


def _write_update(pipe: IO[bytes], frame_rgb: Frame | None, stats: ViewerStats) -> None:
    text = {"title": f"{STATE_TEXTS[stats.state]} · headgan", "line": _line(stats)}
    text_bytes = json.dumps(text).encode()
    height, width = (0, 0) if frame_rgb is None else frame_rgb.shape[:2]
    pipe.write(HEADER.pack(width, height, len(text_bytes)) + text_bytes)
    if frame_rgb is not None:
        pipe.write(frame_rgb.tobytes())
    pipe.flush()


def _line(stats: ViewerStats) -> str:
    return "   ·   ".join([STATE_TEXTS[stats.state], *number_texts(stats)])


class _Inbox:
    """The newest update of the parent; `read` runs in a thread of the child."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.frame_rgb: Frame | None = None
        self.text: dict[str, str] = {}
        self.is_over = False

    def read(self, pipe: IO[bytes]) -> None:
        while header := pipe.read(HEADER.size):
            if len(header) < HEADER.size:
                break
            width, height, text_size = HEADER.unpack(header)
            text = pipe.read(text_size)
            frame_bytes = pipe.read(width * height * 3)
            if len(text) < text_size or len(frame_bytes) < width * height * 3:
                break
            with self.lock:
                self.text = json.loads(text)
                if frame_bytes:
                    self.frame_rgb = np.frombuffer(frame_bytes, np.uint8).reshape(height, width, 3)
        self.is_over = True


class _Screen:
    """The window itself: the picture, as big as fits, above one line of text."""

    def __init__(self, tkinter: Any, root: Any, inbox: _Inbox) -> None:  # noqa: ANN401 - imported late
        self._tkinter, self._root, self._inbox = tkinter, root, inbox
        self._shown_rgb: Frame | None = None
        self._shown_area = (0, 0)
        root.title("headgan")
        root.geometry("640x680")
        root.minsize(200, 240)
        root.configure(background=GROUND)
        self._line = tkinter.Label(root, background=GROUND, foreground=TEXT, pady=8)
        self._line.pack(side="bottom", fill="x")
        self._canvas = tkinter.Canvas(root, background=GROUND, highlightthickness=0)
        self._canvas.pack(fill="both", expand=True)
        self._picture = self._canvas.create_image(0, 0)
        self._photo: Any = None  # tkinter keeps no reference of its own to what it shows

    def tick(self) -> None:
        """Shows what is new; runs every TICK_MS, as only this thread may call tkinter."""
        if self._inbox.is_over:
            self._root.destroy()
            return
        with self._inbox.lock:
            frame_rgb, text = self._inbox.frame_rgb, self._inbox.text
            self._inbox.text = {}
        area = (self._canvas.winfo_width(), self._canvas.winfo_height())
        if frame_rgb is not None and (frame_rgb is not self._shown_rgb or area != self._shown_area):
            self._show(frame_rgb, area)
        if text:
            self._root.title(text["title"])
            self._line.configure(text=text["line"])
        self._root.after(TICK_MS, self.tick)

    def _show(self, frame_rgb: Frame, area: tuple[int, int]) -> None:
        self._shown_rgb, self._shown_area = frame_rgb, area
        height, width, _ = frame_rgb.shape
        factor = min(area[0] / width, area[1] / height)
        fitted = (max(1, int(width * factor)), max(1, int(height * factor)))
        pixels = np.asarray(cv2.resize(frame_rgb, fitted, interpolation=cv2.INTER_LINEAR)).tobytes()
        self._photo = self._tkinter.PhotoImage(
            data=b"P6 %d %d 255\n" % fitted + pixels, format="PPM", master=self._root
        )
        self._canvas.itemconfigure(self._picture, image=self._photo)
        self._canvas.coords(self._picture, area[0] // 2, area[1] // 2)


def main() -> int:
    """Runs the window of the child process until its input ends or the user closes it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, and with it the input
    try:
        import tkinter
    except ImportError as error:
        return _answer(f"tkinter is missing: {error}")
    try:
        root = tkinter.Tk(className="headgan")
    except tkinter.TclError as error:
        return _answer(str(error))
    inbox = _Inbox()
    # A reader of its own: Python aborts when it ends while a thread still reads sys.stdin.buffer.
    pipe = open(sys.stdin.fileno(), "rb", closefd=False)  # noqa: SIM115
    threading.Thread(target=inbox.read, args=(pipe,), name="window-reader", daemon=True).start()
    _Screen(tkinter, root, inbox).tick()
    _answer("ready")
    root.mainloop()
    return 0


def _answer(line: str) -> int:
    sys.stdout.write(line.replace("\n", " ") + "\n")
    sys.stdout.flush()
    return 1


if __name__ == "__main__":
    sys.exit(main())
