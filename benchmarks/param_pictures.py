"""Clips in, what coding their parameters costs the picture out.

Each picture is drawn from the coded face and from the uncoded one, and both are compared with the clip. Everything is
drawn from the first reference alone, as it comes out of a call. In the clip's calmest second it is drawn frame by
frame: how much does it tremble?
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from headgan.benchmarks.calm_run import calmest_run, tremble_levels
from headgan.benchmarks.face_error import FaceRuler
from headgan.benchmarks.kept import shipped_networks
from headgan.benchmarks.param_line import Coding, LineSettings, transmit
from headgan.benchmarks.param_measure import ParamMeasurer
from headgan.benchmarks.param_tracks import Track, follow
from headgan.codec.params import FaceParams
from headgan.codec.still import decode_still, encode_still
from headgan.models.generator import OnnxGenerator
from headgan.models.metrics.perceptual import PerceptualMetric, load_perceptual_metric
from headgan.models.metrics.pictures import psnr
from headgan.models.morphable import MorphableModel
from headgan.models.reconstruct import Reconstructor
from headgan.proto.errors import HeadganError

# What coding may cost at the quality of calls: dB of PSNR, and a share of the perceptual distance.
LIMIT_DB, LIMIT_PERCEPTUAL = 0.1, 0.02
WAYS = ("uncoded", "coded")
_FLOAT32_NOISE = 1e-3
# Of what a kept result holds.
_VERSION = 2


def measure_pictures(
    measurer: ParamMeasurer, clips: Mapping[str, Path], frames: int, provider: str
) -> dict[str, Any]:
    """Mean PSNR and perceptual distance by way, over clips, and what coding costs.

    Args:
        measurer: of the same tracks.
        clips: those of the tracks that have pictures.
        frames: so many of each clip.
        provider: what runs the networks.

    Raises:
        UsageError: torch is missing.
    """
    generator, metric = OnnxGenerator(provider=provider), load_perceptual_metric()
    by_clip: dict[str, Any] = {}
    tracks = [track for track in measurer.tracks if track.name in clips]
    for track in tqdm(tracks, desc="pictures", unit="clip"):
        depends = {
            "clip": track.digest,
            "frames": frames,
            "networks": shipped_networks(),
            "version": _VERSION,
        }

        def measure(track: Track = track) -> dict[str, Any]:
            return _measure(measurer.seed, track, clips[track.name], frames, generator, metric)

        by_clip[track.name] = measurer.kept(f"pictures_{track.name}", depends, measure)
    means = {
        way: {
            score: float(np.mean([clip[way][score] for clip in by_clip.values()]))
            for score in ("psnr", "perceptual")
        }
        for way in WAYS
    }
    uncoded, coded = (means[way] for way in WAYS)
    return {
        **means,
        "lost_db": uncoded["psnr"] - coded["psnr"],
        "lost_perceptual": coded["perceptual"] / uncoded["perceptual"] - 1,
        "frames": sum(clip["frames"] for clip in by_clip.values()),
        "tremble_levels": {
            way: float(np.mean([rest[way] for clip in by_clip.values() if (rest := clip["tremble_levels"])]))
            for way in ("real", *WAYS)
        },
        "clips": by_clip,
    }


def _measure(
    seed: int, track: Track, clip: Path, frames: int, generator: OnnxGenerator, metric: PerceptualMetric
) -> dict[str, Any]:
    with_face = [number for number, face in enumerate(track.params) if face is not None]
    # The first frames are the reference, or close to it.
    places = np.linspace(0, len(with_face) - 1, frames + 1).astype(int)[1:]
    chosen = {with_face[place] for place in places}
    ruler = FaceRuler(MorphableModel.load(), track.identity)
    calm = calmest_run(ruler, track.params)
    calm_pictures: dict[str, list[NDArray[np.uint8]]] = {way: [] for way in ("real", *WAYS)}
    coded = transmit(track, Coding(), LineSettings(), seed).read
    reference, seen = follow(clip)
    still = encode_still(reference.picture_rgb)
    picture = decode_still(still.data, still.media_type)
    drawer = Reconstructor(MorphableModel.load(), generator, replace(reference, picture_rgb=picture))
    scores: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    number = -1
    for frame in tqdm(seen, desc=track.name, unit="frame", leave=False):
        # A track begins with its first face.
        if number < 0 and frame.params is None:
            continue
        number += 1
        if number > max(*chosen, *calm):
            break
        if number not in chosen and number not in calm:
            continue
        uncoded = track.params[number]
        _check_same(track.name, number, frame.params, uncoded)
        real = metric.features(frame.crop_rgb) if number in chosen else None
        calm_pictures["real"] += [frame.crop_rgb] if number in calm else []
        for way, params in zip(WAYS, (uncoded, coded[number]), strict=True):
            assert params is not None, "a line without loss brings every face"
            drawn = drawer.draw(params)
            calm_pictures[way] += [drawn] if number in calm else []
            if real is not None:
                distance = metric.distance(real, metric.features(drawn))
                scores[way].append((psnr(frame.crop_rgb, drawn), distance))
    rest = {}
    if calm and (face := track.params[calm[0]]) is not None:
        rest = {way: tremble_levels(pictures, ruler, face) for way, pictures in calm_pictures.items()}
    return {"frames": len(scores["coded"]), "tremble_levels": rest} | {
        way: {
            "psnr": float(np.mean([score for score, _ in values])),
            "perceptual": float(np.mean([score for _, score in values])),
        }
        for way, values in scores.items()
    }


def _check_same(name: str, number: int, seen: FaceParams | None, kept: FaceParams | None) -> None:
    """Raises HeadganError where the clip, seen again, is not what was kept of it."""
    if seen is None or kept is None or np.abs(seen.to_array() - kept.to_array()).max() > _FLOAT32_NOISE:
        raise HeadganError(
            f"{name}, frame {number}: the clip is not as it was tracked; take a new folder for -o"
        )
