"""`headgan said-code`: clips of people who speak in, the code of features of speech out."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.codec.said_stream import Pauses
from headgan.models.clip_sound import ClipSound, read_sound
from headgan.models.metrics.clip_frames import find_clips
from headgan.models.said_build import bits_of, build_said_code
from headgan.models.speech import LOOK_AHEAD_MS, clip_features
from headgan.models.speech_low import SAMPLE_RATE
from headgan.models.speech_phonemes import PhonemeNet, SpeechNet
from headgan.proto.errors import DeviceError, UsageError
from headgan.proto.options import argument, required
from headgan.proto.program import check_writable
from headgan.proto.said import SAID_FRAME_MS

_BLOCK = SAMPLE_RATE * SAID_FRAME_MS // 1000
# One minute: axes and frequencies of less are chance.
_FEWEST = 60_000 // SAID_FRAME_MS


@dataclass(frozen=True)
class SaidCodeOptions:
    """Options of `headgan said-code`."""

    clips: tuple[Path, ...] = argument("clips of people who speak, or folders of them", many=True)
    output: Path = required("the file to write", flag="-o", metavar="FILE.npz")


def build_said_code_file(options: SaidCodeOptions) -> int:
    """Learns what is said, and how it is coded best."""
    if options.output.suffix != ".npz":
        raise UsageError(f"-o {options.output}: the name ends in .npz")
    check_writable(options.output, "-o")
    clips, net = find_clips(options.clips), PhonemeNet()
    told = [told_of(read_sound(path), net) for path in tqdm(clips.values(), desc="listening", unit="clip")]
    features = np.concatenate(told)
    if len(features) < _FEWEST:
        raise DeviceError(
            f"{len(clips)} clips have {len(features) * SAID_FRAME_MS / 1000:.0f} s of speech; give a minute at least"
        )
    code = build_said_code(features)
    code.save(options.output)
    bits, heard = bits_of(code, features).sum(), sum(map(bool, map(len, told)))
    sys.stdout.write(
        f"{len(features)} times 40 ms of {heard} clips: {bits:.1f} bits each\n"
        f"{options.output}: {options.output.stat().st_size} bytes, code {code.code_id.hex()}\n"
    )
    return 0


def told_of(sound: ClipSound, net: SpeechNet) -> NDArray[np.float32]:
    """Float32 [N, 300]: the features of each 40 ms of a clip that is no pause."""
    ends_ms = np.array(list(_ends_ms(sound)))
    if not len(ends_ms):
        return np.empty((0, 300), np.float32)
    return clip_features(sound.samples, SAMPLE_RATE, ends_ms - LOOK_AHEAD_MS, net=net)


def _ends_ms(sound: ClipSound) -> Iterator[float]:
    pauses = Pauses()
    for end in range(_BLOCK, len(sound.samples) + 1, _BLOCK):
        if not pauses.is_pause(sound.samples[end - _BLOCK : end] / np.float32(32768)):
            yield 1000 * end / SAMPLE_RATE
