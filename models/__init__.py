"""What knows faces: tracking, the morphable model, fitting, rendering and the generator.

The names below are for other programs, and `docs/api.md` shows them at work. They are loaded when they are first used,
so that to import this package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headgan.models.avatar import Avatar
    from headgan.models.face_edit import FaceEdit
    from headgan.models.pose_edit import HeadPose
    from headgan.models.reenactment import ReenactResult, reenact

__all__ = ["Avatar", "FaceEdit", "HeadPose", "ReenactResult", "reenact"]

_HOMES = {
    "Avatar": "headgan.models.avatar",
    "FaceEdit": "headgan.models.face_edit",
    "HeadPose": "headgan.models.pose_edit",
    "ReenactResult": "headgan.models.reenactment",
    "reenact": "headgan.models.reenactment",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - each name has its own type
    """Loads a public name from its module (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
