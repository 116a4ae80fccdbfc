"""A picture in, everything that the metrics' networks say of it out."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headgan.models.metrics.face_embedding import FaceEmbedder
from headgan.models.metrics.face_reading import FaceReading, Reader
from headgan.models.metrics.inception import PictureFeatures
from headgan.models.metrics.perceptual import PerceptualMetric


@dataclass(frozen=True, eq=False)
class Networks:
    """What looks at pictures.

    Attributes:
        reader: pose and action units.
        embedder: identity.
        perceptual: None leaves the perceptual distance out.
        inception: None leaves FID out.
    """

    reader: Reader
    embedder: FaceEmbedder
    perceptual: PerceptualMetric | None = None
    inception: PictureFeatures | None = None


@dataclass(frozen=True, eq=False)
class Look:
    """What the networks say of one picture.

    Attributes:
        picture_rgb: the picture itself.
        reading: pose and action units; None if no face was found.
        embedding: float32 [D] of the face.
        features: float32 [D'] of the picture for FID; D' is 0 without that network.
        perceptual: features for the perceptual distance; None where nobody asked.
    """

    picture_rgb: NDArray[np.uint8]
    reading: FaceReading | None
    embedding: NDArray[np.float32]
    features: NDArray[np.float32]
    perceptual: Any


class Looker:
    """Looks at the pictures of one person, and only once at one that does not change."""

    def __init__(self, networks: Networks, identity: NDArray[np.float32]) -> None:
        """Args: identity: [n_id] of the person."""
        self._networks = networks
        self._identity = identity
        self._last: Look | None = None

    def look(self, picture_rgb: NDArray[np.uint8], points: NDArray[np.float32], *, perceptual: bool) -> Look:
        """Looks at a picture.

        Args:
            picture_rgb: uint8 [256, 256, 3]; the same array as before gives the same answer.
            points: float32 [478, 3], where the face is, in pixels.
            perceptual: whether the perceptual features are wanted.
        """
        look = self._last
        if look is None or look.picture_rgb is not picture_rgb:
            look = self._look(picture_rgb, points)
        if perceptual and self._networks.perceptual is not None and look.perceptual is None:
            look = replace(look, perceptual=self._networks.perceptual.features(picture_rgb))
        self._last = look
        return look

    def _look(self, picture_rgb: NDArray[np.uint8], points: NDArray[np.float32]) -> Look:
        inception = self._networks.inception
        return Look(
            picture_rgb,
            self._networks.reader.read(picture_rgb, self._identity),
            self._networks.embedder.embed(picture_rgb, points),
            np.empty(0, np.float32) if inception is None else inception.features(picture_rgb),
            None,
        )
