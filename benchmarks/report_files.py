"""A folder for a report and its texts in, files that nobody meets half written out."""

from pathlib import Path

from headgan.proto.errors import DeviceError


def make_folder(folder: Path) -> Path:
    """Makes the folder that was given by -o, if it is missing, and returns it.

    Raises:
        DeviceError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise DeviceError(f"-o {folder}: the folder cannot be made ({exc.strerror})") from exc
    return folder


def write_text(path: Path, text: str) -> None:
    """Writes beside `path` and renames."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)
