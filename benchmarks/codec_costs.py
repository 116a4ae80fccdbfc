"""Crops of a clip in, what a classic codec of a video call needs to encode and to decode them out.

crop, RGB ── planes ── encoder ── packet ── decoder ── planes ── picture, RGB
"""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from tqdm import tqdm

from headgan.benchmarks.half_plans import CodecPlan
from headgan.benchmarks.own_process import Cost, resident_mb, stages_of
from headgan.benchmarks.sent_clip import WARM_UP, CropFile, Picture
from headgan.codec.stage_times import StageTimes
from headgan.models.metrics.pictures import psnr
from headgan.models.pncc import CROP_SIZE
from headgan.proto.errors import HeadganError
from headgan.proto.program import monotonic_ms

_RATE = 25
_KBPS = 100
# What a call sets: one frame in, one packet out, and no more work than a laptop has the time for.
_LIVE: dict[str, tuple[str, str, dict[str, str]]] = {
    "x264": ("libx264", "h264", {"preset": "veryfast", "tune": "zerolatency"}),
    "vp8": ("libvpx", "vp8", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
}
CODECS = tuple(_LIVE)
# At that rate a face is not worse than this; otherwise something else was decoded.
_LEAST_PSNR = 25.0


def missing_codec(codec: str) -> str | None:
    """What this PyAV lacks for it; None if nothing."""
    lacking = [name for name in _LIVE[codec][:2] if name not in av.codecs_available]
    return f"this PyAV has no {', '.join(lacking)}" if lacking else None


def run_codec(plan: CodecPlan) -> dict[str, Any]:
    """Times of both directions, ready for JSON.

    Raises:
        HeadganError: it fails, or what is decoded is not what was encoded.
    """
    encoder_name, decoder_name, options = _LIVE[plan.codec]
    encoder, decoder = _open_encoder(encoder_name, options), av.CodecContext.create(decoder_name, "r")
    decoder.thread_count = 1
    crops, times = CropFile(Path(plan.folder)), StageTimes(monotonic_ms)
    sizes: list[int] = []
    quality: list[float] = []
    cost = Cost(0.0, 0.0)
    try:
        for place in tqdm(range(WARM_UP + plan.frames), desc=plan.codec, unit="frame", leave=False):
            crop = crops.read(place)
            if place == WARM_UP:
                times.clear()
                sizes.clear()
                quality.clear()
                cost = Cost(0.0, 0.0)
            before = Cost.now()
            with times.measure("encode"):
                data = _encode(encoder, crop, place)
            with times.measure("decode"):
                picture = _decode(decoder, data)
            cost = cost.plus(Cost.now().since(before))
            sizes.append(len(data))
            quality.append(psnr(picture, crop))
    except av.error.FFmpegError as exc:
        raise HeadganError(f"{plan.codec} fails: {exc}") from exc
    if np.mean(quality) < _LEAST_PSNR:
        raise HeadganError(f"{plan.codec}: what is decoded has {np.mean(quality):.1f} dB")
    return {
        "stages_ms": stages_of(times, plan.frames),
        "cpu_ms": round(1000 * cost.cpu_s / plan.frames, 3),
        "kbps": round(float(np.mean(sizes)) * 8 * _RATE / 1000, 1),
        "psnr": round(float(np.mean(quality)), 2),
        "resident_mb": resident_mb(),
    }


def _open_encoder(name: str, options: dict[str, str]) -> Any:  # noqa: ANN401 - PyAV is untyped here
    context = av.CodecContext.create(name, "w")
    context.width = context.height = CROP_SIZE
    context.pix_fmt = "yuv420p"
    context.time_base, context.framerate = Fraction(1, _RATE), Fraction(_RATE)
    context.bit_rate = 1000 * _KBPS
    context.thread_count = 1
    context.options = options
    context.open()
    return context


def _encode(encoder: Any, crop: Picture, place: int) -> bytes:  # noqa: ANN401
    frame = av.VideoFrame.from_ndarray(crop, format="rgb24").reformat(format="yuv420p")
    frame.pts, frame.time_base = place, Fraction(1, _RATE)
    data = b"".join(bytes(packet) for packet in encoder.encode(frame))
    if not data:
        raise HeadganError("the encoder keeps a frame back")
    return data


def _decode(decoder: Any, data: bytes) -> Picture:  # noqa: ANN401
    frames = decoder.decode(av.Packet(data))
    if len(frames) != 1:
        raise HeadganError(f"a packet gave {len(frames)} pictures, not one")
    return np.asarray(frames[0].to_ndarray(format="rgb24"), np.uint8)
