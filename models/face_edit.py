"""What to change about a face in, its changed parameters out.

Everything is relative to the face as it is: an edit of zeros changes nothing. `pose_edit` says which way the angles
count.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from headgan.codec.params import EXPRESSION_SIZE, FaceParams
from headgan.models.blendshape_map import BlendshapeMap
from headgan.models.morphable import MorphableModel
from headgan.models.pose_edit import turned
from headgan.proto.errors import UsageError

# Movements of both sides at once that have an option of their own.
SHORTCUTS = {
    "smile": ("mouthSmileLeft", "mouthSmileRight"),
    "jaw_open": ("jawOpen",),
    "blink": ("eyeBlinkLeft", "eyeBlinkRight"),
    "brow_up": ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    "brow_down": ("browDownLeft", "browDownRight"),
    "pucker": ("mouthPucker",),
}
MAX_ANGLE_DEG = 90.0
MAX_COMPONENT = 5.0
# As far as the irises of a face are tracked, in half eye widths.
MAX_GAZE = 2.0
_LIMITS = {
    "yaw": MAX_ANGLE_DEG,
    "pitch": MAX_ANGLE_DEG,
    "roll": MAX_ANGLE_DEG,
    "gaze_x": MAX_GAZE,
    "gaze_y": MAX_GAZE,
}


@dataclass(frozen=True)
class FaceEdit:
    """Changes of a face.

    Attributes:
        yaw: degrees, positive to the viewer's right.
        pitch: degrees, positive up.
        roll: degrees, positive clockwise as the viewer sees it.
        gaze_x: half eye widths that the irises move, positive to the viewer's right.
        gaze_y: the same, positive up.
        smile: -1 to 1; 0 is as in the picture, 1 a full smile more, as with those below.
        jaw_open: -1 to 1.
        blink: -1 to 1.
        brow_up: -1 to 1.
        brow_down: -1 to 1.
        pucker: -1 to 1.
        expression: changes of the principal components by number, 0 to 27, in standard deviations.
        blendshapes: changes of movements by their name, -1 to 1; `BlendshapeMap.names` has the names.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    gaze_x: float = 0.0
    gaze_y: float = 0.0
    smile: float = 0.0
    jaw_open: float = 0.0
    blink: float = 0.0
    brow_up: float = 0.0
    brow_down: float = 0.0
    pucker: float = 0.0
    expression: Mapping[int, float] = field(default_factory=dict)
    blendshapes: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises UsageError for a value that no face reaches."""
        for name in SCALAR_NAMES:
            _check(f"--{name.replace('_', '-')}", getattr(self, name), _LIMITS.get(name, 1.0))
        for index, value in self.expression.items():
            if not 0 <= index < EXPRESSION_SIZE:
                raise UsageError(f"--expression {index}: components are 0 to {EXPRESSION_SIZE - 1}")
            _check(f"--expression {index}", value, MAX_COMPONENT)
        for name, value in self.blendshapes.items():
            _check(f"--blendshape {name}", value, 1.0)

    def movements(self) -> Iterator[tuple[str, float]]:
        """Names of blendshapes and their changes, those of the shortcuts first."""
        for shortcut, names in SHORTCUTS.items():
            value: float = getattr(self, shortcut)
            if value:
                yield from ((name, value) for name in names)
        yield from self.blendshapes.items()

    def with_value(self, name: str, value: float) -> "FaceEdit":
        """This edit with one thing changed to `value`: a scalar, `expressionN`, or a blendshape by its name."""
        scalar = name.replace("-", "_")
        if scalar in SCALAR_NAMES:
            change: dict[str, Any] = {scalar: value}
            return replace(self, **change)
        number = name.removeprefix("expression")
        if number != name and number.isdecimal():
            return replace(self, expression={**self.expression, int(number): value})
        return replace(self, blendshapes={**self.blendshapes, name: value})


SCALAR_NAMES = tuple(item.name for item in fields(FaceEdit) if item.type is float)


def _check(what: str, value: float, limit: float) -> None:
    if not (math.isfinite(value) and abs(value) <= limit):
        raise UsageError(f"{what} {value:g}: give {-limit:g} to {limit:g}")


def apply_edit(model: MorphableModel, params: FaceParams, edit: FaceEdit) -> FaceParams:
    """`params` changed as `edit` says.

    Raises:
        UsageError: a blendshape is unknown or cannot be drawn.
    """
    offset = np.zeros(EXPRESSION_SIZE, np.float32)
    for index, value in edit.expression.items():
        offset[index] = value * model.expression_std[index]
    movements = list(edit.movements())
    if movements:
        shapes = BlendshapeMap.load(model)
        for name, value in movements:
            offset += shapes.offset({name: value})
    # The irises' y points down.
    gaze = np.clip(params.gaze + np.array([edit.gaze_x, -edit.gaze_y], np.float32), -MAX_GAZE, MAX_GAZE)
    changed = replace(params, expression=params.expression + offset, gaze=gaze.astype(np.float32))
    if not (edit.yaw or edit.pitch or edit.roll):
        return changed  # as it is, without the rounding of angles
    return turned(changed, yaw_deg=edit.yaw, pitch_deg=edit.pitch, roll_deg=edit.roll)


def beyond_reach(model: MorphableModel, edits: Iterable[FaceEdit]) -> dict[str, float]:
    """Movements that some of `edits` ask more of than the clips showed from which they were learned.

    Returns:
        By name, the largest change that they did show.

    Raises:
        UsageError: a blendshape is unknown or cannot be drawn.
    """
    asked = [movement for edit in edits for movement in edit.movements()]
    if not asked:
        return {}
    shapes = BlendshapeMap.load(model)
    return {name: shapes.reach_of(name) for name, value in asked if abs(value) > shapes.reach_of(name)}
