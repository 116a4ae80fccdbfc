"""Planes of pictures in, the packets that an encoder makes of them out; and packets in, pictures out.

PyAV's FFmpeg is a library; that of imageio-ffmpeg is a program, whose stream PyAV takes apart again.
"""

import io
import subprocess
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.benchmarks.children import bound_words
from headgan.benchmarks.classic_codecs import FFMPEG, PYAV_APART, Encoder
from headgan.benchmarks.encode_here import Planes, encode_apart, encode_here
from headgan.proto.errors import HeadganError

Picture = NDArray[np.uint8]
_DECODERS = {"h264": "h264", "hevc": "hevc", "vp9": "vp9", "av1": "libdav1d", "vvc": "vvc"}
_RAW_FORMATS = {"vp9": "ivf", "av1": "ivf", "vvc": "vvc"}
_TIMEOUT_S = 3600


def why_missing(encoder: Encoder) -> str | None:
    """What this machine lacks to run it; None if nothing."""
    if _DECODERS[encoder.standard] not in av.codecs_available:
        return f"this PyAV has no decoder {_DECODERS[encoder.standard]}"
    if encoder.runs_in != FFMPEG:
        return None if encoder.codec_name in av.codecs_available else f"this PyAV has no {encoder.codec_name}"
    if _ffmpeg() is None:
        return "needs imageio-ffmpeg; run: pip install 'headgan[bench]'"
    return (
        None
        if encoder.codec_name in _ffmpeg_encoders()
        else f"imageio-ffmpeg's ffmpeg has no {encoder.codec_name}"
    )


def encode(encoder: Encoder, planes: Sequence[Planes], rate_fps: Fraction, quality: int) -> list[bytes]:
    """All packets, in the order in which they are sent.

    Args:
        encoder: which one.
        planes: uint8 [H * 3 / 2, W] each, I420.
        rate_fps: pictures a second.
        quality: of its quantiser.

    Raises:
        HeadganError: it fails.
    """
    options = {**encoder.options, encoder.quantiser: str(quality)}
    try:
        if encoder.runs_in == FFMPEG:
            return _encode_outside(encoder, planes, rate_fps, options)
        work = encode_apart if encoder.runs_in == PYAV_APART else encode_here
        return work(encoder.codec_name, planes, rate_fps, options)
    except (av.error.FFmpegError, subprocess.SubprocessError, OSError) as exc:
        said = (getattr(exc, "stderr", None) or b"").decode(errors="replace").strip()[-300:]
        raise HeadganError(f"{encoder.codec_name} at {quality}: cannot encode ({said or exc})") from exc


def decode(standard: str, packets: Sequence[bytes]) -> list[Picture]:
    """Uint8 [H, W, 3] RGB each, in the order in which they are shown.

    Raises:
        HeadganError: the packets are no such stream.
    """
    decoder = av.CodecContext.create(_DECODERS[standard], "r")
    decoder.thread_count = 1
    try:
        frames = [frame for packet in packets for frame in decoder.decode(av.Packet(packet))]
        frames += decoder.decode(None)
    except av.error.FFmpegError as exc:
        raise HeadganError(f"{standard}: what was encoded cannot be decoded ({exc})") from exc
    return [
        np.asarray(cv2.cvtColor(frame.to_ndarray(format="yuv420p"), cv2.COLOR_YUV2RGB_I420), np.uint8)
        for frame in frames
    ]


def _encode_outside(
    encoder: Encoder, planes: Sequence[Planes], rate_fps: Fraction, options: dict[str, str]
) -> list[bytes]:
    raw_format = _RAW_FORMATS[encoder.standard]
    size = f"{planes[0].shape[1]}x{planes[0].shape[0] * 2 // 3}"
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "clip.yuv"
        raw.write_bytes(b"".join(picture.tobytes() for picture in planes))
        words = [_ffmpeg() or FFMPEG, "-hide_banner", "-loglevel", "error", "-nostdin"]
        words += ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", size, "-r", str(rate_fps), "-i", str(raw)]
        words += ["-c:v", encoder.codec_name, "-threads", "1"]
        words += [word for name, value in options.items() for word in (f"-{name}", value)]
        for number in range(1, encoder.passes + 1):
            passes = ["-pass", str(number), "-passlogfile", f"{folder}/log"] if encoder.passes > 1 else []
            is_last = number == encoder.passes
            output = ["-f", raw_format if is_last else "null", "-"]
            done = subprocess.run(
                bound_words([*words, *passes, *output]), capture_output=True, check=True, timeout=_TIMEOUT_S
            )
    with av.open(io.BytesIO(done.stdout), format=raw_format) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


@cache
def _ffmpeg() -> str | None:
    """Path of the program that imageio-ffmpeg brings; None if there is none."""
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None


@cache
def _ffmpeg_encoders() -> frozenset[str]:
    words = [_ffmpeg() or FFMPEG, "-hide_banner", "-encoders"]
    text = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60).stdout
    return frozenset(line.split()[1] for line in text.splitlines() if len(line.split()) > 1)
