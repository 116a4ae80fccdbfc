"""A picture of a turned head in, how far from straight the generator's frontal view of it is out: the paper's ARE."""

from dataclasses import replace

import numpy as np

from headgan.models.generator import Generator
from headgan.models.metrics.face_reading import Reader
from headgan.models.metrics.pose import rotation_error
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import Reconstructor, ReferenceImage


def frontalisation_error(
    model: MorphableModel, generator: Generator, reference: ReferenceImage, reader: Reader
) -> float:
    """Mean absolute Euler angle in degrees of `reference` drawn with no rotation; NaN if no face is found in that.

    The generator keeps `reference` as its reference.
    """
    camera = reference.params.camera.copy()
    camera[:4] = (1, 0, 0, 0)
    picture = Reconstructor(model, generator, reference).draw(replace(reference.params, camera=camera))
    reading = reader.read(picture, reference.identity)
    return float(np.nan) if reading is None else rotation_error(reading.angles)
