"""A silent video and a clip with sound in, the video with the clip's sound out; pictures are not coded again.

Sound that MP4 and its players hold is copied packet by packet, any other is coded as AAC.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from headgan.proto.errors import DeviceError

# What MP4 may hold and browsers play.
COPIED_CODECS = ("aac", "mp3", "mp3float", "opus", "flac")
_AAC_BITS, _AAC_RATE = 128_000, 48_000
MP4_OPTIONS = {"movflags": "+faststart"}


def copy_sound(video: Path, source: Path, *, start_ms: float = 0.0) -> bool:
    """Gives the silent `video` the sound of `source`; the file is replaced when all is done.

    The sound ends with the pictures.

    Args:
        video: an MP4, replaced.
        source: a clip; without sound in it nothing is done.
        start_ms: the time of the clip at which the video begins.

    Returns:
        Whether there is sound in the video now.

    Raises:
        DeviceError: a file cannot be read or written; `video` is then as it was.
    """
    part = video.with_name(video.name + ".part")
    try:
        with av.open(str(source.absolute())) as clip:
            if not clip.streams.audio:
                return False
            with av.open(str(video.absolute())) as silent:
                _mux(silent, clip, part, Fraction(start_ms) / 1000)
        part.replace(video)
    except (av.error.FFmpegError, OSError) as error:
        part.unlink(missing_ok=True)
        reason = (error.strerror or str(error)).lower()
        raise DeviceError(
            f"{video}: the sound of {source} cannot be added ({reason}); the video stays silent"
        ) from error
    return True


def _mux(silent: Any, clip: Any, part: Path, start_s: Fraction) -> None:  # noqa: ANN401 - PyAV is untyped here
    pictures, sound = silent.streams.video[0], clip.streams.audio[0]
    with av.open(str(part.absolute()), "w", format="mp4", options=MP4_OPTIONS) as output:
        picture_track = output.add_stream_from_template(pictures)
        if sound.codec_context.name in COPIED_CODECS:
            sound_track = output.add_stream_from_template(sound)
            packets = _copied(clip, sound, start_s)
        else:
            # Files need not name their channels, and not every rate is one of AAC's.
            layout = "mono" if sound.codec_context.channels == 1 else "stereo"
            sound_track = output.add_stream("aac", rate=_AAC_RATE, layout=layout)
            sound_track.bit_rate = _AAC_BITS
            packets = _encoded(clip, sound, sound_track, start_s)
        interleave(output, silent, picture_track, sound_track, packets)


def interleave(
    output: Any,  # noqa: ANN401
    silent: Any,  # noqa: ANN401
    picture_track: Any,  # noqa: ANN401
    sound_track: Any,  # noqa: ANN401
    packets: Iterator[Any],
) -> None:
    """Copies the pictures of the container `silent` and packets of sound, up to the last picture's end, to `output`.

    In the order of time, so that a player need not look far ahead.
    """
    waiting = next(packets, None)
    for picture in silent.demux(silent.streams.video[0]):
        if picture.dts is None:  # the empty packet at the end
            continue
        shown_until_s = (picture.dts + picture.duration) * picture.time_base
        picture.stream = picture_track
        output.mux(picture)
        while waiting is not None and waiting.pts * waiting.time_base < shown_until_s:
            waiting.stream = sound_track
            output.mux(waiting)
            waiting = next(packets, None)


def _copied(clip: Any, sound: Any, start_s: Fraction) -> Iterator[Any]:  # noqa: ANN401
    """The clip's own packets from the start on, with times that count from there."""
    shift = round(start_s / sound.time_base)
    for packet in clip.demux(sound):
        if packet.pts is not None and packet.pts >= shift:
            packet.pts -= shift
            packet.dts = packet.pts
            yield packet


def _encoded(clip: Any, sound: Any, track: Any, start_s: Fraction) -> Iterator[Any]:  # noqa: ANN401
    """The same as AAC packets; damaged ones are left out."""
    shift = round(start_s / sound.time_base)
    for packet in clip.demux(sound):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue
        for frame in frames:
            if frame.pts is not None and frame.pts >= shift:
                frame.pts -= shift
                yield from track.encode(frame)
    yield from track.encode(None)
