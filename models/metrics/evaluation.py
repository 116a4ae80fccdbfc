"""Clips and settings in, the scores of each clip out, drawn anew only where no earlier run has scored the same."""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from headgan.codec.video import VideoWriter
from headgan.models.frame_graphs import half_paths
from headgan.models.generator import PRIOR_GENERATOR, SHIPPED_GENERATOR, Generator, OnnxGenerator
from headgan.models.metrics.clip_frames import ClipFrames, Sampling, read_clip
from headgan.models.metrics.face_embedding import FaceEmbedder
from headgan.models.metrics.face_reading import FaceReader
from headgan.models.metrics.face_tools import FaceTools
from headgan.models.metrics.inception import PictureFeatures
from headgan.models.metrics.limits import LIMITS
from headgan.models.metrics.look import Networks
from headgan.models.metrics.perceptual import load_perceptual_metric
from headgan.models.metrics.score_cache import ScoreCache
from headgan.models.metrics.score_clip import REAL, ClipScorer, Picture, Show
from headgan.models.metrics.sheet import clip_row, column_titles, draw_sheet, read_row
from headgan.models.metrics.tally import Score
from headgan.models.pncc import CROP_SIZE
from headgan.models.tracker import MediaPipeTracker
from headgan.models.weights import weights_path
from headgan.proto.errors import FaceError

log = logging.getLogger(__name__)

JUDGED, PRIOR, REPEAT = "model", "prior", "repeat"
# Part of every key: scores of an older way to measure are not mixed with new ones.
_METRICS_VERSION = 3


@dataclass(frozen=True)
class Settings:
    """What to measure.

    Attributes:
        sampling: which frames.
        model: the generator under judgement; the one that ships if None.
        is_cross: each person is moved by another clip.
        perceptual_frames: frames a clip that get a perceptual distance.
        identity_model: ArcFace; faceres if None.
        inception: Inception; no FID if None.
        provider: what runs the networks.
        precision: how a processor computes the generator that is judged.
        videos: write each clip, real and drawn.
        limits: also score what the generator under judgement would be worth if it had known more.
        deaf: do not let networks that listen hear the clips.
    """

    sampling: Sampling
    model: Path | None = None
    is_cross: bool = False
    perceptual_frames: int = 0
    identity_model: Path | None = None
    inception: Path | None = None
    provider: str = "auto"
    precision: str = "float32"
    videos: bool = False
    limits: bool = False
    deaf: bool = False


class Evaluation:
    """Scores clips and keeps what it needs again in the folder of the report.

    A clip is scored anew when the clip, a network or a setting has changed. A change of the code is not noticed:
    after one, take a new folder.

    Attributes:
        digests: SHA-256 of each generator by the name of its way; `still` for the reference.
        skipped: why a clip has no scores, by its name.
    """

    def __init__(self, settings: Settings, clips: Mapping[str, Path], folder: Path) -> None:
        """Args: clips: by name; folder: of the report."""
        self._settings = settings
        self._faces = FaceTools()
        self._clips = clips
        self._folder = folder
        self._cache = ScoreCache(folder / "clips")
        self._paths = {
            JUDGED: settings.model or weights_path(SHIPPED_GENERATOR),
            PRIOR: weights_path(PRIOR_GENERATOR),
            REPEAT: None,
        }
        self.digests = {
            name: "still"
            if path is None
            else _generator_digest(path, settings.precision if name == JUDGED else "float32")
            for name, path in self._paths.items()
        }
        self.skipped: dict[str, str] = {}
        self._read: dict[str, ClipFrames] = {}

    @property
    def embedder_name(self) -> str:
        """Of the network that tells people apart."""
        return "faceres" if self._settings.identity_model is None else "arcface"

    def run(self) -> dict[str, dict[str, Score]]:
        """The scores of each clip by way, `real` among them.

        Raises:
            FaceError: no clip shows a face.
        """
        scores: dict[str, dict[str, Score]] = {}
        for name in tqdm(self._clips, desc="evaluating", unit="clip"):
            try:
                scores[name] = self._scores(name, self.driving_clip(name))
            except FaceError as error:
                log.warning("%s is left out: %s", name, error)
                self.skipped[name] = str(error)
        if not scores:
            raise FaceError("no clip has a face in two of the frames to compare; see the messages above")
        return scores

    def driving_clip(self, name: str) -> str:
        """Whose motion the person of the clip `name` gets: for cross-reenactment the next clip's, as a circle.

        Clips of one folder are taken to be of one person, so the next is from another folder if there is one.
        """
        if not self._settings.is_cross:
            return name
        names = list(self._clips)
        place = names.index(name)
        others = names[place + 1 :] + names[:place]
        folder = self._clips[name].absolute().parent
        return next((other for other in others if self._clips[other].absolute().parent != folder), others[0])

    def draw_sheet(self, names: list[str], path: Path) -> None:
        """Writes the PNG `path` with a row for each of the clips `names`, which were scored.

        Raises:
            DeviceError: a row that was kept is damaged.
        """
        rows = {name: read_row(self._cache.picture_path(name)) for name in names}
        draw_sheet(rows, column_titles((REAL, JUDGED, PRIOR)), path)

    def _scores(self, name: str, driving: str) -> dict[str, Score]:
        limits = {limit: f"{self.digests[JUDGED]} {limit}" for limit in self._limits}
        digests = {REAL: REAL, **self.digests, **limits}
        keys = {way: self._key(name, driving, digest) for way, digest in digests.items()}
        cached = {way: self._cache.load(name, way, key) for way, key in keys.items()}
        scores = {way: score for way, score in cached.items() if score is not None}
        has_pictures = self._cache.picture_path(name).is_file() and (
            not self._settings.videos or self._video_path(name).is_file()
        )
        if len(scores) == len(keys) and has_pictures:
            return scores
        if JUDGED in scores:
            scores = {}  # its worst frame is not known any more
        drawn = self._draw(name, driving, scores)
        for way, score in drawn.items():
            self._cache.save(name, way, keys[way], score)
        return {way: (scores | drawn)[way] for way in keys}

    def _draw(self, name: str, driving: str, known: Mapping[str, Score]) -> dict[str, Score]:
        """Scores what is not known of the clip `name`, and writes its pictures."""
        # Two ways with the same generator are drawn once.
        first_with = {digest: way for way, digest in reversed(self.digests.items())}
        drawn_as = {way: first_with[digest] for way, digest in self.digests.items()}
        # The networks come first: one that is missing should be told of before the clip is tracked.
        generators = {way: self._generators[way] for way in dict.fromkeys(drawn_as.values())}
        networks = self._networks
        clip = self._frames(name)
        scorer = ClipScorer(
            self._faces.model,
            networks,
            clip,
            self._frames(driving) if self._settings.is_cross else None,
            perceptual_frames=self._settings.perceptual_frames,
            limits=self._settings.limits,
        )
        with self._video(name, self._frames(driving).rate_fps, drawn_as) as show:
            result = scorer.score(generators, show, known=[way for way in generators if way in known])
        moments = [_shown(pictures, drawn_as) for pictures in result.moments]
        row = clip_row(clip.reference.picture_rgb, moments)
        cv2.imwrite(str(self._cache.picture_path(name)), row[..., ::-1])
        scored = {way: result.scores[drawn] for way, drawn in drawn_as.items() if drawn in result.scores}
        return {
            REAL: result.scores[REAL],
            **scored,
            **{limit: result.scores[limit] for limit in self._limits},
        }

    @property
    def _limits(self) -> tuple[str, ...]:
        return tuple(LIMITS) if self._settings.limits else ()

    @cached_property
    def _networks(self) -> Networks:
        settings = self._settings
        return Networks(
            FaceReader(self._faces.model, MediaPipeTracker()),
            FaceEmbedder(settings.identity_model, provider=settings.provider),
            load_perceptual_metric() if settings.perceptual_frames else None,
            PictureFeatures(settings.inception, provider=settings.provider) if settings.inception else None,
        )

    @cached_property
    def _generators(self) -> dict[str, Generator | None]:
        provider = self._settings.provider
        return {
            way: None
            if path is None
            else OnnxGenerator(
                path,
                provider=provider,
                precision=self._settings.precision if way == JUDGED else "float32",
                in_halves=self._settings.sampling.memory.fused > 1,
            )
            for way, path in self._paths.items()
        }

    def _frames(self, name: str) -> ClipFrames:
        """The clip `name`, read once for the two times in a row that a cross-reenactment asks for it."""
        if name not in self._read:
            kept = list(self._read.items())[-1:]
            listens = any(item is not None and item.needs("audio") for item in self._generators.values())
            hears = listens and not self._settings.deaf
            clip = read_clip(
                self._clips[name],
                self._settings.sampling,
                self._faces.tracker,
                self._faces.model,
                hears=hears,
            )
            self._read = dict([*kept, (name, clip)])
        return self._read[name]

    def _video_path(self, name: str) -> Path:
        return self._folder / "videos" / f"{name}.mp4"

    @contextmanager
    def _video(self, name: str, rate_fps: float, drawn_as: Mapping[str, str]) -> Iterator[Show | None]:
        """What takes the pictures of each frame for the video of the clip; None if nobody wants one."""
        if not self._settings.videos:
            yield None
            return
        path = self._video_path(name)
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(".part.mp4")
        with VideoWriter(part, width=3 * CROP_SIZE, height=CROP_SIZE, rate_fps=rate_fps) as writer:
            yield lambda pictures: writer.write(np.hstack(list(_shown(pictures, drawn_as).values())))
        part.replace(path)

    def _key(self, name: str, driving: str, digest: str) -> str:
        """Stands for everything that a score depends on; digest: of the generator."""
        settings = self._settings
        depends = {
            "version": _METRICS_VERSION,
            "clips": [_file_state(self._clips[name]), _file_state(self._clips[driving])],
            "sampling": asdict(settings.sampling),
            "is_cross": settings.is_cross,
            "perceptual_frames": settings.perceptual_frames,
            "identity": settings.identity_model and _digest(settings.identity_model),
            "inception": settings.inception and _digest(settings.inception),
            "generator": digest,
            "morphable": self._faces.model.model_id.hex(),
            **({"deaf": True} if settings.deaf else {}),
        }
        return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()


def _shown(pictures: Mapping[str, Picture], drawn_as: Mapping[str, str]) -> dict[str, Picture]:
    """What a report shows of a frame: the real one, the one under judgement and the prior's."""
    return {REAL: pictures[REAL], JUDGED: pictures[drawn_as[JUDGED]], PRIOR: pictures[drawn_as[PRIOR]]}


def _file_state(path: Path) -> tuple[str, int, int]:
    state = path.stat()
    return str(path.absolute()), state.st_size, state.st_mtime_ns


def _generator_digest(path: Path, precision: str) -> str:
    """Of the graph, and of the reference's graph where it has one beside it; in eight bits of those halves as well."""
    files = [path, path.with_suffix(".reference.onnx")]
    if precision != "float32":
        files += half_paths(path, precision)
    return "+".join(_digest(graph) for graph in files if graph.is_file())


@cache
def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
