"""The sizes and the options of the networks, as frozen dataclasses: `PAPER`, the published ones, and `LIVE`."""

from dataclasses import dataclass
from typing import Literal

from headgan.proto.errors import UsageError

AUDIO_SIZE = 300
Family = Literal["paper", "live"]
Code = Literal["pncc", "landmarks"]


@dataclass(frozen=True)
class NetConfig:
    """What the generator is built of and what it is fed.

    Attributes:
        family: `paper`, SPADE blocks at the published sizes; `live`, residual blocks for two CPU cores.
        width: `paper`: channels at full resolution (the paper's ngf, 32); `live`: at an eighth, 48.
        hidden: channels between a SPADE block's condition and its scale and shift; `paper` only.
        code: what shows the face's pose, the coordinate code or a sketch of its landmarks.
        prior: whether the flow is added to the mesh's (True) or starts from nothing, as in the paper.
        flow: whether F warps at all; without it R sees the features as they lie in the reference.
        past_frames: so many earlier codes are stacked behind the new one; the paper's k.
        gaze: whether the code has a channel with the irises.
        audio: whether R listens, through AdaIN.
    """

    family: Family = "live"
    width: int = 48
    hidden: int = 256
    code: Code = "pncc"
    prior: bool = True
    flow: bool = True
    past_frames: int = 0
    gaze: bool = True
    audio: bool = True

    def __post_init__(self) -> None:
        if self.family not in ("paper", "live") or self.code not in ("pncc", "landmarks"):
            raise UsageError(
                f"network family {self.family!r}, code {self.code!r}: the families are paper and live, "
                "the codes pncc and landmarks"
            )
        if self.width < 8 or self.width % 8 or self.hidden < 1 or not 0 <= self.past_frames <= 8:
            raise UsageError(
                f"network width {self.width}, hidden {self.hidden}, past_frames {self.past_frames}: "
                "the width is a multiple of 8, hidden at least 1, past_frames 0 to 8"
            )

    @property
    def code_channels(self) -> int:
        """Channels of one frame's code: x-y-z or RGB, and the irises."""
        return 3 + self.gaze

    @property
    def driving_channels(self) -> int:
        """Channels of the driving code, newest frame first."""
        return self.code_channels * (1 + self.past_frames)


PAPER = NetConfig(family="paper", width=32, prior=False, past_frames=2, gaze=False)
LIVE = NetConfig()
