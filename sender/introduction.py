"""What a sender has and can do in, the Hello that says so out."""

from importlib.metadata import version

from headgan.codec.param_code import shipped_code
from headgan.codec.params import identity_to_bytes
from headgan.models.morphable import MorphableModel
from headgan.proto.hello import DRIFT_CAPABILITY, Hello, Role
from headgan.sender.call_beginning import CallBeginning
from headgan.sender.own_looks import OwnLooks
from headgan.sender.send_settings import SendSettings


def introduction(
    settings: SendSettings,
    model: MorphableModel,
    beginning: CallBeginning,
    own: OwnLooks | None,
    sound: tuple[str, ...],
) -> Hello:
    """The Hello of a sender.

    Args:
        settings: of the call.
        model: the morphable model.
        beginning: what the call begins with.
        own: what the caller looked like in earlier calls, compared with how it looks now; or None.
        sound: capabilities that say what of the sound is sent.
    """
    return Hello(
        role=Role.SENDER,
        agent=f"headgan-send {version('headgan')}",
        rate_fps=settings.rate_fps,
        model_id=shipped_code().id_with(model.model_id),
        identity=identity_to_bytes(beginning.reference.identity),
        # With one picture a call is as the paper has it.
        capabilities=(
            "gaze",
            *((DRIFT_CAPABILITY,) if settings.references > 1 else ()),
            *sound,
        ),
        references=settings.references,
        known=own.offered if own else (),
        near=own.near if own else 0,
        picture_px=max(beginning.firsts),
    )
