"""Model files that ship with the package, found by name."""

from importlib.resources import as_file, files
from pathlib import Path

from headgan.proto.errors import ModelError

# The order of the words says what to do next: a source checkout gets its files from the set-up script.
_NEXT_STEP = "run ./scripts/setup in the source checkout, or reinstall the package"


def weights_path(name: str) -> Path:
    """Path of the shipped model file `name`.

    Args:
        name: file name, for example `face_landmarker.task`.

    Raises:
        ModelError: the file is not there.
    """
    with as_file(files(__package__).joinpath(name)) as path:
        if not path.is_file():
            raise ModelError(f"model file {name} is missing ({path}); {_NEXT_STEP}")
        return path
