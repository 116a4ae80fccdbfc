"""`headgan-bench stages`: a clip in, how long each stage of a frame takes on this machine out."""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from headgan.codec.params import FaceParams
from headgan.codec.stage_times import StageTimes
from headgan.codec.video import read_video
from headgan.models.crop import crop_around
from headgan.models.eyes import render_eyes
from headgan.models.fitting import FaceFitter, project
from headgan.models.flow_prior import FlowPrior
from headgan.models.foreground import foreground_mask, inpaint_background
from headgan.models.generator import GeneratorFrame, GeneratorReference, OnnxGenerator, View
from headgan.models.identity import estimate_identity
from headgan.models.machine import describe_run
from headgan.models.metrics.pictures import psnr
from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.mouth import mouth_mask
from headgan.models.pncc import pncc_colors, render_pncc
from headgan.models.reconstruct import ReferenceImage
from headgan.models.tracker import MediaPipeTracker
from headgan.proto.errors import FaceError, HeadganError
from headgan.proto.options import argument, option, required
from headgan.proto.program import check_writable

WARM_UP_FRAMES = 10


@dataclass(frozen=True)
class StagesOptions:
    """Options of `headgan-bench stages`."""

    clip: Path = argument("a clip with a face in every frame")
    output: Path = required("the report, JSON", flag="-o", metavar="FILE")
    frames: int = option(200, "frames to measure")
    provider: str = option("auto", "what runs the networks")
    generator: Path | None = option(None, "another generator than the one that ships, ONNX", metavar="FILE")


def bench_stages(options: StagesOptions) -> int:
    """Runs both ends of a call in one thread and prints the median and the 95th percentile of each stage."""
    check_writable(options.output, "-o")
    model = MorphableModel.load()
    tracker = MediaPipeTracker()
    generator = OnnxGenerator(options.generator, provider=options.provider)
    frames = []
    for frame in read_video(options.clip):
        frames.append(frame.frame_rgb)
        if len(frames) == options.frames + WARM_UP_FRAMES:
            break
    first = tracker.track(frames[0]) if frames else None
    if first is None:
        raise FaceError(f"no face in the first picture of {options.clip}")
    height, width = frames[0].shape[:2]
    crop = crop_around(first.points, width, height)
    identity = estimate_identity(model, [crop.normalise(first.points)])
    fitter = FaceFitter(model, identity)
    reference = ReferenceImage(crop.cut(frames[0]), identity, fitter.fit(crop.normalise(first.points)).params)
    points = project(model, identity, reference.params)
    person = foreground_mask(reference.picture_rgb, points[:MESH_VERTICES])
    prior = FlowPrior(model, identity, reference.params, person)
    colors = pncc_colors(model)
    background = inpaint_background(reference.picture_rgb, person)
    prepared = generator.prepare(
        GeneratorReference(
            reference.picture_rgb,
            background,
            render_pncc(points[:MESH_VERTICES], model.triangles, colors),
            render_eyes(points),
        )
    )
    times = StageTimes(lambda: time.perf_counter() * 1000)
    gains = []
    for index, frame_rgb in enumerate(tqdm(frames, desc="measuring", unit="frame", leave=False)):
        if index == WARM_UP_FRAMES:
            times = StageTimes(lambda: time.perf_counter() * 1000)
        with times.measure("track"):
            face = tracker.track(frame_rgb)
        if face is None:
            raise FaceError(f"no face in picture {index} of {options.clip}")
        with times.measure("crop"):
            crop_rgb = crop.cut(frame_rgb)
        with times.measure("fit"):
            params = fitter.fit(crop.normalise(face.points)).params
        with times.measure("params to bytes and back"):
            params = FaceParams.parse(params.to_bytes())
        with times.measure("pncc"):
            new_points = project(model, identity, params)
            pncc = render_pncc(new_points[:MESH_VERTICES], model.triangles, colors)
        with times.measure("eyes"):
            eyes = render_eyes(new_points)
        with times.measure("flow prior"):
            flow = prior.prior(params, new_points)
        with times.measure("mouth mask"):
            mouth = mouth_mask(new_points, points)
        with times.measure("generator"):
            drawn = GeneratorFrame(flow.source_grid, flow.uncovered, mouth, pncc, eyes)
            picture = generator.generate(View(prepared, drawn))
        gains.append(psnr(picture, crop_rgb) - psnr(reference.picture_rgb, crop_rgb))
    # A time is worth nothing if what took it is wrong.
    if np.mean(gains[1:]) < 0:
        raise HeadganError(
            f"the reconstruction is worse than repeating the reference ({np.mean(gains):.2f} dB)"
        )
    stages = times.report()
    report = {
        "run": describe_run(),
        "provider": generator.provider,
        "clip": options.clip.name,
        "stages_ms": stages,
    }
    options.output.write_text(json.dumps(report, indent=2) + "\n")
    for stage, values in stages.items():
        sys.stdout.write(f"{stage:26} {values['p50']:7.2f} ms   p95 {values['p95']:7.2f} ms\n")
    return 0
