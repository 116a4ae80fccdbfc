"""References of a person in, a folder that keeps them until the next call out; and back, exact to the bit.

    contacts/NAME/       of somebody who called, where the receiver was asked to remember
    own/                 of the user, who calls: the same as the camera saw it, before it was coded
        index.json       identity, and the parameters of each picture
        DIGEST.png       a picture, named after all that makes the reference on the receiver's side

The pictures are there before the index that names them takes the old one's place, in one step, and those that no index
names any more go afterwards: a crash leaves what was or what is new. Only the user may read them.
"""

import hashlib
import json
import logging
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import FaceParams, identity_to_bytes, parse_identity
from headgan.models.detail import SIZES
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.models.user_folders import data_folder
from headgan.proto.errors import DeviceError, UsageError, WireError
from headgan.proto.hello import DIGEST_BYTES

OWN = "own"
_FORMAT = 1
_INDEX = "index.json"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
# Two estimates of an identity are of two people if their correlation, component by component in units of the model's
# deviations, is below this. Measured on 17 clips of 13 people, cut in four: so are 98 of 100 pairs of different people,
# 11 of 100 pairs of parts of one clip, and 5 of 100 of two clips of one person.
_MIN_CORRELATION = 0.4

log = logging.getLogger(__name__)


def reference_digest(reference: ReferenceImage) -> bytes:
    """16 bytes that stand for identity, parameters and picture: equal where all of them are, to the bit."""
    parts = (
        identity_to_bytes(reference.identity),
        reference.params.to_bytes(),
        reference.picture_rgb.tobytes(),
    )
    return hashlib.sha256(b"".join(parts)).digest()[:DIGEST_BYTES]


def check_name(name: str) -> None:
    """Raises UsageError unless a contact can have the name: it becomes that of a folder."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"contact {name!r}: a name has 1 to 40 letters, digits, - and _")
    if name.lower() == OWN:
        raise UsageError(f"contact {name!r}: this is where your own pictures are; give another name")


@dataclass(frozen=True, eq=False)
class Contact:
    """What is known of a person without looking at a picture.

    Attributes:
        name: the user's name for the person.
        model_id: of the morphable model that identity and parameters belong to.
        identity: float32 [n_id].
        params: of each reference by its digest, the latest first.
    """

    name: str
    model_id: bytes
    identity: NDArray[np.float32]
    params: dict[bytes, FaceParams]


class Contacts:
    """All that is remembered. What is damaged is told as a warning and ignored."""

    def __init__(self, folder: Path | None = None) -> None:
        """Args: folder: another place than `data_folder`."""
        self._root = data_folder() if folder is None else folder

    def names(self) -> tuple[str, ...]:
        """Of all that is kept, `own` first."""
        found = sorted(index.parent.name for index in (self._root / "contacts").glob(f"*/{_INDEX}"))
        own = (OWN,) if (self._folder(OWN) / _INDEX).exists() else ()
        return (*own, *(name for name in found if _NAME.fullmatch(name)))

    def read(self, name: str) -> Contact | None:
        """What is known of a person; None if there is nothing, or it is damaged."""
        path = self._folder(name) / _INDEX
        try:
            index = json.loads(path.read_text())
            if index["format"] != _FORMAT:
                raise ValueError(f"format {index['format']} is unknown")
            identity = bytes.fromhex(index["identity"])
            params = {
                bytes.fromhex(reference["digest"]): FaceParams.parse(bytes.fromhex(reference["params"]))
                for reference in index["references"]
            }
            model_id = bytes.fromhex(index["model_id"])
            return Contact(name, model_id, parse_identity(identity, len(identity) // 4), params)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, WireError) as error:
            log.warning(
                "%s is damaged and not used (%s); headgan contacts --delete %s removes it", path, error, name
            )
            return None

    def reference(self, contact: Contact, digest: bytes) -> ReferenceImage | None:
        """One reference of a contact that was read; None if it is damaged."""
        path = self._folder(contact.name) / f"{digest.hex()}.png"
        try:
            picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        except (OSError, cv2.error):
            picture = None
        if picture is not None and picture.shape in ((size, size, 3) for size in SIZES):
            picture_rgb = np.ascontiguousarray(picture[..., ::-1], np.uint8)
            reference = ReferenceImage.of_picture(picture_rgb, contact.identity, contact.params[digest])
            if contact.name == OWN or reference_digest(reference) == digest:
                return reference
        log.warning("%s is damaged and not used", path)
        return None

    def load(self, name: str, model_id: bytes) -> dict[bytes, ReferenceImage]:
        """All references of a person by digest, the latest first; none if they are of another morphable model."""
        contact = self.read(name)
        if contact is None or contact.model_id != model_id:
            return {}
        found = {digest: self.reference(contact, digest) for digest in contact.params}
        return {digest: reference for digest, reference in found.items() if reference is not None}

    def find(
        self, offered: Sequence[bytes], identity: NDArray[np.float32], model_id: bytes
    ) -> tuple[str, dict[int, ReferenceImage]]:
        """Who of the contacts has most of the offered digests, and these references by their places in the offer.

        Args:
            offered: digests, from the network.
            identity: float32 [n_id] that the caller claims.
            model_id: of the morphable model.
        """
        best: Contact | None = None
        matches = 0
        for name in self.names():
            contact = None if name == OWN else self.read(name)
            if contact is None or contact.model_id != model_id:
                continue
            count = sum(digest in contact.params for digest in offered)
            if count > matches and np.array_equal(contact.identity, identity):
                best, matches = contact, count
        if best is None:
            return "", {}
        found = {
            place: self.reference(best, digest)
            for place, digest in enumerate(offered)
            if digest in best.params
        }
        return best.name, {place: reference for place, reference in found.items() if reference is not None}

    def is_of_another(self, name: str, identity: NDArray[np.float32], model: MorphableModel) -> bool:
        """Whether what is kept under `name` is evidently of another person than `identity`, float32 [n_id], is of.

        A sender that remembers nothing estimates its identity anew for each call: two may be of one person.
        """
        contact = self.read(name)
        if contact is None or contact.model_id != model.model_id:
            return False
        if np.array_equal(contact.identity, identity):
            return False
        kept, claimed = contact.identity / model.identity_std, identity / model.identity_std
        lengths = max(float(np.linalg.norm(kept) * np.linalg.norm(claimed)), 1e-6)
        return float(kept @ claimed) / lengths < _MIN_CORRELATION

    def check_writable(self) -> None:
        """Raises DeviceError now rather than after the call if nothing can be kept."""
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._root):
                pass
        except OSError as exc:
            raise DeviceError(f"nothing can be remembered in {self._root}: {exc.strerror}") from exc

    def keep(self, name: str, model_id: bytes, references: Mapping[bytes, ReferenceImage]) -> None:
        """Keeps references in place of what was kept under `name`.

        Args:
            name: of the person, or `OWN`.
            model_id: of the morphable model.
            references: one or more of one identity by digest, the latest first.

        Raises:
            DeviceError: they cannot be written; what was kept before still is.
        """
        folder = self._folder(name)
        identity = next(iter(references.values())).identity
        index = {
            "format": _FORMAT,
            "model_id": model_id.hex(),
            "identity": identity_to_bytes(identity).hex(),
            "references": [
                {"digest": digest.hex(), "params": reference.params.to_bytes().hex()}
                for digest, reference in references.items()
            ],
        }
        try:
            for level in (self._root, folder.parent, folder):
                level.mkdir(mode=0o700, parents=True, exist_ok=True)
            pictures = {f"{digest.hex()}.png": reference for digest, reference in references.items()}
            for file, reference in pictures.items():
                _, png = cv2.imencode(".png", reference.largest_rgb[..., ::-1])
                _replace(folder / file, png.tobytes())
            _replace(folder / _INDEX, json.dumps(index, indent=1).encode())
            for path in folder.iterdir():
                if path.name not in (*pictures, _INDEX):
                    path.unlink()
        except OSError as exc:
            raise DeviceError(f"{folder} cannot be written: {exc.strerror}") from exc

    def size_bytes(self, name: str) -> int:
        """What it takes on the disk."""
        return sum(path.stat().st_size for path in self._folder(name).iterdir())

    def last_call_s(self, name: str) -> float:
        """When it was kept, in seconds since 1970."""
        return (self._folder(name) / _INDEX).stat().st_mtime

    def delete(self, name: str) -> None:
        """Forgets a person.

        Raises:
            UsageError: nothing is kept under this name.
            DeviceError: it cannot be deleted.
        """
        if not _NAME.fullmatch(name) or not self._folder(name).is_dir():
            raise UsageError(f"nobody is remembered as {name!r}; headgan contacts lists those who are")
        try:
            shutil.rmtree(self._folder(name))
        except OSError as exc:
            raise DeviceError(f"{self._folder(name)} cannot be deleted: {exc.strerror}") from exc

    def _folder(self, name: str) -> Path:
        return self._root / OWN if name == OWN else self._root / "contacts" / name


def _replace(path: Path, data: bytes) -> None:
    """Writes a file, which nobody sees before it is whole."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:  # readable by the user only
        file.write(data)
    Path(file.name).replace(path)
