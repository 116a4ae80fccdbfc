"""A prepared training set in, the mouths of people who speak and what is heard of them out, at 25 pictures a second."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.codec.params import FaceParams
from headgan.models.metrics.lip_sound import FRAME_SAMPLES, RATE_FPS, LipSound, listen, nearest
from headgan.models.metrics.mouth_view import cut_mouth, mouth_views
from headgan.models.morphable import MorphableModel
from headgan.models.speech_phonemes import SpeechNet
from headgan.models.train.prepared_set import PreparedSet, Segment

# How much larger the pictures are than what a judge sees, so that training may move its view.
MARGIN = 1.25
# Slower clips have no picture for each 40 ms.
_SLOWEST_FPS = 20.0
_SHORTEST_FRAMES = 24
# Clips with less have music, noise or a pause.
_SPEAKS = 0.15


@dataclass(frozen=True, eq=False)
class LipClip:
    """One person speaking.

    Attributes:
        person: name.
        mouths: uint8 [T, 60, 80], grey.
        sound: of the same T moments.
    """

    person: str
    mouths: NDArray[np.uint8]
    sound: LipSound


def read_lip_clips(prepared: PreparedSet, net: SpeechNet, model: MorphableModel) -> list[LipClip]:
    """The segments of a set in which somebody speaks."""
    clips = []
    speaking = [segment for segment in prepared.segments if segment.sound_samples]
    for segment in tqdm(speaking, desc="looking at lips", unit="segment"):
        count = int(prepared.sound(segment).size // FRAME_SAMPLES)
        if segment.frame_rate < _SLOWEST_FPS or count < _SHORTEST_FRAMES:
            continue
        sound = listen(prepared.sound(segment), net)
        if sound.speaks >= _SPEAKS:
            clips.append(LipClip(segment.person, _mouths(prepared, segment, count, model), sound))
    return clips


def _mouths(prepared: PreparedSet, segment: Segment, count: int, model: MorphableModel) -> NDArray[np.uint8]:
    pts_ms = prepared.pts_ms(segment)
    times = np.arange(count) * (1000 / RATE_FPS) + pts_ms[0]
    places = nearest(pts_ms, times)
    rows = prepared.params(segment)
    views = mouth_views(model, segment.identity, [FaceParams.from_array(rows[place]) for place in places])
    cut = [
        cut_mouth(prepared.picture(segment, int(place)), view, MARGIN)
        for place, view in zip(places, views, strict=True)
    ]
    return np.stack(cut)
