"""What a sender made of a clip in, files of a folder out, and back: what a receiver is measured with.

packets.json      the packets in their order, as they travel
references.npz    pictures and faces of the references, by their numbers
crops.rgb         uint8 [N, 256, 256, 3], what the camera saw
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams
from headgan.models.pncc import CROP_SIZE
from headgan.models.reconstruct import ReferenceImage

Picture = NDArray[np.uint8]
# What a call has; and how many frames caches and clocks of the processor are given first.
RATE_FPS = 25.0
WARM_UP = 20
_CROPS, _PACKETS = "crops.rgb", "packets.json"
_SHAPE = (CROP_SIZE, CROP_SIZE, 3)


@dataclass(frozen=True, eq=False)
class SentClip:
    """A clip as it travels.

    Attributes:
        packets: each a message of the channel `params`, one frame each.
        references: by their numbers.
    """

    packets: Sequence[bytes]
    references: Mapping[int, ReferenceImage]

    def write(self, folder: Path) -> None:
        """Leaves all but the crops in `folder`."""
        numbers = list(self.references)
        images = list(self.references.values())
        np.savez(
            folder / "references.npz",
            numbers=np.array(numbers),
            pictures=np.stack([image.picture_rgb for image in images]),
            identity=images[0].identity,
            params=np.stack([image.params.to_array() for image in images]),
            drifts=np.stack([image.params.drift for image in images]),
        )
        (folder / _PACKETS).write_text(json.dumps([packet.hex() for packet in self.packets]))

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Whether a whole one lies there."""
        return (folder / _PACKETS).exists()

    @staticmethod
    def begin(folder: Path) -> None:
        """Forgets what lies there: until the next one is whole, there is none."""
        (folder / _PACKETS).unlink(missing_ok=True)
        CropFile(folder).clear()

    @classmethod
    def read(cls, folder: Path) -> "SentClip":
        """What `write` left."""
        packets = [bytes.fromhex(text) for text in json.loads((folder / _PACKETS).read_text())]
        with np.load(folder / "references.npz") as kept:
            faces = zip(kept["params"], kept["drifts"], strict=True)
            params = [replace(FaceParams.from_array(values), drift=drift) for values, drift in faces]
            images = [
                ReferenceImage(picture, kept["identity"], face)
                for picture, face in zip(kept["pictures"], params, strict=True)
            ]
            references = dict(zip(kept["numbers"].tolist(), images, strict=True))
        return cls(packets, references)


class CropFile:
    """Pictures of a clip on the disk, so that a process that is measured does not hold them."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _CROPS

    def clear(self) -> None:
        """Forgets what is there."""
        self._path.unlink(missing_ok=True)

    def append(self, picture: Picture) -> None:
        """Adds the next one."""
        with self._path.open("ab") as file:
            file.write(picture.tobytes())

    def read(self, place: int) -> Picture:
        """The one at `place`."""
        count = int(np.prod(_SHAPE))
        return np.fromfile(self._path, np.uint8, count, offset=place * count).reshape(_SHAPE)
