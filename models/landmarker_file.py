"""The face landmarker's file in, the networks packed in it out."""

import zipfile
from pathlib import Path

from headgan.models.weights import weights_path
from headgan.proto.errors import ModelError


def read_networks(model: Path | None, *names: str) -> tuple[bytes, ...]:
    """The .tflite files called `names`.

    Args:
        model: a `face_landmarker.task` file; the one that ships if None.
        names: files in it.

    Raises:
        ModelError: the file is missing or damaged.
    """
    path = model or weights_path("face_landmarker.task")
    try:
        with zipfile.ZipFile(path) as task:
            return tuple(task.read(name) for name in names)
    except (OSError, KeyError, zipfile.BadZipFile) as exc:
        raise ModelError(f"{path} is not a face_landmarker.task file ({exc})") from exc
