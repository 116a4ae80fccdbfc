"""A picture of a turned head in, how far from straight the generator's frontal view of it is out: the paper's ARE."""

import numpy as np

from headgan.models.generator import Generator
from headgan.models.metrics.face_reading import Reader
from headgan.models.metrics.pose import rotation_error
from headgan.models.morphable import MorphableModel
from headgan.models.pose_edit import facing_front
from headgan.models.reconstruct import Reconstructor, ReferenceImage


def frontalisation_error(
    model: MorphableModel, generator: Generator, reference: ReferenceImage, reader: Reader
) -> float:
    """Mean absolute Euler angle in degrees of `reference` drawn from the front; NaN if no face is found in it.

    The generator keeps `reference` as its reference.
    """
    picture = Reconstructor(model, generator, reference).draw(facing_front(reference.params))
    reading = reader.read(picture, reference.identity)
    return float(np.nan) if reading is None else rotation_error(reading.angles)
