"""A clip in, its sound as mono 16 kHz PCM on the clock of its pictures out."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from headgan.models.speech_low import SAMPLE_RATE

# A jump of the sound's clock below this is rounding; above it, the file left something out.
_MAX_DRIFT_SAMPLES = SAMPLE_RATE // 50
# Peak of a sound track that only exists because the file had to have one.
_SILENT_PEAK = 16


@dataclass(frozen=True, eq=False)
class ClipSound:
    """The sound of a clip.

    Attributes:
        samples: int16 [N], mono at SAMPLE_RATE; empty if the clip has no sound or only silence.
        start_ms: time of the first sample on the clock of the clip's pictures.
    """

    samples: NDArray[np.int16]
    start_ms: float

    def between(self, start_ms: float, end_ms: float) -> NDArray[np.int16]:
        """Int16 [(end - start) * 16], zeros where there is no sound; empty if there is none in the whole clip."""
        if not self.samples.size:
            return self.samples
        count = round((end_ms - start_ms) * SAMPLE_RATE / 1000)
        offset = round((start_ms - self.start_ms) * SAMPLE_RATE / 1000)
        cut = np.zeros(count, np.int16)
        inside = self.samples[max(offset, 0) : max(offset + count, 0)]
        at = max(-offset, 0)
        cut[at : at + len(inside)] = inside[: max(count - at, 0)]
        return cut


NO_SOUND = ClipSound(np.empty(0, np.int16), 0.0)


def read_sound(path: Path) -> ClipSound:
    """The sound of the clip at `path`; NO_SOUND if it has none, or none that can be decoded."""
    pieces: list[NDArray[np.int16]] = []
    start: int | None = None
    end = 0
    try:
        with av.open(str(path.absolute())) as container:
            if not container.streams.audio:
                return NO_SOUND
            resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
            for frame in container.decode(container.streams.audio[0]):
                for piece in resampler.resample(frame):
                    at = end if piece.pts is None else round(piece.pts * piece.time_base * SAMPLE_RATE)
                    start = at if start is None else start
                    gap = at - end
                    if pieces and gap > _MAX_DRIFT_SAMPLES:
                        pieces.append(np.zeros(gap, np.int16))
                    elif pieces:
                        at = end
                    samples = piece.to_ndarray().reshape(-1)
                    pieces.append(samples)
                    end = at + len(samples)
    except av.error.FFmpegError:
        pass  # what was decoded before the damage is as good as the sound of a shorter clip
    if start is None or not _is_audible(pieces):
        return NO_SOUND
    return ClipSound(np.concatenate(pieces), 1000 * start / SAMPLE_RATE)


def _is_audible(pieces: list[NDArray[np.int16]]) -> bool:
    return any(piece.size and int(np.abs(piece.astype(np.int32)).max()) > _SILENT_PEAK for piece in pieces)
