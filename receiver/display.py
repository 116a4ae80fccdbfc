"""What every display shows: the newest picture, the state of the call, and its numbers as short texts."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

State = Literal["waiting", "live", "no face", "held", "video", "no connection", "ended"]
Frame = npt.NDArray[np.uint8]

STATE_TEXTS: dict[State, str] = {
    "waiting": "Waiting for a call",
    "live": "Live",
    "no face": "No face: holding the last picture",
    "held": "Cannot be drawn now: holding the last picture",
    "video": "Live video, at a low rate",
    "no connection": "No connection: holding the last picture",
    "ended": "Call ended",
}


@dataclass(frozen=True)
class ViewerStats:
    """The state of the call and its numbers, as shown beside the picture.

    Attributes:
        state: what the person in front of the display has to know.
        kbps_payload: kbit/s of the call's own messages.
        kbps_wire: kbit/s with everything the network adds to them.
        fps: pictures shown a second.
        latency_ms: from the camera to this display; None where it is not known.
        provider: what runs the network, such as "CPU".
    """

    state: State
    kbps_payload: float = 0.0
    kbps_wire: float = 0.0
    fps: float = 0.0
    latency_ms: float | None = None
    provider: str = ""


class Display(Protocol):
    """Something that a call can be watched on."""

    def publish(self, frame_rgb: Frame | None, stats: ViewerStats) -> None:
        """Shows the picture, uint8 [H, W, 3] RGB (None: keep the last one); never blocks, newest wins."""

    @property
    def is_closed(self) -> bool:
        """Whether the user closed it, which ends the call."""


def number_texts(stats: ViewerStats) -> list[str]:
    """The numbers worth showing in this state, such as "4.1 kbit/s" and "25 fps"."""
    if stats.state in ("waiting", "no connection", "ended"):
        return []
    texts = [f"{stats.kbps_payload:.1f} kbit/s", f"{stats.kbps_wire:.1f} on the wire", f"{stats.fps:.0f} fps"]
    if stats.latency_ms is not None:
        texts.append(f"{stats.latency_ms:.0f} ms delay")
    return [*texts, stats.provider] if stats.provider else texts


def short_text(state: State) -> str:
    """The state in a few words, such as "No connection", where there is no room for what follows from it."""
    return STATE_TEXTS[state].partition(":")[0]


def check_frame(frame_rgb: Frame) -> None:
    """Raises ValueError unless `frame_rgb` is uint8 [H, W, 3] and not empty."""
    if frame_rgb.dtype != np.uint8 or frame_rgb.ndim != 3 or frame_rgb.shape[2] != 3 or not frame_rgb.size:
        raise ValueError(f"picture is {frame_rgb.dtype} {frame_rgb.shape}, need uint8 [H, W, 3]")
