"""A tracked face in, how strongly each of 52 named movements (ARKit's blendshapes) is made out.

The network is `face_blendshapes.tflite` of MediaPipe's face landmarker, on LiteRT. It looks at 146 of the tracker's
points; neither their place in the picture nor the face's size matters to it. Left and right are the person's own: the
left eye is on the right of the picture.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.models.landmarker_file import read_networks
from headgan.models.litert import LiteRtModel
from headgan.models.tracker import POINTS

# In the order of the network's output. The first says how little the others do and is no movement.
BLENDSHAPE_NAMES = (
    "_neutral",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeLookDownLeft",
    "eyeLookDownRight",
    "eyeLookInLeft",
    "eyeLookInRight",
    "eyeLookOutLeft",
    "eyeLookOutRight",
    "eyeLookUpLeft",
    "eyeLookUpRight",
    "eyeSquintLeft",
    "eyeSquintRight",
    "eyeWideLeft",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthFunnel",
    "mouthLeft",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "noseSneerLeft",
    "noseSneerRight",
)

# The points that the network looks at: outline, brows, eyes, lips and irises.
_SEEN = """
0 1 4 5 6 7 8 10 13 14 17 21 33 37 39 40 46 52 53 54 55 58 61 63 65 66 67 70 78 80 81 82 84 87 88 91 93 95
103 105 107 109 127 132 133 136 144 145 146 148 149 150 152 153 154 155 157 158 159 160 161 162 163 168
172 173 176 178 181 185 191 195 197 234 246 249 251 263 267 269 270 276 282 283 284 285 288 291 293 295
296 297 300 308 310 311 312 314 317 318 321 323 324 332 334 336 338 356 361 362 365 373 374 375 377 378
379 380 381 382 384 385 386 387 388 389 390 397 398 400 402 405 409 415 454 466 468 469 470 471 472 473
474 475 476 477
"""
_SUBSET = np.array([int(point) for point in _SEEN.split()])


class BlendshapeNet:
    """Scores the movements of a face; half a millisecond on one core. Not thread-safe."""

    def __init__(self, model: Path | None = None) -> None:
        """Args: model: a `face_landmarker.task` file; the one that ships if left out.

        Raises:
            ModelError: the file is missing or damaged.
        """
        (network,) = read_networks(model, "face_blendshapes.tflite")
        self._network = LiteRtModel(network)

    def scores(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Float32 [52], 0 to 1, in the order of `BLENDSHAPE_NAMES`.

        Args:
            points: float32 [478, 3], the tracker's points in pixels, or in any unit that is as long across as down.
        """
        if points.shape != (POINTS, 3):
            raise ValueError(f"points are {points.shape}, need {(POINTS, 3)}")
        seen = np.ascontiguousarray(points[_SUBSET, :2], dtype=np.float32)
        (scores,) = self._network.run(seen[None]).values()
        return scores.copy()
