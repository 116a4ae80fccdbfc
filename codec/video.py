"""Pictures, and sound, in, a video file out; and the way back for the pictures.

The writer makes H.264 in *fragmented* MP4: the file consists of pieces of one second that are complete in
themselves, so what is on the disk can be played even when the program was killed.
"""

import logging
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from queue import Queue
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace

from headgan.codec.libopus import RATE
from headgan.proto.errors import DeviceError

logger = logging.getLogger(__name__)

QUEUE_FRAMES = 8
X264_OPTIONS = {"crf": "12", "preset": "veryfast", "tune": "zerolatency"}
MP4_OPTIONS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
DECODER_THREADS = 2
SOUND_RATE = RATE
_SOUND_BITS = 64_000


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """One picture of a video: uint8 [H, W, 3] RGB, upright, and its time from the video's time zero."""

    frame_rgb: npt.NDArray[np.uint8]
    pts_ms: float


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says about itself; the size is the upright one.

    `duration_s` and `frames_estimate` are 0 where the file does not tell; the exact number of pictures is
    only known after decoding all of them.
    """

    width: int
    height: int
    rate_fps: float
    duration_s: float
    frames_estimate: int
    has_sound: bool


class VideoWriter:
    """Writes pictures at a constant rate into an MP4 file; picture k is shown at k / rate_fps seconds.

    Sound, if it has any, begins with picture 0. A file that is being written can only be played as far as both go:
    sound that is late holds it up.

    Encoding runs in a thread of the writer. Its queue holds QUEUE_FRAMES pictures; when it is full,
    `write` blocks, so nothing is lost. When the process is killed, the last second and the queue are lost.
    """

    def __init__(
        self, path: Path, *, width: int, height: int, rate_fps: float, has_sound: bool = False
    ) -> None:
        """Opens `path` (always MP4, an older file is replaced) and starts the encoder.

        Raises:
            ValueError: the size is not even and positive, or the rate is not positive.
            DeviceError: the file cannot be written.
        """
        if width <= 0 or height <= 0 or width % 2 or height % 2:
            raise ValueError(f"video of {width}x{height}: H.264 needs an even, positive width and height")
        if not (math.isfinite(rate_fps) and rate_fps > 0):
            raise ValueError(f"video at {rate_fps} frames a second: the rate has to be positive")
        self._path = path
        self._shape = (height, width, 3)
        # 1001 keeps the television rates (30000/1001 and its kin) exact.
        self._frame_duration_s = 1 / Fraction(rate_fps).limit_denominator(1001)
        with _av_errors(f"{path}: the video cannot be written", "choose a folder that exists and has space"):
            self._container, self._stream, self._sound = _open_output(
                path, width, height, self._frame_duration_s, has_sound=has_sound
            )
        self._waiting: Queue[Callable[[], None] | None] = Queue(maxsize=QUEUE_FRAMES)
        self._pictures = self._samples = 0
        self._error: Exception | None = None
        self._error_is_told = False
        self._is_closed = False
        self._worker = threading.Thread(target=self._encode_all, name="video-writer", daemon=True)
        self._worker.start()

    def write(self, frame_rgb: npt.NDArray[np.uint8]) -> None:
        """Appends a copy of `frame_rgb`, uint8 [H, W, 3]; blocks while the encoder is behind.

        Raises:
            ValueError: the picture has another shape or type, or the writer is closed.
            DeviceError: an earlier picture could not be written.
        """
        if self._is_closed:
            raise ValueError(f"{self._path}: the video is closed")
        if frame_rgb.shape != self._shape or frame_rgb.dtype != np.uint8:
            raise ValueError(
                f"{self._path}: picture is {frame_rgb.dtype} {frame_rgb.shape}, need uint8 {self._shape}"
            )
        self._raise_worker_error()
        self._waiting.put(partial(self._encode, self._pictures, frame_rgb.copy()))
        self._pictures += 1

    def write_sound(self, samples: npt.NDArray[np.float32]) -> None:
        """Appends sound, float32 [N], mono at SOUND_RATE, -1 to 1; blocks while the encoder is behind.

        Raises:
            ValueError: the writer has no sound, or is closed.
            DeviceError: something earlier could not be written.
        """
        if self._is_closed or self._sound is None:
            raise ValueError(f"{self._path}: the video is closed, or has no sound")
        self._raise_worker_error()
        self._waiting.put(partial(self._encode_sound, self._samples, samples.astype(np.float32)))
        self._samples += len(samples)

    def close(self) -> None:
        """Encodes what is waiting and completes the file; a second call does nothing.

        Raises:
            DeviceError: a picture, or the end of the file, could not be written.
        """
        if not self._is_closed:
            self._is_closed = True
            self._waiting.put(None)
            self._worker.join()
        self._raise_worker_error()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _encode_all(self) -> None:
        while (encode := self._waiting.get()) is not None:
            # After an error the queue is still emptied: a blocked write() must come back to hear of it.
            if self._error is None:
                self._try(encode)
        if self._error is None:
            self._try(lambda: self._container.mux(self._stream.encode(None)))
        if self._error is None and self._sound is not None:
            self._try(lambda: self._mux_sound(None))
        self._try(self._container.close)

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # kept for the caller's thread, which raises it
            self._error = self._error or error

    def _encode(self, index: int, frame_rgb: npt.NDArray[np.uint8]) -> None:
        frame = av.VideoFrame.from_ndarray(frame_rgb, format="rgb24")
        frame.pts = index
        frame.time_base = self._frame_duration_s
        frame.duration = 1
        self._container.mux(self._stream.encode(frame))

    def _encode_sound(self, first: int, samples: npt.NDArray[np.float32]) -> None:
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = SOUND_RATE, Fraction(1, SOUND_RATE)
        frame.pts = first
        self._mux_sound(frame)

    def _mux_sound(self, frame: Any) -> None:  # noqa: ANN401 - PyAV is untyped here
        for packet in self._sound.encode(frame):
            # What the encoder puts before the first sample is left out: a file that is written piece by piece
            # cannot tell players to skip it.
            if packet.pts >= 0:
                self._container.mux(packet)

    def _raise_worker_error(self) -> None:
        if self._error is None or self._error_is_told:
            return
        self._error_is_told = True
        with _av_errors(f"{self._path}: writing the video failed", "check the free space of the disk"):
            raise self._error


def read_video(path: Path) -> Iterator[DecodedFrame]:
    """The pictures of `path` in the order they are shown, with the times that the file gives them.

    The rotation of phone videos is applied; mirroring and pixels that are not square are not. Damaged
    pictures are left out, with a warning at the end: a recording that was cut off ends with one.

    Raises:
        DeviceError: on the first picture; the file is missing, is no video, or nothing in it can be decoded.
    """
    with _opened_input(path) as (container, stream):
        pts_ms = 0.0
        frames_count = damaged_count = 0
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                damaged_count += 1
                continue
            for frame in frames:
                if frame.pts is not None:
                    pts_ms = float(1000 * frame.pts * frame.time_base)
                yield DecodedFrame(_upright_rgb(frame), pts_ms)
                frames_count += 1
                pts_ms += 1000 / _rate_fps(stream)  # for a next picture that has no time
        if not frames_count:
            raise DeviceError(f"{path}: no picture in it can be decoded; record or copy the video again")
        if damaged_count:
            logger.warning("%s: %d damaged pictures were left out", path, damaged_count)


def probe_video(path: Path) -> VideoInfo:
    """What `path` contains; decodes its first picture, so that a file that passes can be read.

    Raises:
        DeviceError: the file is missing, is no video, or nothing in it can be decoded.
    """
    first = next(read_video(path))
    height, width, _ = first.frame_rgb.shape
    with _opened_input(path) as (container, stream):
        rate_fps = _rate_fps(stream)
        duration_s = 0.0
        if stream.duration is not None:
            duration_s = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            duration_s = container.duration / av.time_base
        return VideoInfo(
            width=width,
            height=height,
            rate_fps=rate_fps,
            duration_s=duration_s,
            frames_estimate=stream.frames or round(duration_s * rate_fps),
            has_sound=bool(container.streams.audio),
        )


def _open_output(
    path: Path, width: int, height: int, frame_duration_s: Fraction, *, has_sound: bool
) -> tuple[Any, Any, Any]:
    """The opened container, its header already on the disk, its H.264 stream, and its AAC stream if there is sound."""
    # An absolute path, because FFmpeg reads "call:1.mp4" as an address of the protocol "call".
    container = av.open(str(path.absolute()), "w", format="mp4", options=MP4_OPTIONS)
    try:
        rate = 1 / frame_duration_s
        stream = container.add_stream("libx264", rate=rate, options=X264_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = frame_duration_s
        encoder = stream.codec_context
        encoder.gop_size = max(1, round(rate))  # a fragment, which starts with a keyframe, is one second
        encoder.thread_count = 1
        # What the conversion from RGB makes; unmarked, players guess from the size of the picture.
        encoder.colorspace, encoder.color_range = Colorspace.ITU601, ColorRange.MPEG
        sound = None
        if has_sound:
            sound = container.add_stream("aac", rate=SOUND_RATE, layout="mono")
            sound.bit_rate, sound.time_base = _SOUND_BITS, Fraction(1, SOUND_RATE)
        container.start_encoding()
    except BaseException:
        container.close()
        raise
    return container, stream, sound


@contextmanager
def _opened_input(path: Path) -> Iterator[tuple[Any, Any]]:
    with (
        _av_errors(f"{path}: the video cannot be read", "give the path of a video file, such as an MP4"),
        av.open(str(path.absolute())) as container,
    ):
        streams = [s for s in container.streams.video if not _is_cover_picture(s)]
        if not streams:
            raise DeviceError(f"{path}: there is no video in the file; give one with a picture track")
        streams[0].thread_type = "AUTO"
        streams[0].codec_context.thread_count = DECODER_THREADS
        yield container, streams[0]


@contextmanager
def _av_errors(what: str, next_step: str) -> Iterator[None]:
    """Every error of PyAV leaves as a DeviceError; this is the one place where they are translated."""
    try:
        yield
    except av.error.FFmpegError as error:
        reason = (error.strerror or str(error)).lower()
        raise DeviceError(f"{what} ({reason}); {next_step}") from error


def _is_cover_picture(stream: Any) -> bool:  # noqa: ANN401 - PyAV is untyped here
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _rate_fps(stream: Any) -> float:  # noqa: ANN401
    return float(stream.average_rate or stream.guessed_rate or 25)


def _upright_rgb(frame: Any) -> npt.NDArray[np.uint8]:  # noqa: ANN401
    """The picture as it is to be seen: uint8 [H, W, 3] RGB, turned by the angle the file asks for."""
    frame_rgb: npt.NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    quarter_turns = round(frame.rotation / 90)  # counterclockwise, as in np.rot90
    return np.ascontiguousarray(np.rot90(frame_rgb, quarter_turns))
