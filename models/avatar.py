"""A picture of a person in, a person who can be posed and given expressions out.

picture ── Portrait ── ReferenceImage ── Reconstructor ── draw, edit, frontal
"""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.detail import check_size, enlarged
from headgan.models.face_edit import FaceEdit, apply_edit
from headgan.models.generator import Generator, OnnxGenerator
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.models.portrait import Portrait, find_portrait, read_portrait
from headgan.models.pose_edit import HeadPose, facing_front, head_pose
from headgan.models.reconstruct import Reconstructor, ReferenceImage


class Avatar:
    """One person, to be drawn from one picture. Not thread-safe."""

    def __init__(
        self,
        model: MorphableModel,
        generator: Generator,
        reference: ReferenceImage,
        size: int = CROP_SIZE,
    ) -> None:
        """Args: generator: avatars may share one; size: of what is drawn, 256 or 512."""
        self.size = size
        self._model = model
        self._reference = reference
        self._listens = generator.needs("audio")
        self._reconstructor = Reconstructor(model, generator, reference, size)

    @classmethod
    def from_picture(
        cls,
        picture: Path | str | NDArray[np.uint8],
        *,
        crop: str = "auto",
        generator: Path | None = None,
        provider: str = "auto",
        size: int = CROP_SIZE,
    ) -> Self:
        """The person in a picture.

        Args:
            picture: a file of any format that OpenCV reads, or uint8 [H, W, 3] RGB, upright.
            crop: `auto` for head and shoulders, `none` for the largest square, or `x,y,size` in pixels.
            generator: another generator than the one that ships, as ONNX.
            provider: `auto`, `cpu`, `openvino`, `cuda` or `tensorrt`.
            size: side of what is drawn, 256, or 512 with the detail that the picture has.

        Raises:
            DeviceError: the file is missing or no picture.
            FaceError: there is no face, or more than one and none dominates.
            ModelError: a model file is missing or damaged.
            UsageError: the crop or the provider cannot be used.
            ValueError: the array is no picture.
        """
        if isinstance(picture, np.ndarray):
            if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
                raise ValueError(f"the picture is {picture.dtype} {picture.shape}, need uint8 [H, W, 3]")
            portrait = find_portrait(picture, crop=crop)
        else:
            portrait = read_portrait(Path(picture), crop=crop, option="picture")
        return cls.from_portrait(portrait, generator=generator, provider=provider, size=size)

    @classmethod
    def from_portrait(
        cls,
        portrait: Portrait,
        *,
        generator: Path | None = None,
        provider: str = "auto",
        size: int = CROP_SIZE,
    ) -> Self:
        """The person in a portrait; see `from_picture`."""
        check_size(size)
        model = MorphableModel.load()
        opened = OnnxGenerator(generator, provider=provider, in_halves=size > CROP_SIZE)
        return cls(model, opened, portrait.as_reference(model), size)

    @property
    def picture_rgb(self) -> NDArray[np.uint8]:
        """Uint8 [size, size, 3]: head and shoulders as they are in the picture."""
        if self.size == CROP_SIZE:
            return self._reference.picture_rgb
        return enlarged(self._reference.largest_rgb)

    @property
    def params(self) -> FaceParams:
        """Where and how the face is in the picture."""
        return self._reference.params

    @property
    def pose(self) -> HeadPose:
        """How the head is turned in the picture."""
        return head_pose(self.params)

    @property
    def listens(self) -> bool:
        """Whether what is heard makes a difference to what is drawn."""
        return self._listens

    def draw(self, params: FaceParams, audio: NDArray[np.float32] | None = None) -> NDArray[np.uint8]:
        """Uint8 [size, size, 3]: the person with the expression, pose and gaze of `params`.

        Args:
            params: of the face.
            audio: float32 [300], what is heard (`headgan.models.speech`); None if nothing is known.
        """
        return self._reconstructor.draw(params, audio=audio)

    def edit(self, edit: FaceEdit | None = None, /, **changes: float) -> NDArray[np.uint8]:
        """Uint8 [size, size, 3]: the picture with changes made to it.

        Args:
            edit: changes, none if left out.
            changes: more of them by name, as in `FaceEdit.with_value`: `yaw=20`, `mouthLeft=0.5`, `expression3=2`.

        Raises:
            UsageError: a value is beyond its limits, a name unknown, or a blendshape cannot be drawn.
        """
        edit = edit or FaceEdit()
        for name, value in changes.items():
            edit = edit.with_value(name, value)
        return self.draw(apply_edit(self._model, self.params, edit))

    def frontal(self) -> NDArray[np.uint8]:
        """Uint8 [size, size, 3]: the person looking into the camera, with the expression of the picture."""
        return self.draw(facing_front(self.params))
