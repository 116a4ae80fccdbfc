"""What a sender knows of the receiver's memory: what came from earlier calls, what is held, what was given up."""

from collections.abc import Callable
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import EXPRESSION_SIZE, GAZE_SIZE, FaceParams
from headgan.codec.picture_coder import CodedPicture, PictureDecoder, PictureEncoder
from headgan.models.contacts import reference_digest
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import ReferenceImage
from headgan.sender.analysis import AnalysedFrame
from headgan.sender.memory_filler import Begin, MemoryFiller, Shipment, at_once

MODEL = MorphableModel.load()
IDENTITY = np.zeros(MODEL.identity_size, np.float32)


def face() -> FaceParams:
    camera = np.array([1, 0, 0, 0, 0.35, 0, 0], np.float32)
    return FaceParams(np.zeros(EXPRESSION_SIZE, np.float32), camera, np.zeros(GAZE_SIZE, np.float32))


def picture(light: int) -> NDArray[np.uint8]:
    ramp = np.linspace(light, light + 50, 256).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(ramp[:, None, None], (256, 256, 3)))


def looks(light: int) -> ReferenceImage:
    return ReferenceImage(picture(light), IDENTITY, face())


class Scene:
    """A filler, and frames in any light, a second apart."""

    def __init__(self, *known: tuple[int, int], capacity: int = 3, begin: Begin = at_once) -> None:
        """Args: known: number and light of each."""
        self.prepared: list[ReferenceImage] = []
        encoder = PictureEncoder()
        coded = encoder.encode(picture(0))
        numbered = {number: (bytes([light]), looks(light)) for number, light in known}
        self.filler = MemoryFiller(
            MODEL,
            looks(0),
            encoder,
            coded,
            capacity=capacity,
            kbps=1000.0,
            known=numbered,
            begin=begin,
            prepare=self.prepared.append,
        )
        self._now_ms = 0.0

    def frame(self, light: int) -> tuple[int, Shipment | None]:
        """What it is drawn from, and what is sent."""
        self._now_ms += 1000
        (used,), shipment = self.filler.look(AnalysedFrame(picture(light), face()), self._now_ms)
        return used, shipment

    def lights(self) -> list[int]:
        return [int(held.picture_rgb[0, 0, 0]) for held in self.filler.references().values()]


def test_a_call_that_begins_with_what_is_known_sends_no_first_picture() -> None:
    scene = Scene((0, 5), (1, 60))
    assert (scene.filler.known, scene.filler.sent, scene.filler.first_bytes) == (2, 0, 0)
    assert scene.frame(60) == (0, None)  # the other one is not held yet
    scene.filler.answered(1, is_held=True)
    assert scene.frame(60) == (1, None)
    assert scene.frame(5) == (0, None)
    _, shipment = scene.frame(150)
    assert shipment is not None and (shipment.number, shipment.replaces) == (2, None)
    # It begins a chain.
    assert PictureDecoder().decode(shipment.reference.image).shape == (256, 256, 3)
    assert list(scene.filler.references()) == [bytes([60]), bytes([5])]


def test_what_was_sent_is_kept_under_the_digest_of_what_the_receiver_sees() -> None:
    scene = Scene()
    assert scene.filler.sent == 1 and scene.filler.first_bytes > 200
    _, shipment = scene.frame(150)
    assert shipment is not None
    assert scene.lights() == [0]
    scene.filler.answered(1, is_held=True)
    assert scene.lights() == [150, 0]
    decoder = PictureDecoder()
    first = decoder.decode(PictureEncoder().encode(picture(0)).data)
    seen = [decoder.decode(shipment.reference.image), first]
    assert list(scene.filler.references()) == [
        reference_digest(ReferenceImage(picture_rgb, IDENTITY, face())) for picture_rgb in seen
    ]


def test_what_was_given_up_is_kept_only_if_its_successor_was_refused() -> None:
    scene = Scene((1, 60), capacity=2)
    scene.filler.answered(1, is_held=True)
    for light in (150, 150, 150, 150):
        _, shipment = scene.frame(light)
        if shipment is not None:
            break
    assert shipment is not None and shipment.replaces is not None
    number = shipment.number
    scene.filler.answered(number, is_held=False)
    assert sorted(scene.lights()) == [0, 60]
    for _ in range(9):
        if (shipment := scene.frame(150)[1]) is not None:
            break
    assert shipment is not None and shipment.number > number
    scene.filler.answered(shipment.number, is_held=True)
    assert len(scene.lights()) == 2 and scene.lights()[0] == 150


def test_frames_go_on_while_a_picture_is_coded() -> None:
    begun: list[tuple[Callable[[], CodedPicture], Future[CodedPicture]]] = []

    def later(work: Callable[[], CodedPicture]) -> Future[CodedPicture]:
        begun.append((work, Future()))
        return begun[-1][1]

    scene = Scene(begin=later)
    assert scene.frame(150) == (0, None)
    assert scene.frame(200) == (0, None)
    ((work, future),) = begun
    assert (scene.filler.sent, scene.filler.sent_bytes, scene.prepared) == (1, 0, [])
    future.set_result(work())
    used, shipment = scene.frame(200)
    assert used == 0 and shipment is not None and shipment.number == 1
    assert (scene.filler.sent, len(begun)) == (2, 1)
    scene.filler.answered(1, is_held=True)
    assert scene.frame(150) == (1, None)
    # What a frame is drawn from was prepared before.
    assert scene.prepared == [scene.filler.reference(1)]
    assert int(scene.prepared[0].picture_rgb[0, 0, 0]) == 150
