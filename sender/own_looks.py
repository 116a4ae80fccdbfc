"""What the user looked like in earlier calls in, what is offered to the next receiver out; and kept after the call.

settled look ── distances to the references that were kept ── the digests, the near ones first ──▶ Hello
held at the end ── and what was kept before, if it is of the same identity ── Contacts

A digest is that of the picture as the receiver holds it. The picture here is the camera's, like the frames of the call
that are compared with it.
"""

import logging
from collections.abc import Mapping
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from headgan.models.contacts import OWN, Contacts
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.models.view_descriptor import describe_reference
from headgan.proto.errors import DeviceError
from headgan.proto.hello import MAX_KNOWN

# A call may begin with a reference that is nearer than this to how the user looks now. Measured on 18 clips, cut in
# four: the settled picture of one part, drawn from that of another at such a distance, has 25 dB; a call's mean is 24.
NEAR = 20.0

log = logging.getLogger(__name__)


class OwnLooks:
    """The user's references, of earlier calls and of this one.

    Attributes:
        kept: those of earlier calls by digest, all of one identity, the latest first.
        offered: digests of those for this call's Hello.
        near: how many of these, from the first, look like the user does now.
    """

    def __init__(self, contacts: Contacts, model: MorphableModel, *, is_remembering: bool) -> None:
        """Reads what was kept; is_remembering: whether `keep` shall keep something."""
        self._contacts, self._model = contacts, model
        self._is_remembering = is_remembering
        self.kept = contacts.load(OWN, model.model_id)
        self.offered: tuple[bytes, ...] = ()
        self.near = 0

    def compare(self, today: ReferenceImage) -> None:
        """Chooses what to offer: nothing to somebody who looks like another person, the nearest looks first."""
        if not self.kept:
            return
        if not self._is_of(today.identity):
            log.info("the face is not the one that was remembered: no earlier picture is used")
            return
        now = describe_reference(self._model, today)
        distances = {
            digest: float(np.linalg.norm(describe_reference(self._model, kept) - now))
            for digest, kept in self.kept.items()
        }
        near = sorted((digest for digest in distances if distances[digest] < NEAR), key=distances.__getitem__)
        far = [digest for digest in distances if distances[digest] >= NEAR]
        self.offered = (*near, *far)[:MAX_KNOWN]
        self.near = min(len(near), MAX_KNOWN)

    def numbered(self, places: Mapping[int, int]) -> dict[int, tuple[bytes, ReferenceImage]]:
        """Digest and reference by number in the call; places: of each number in `offered`."""
        digests = {number: self.offered[place] for number, place in places.items()}
        return {number: (digest, self.kept[digest]) for number, digest in digests.items()}

    def keep(self, held: Mapping[bytes, ReferenceImage]) -> None:
        """Keeps what the receiver holds at the end, the latest first, before what was kept of the same identity."""
        if not self._is_remembering or not held:
            return
        identity = next(iter(held.values())).identity
        latest = {**held, **(self.kept if self._is_of(identity) else {})}
        try:
            self._contacts.keep(OWN, self._model.model_id, dict(islice(latest.items(), MAX_KNOWN)))
        except DeviceError as error:
            log.warning("this call is not remembered: %s", error)

    def _is_of(self, identity: NDArray[np.float32]) -> bool:
        """Whether what was kept is of this identity, float32 [n_id]."""
        return any(np.array_equal(kept.identity, identity) for kept in self.kept.values())
