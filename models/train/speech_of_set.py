"""A training set in, the 300 features of speech of every frame out; frames of clips without sound have zeros."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from headgan.models.speech import SPEECH_SIZE, clip_features, speech_form
from headgan.models.speech_low import SAMPLE_RATE
from headgan.models.speech_phonemes import PhonemeNet, SpeechNet
from headgan.models.train.kept_rows import KeptRows, RowsOf
from headgan.models.train.prepared_set import PreparedSet, Segment


def speech_rows(prepared: PreparedSet) -> KeptRows:
    """Float32 [300] a frame; what is not kept yet is computed, some milliseconds a frame.

    Raises:
        DeviceError: the features cannot be written.
        ModelError: the network that hears speech is not there.
    """

    def prepare() -> RowsOf:
        return partial(segment_features, prepared, net=PhonemeNet())

    return KeptRows(prepared, "speech", speech_form(), prepare, "hearing the training set")


def segment_features(prepared: PreparedSet, segment: Segment, *, net: SpeechNet) -> NDArray[np.float32]:
    """Float32 [N, 300] of a segment's frames; zeros if it has no sound."""
    sound = prepared.sound(segment)
    if not sound.any():
        return np.zeros((segment.frames, SPEECH_SIZE), np.float32)
    pts_ms = prepared.pts_ms(segment)
    return clip_features(sound, SAMPLE_RATE, pts_ms - pts_ms[0], net=net)
