"""Planes of pictures in, the packets that one of PyAV's encoders makes of them out, in this process or in a child.

SVT-AV1 takes real-time priority where it may, which starves whatever runs beside it, and once in some hundred clips its
threads wait for each other for ever; a child process can be stopped and started again.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from headgan.benchmarks.children import bound_words

Planes = NDArray[np.uint8]
_TRIES = 3
# No clip takes so long, on a slow machine with others on it either.
_STUCK_S, _STUCK_S_A_PICTURE = 60.0, 0.5


def encode_here(
    codec_name: str, planes: Sequence[Planes], rate_fps: Fraction, options: Mapping[str, str]
) -> list[bytes]:
    """All packets, in the order in which they are sent.

    Args:
        codec_name: FFmpeg's name of the encoder.
        planes: uint8 [H * 3 / 2, W] each, I420.
        rate_fps: pictures a second.
        options: FFmpeg's.

    Raises:
        FFmpegError: it fails.
    """
    context = av.CodecContext.create(codec_name, "w")
    context.width, context.height = planes[0].shape[1], planes[0].shape[0] * 2 // 3
    context.pix_fmt = "yuv420p"
    context.time_base, context.framerate = 1 / rate_fps, rate_fps
    context.thread_count = 1
    context.options = dict(options)
    context.open()
    _calm_threads()
    packets = []
    for place, picture in enumerate(planes):
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = place
        packets += [bytes(packet) for packet in context.encode(frame)]
    return packets + [bytes(packet) for packet in context.encode(None)]


def encode_apart(
    codec_name: str, planes: Sequence[Planes], rate_fps: Fraction, options: Mapping[str, str]
) -> list[bytes]:
    """As `encode_here`, in a child process, which is started anew when it is stuck.

    Raises:
        SubprocessError: it fails, or is stuck every time.
    """
    with tempfile.TemporaryDirectory() as folder:
        job, clip = Path(folder) / "job.json", Path(folder) / "clip.npy"
        np.save(clip, np.stack(planes))
        job.write_text(
            json.dumps({"codec_name": codec_name, "rate_fps": str(rate_fps), "options": dict(options)})
        )
        words = [sys.executable, "-m", __name__, str(job), str(clip)]
        # SVT-AV1 greets on stderr.
        environment = {**os.environ, "SVT_LOG": "1"}
        timeout_s = _STUCK_S + _STUCK_S_A_PICTURE * len(planes)
        for number in range(1, _TRIES + 1):
            try:
                done = subprocess.run(
                    bound_words(words), capture_output=True, check=True, timeout=timeout_s, env=environment
                )
                break
            except subprocess.TimeoutExpired:
                if number == _TRIES:
                    raise
    return _split(done.stdout)


def _calm_threads() -> None:
    """Takes back the real-time priority that an encoder has given its threads."""
    tasks = Path("/proc/self/task")
    for task in tasks.iterdir() if tasks.is_dir() else ():
        try:
            if os.sched_getscheduler(int(task.name)) != os.SCHED_OTHER:
                os.sched_setscheduler(int(task.name), os.SCHED_OTHER, os.sched_param(0))
        except OSError:
            continue  # it has ended


def _join(packets: Sequence[bytes], output: BinaryIO) -> None:
    for packet in packets:
        output.write(len(packet).to_bytes(4, "little") + packet)


def _split(data: bytes) -> list[bytes]:
    packets, place = [], 0
    while place < len(data):
        size = int.from_bytes(data[place : place + 4], "little")
        packets.append(data[place + 4 : place + 4 + size])
        place += 4 + size
    return packets


def _main(job: str, clip: str) -> None:
    """What the child does: the packets go to stdout, each after its size."""
    wanted = json.loads(Path(job).read_text())
    packets = encode_here(
        wanted["codec_name"], list(np.load(clip)), Fraction(wanted["rate_fps"]), wanted["options"]
    )
    _join(packets, sys.stdout.buffer)


if __name__ == "__main__":
    _main(*sys.argv[1:])
