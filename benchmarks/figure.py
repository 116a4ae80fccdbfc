"""A command that draws, a size in inches in; a matplotlib figure, and its PNG file, out."""

from pathlib import Path
from typing import Any

from headgan.proto.errors import UsageError


def new_figure(command: str, width: float, height: float) -> Any:  # noqa: ANN401 - matplotlib is an extra
    """A matplotlib figure of so many inches.

    Raises:
        UsageError: matplotlib is not there.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise UsageError(f"{command} needs matplotlib; run: pip install 'headgan[bench]'") from exc
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Any, path: Path) -> None:  # noqa: ANN401
    """Writes the PNG `path`; nobody meets half of it."""
    part = path.with_suffix(".part.png")
    figure.savefig(part, dpi=110)
    part.replace(path)
