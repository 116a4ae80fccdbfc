"""A frame whose time has come and live video in, the picture to show and its state out.

The face where it can be drawn, else the newest live video, else what was shown before.
"""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headgan.models.detail import enlarged
from headgan.receiver.display import State
from headgan.receiver.due_frames import CallFrame, DueFrame
from headgan.receiver.face_drawer import FaceDrawer


@dataclass(frozen=True, eq=False)
class ChosenPicture:
    """What to show for a frame.

    Attributes:
        picture_rgb: uint8 [256, 256, 3], or [512, 512, 3].
        state: `live` if it is the face of the frame, or why another picture is shown.
    """

    picture_rgb: NDArray[np.uint8]
    state: State


class PictureChoice:
    """Belongs to the drawing thread, but for `show_video`.

    Attributes:
        without_face: frames in which the sender saw no face.
        untrue: frames of which the sender knew that what would be drawn is not there.
        unknown_reference: frames none of whose references is held.
        guessed: pictures that stood in for frames that did not come in time.
        video_frames: pictures of live video that came.
    """

    def __init__(self, first_picture: NDArray[np.uint8], drawer: FaceDrawer) -> None:
        """Args: first_picture: uint8 [size, size, 3], held until the first frame with a face; drawer: draws faces."""
        self.without_face = 0
        self.untrue = 0
        self.unknown_reference = 0
        self.guessed = 0
        self.video_frames = 0
        self._picture, self._size = first_picture, len(first_picture)
        self._drawer = drawer
        # The newest frame of live video; of no use any more once a face is drawn.
        self._video: NDArray[np.uint8] | None = None
        self._lock = threading.Lock()

    def show_video(self, picture_rgb: NDArray[np.uint8]) -> None:
        """Takes a picture, uint8 [256, 256, 3], to show while no face can be drawn; from any thread."""
        with self._lock:
            self._video = picture_rgb if self._size == len(picture_rgb) else enlarged(picture_rgb)
            self.video_frames += 1

    def choose(self, due: DueFrame) -> ChosenPicture:
        """What to show for a frame, which may have to be drawn."""
        frame = due.item
        if frame.params is None or frame.is_untrue:
            return self._instead_of(frame)
        with self._lock:
            self._video = None
        drawn = self._drawer.draw(frame.params, frame.references, due.capture_ms, self._picture)
        if drawn is None:
            self.unknown_reference += 1
            return ChosenPicture(self._picture, "held")
        self._picture = drawn
        self.guessed += frame.is_guessed
        return ChosenPicture(drawn, "live")

    def _instead_of(self, frame: CallFrame) -> ChosenPicture:
        """What is shown for a frame of which no face is drawn: live video, if there is any."""
        self.without_face += frame.params is None
        self.untrue += frame.is_untrue
        with self._lock:
            video = self._video
        if video is not None:
            self._picture = video
            return ChosenPicture(video, "video")
        return ChosenPicture(self._picture, "no face" if frame.params is None else "held")
