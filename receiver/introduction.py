"""What a receiver wants and can do in, the Hello that says so out."""

from importlib.metadata import version

from headgan.codec.param_code import shipped_code
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.proto.hello import DRIFT_CAPABILITY, Hello, Role
from headgan.proto.known_references import REMEMBERS
from headgan.proto.live_video import LIVE_VIDEO_CAPABILITY
from headgan.receiver.receive_settings import ReceiveSettings


def introduction(
    settings: ReceiveSettings,
    model: MorphableModel,
    sound: tuple[str, ...],
    *,
    has_photo: bool,
    remembers: bool,
) -> Hello:
    """The Hello of a receiver.

    Args:
        settings: of the call.
        model: the morphable model.
        sound: capabilities that say what of the sound is wanted.
        has_photo: whether a photograph of the user's choice is shown, and nothing of the sender's.
        remembers: whether earlier calls may have left references.
    """
    return Hello(
        role=Role.RECEIVER,
        agent=f"headgan-recv {version('headgan')}",
        rate_fps=settings.rate_fps,
        model_id=shipped_code().id_with(model.model_id),
        capabilities=(
            "gaze",
            *((DRIFT_CAPABILITY,) if settings.references > 1 else ()),
            LIVE_VIDEO_CAPABILITY,
            *((REMEMBERS,) if remembers else ()),
            *sound,
        ),
        wants_reference=not has_photo,
        # A photograph of one's own choice is not mixed with what the camera sees.
        references=1 if has_photo else settings.references,
        fuses=1 if has_photo else settings.fuses,
        picture_px=CROP_SIZE if has_photo else settings.size,
    )
