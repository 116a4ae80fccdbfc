"""One real and one drawn frame in, every metric that compares the two out, by name."""

import numpy as np
from numpy.typing import NDArray

from headgan.models.metrics.action_units import hamming_distance
from headgan.models.metrics.clip_frames import SeenFrame
from headgan.models.metrics.face_area import face_psnr
from headgan.models.metrics.look import Look
from headgan.models.metrics.mouth_error import mouth_error
from headgan.models.metrics.pictures import flicker, l1, psnr
from headgan.models.metrics.pose import rotation_distance
from headgan.models.metrics.ssim import ssim


def compare_pixels(frame: SeenFrame, drawn_rgb: NDArray[np.uint8]) -> dict[str, float]:
    """What pixels tell of `drawn_rgb`, uint8 [256, 256, 3], which should look like `frame`.

    `l1`, `psnr`, `ssim` and `mouth`, and `psnr_face` and `outside` where they have a value.
    """
    real = frame.picture_rgb
    return {
        "l1": l1(real, drawn_rgb),
        "psnr": psnr(real, drawn_rgb),
        "ssim": ssim(real, drawn_rgb),
        "mouth": mouth_error(real, drawn_rgb, frame.points),
        **face_psnr(real, drawn_rgb, frame.points),
    }


def compare_motion(
    frames: tuple[SeenFrame, SeenFrame | None], drawn: tuple[NDArray[np.uint8], NDArray[np.uint8] | None]
) -> dict[str, float]:
    """`flicker` of a drawn picture and the one before it, against the real ones; nothing if there is none before."""
    (frame, before), (picture, picture_before) = frames, drawn
    if before is None or picture_before is None:
        return {}
    return {"flicker": flicker(frame.picture_rgb, before.picture_rgb, picture, picture_before)}


def compare_faces(real: Look, drawn: Look) -> dict[str, float]:
    """`ard` and `au_h` where both pictures show a face, and whether it is `lost` from the drawn one."""
    values = {"lost": float(drawn.reading is None)}
    if real.reading is not None and drawn.reading is not None:
        values["ard"] = rotation_distance(real.reading.angles, drawn.reading.angles)
        values["au_h"] = hamming_distance(real.reading.units, drawn.reading.units)
    return values
