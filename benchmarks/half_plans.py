"""What halves of a call are told to measure in, and how they are told it: JSON."""

from dataclasses import dataclass

from headgan.benchmarks.sent_clip import WARM_UP


@dataclass(frozen=True)
class SenderPlan:
    """What to measure.

    Attributes:
        clip: a video with a face.
        frames: to measure, after those of the warm-up.
        folder: where what is sent is left; None to leave nothing.
        one_core: whether the process may use one core only.
    """

    clip: str
    frames: int
    folder: str | None = None
    one_core: bool = False


@dataclass(frozen=True)
class ReceiverPlan:
    """What to measure.

    Attributes:
        folder: where a SentClip lies.
        frames: to measure, after those of the warm-up; fewer if the clip has fewer.
        provider: what runs the networks.
        generator: another than the one that ships, or None.
        plain: whether it is run as onnxruntime has it without a word: one graph, all cores, float32.
        is_trained: whether its pictures mean anything; otherwise only the time counts.
        warm_up: frames before those.
        precision: see `OnnxGenerator`.
        fused: from how many references a frame is drawn, if its packet names so many.
        one_core: whether the process may use one core only.
    """

    folder: str
    frames: int
    provider: str
    generator: str | None = None
    plain: bool = False
    is_trained: bool = True
    warm_up: int = WARM_UP
    precision: str = "float32"
    fused: int = 1
    one_core: bool = False


@dataclass(frozen=True)
class CodecPlan:
    """What to measure.

    Attributes:
        folder: where the crops lie.
        frames: to measure, after those of the warm-up.
        codec: one of `CODECS`.
    """

    folder: str
    frames: int
    codec: str


Plan = SenderPlan | ReceiverPlan | CodecPlan
