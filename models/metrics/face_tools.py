"""What finds and models faces in clips, made when it is first asked for: kept results need none of it."""

from functools import cached_property

from headgan.models.morphable import MorphableModel
from headgan.models.tracker import MediaPipeTracker


class FaceTools:
    """Of one command."""

    @cached_property
    def model(self) -> MorphableModel:
        """The one that ships."""
        return MorphableModel.load()

    @cached_property
    def tracker(self) -> MediaPipeTracker:
        """For one clip after the other."""
        return MediaPipeTracker()
