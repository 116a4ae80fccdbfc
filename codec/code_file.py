"""A file of learned tables in, its arrays out: what the codes of faces and of speech are kept in."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headgan.proto.errors import ModelError


def read_tables(path: Path, names: Iterable[str], what: str) -> dict[str, NDArray[Any]]:
    """The arrays of these names in an .npz.

    Args:
        path: the file.
        names: of all that it has to hold.
        what: it should be, for a message.

    Raises:
        ModelError: the file is missing or damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            return {name: data[name] for name in names}
    except Exception as exc:  # a damaged archive makes zipfile, zlib and numpy raise nearly everything
        raise ModelError(f"{path} is no {what} ({exc}); install headgan anew") from exc
