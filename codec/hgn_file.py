"""Pieces of a .hgn file in, the file out: what is on the disk can be played even when the program was killed."""

from pathlib import Path
from types import TracebackType
from typing import Self

from headgan.codec.hgn_encoder import HgnEncoder
from headgan.proto.errors import DeviceError


class HgnFileWriter:
    """Hands each piece over to the system at once; the end is written by `close`, also after an error."""

    def __init__(self, path: Path, encoder: HgnEncoder) -> None:
        """Opens `path` (an older file is replaced) and writes the beginning.

        Raises:
            DeviceError: the file cannot be written.
        """
        self._path = path
        self._encoder = encoder
        self._is_closed = False
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as exc:
            raise DeviceError(f"{path}: cannot be written ({exc.strerror}); choose another name") from exc
        self.write(encoder.begin())

    def write(self, piece: bytes) -> None:
        """Appends what the encoder gave.

        Raises:
            DeviceError: the disk is full, or gone.
        """
        left = memoryview(piece)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as exc:
            raise DeviceError(
                f"{self._path}: cannot be written ({exc.strerror}); what is in it can be played"
            ) from exc

    def close(self) -> None:
        """Completes the file; a second call does nothing.

        Raises:
            DeviceError: the end could not be written.
        """
        if not self._is_closed:
            self._is_closed = True
            with self._file:
                self.write(self._encoder.finish())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
