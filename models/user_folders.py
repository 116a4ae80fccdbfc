"""The folders of this system's user in, those of this program among them out."""

import os
import sys
from pathlib import Path


def data_folder() -> Path:
    """Where this system keeps what a program remembers for its user."""
    if sys.platform == "win32":
        return _local_windows() / "headgan"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "headgan"
    return _xdg("XDG_DATA_HOME", ".local/share") / "headgan"


def cache_folder() -> Path:
    """Where this system keeps what can be found out, or made, again."""
    if sys.platform == "win32":
        return _local_windows() / "headgan" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "headgan"
    return _xdg("XDG_CACHE_HOME", ".cache") / "headgan"


def _local_windows() -> Path:
    local = os.environ.get("LOCALAPPDATA")
    return Path(local) if local else Path.home() / "AppData" / "Local"


def _xdg(variable: str, default: str) -> Path:
    base = Path(os.environ.get(variable, ""))
    # As the XDG specification has it.
    return base if base.is_absolute() else Path.home() / default
