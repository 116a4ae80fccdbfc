"""The sound of a clip in, packets of Opus out; and the way back, beside the pictures of an MP4.

clip ── read_sound ── samples at 48 kHz, mono, from the first picture on ── SoundEncoder ── packets
packets ── add_sound ── MP4; they are not coded again
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from headgan.codec.hgn_header import SOUND_RATE
from headgan.codec.sound_copy import MP4_OPTIONS, interleave
from headgan.proto.errors import DeviceError, UsageError

DEFAULT_SOUND_KBPS = 12.0
MIN_SOUND_KBPS, MAX_SOUND_KBPS = 6.0, 128.0
# Longer packets need fewer bits, and nobody waits for a file.
DEFAULT_PACKET_MS = 60
# Times of files are rounded; only what is farther apart is a gap, or told twice.
_TOLERANCE_SAMPLES = SOUND_RATE // 50
# Longer gaps are no gaps, but wrong times.
_MAX_GAP_S = 3600
_SKIP_AT = slice(10, 12)


def check_sound_kbps(kbps: float) -> None:
    """Raises UsageError unless Opus can be asked for `--sound-kbps`."""
    if not MIN_SOUND_KBPS <= kbps <= MAX_SOUND_KBPS:
        raise UsageError(f"--sound-kbps {kbps:g}: give {MIN_SOUND_KBPS:g} to {MAX_SOUND_KBPS:g}")


class SoundEncoder:
    """Makes the packets of one file. Not thread-safe.

    Attributes:
        packet_ms: the length of each.
        pre_skip: samples at 48 kHz that a decoder gives before the first of the clip.
    """

    def __init__(self, kbps: float = DEFAULT_SOUND_KBPS, packet_ms: int = DEFAULT_PACKET_MS) -> None:
        self.packet_ms = packet_ms
        self._context = context = av.CodecContext.create("libopus", "w")
        _set_up(context, packet_ms)
        context.bit_rate = round(kbps * 1000)
        context.open()
        self.pre_skip = int.from_bytes(context.extradata[_SKIP_AT], "little")
        self._size = packet_ms * SOUND_RATE // 1000
        self._samples = np.empty(0, np.float32)
        self._coded = 0

    def encode(self, samples: NDArray[np.float32]) -> list[bytes]:
        """The packets that are full by now; samples: float32 [N] at 48 kHz, -1 to 1."""
        self._samples = np.concatenate([self._samples, samples])
        packets: list[bytes] = []
        while len(self._samples) >= self._size:
            packets += self._encode(self._samples[: self._size])
            self._samples = self._samples[self._size :]
        return packets

    def finish(self) -> list[bytes]:
        """The last packets, filled up with silence."""
        silence = np.zeros(self._size + self.pre_skip, np.float32)
        packets = self.encode(silence)
        return packets + [bytes(packet) for packet in self._context.encode(None)]

    def _encode(self, samples: NDArray[np.float32]) -> list[bytes]:
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate, frame.time_base = SOUND_RATE, Fraction(1, SOUND_RATE)
        frame.pts = self._coded
        self._coded += self._size
        return [bytes(packet) for packet in self._context.encode(frame)]


def read_sound(
    path: Path, start_ms: float, *, leave_out: str = "--no-sound"
) -> Iterator[NDArray[np.float32]]:
    """The first sound track of a clip, float32 [N] at 48 kHz, mono, without gaps; damaged packets are silent.

    Args:
        path: the clip; without sound there is nothing.
        start_ms: the time of the clip at which to begin; what is not there yet is silent.
        leave_out: the option with which the user can do without sound.

    Raises:
        DeviceError: the file cannot be read.
    """
    try:
        with av.open(str(path.absolute())) as container:
            if container.streams.audio:
                yield from _placed(container, start_ms)
    except av.error.FFmpegError as error:
        reason = (error.strerror or str(error)).lower()
        raise DeviceError(
            f"{path}: the sound cannot be read ({reason}); leave it out: {leave_out}"
        ) from error


def _placed(container: Any, start_ms: float) -> Iterator[NDArray[np.float32]]:  # noqa: ANN401 - PyAV is untyped here
    """Samples at their times."""
    resampler = av.AudioResampler("flt", "mono", SOUND_RATE)
    given = 0
    for frame in _decoded(container):
        for part in resampler.resample(frame):
            samples: NDArray[np.float32] = part.to_ndarray()[0]
            place = given
            if part.pts is not None:
                place = round((part.pts * part.time_base - Fraction(start_ms) / 1000) * SOUND_RATE)
            is_off = given == 0 or abs(place - given) > _TOLERANCE_SAMPLES
            if not is_off or place - given > _MAX_GAP_S * SOUND_RATE:
                place = given
            while given < place:
                silence = np.zeros(min(place - given, SOUND_RATE), np.float32)
                given += len(silence)
                yield silence
            new = samples[given - place :]
            given += len(new)
            if len(new):
                yield new


def _decoded(container: Any) -> Iterator[Any]:  # noqa: ANN401
    for packet in container.demux(container.streams.audio[0]):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue


def add_sound(
    video: Path, packets: Iterable[tuple[int, bytes]], *, packet_ms: int, pre_skip: int, start_s: Fraction
) -> None:
    """Gives a silent MP4 packets of Opus; the file is replaced when all is done.

    Args:
        video: an MP4, replaced.
        packets: with their numbers, which rise.
        packet_ms: the length of each.
        pre_skip: as of the encoder.
        start_s: the time of the packets at which the video begins.

    Raises:
        DeviceError: the file cannot be read or written; it is then as it was.
    """
    part = video.with_name(video.name + ".part")
    try:
        with (
            av.open(str(video.absolute())) as silent,
            av.open(str(part.absolute()), "w", format="mp4", options=MP4_OPTIONS) as output,
        ):
            picture_track = output.add_stream_from_template(silent.streams.video[0])
            track = output.add_stream("libopus", rate=SOUND_RATE)
            _set_up(track.codec_context, packet_ms)
            output.start_encoding()
            placed = _as_packets(packets, packet_ms, pre_skip + round(start_s * SOUND_RATE))
            interleave(output, silent, picture_track, track, placed)
        part.replace(video)
    except (av.error.FFmpegError, OSError) as error:
        part.unlink(missing_ok=True)
        reason = (error.strerror or str(error)).lower()
        raise DeviceError(f"{video}: the sound cannot be added ({reason}); the video stays silent") from error


def _as_packets(packets: Iterable[tuple[int, bytes]], packet_ms: int, shift: int) -> Iterator[Any]:
    samples = packet_ms * SOUND_RATE // 1000
    for number, data in packets:
        packet = av.Packet(data)
        packet.time_base = Fraction(1, SOUND_RATE)
        packet.pts = packet.dts = number * samples - shift
        packet.duration = samples
        yield packet


def _set_up(context: Any, packet_ms: int) -> None:  # noqa: ANN401
    context.sample_rate, context.layout, context.format = SOUND_RATE, "mono", "flt"
    context.time_base = Fraction(1, SOUND_RATE)
    context.options = {"frame_duration": str(packet_ms), "application": "voip", "vbr": "on"}
