"""A message that may not come now in, the WireError that ends the call for it out; of those between Hello and Bye."""

from headgan.proto.control import RefreshWanted
from headgan.proto.errors import WireError
from headgan.proto.live_video import VideoPiece
from headgan.proto.reference_messages import (
    ReferenceChunk,
    ReferenceHeld,
    ReferenceKnown,
    ReferenceMore,
    ReferenceReady,
    ReferenceStart,
)

ToReceiver = ReferenceStart | ReferenceChunk | ReferenceMore | VideoPiece
ToSender = ReferenceKnown | ReferenceReady | ReferenceHeld | RefreshWanted


def out_of_place(message: ToReceiver | ToSender, *, is_streaming: bool) -> WireError:
    """What is wrong with it, on either side; is_streaming: whether the receiver was ready."""
    match message:
        case ReferenceReady():
            why = " from a sender, or twice"
        case ReferenceHeld() | RefreshWanted():
            why = " from a sender, or before ReferenceReady"
        case ReferenceKnown():
            why = ", but nothing was asked, or twice"
        case VideoPiece():
            why = ", but this call has no video now"
        case ReferenceStart():
            why = ", but no reference was asked for"
        case ReferenceChunk() if not is_streaming:
            why = ", but no reference was asked for"
        case ReferenceMore() | ReferenceChunk():
            why = ", but this call has no more references now"
    return WireError(f"{type(message).__name__} came{why}")
