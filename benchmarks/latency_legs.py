"""What two sides of a call noted of each frame in, where each of its milliseconds went out.

            taken   analysed   drift found   planned   encoded   sent      arrived   read    due    drawn    shown
    capture ──┴───────┴────────────┴────────────┴─────────┴────────┴──────────┴───────┴───────┴───────┴────────┴──
      queue   track, fit   drift     references    encode   bundle wait  network  decode  jitter wait  draw  hand-over

Frames are joined by when they were captured, which goes with them from camera to display. Both sides read one clock,
that of the machine on which they both run.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headgan.codec.stage_times import percentiles
from headgan.proto.errors import HeadganError

Row = Mapping[str, float]
# Each leg ends with a moment and begins with the one before; the first with the capture.
_ENDS = {
    "analysis queue": "taken",
    "analysis": "analysed",
    "drift": "drift found",
    "references": "planned",
    "encode": "encoded",
    "bundle wait": "sent",
    "network": "arrived",
    "decode": "read",
    "jitter wait": "due",
    "draw": "drawn",
    "hand-over": "shown",
}
# Parts of the analysis, which is measured by their durations; what is left of it is told with them.
_PARTS = ("track", "crop", "fit")
LEGS = ("analysis queue", *_PARTS, "rest of the analysis", *list(_ENDS)[2:])
TOTAL = "capture to display"
# A frame whose legs do not add up to what the receiver itself says of it would be a wrong account.
# Its clock and the sender's are compared over the network, in whole milliseconds, while both sides are busy.
_DISAGREE_MS, _DISAGREE_SHARE = 10.0, 0.1


def join_rows(sent: Sequence[Row], shown: Sequence[Row]) -> list[dict[str, float]]:
    """Milliseconds of each leg, and of all, for each frame that both sides know from beginning to end."""
    known = {int(row["capture_ms"]): row for row in sent}
    frames = []
    for row in shown:
        both = {**known.get(int(row["capture_ms"]), {}), **row}
        if all(moment in both for moment in _ENDS.values()) and all(part in both for part in _PARTS):
            frames.append(_legs_of(both))
    return frames


def _legs_of(moments: Row) -> dict[str, float]:
    legs: dict[str, float] = {}
    # Captures are modulo 2**32, and whole milliseconds: a frame may be taken a little before its own.
    queued_ms = (moments["taken"] - moments["capture_ms"] + 2**31) % 2**32 - 2**31
    first = before = moments["taken"] - queued_ms
    for leg, end in _ENDS.items():
        legs[leg] = moments[end] - before
        before = moments[end]
    analysis = legs.pop("analysis")
    legs |= {part: moments[part] for part in _PARTS}
    legs["rest of the analysis"] = analysis - sum(legs[part] for part in _PARTS)
    return {**{leg: legs[leg] for leg in LEGS}, TOTAL: before - first}


def check_legs(frames: Sequence[Row], latency_ms: Mapping[str, Any]) -> None:
    """Compares with what the receiver says of the whole, by the clocks that the two sides compared over the network.

    Raises:
        HeadganError: no frame is known to both, one went backwards, or the two accounts differ.
    """
    if not frames:
        raise HeadganError("no frame of the call is known to both sides; was anything shown?")
    backwards = [leg for leg in LEGS if min(frame[leg] for frame in frames) < -1.0]
    if backwards:
        raise HeadganError(
            f"the clocks of the two sides disagree: {', '.join(backwards)} took less than no time"
        )
    ours, theirs = float(np.median([frame[TOTAL] for frame in frames])), latency_ms["p50"]
    if theirs is None or abs(ours - theirs) > _DISAGREE_MS + _DISAGREE_SHARE * ours:
        raise HeadganError(f"the legs of a frame take {ours:.1f} ms, but the receiver says {theirs} ms")


def summarise_legs(frames: Sequence[Row]) -> dict[str, dict[str, float | None]]:
    """Mean, median and 95th percentile of each leg and of all, in milliseconds; the means add up."""
    return {
        leg: {
            "mean": round(float(np.mean([frame[leg] for frame in frames])), 2),
            **percentiles(frame[leg] for frame in frames),
        }
        for leg in (*LEGS, TOTAL)
    }
