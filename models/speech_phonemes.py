"""Sound at 16 kHz in, which sounds of speech it is out: shares of 27 classes, 50 times a second.

sound ── hama's network ── 191 tokens, 50 a second ── folding ── 27 classes ── parts of 40 ms ── 8 x 27

The network comes with the package `hama` (1.3.13, Apache-2.0, 5 MB) and runs on onnxruntime; nothing of that
package's code does. Paper sec. 3 has DeepSpeech's letters in its place; whoever has a DeepSpeech gives `SpeechFeatures`
another `SpeechNet`, made with `fold_letters`.

It was made for whole recordings and looks both ways. Run on the last second of sound, its newest outputs are a guess:
`headgan-bench speech` measures how good a one, and `speech.LOOK_AHEAD_MS` is chosen from that. Its outputs are peaks:
between two sounds, most of the time, it says `blank`. Parts of 40 ms have the mean of two outputs, and `as_levels` the
logarithm of it.
"""

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from headgan.models.runtime import open_session
from headgan.models.speech_classes import CLASSES, folding
from headgan.models.speech_low import SAMPLE_RATE
from headgan.proto.errors import ModelError

HOP = 320  # samples from one output to the next, 20 ms
PARTS, HOPS_A_PART = 8, 2
# What the network hears after the sound's end, silence: without, its last outputs are worse.
_AFTER = SAMPLE_RATE // 10
_FILE = "asr_waveform_fp16.onnx"
NET_SHA256 = "a884b5ac55f8bbc00673e8cf6d2dd601aa76e5031dd85cf3de2f25b5987cd59a"
# Shares below e^-8 count as none.
_LOWEST = 8.0


class SpeechNet(Protocol):
    """Tells the sounds of speech."""

    def shares(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """Float32 [N // 320, 27], adding up to 1: the classes of each 20 ms of `sound` [N], 16 kHz, peak about 1."""
        ...


class PhonemeNet:
    """The network of hama. Not thread-safe."""

    def __init__(self) -> None:
        """Loads it.

        Raises:
            ModelError: hama is not installed, or not the version that is needed.
        """
        folder = _hama_assets()
        session, _ = open_session(_checked(folder / _FILE), "cpu")
        tokens = json.loads((folder / "g2p_vocab.json").read_text(encoding="utf-8"))["decoder"]
        self._session = session
        # The ends of words and the blank, which the file does not name.
        self._folding = folding([*tokens, "<wb>", "<blank>"])

    def shares(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `SpeechNet`."""
        count = len(sound) // HOP
        if not count:
            return np.empty((0, CLASSES), np.float32)
        heard = np.zeros((1, len(sound) + _AFTER), np.float32)
        heard[0, : len(sound)] = np.clip(sound, -1, 1)
        given = {"waveform": heard, "waveform_lengths": np.array([heard.shape[1]], np.int64)}
        (logarithms,) = self._session.run(["log_probs"], given)
        # Output i is about the sound around 20 i ms.
        shares: NDArray[np.float32] = np.exp(logarithms[0, :count]) @ self._folding
        return shares


def in_parts(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Float32 [8, 27]: the last 320 ms of `shares` [T, 27], each two of them as one."""
    last = shares[-PARTS * HOPS_A_PART :].reshape(PARTS, HOPS_A_PART, CLASSES)
    parts: NDArray[np.float32] = last.mean(axis=1)
    return parts


def as_levels(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Float32 in 0..1: 1 for certain, 0.42 for 1 %, 0 for less than 0.03 %.

    The network's second thoughts are worth something where its first is `blank`.
    """
    return (1 + np.log(np.maximum(shares, np.exp(-_LOWEST))) / _LOWEST).astype(np.float32)


def _hama_assets() -> Path:
    # Found, not imported: that would run code that nobody needs.
    found = importlib.util.find_spec("hama")
    if found is None or not found.origin:
        raise ModelError("the speech network is missing; run: pip install hama==1.3.13")
    return Path(found.origin).parent / "assets"


def _checked(path: Path) -> Path:
    """`path`, whose bytes are those that everything was measured with."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as exc:
        raise ModelError(
            f"the speech network {path} cannot be read ({exc.strerror}); run: pip install hama==1.3.13"
        ) from exc
    if digest != NET_SHA256:
        raise ModelError(
            f"the speech network {path} is of another version of hama; run: pip install hama==1.3.13"
        )
    return path
