"""A slow measurement and what it depends on in, its result out, from the folder if an earlier run has left it there."""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from headgan.benchmarks.report_files import write_text
from headgan.models.weights import weights_path


class Kept:
    """A folder of results, a JSON file each.

    One is measured anew when what it depends on has changed. A change of the code is not noticed: after one, take a
    new folder.
    """

    def __init__(self, folder: Path) -> None:
        """Args: folder: made if missing."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def get(
        self,
        name: str,
        depends: Mapping[str, Any],
        measure: Callable[[], dict[str, Any]],
        *,
        with_picture: bool = False,
    ) -> dict[str, Any]:
        """The result `name`, as JSON gives it back.

        Args:
            name: of the file, without its ending.
            depends: JSON; what the result stands and falls with.
            measure: makes the result, JSON.
            with_picture: whether `measure` also leaves a picture at `picture_path`.
        """
        path = self._folder / f"{name}.json"
        key = hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()
        try:
            kept = json.loads(path.read_text())
            if kept["key"] == key and (not with_picture or self.picture_path(name).is_file()):
                return dict(kept["result"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # nothing there, or damaged
        text = json.dumps({"key": key, "result": measure()}, allow_nan=False)
        write_text(path, text)
        return dict(json.loads(text)["result"])

    def forget(self, name: str) -> None:
        """Has the result `name` measured anew."""
        (self._folder / f"{name}.json").unlink(missing_ok=True)

    def picture_path(self, name: str) -> Path:
        """Where a picture that belongs to the result `name` is kept."""
        return self._folder / f"{name}.png"


def file_state(path: Path) -> list[Any]:
    """Stands for a file's content wherever a copy of it lies: its name, size and digest."""
    state = path.stat()
    return [path.name, state.st_size, _digest(path, state.st_size, state.st_mtime_ns)]


@cache
def _digest(path: Path, _size: int, _mtime_ns: int) -> str:
    """SHA-256 of a file, read once for each of its states."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def shipped_networks() -> tuple[str, ...]:
    """SHA-256 of the generator and the morphable model that ship, file by file."""
    folder = weights_path("live.onnx").parent
    paths = [*sorted(folder.glob("live*.onnx")), folder / "morphable.npz"]
    return tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
