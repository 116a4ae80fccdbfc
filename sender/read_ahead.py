"""A source in, the same frames out, read a little ahead of time in a thread."""

import threading
from collections import deque

from headgan.sender.sources import Source, SourceFrame

DEPTH_FRAMES = 4  # hides a slow frame at 25 fps; of 1080p pictures these are 25 MB


class ReadAhead:
    """Keeps up to DEPTH_FRAMES frames of a source ready, so that a slow one does not hold up playing.

    When they are all ready, reading pauses; nothing is lost. The thread owns the source and closes it.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._changed = threading.Condition()
        self._ready: deque[SourceFrame] = deque()
        self._is_stopping = False
        self._is_over = False
        self._error: Exception | None = None
        self.thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)

    def read(self) -> SourceFrame | None:
        """The next frame, or None at the end and after stop(); an error of the source comes in its turn."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._is_over or self._is_stopping)
            if self._is_stopping:
                return None
            if self._ready:
                self._changed.notify_all()
                return self._ready.popleft()
            if self._error is not None:
                raise self._error
            return None

    def stop(self) -> None:
        """Ends the thread after the frame that it is reading; whoever waits in read() gets None."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            while self._keep(self._source.read()):
                pass
        except Exception as error:  # raised again where the frames are taken
            self._error = error
        finally:
            self._source.close()
            with self._changed:
                self._is_over = True
                self._changed.notify_all()

    def _keep(self, frame: SourceFrame | None) -> bool:
        """Whether reading goes on, once there was room for `frame`."""
        if frame is None:
            return False
        with self._changed:
            self._changed.wait_for(lambda: len(self._ready) < DEPTH_FRAMES or self._is_stopping)
            self._ready.append(frame)
            self._changed.notify_all()
            return not self._is_stopping
