"""What both sides agreed on and the user's settings in, the planner of this call's frames out."""

from collections.abc import Callable

from headgan.models.drift_finder import DriftFinder
from headgan.models.generator import Generator
from headgan.models.morphable import MorphableModel
from headgan.models.quiet_worker import QuietWorker
from headgan.proto.live_video import LIVE_VIDEO_CAPABILITY
from headgan.proto.session import Session
from headgan.sender.call_beginning import CallBeginning
from headgan.sender.closed_loop import ClosedLoop
from headgan.sender.frame_plan import FramePlanner
from headgan.sender.live_video import LiveVideo
from headgan.sender.memory_filler import MemoryFiller
from headgan.sender.own_looks import OwnLooks
from headgan.sender.send_settings import SendSettings


def open_planner(
    session: Session,
    beginning: CallBeginning,
    own: OwnLooks | None,
    *,
    model: MorphableModel,
    settings: SendSettings,
    open_generator: Callable[[], Generator] | None,
    clock_ms: Callable[[], float],
) -> FramePlanner:
    """What this receiver can make use of; nothing where it shows a picture of its own.

    Args:
        session: both Hellos came.
        beginning: what the call began with.
        own: what the caller looked like in earlier calls, or None.
        model: the morphable model.
        settings: of the call.
        open_generator: what draws for the receiver, to check what it shows; None does without that.
        clock_ms: the clock of the call.
    """
    hello = session.agreed.peer
    if hello is None or not hello.wants_reference:
        return FramePlanner()
    loop = live = None
    if open_generator is not None:
        loop = ClosedLoop(model, open_generator, clock_ms)
    if settings.fallback_kbps and LIVE_VIDEO_CAPABILITY in hello.capabilities:
        live = LiveVideo(settings.fallback_kbps)
    drift = beginning.drift if session.agreed.has_drift else None
    quiet = QuietWorker()
    filler = _open_filler(session, beginning, own, quiet, drift, model, settings.reference_kbps)
    return FramePlanner(beginning.reference, filler, loop, live, drift, quiet)


def _open_filler(
    session: Session,
    beginning: CallBeginning,
    own: OwnLooks | None,
    quiet: QuietWorker,
    drift: DriftFinder | None,
    model: MorphableModel,
    kbps: float,
) -> MemoryFiller | None:
    """What fills the receiver's memory; None where that holds one picture only."""
    agreed = session.agreed
    first = beginning.firsts[agreed.picture_px]
    if agreed.references == 1 or first.encoder is None or first.coded is None:
        return None
    return MemoryFiller(
        model,
        beginning.reference,
        first.encoder,
        first.coded,
        capacity=agreed.references,
        kbps=kbps,
        fuses=agreed.fuses,
        known=own.numbered(session.known) if own else {},
        has_drift=agreed.has_drift,
        begin=quiet.begin,
        prepare=drift.prepare if drift else None,
    )
