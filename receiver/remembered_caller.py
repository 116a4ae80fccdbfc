"""A sender's offer in, the references of earlier calls with it out; and at the end those of this call, to be kept."""

import asyncio
import logging
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from headgan.models.contacts import Contacts, reference_digest
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.proto.errors import DeviceError
from headgan.proto.hello import Hello
from headgan.proto.link import Link

log = logging.getLogger(__name__)


class RememberedCaller:
    """Who calls, among the contacts.

    Attributes:
        known: how many of the sender's references were here when the call began.
    """

    def __init__(self, contacts: Contacts | None, model: MorphableModel, name: str | None) -> None:
        """Reads nothing yet.

        Args:
            contacts: what earlier calls left; None to begin every call anew.
            model: the morphable model.
            name: under which this call is kept, or None.
        """
        self.known = 0
        self._contacts = contacts
        self._model = model
        self._name = name

    @property
    def can_recall(self) -> bool:
        """Whether the sender may ask what is known of it."""
        return self._contacts is not None

    async def recall(
        self, sender: Hello, identity: NDArray[np.float32], link: Link
    ) -> dict[int, ReferenceImage]:
        """Tells the sender which of its references are still here; returns them by their numbers in this call."""
        if self._contacts is None:
            raise ValueError("a receiver without contacts is not asked")
        name, found = await asyncio.to_thread(
            self._contacts.find, sender.known, identity, self._model.model_id
        )
        if link.session.is_over:
            return {}
        link.tell_known(found)
        recalled = {number: found[place] for number, place in link.session.known.items()}
        self.known = len(recalled)
        if recalled:
            log.info("this caller is remembered as %s: %d references are here", name, len(recalled))
        return recalled

    def keep(
        self, sender: Hello, identity: NDArray[np.float32], references: Iterable[ReferenceImage]
    ) -> None:
        """Keeps what was held at the end of a call that showed something; tells the user why where it does not."""
        name = self._name
        if name is None or self._contacts is None:
            return
        if sender.references == 1:
            log.info("%s is not remembered: that side sends one picture only", name)
            return
        if self._contacts.is_of_another(name, identity, self._model):
            log.warning(
                "this call is not remembered: %s is another person, who is kept as before; "
                "give --remember another name, or forget that person with headgan contacts --delete %s",
                name,
                name,
            )
            return
        try:
            kept = {reference_digest(reference): reference for reference in references}
            self._contacts.keep(name, self._model.model_id, kept)
        except DeviceError as error:
            log.warning("this call is not remembered: %s", error)
