"""A clip in, a .hgn file out.

    clip ── FaceStream ─┬─ ReferencePlanner ── PictureEncoder ──┐
                        ├─ FaceParams, named references ────────┼─ HgnEncoder ── HgnFileWriter
                        └─ time ── read_sound ── SoundEncoder ──┘

Causal, as a call is: a frame is drawn from references that were written before it. Unlike in a call, a reference can be
drawn from in the next frame.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.codec.hgn_encoder import HgnEncoder, segment_frames
from headgan.codec.hgn_file import HgnFileWriter
from headgan.codec.hgn_header import HgnHeader, stored_identity
from headgan.codec.hgn_sound import DEFAULT_SOUND_KBPS, SoundEncoder, read_sound
from headgan.codec.memory import DEFAULT_CAPACITY
from headgan.codec.param_code import shipped_code
from headgan.codec.param_encoder import DEFAULT_QUALITY, Face
from headgan.codec.picture_coder import PictureEncoder
from headgan.codec.reference_planner import DEFAULT_KBPS, ReferencePlanner
from headgan.codec.video import VideoWriter
from headgan.models.drift_finder import DriftFinder
from headgan.models.face_stream import FaceStream, StreamFrame
from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.models.reconstruct import ReferenceImage
from headgan.models.view_descriptor import describe_reference

# The share of a given rate that parameters may take, at most.
_PARAMETER_SHARE = 0.6
# A reference costs about this share of the first picture; none is written that the rest of the clip cannot pay for.
_REFERENCE_SHARE = 0.33


@dataclass(frozen=True)
class EncodeSettings:
    """How a clip is encoded.

    Attributes:
        quality: of the parameters, 0 (coarse) to 1 (fine), at most.
        kbps: kbit/s of parameters and of the references after the first; None for what the quality needs, and the rate
            at which a call fills its memory.
        references: how many a decoder holds; 1 for the first only.
        named: how many of them a frame names, for a decoder that fuses.
        max_fps: frames a second, at most.
        crop: `auto`, `none`, or `x,y,size` in pixels of the clip.
        sound_kbps: kbit/s of sound; None for none.
    """

    quality: float = DEFAULT_QUALITY
    kbps: float | None = None
    references: int = DEFAULT_CAPACITY
    named: int = 1
    max_fps: float = 25.0
    crop: str = "auto"
    sound_kbps: float | None = DEFAULT_SOUND_KBPS

    @property
    def parameter_kbps(self) -> float | None:
        """Kbit/s of parameters at most; None for any."""
        if self.kbps is None or self.references == 1:
            return self.kbps
        return self.kbps * _PARAMETER_SHARE


@dataclass(frozen=True)
class EncodeResult:
    """What was written.

    Attributes:
        frames: of the file.
        without_face: of them, those in which there is no face.
    """

    frames: int
    without_face: int


def encode_clip(
    clip: Path, output: Path, settings: EncodeSettings | None = None, *, save_crop: Path | None = None
) -> EncodeResult:
    """Writes a file that can be played while it grows, and if this is interrupted.

    Args:
        clip: any video.
        output: the .hgn to write.
        settings: how.
        save_crop: an MP4 of what was encoded, frame by frame, to compare with.

    Raises:
        DeviceError: a file cannot be read or written.
        FaceError: there is no face in the clip.
        UsageError: a setting cannot be used.
    """
    settings = settings or EncodeSettings()
    model = MorphableModel.load()
    stream = FaceStream(
        model, clip, crop=settings.crop, max_fps=settings.max_fps, keep_identity=stored_identity
    )
    first = stream.settle()
    sound = _Sound(clip, stream, settings.sound_kbps) if settings.sound_kbps and stream.has_sound else None
    header = HgnHeader(
        model.model_id,
        shipped_code().code_id,
        stream.rate_fps,
        segment_frames(stream.rate_fps),
        sound.encoder.packet_ms if sound else 0,
        sound.encoder.pre_skip if sound else 0,
        first.identity,
        # With one picture a file is as the paper has it.
        has_drift=settings.references > 1,
    )
    encoder = HgnEncoder(header, quality=settings.quality, kbps=settings.parameter_kbps)
    with ExitStack() as stack:
        crop = None
        if save_crop is not None:
            crop = stack.enter_context(
                VideoWriter(save_crop, width=CROP_SIZE, height=CROP_SIZE, rate_fps=float(stream.rate_fps))
            )
        file = stack.enter_context(HgnFileWriter(output, encoder))
        references = _References(model, first, encoder, file, settings, stream)
        without_face = 0
        frames = tqdm(stream.frames(), desc="encoding", unit="frame", total=stream.frames_estimate or None)
        for number, frame in enumerate(frames):
            if crop:
                crop.write(frame.crop_rgb)
            if sound:
                sound.go_on(encoder, float((number + 1) / stream.rate_fps))
            references.write(frame, 1000 * number / float(stream.rate_fps))
            without_face += frame.params is None
    return EncodeResult(encoder.frames, without_face)


class _References:
    """Writes frames, and the references that they lack."""

    def __init__(
        self,
        model: MorphableModel,
        first: ReferenceImage,
        encoder: HgnEncoder,
        file: HgnFileWriter,
        settings: EncodeSettings,
        stream: FaceStream,
    ) -> None:
        """Writes the first."""
        self._model, self._identity = model, first.identity
        self._drift = DriftFinder(model) if settings.references > 1 else None
        # Those that a frame may be drawn from, by number, and the one of the last frame.
        self._images, self._best = {0: first}, 0
        self._encoder, self._file = encoder, file
        self._named, self._kbps = settings.named, settings.kbps
        self._paid_bytes = self._later_bytes = self._later = self._last_bytes = 0
        self._end_ms = 1000 * stream.frames_estimate / float(stream.rate_fps) or np.inf
        self._pictures = PictureEncoder()
        self._planner: ReferencePlanner[StreamFrame] = ReferencePlanner(
            describe_reference(model, first), capacity=settings.references, kbps=settings.kbps or DEFAULT_KBPS
        )
        piece = encoder.add_reference(first.params, self._pictures.encode(first.picture_rgb).data)
        self._guess_bytes = _REFERENCE_SHARE * len(piece)
        file.write(piece)

    def write(self, frame: StreamFrame, now_ms: float) -> None:
        """A frame, and what the ones after it are to be drawn from."""
        if frame.params is None:
            self._file.write(self._encoder.add_frame(None))
            return
        params = frame.params
        if self._drift is not None:
            params = self._drift.see(frame.crop_rgb, params, self._images[self._best])
        frame = replace(frame, params=params)
        image = ReferenceImage(frame.crop_rgb, self._identity, params)
        descriptor = describe_reference(self._model, image)
        proposal = self._planner.saw(descriptor, frame, now_ms) if self._affords(now_ms) else None
        used = self._planner.choose(descriptor, self._named)
        self._best = used[0]
        self._file.write(self._encoder.add_frame(Face(params, used)))
        if proposal is None or proposal.item.params is None:
            return
        picture = self._pictures.encode(proposal.item.crop_rgb).data
        piece = self._encoder.add_reference(proposal.item.params, picture, proposal.replaces)
        self._file.write(piece)
        self._images[proposal.number] = ReferenceImage(
            proposal.item.crop_rgb, self._identity, proposal.item.params
        )
        if proposal.replaces is not None and proposal.replaces != self._best:
            del self._images[proposal.replaces]
        self._later_bytes += len(piece)
        self._later += 1
        self._last_bytes = len(piece)
        self._planner.spent(len(piece), now_ms)
        self._planner.acknowledged(proposal.number)

    def _affords(self, now_ms: float) -> bool:
        """Whether one more reference keeps to the rate by the end of the clip; parameters come out of the same rate."""
        if self._kbps is None:
            return True
        parameters = self._encoder.parameter_bytes
        if parameters > self._paid_bytes:
            self._planner.spent(parameters - self._paid_bytes, now_ms)
            self._paid_bytes = parameters
        written_ms = 1000 * float(self._encoder.written_s)
        coming = parameters / written_ms * (self._end_ms - written_ms) if written_ms else 0.0
        new = max((self._guess_bytes + self._later_bytes) / (1 + self._later), self._last_bytes)
        return parameters + coming + self._later_bytes + new <= self._kbps / 8 * self._end_ms


class _Sound:
    """A clip's sound, up to where the pictures are."""

    def __init__(self, clip: Path, stream: FaceStream, kbps: float) -> None:
        self.encoder = SoundEncoder(kbps)
        self._samples: Iterator[NDArray[np.float32]] = read_sound(clip, stream.start_ms)
        self._packets = 0
        self._is_over = False

    def go_on(self, encoder: HgnEncoder, until_s: float) -> None:
        """Adds what begins before a time."""
        while not self._is_over and self._packets * self.encoder.packet_ms < until_s * 1000:
            samples = next(self._samples, None)
            self._is_over = samples is None
            packets = self.encoder.finish() if samples is None else self.encoder.encode(samples)
            self._packets += len(packets)
            for packet in packets:
                encoder.add_sound(packet)
