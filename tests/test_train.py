"""Training: batches come back the same, geometry moves with the pictures, runs go on where they stopped."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'headgan[train]'")

from headgan.codec.params import FaceParams  # noqa: E402
from headgan.models.cli import main  # noqa: E402
from headgan.models.codes import CodeRenderer  # noqa: E402
from headgan.models.fitting import project  # noqa: E402
from headgan.models.generator import OnnxGenerator  # noqa: E402
from headgan.models.morphable import MorphableModel  # noqa: E402
from headgan.models.nets.config import NetConfig  # noqa: E402
from headgan.models.train import batches, device, trainer  # noqa: E402
from headgan.models.train.batches import BatchMaker, held_out_people  # noqa: E402
from headgan.models.train.changes import cut_window, mirrored, recoloured  # noqa: E402
from headgan.models.train.checkpoint import load_checkpoint, packed, save_checkpoint  # noqa: E402
from headgan.models.train.config import (  # noqa: E402
    DataConfig,
    LossConfig,
    OptimiserConfig,
    RunConfig,
    TrainConfig,
    config_from_dict,
    load_config,
)
from headgan.models.train.device import Place, is_bf16_faster  # noqa: E402
from headgan.models.train.objective import _in_view  # noqa: E402
from headgan.models.train.pose_distance import pose_distance  # noqa: E402
from headgan.models.train.prepared_set import PreparedSet  # noqa: E402
from headgan.models.train.samples import Sample, SampleMaker  # noqa: E402
from headgan.models.train.scene import Scene  # noqa: E402
from headgan.models.train.schedule import rate_factor, share_done  # noqa: E402
from headgan.models.train.shard_pictures import encode_mask, encode_picture  # noqa: E402
from headgan.models.train.shards import (  # noqa: E402
    FORMAT_VERSION,
    SHARD_FOLDER,
    DatasetInfo,
    PreparedReference,
    PreparedSegment,
    ShardWriter,
)
from headgan.models.train.trainer import Trainer  # noqa: E402
from headgan.proto.errors import ModelError, UsageError  # noqa: E402

MODEL = MorphableModel.load()
FRAMES = 4
TINY = TrainConfig(
    network=NetConfig(width=24),
    data=DataConfig(people=1, frames=2, held_out=0.0, workers=0),
    loss=LossConfig(
        vgg=0, vgg_warped=0, gan=1, matching=1, gan_mouth=1, matching_mouth=1, discriminator_width=8
    ),
    optimiser=OptimiserConfig(warm_up=1, decay=0),
    run=RunConfig(steps=4, size=32, bf16=False),
)
CPU = Place(torch.device("cpu"))


def pose(turn: float, smile: float) -> FaceParams:
    expression = np.zeros(28, np.float32)
    expression[0] = smile
    camera = np.array([np.cos(turn / 2), 0, np.sin(turn / 2), 0, 0.45, 0.05 * turn, -0.05], np.float32)
    return FaceParams(expression, camera, np.array([turn, 0], np.float32))


def portrait(person: int, frame: int) -> NDArray[np.uint8]:
    """Something with structure everywhere; it differs with person and frame."""
    y, x = np.mgrid[:256, :256]
    waves = [
        128 + 100 * np.sin((x + 3 * frame) / (25 + 5 * person + channel) + y / 40) for channel in range(3)
    ]
    return np.stack(waves, axis=-1).astype(np.uint8)


def write_people(folder: Path, people: int = 2) -> Path:
    (folder / SHARD_FOLDER).mkdir(parents=True)
    DatasetInfo(FORMAT_VERSION, 256, MODEL.model_id.hex(), 1, 1, "plan", ("clips",)).write(folder)
    mask = np.zeros((256, 256), np.float32)
    mask[40:, 60:200] = 1
    with ShardWriter(folder, 0) as writer:
        for person in range(people):
            places = [writer.add_picture(encode_picture(portrait(person, frame))) for frame in range(FRAMES)]
            background = encode_picture(np.full((256, 256, 3), 90, np.uint8))
            poses = [pose(0.2 * frame, 0.1 * frame) for frame in range(FRAMES)]
            writer.add_segment(
                PreparedSegment(
                    person=f"person {person}",
                    clip=f"{person}.mp4",
                    places=places,
                    params=np.stack([item.to_array() for item in poses]),
                    fit_error_px=np.zeros(FRAMES, np.float32),
                    pts_ms=40 * np.arange(FRAMES, dtype=np.float64),
                    identity=np.full(MODEL.identity_size, 0.01 * person, np.float32),
                    crop=(0.0, 0.0, 256.0),
                    rate_fps=25.0,
                    sound=np.empty(0, np.int16),
                    references=[PreparedReference(frame, encode_mask(mask), background) for frame in (0, 2)],
                )
            )
        writer.finish({"clips": []})
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("train") / "set")


@pytest.fixture(scope="module")
def sample(data: Path) -> Sample:
    return make_sample(data)


def make_sample(data: Path, scene: Scene | None = None, code: str = "pncc") -> Sample:
    prepared = PreparedSet.open(data)
    maker = SampleMaker(prepared, CodeRenderer(MODEL, code=code), past_frames=1)
    return maker.make(prepared.segments[0], np.array([0, 1]), np.array([3, 1, 0]), scene)


def test_a_sample_has_the_shapes_it_says(sample: Sample) -> None:
    shapes = {item.name: getattr(sample, item.name).shape for item in fields(sample)}
    assert shapes == {
        "reference": (2, 3, 256, 256),
        "background": (2, 3, 256, 256),
        "reference_code": (2, 4, 256, 256),
        "picture": (3, 3, 256, 256),
        "code": (3, 8, 256, 256),
        "grid": (3, 2, 256, 256, 2),
        "uncovered": (3, 2, 1, 256, 256),
        "mouth": (3, 2, 1, 256, 256),
        "mouth_box": (3, 3),
        "face_box": (3, 3),
        "lesson": (3, 2, 0, 0, 3),
        "person": (3, 2, 1, 0, 0),
        "audio": (3, 0),
    }


def test_the_reference_frame_itself_is_fetched_from_where_it_is(sample: Sample) -> None:
    own = sample.grid[2, 0]
    axis = (2 * np.arange(256) + 1) / 256 - 1
    assert np.abs(own[..., 0] - axis).max() < 1e-3
    assert np.array_equal(sample.code[2, :4], sample.reference_code[0])
    # The frame before the first is the first again.
    assert np.array_equal(sample.code[2, 4:], sample.code[2, :4])
    assert np.array_equal(sample.code[1, 4:], sample.code[2, :4])


def test_masks_show_the_person_of_the_reference_and_of_the_frame(data: Path) -> None:
    prepared = PreparedSet.open(data)
    maker = SampleMaker(prepared, CodeRenderer(MODEL), masks=True)
    person = maker.make(prepared.segments[0], np.array([0, 1]), np.array([3])).person
    assert person.shape == (1, 2, 1, 256, 256)
    reference = prepared.mask(prepared.segments[0], 0) > 0.5
    assert person[0, 0, 0][reference].min() > 100
    assert (person[0, 0, 0] > 127).sum() > reference.sum()


def test_the_published_flow_learns_where_the_person_is(data: Path, tmp_path: Path) -> None:
    config = replace(
        TINY,
        network=NetConfig(family="paper", width=8, hidden=8),
        loss=LossConfig(vgg=0, vgg_warped=0, mask=10),
        run=replace(TINY.run, steps=20),
    )
    make_trainer(data, tmp_path, config).run()
    line = json.loads((tmp_path / "progress.jsonl").read_text().splitlines()[0])
    assert 0 < line["losses"]["mask"] < 10


def test_mirroring_twice_changes_nothing(sample: Sample) -> None:
    once, twice = mirrored(sample), mirrored(mirrored(sample))
    assert not np.array_equal(once.code, sample.code)
    for item in fields(sample):
        assert np.allclose(getattr(twice, item.name), getattr(sample, item.name)), item.name


def test_a_mirrored_code_is_that_of_a_mirrored_face(sample: Sample) -> None:
    x = sample.code[0, 0].astype(int)
    flipped = mirrored(sample).code[0, 0].astype(int)
    face = x > 0
    assert np.array_equal(flipped[:, ::-1][face], 256 - x[face])
    assert np.array_equal(flipped[:, ::-1] > 0, face)


def test_a_mirrored_sketch_only_changes_sides(data: Path) -> None:
    sketch = make_sample(data, code="landmarks")
    assert np.array_equal(mirrored(sketch).code, sketch.code[..., ::-1])


def test_a_window_shows_the_same_and_fetches_from_the_same(sample: Sample) -> None:
    window = cut_window(sample, 64, 32, 128)
    assert np.array_equal(window.picture, sample.picture[..., 32:160, 64:192])
    inside = (window.grid + 1) * 64 - 0.5 + np.array([64, 32])
    whole = (sample.grid[..., 32:160, 64:192, :] + 1) * 128 - 0.5
    assert np.abs(inside - whole).max() < 1e-3
    corner = (window.face_box[:, :2] + 1) * 64 + np.array([64, 32])
    assert np.abs(corner - (sample.face_box[:, :2] + 1) * 128).max() < 1e-3
    assert np.allclose(window.face_box[:, 2], 2 * sample.face_box[:, 2])


def test_batches_can_be_windows(data: Path) -> None:
    maker = BatchMaker(data, TINY.network, replace(TINY.data, window=96), seed=1)
    for step in range(4):
        reference, driving, truth = maker[step].inputs(256)
        assert reference.picture.shape == (1, 1, 3, 96, 96)
        assert driving.grid.shape == (2, 1, 96, 96, 2)
        assert truth.shape == (2, 3, 96, 96)


def test_several_windows_are_cut_out_of_one_sample(data: Path) -> None:
    maker = BatchMaker(data, TINY.network, replace(TINY.data, window=64, windows=3), seed=1)
    reference, driving, truth = maker[0].inputs(256)
    assert reference.picture.shape == (3, 1, 3, 64, 64)
    assert driving.code.shape[0] == len(truth) == 6


def test_all_pictures_change_colour_alike_and_the_geometry_does_not(sample: Sample) -> None:
    changed = recoloured(sample, np.random.default_rng(3))
    assert np.array_equal(changed.grid, sample.grid)
    assert np.array_equal(changed.code, sample.code)
    assert not np.array_equal(changed.picture, sample.picture)
    # The reference's own frame is among the driving frames: they stay equal.
    assert np.array_equal(changed.picture[2], changed.reference[0])


@given(
    st.floats(0.8, 1.25), st.floats(-20, 20), st.floats(-0.2, 0.2), st.floats(-0.2, 0.2), st.floats(-0.6, 0.6)
)
@settings(max_examples=30, deadline=None)
def test_a_moved_scene_moves_points_and_parameters_alike(
    zoom: float, turn_deg: float, x: float, y: float, yaw: float
) -> None:
    scene, identity = Scene(zoom, turn_deg, x, y), np.zeros(MODEL.identity_size, np.float32)
    params = pose(yaw, 0.1)
    places = scene.matrix()
    expected = project(MODEL, identity, params)[:, :2] @ places[:, :2].T + places[:, 2]
    found = project(MODEL, identity, scene.of_params(params))[:, :2]
    assert np.abs(found - expected).max() < 1e-4


def test_a_moved_scene_moves_its_pictures_like_its_points() -> None:
    picture = np.zeros((256, 256), np.uint8)
    picture[100, 140] = 255
    scene = Scene(1.1, 15, 0.05, -0.1)
    place = np.array([(2 * 140 + 1) / 256 - 1, (2 * 100 + 1) / 256 - 1])
    x, y = (scene.matrix()[:, :2] @ place + scene.matrix()[:, 2] + 1) * 128 - 0.5
    moved = scene.of_picture(picture).astype(float)
    rows, columns = np.mgrid[:256, :256]
    assert abs((moved * columns).sum() / moved.sum() - x) < 0.3
    assert abs((moved * rows).sum() / moved.sum() - y) < 0.3


def test_the_same_step_is_the_same_batch_in_any_process(data: Path) -> None:
    one, other = (BatchMaker(data, TINY.network, TINY.data, seed=5) for _ in range(2))
    other[0]
    for item in fields(one[3]):
        assert torch.equal(getattr(one[3], item.name), getattr(other[3], item.name)), item.name
    ranked = BatchMaker(data, TINY.network, TINY.data, seed=5, rank=1, world=2)
    assert not torch.equal(one[3].picture, ranked[3].picture)


def test_references_are_drawn_as_often_as_asked(data: Path) -> None:
    maker = BatchMaker(data, TINY.network, replace(TINY.data, references=(0.5, 0.0, 0.5)), seed=1)
    counts = {maker[step].reference.shape[1] for step in range(12)}
    assert counts == {1, 3}


@pytest.mark.parametrize(("setting", "argument"), [("drift", "drifts"), ("coded", "codes")])
def test_a_share_of_the_samples_is_made_so(
    data: Path, monkeypatch: pytest.MonkeyPatch, setting: str, argument: str
) -> None:
    told: list[bool] = []
    make: Callable[..., Any] = SampleMaker.make

    def watched(self: SampleMaker, *rest: Any, **how: Any) -> Any:
        told.append(how[argument])
        return make(self, *rest, **how)

    monkeypatch.setattr(SampleMaker, "make", watched)
    settings = config_from_dict({"data": {"people": 1, "frames": 1, "held_out": 0.0, setting: 0.5}}, "x").data
    maker = BatchMaker(data, NetConfig(width=24), settings, seed=1)
    for step in range(16):
        maker[step]
    assert 3 < sum(told) < 13


def test_batches_become_inputs_of_any_size(data: Path) -> None:
    batch = BatchMaker(data, TINY.network, TINY.data, seed=1)[0]
    for size in (256, 64):
        reference, driving, truth = batch.inputs(size)
        assert reference.picture.shape == (1, 1, 3, size, size)
        assert driving.code.shape == (2, 4, size, size)
        assert driving.grid.shape == (2, 1, size, size, 2)
        assert truth.shape == (2, 3, size, size)
        assert truth.abs().max() <= 1
        assert driving.code.min() >= 0 and driving.code.max() <= 1


def test_held_out_people_are_not_trained_on(data: Path) -> None:
    prepared = PreparedSet.open(data)
    assert held_out_people(prepared, 0.5) == {"person 0"}
    assert held_out_people(prepared, 0.0) == set()
    with pytest.raises(UsageError, match="no people are left"):
        BatchMaker(data, TINY.network, replace(TINY.data, held_out=0.9), seed=0)


def make_trainer(data: Path, folder: Path, config: TrainConfig = TINY, start: Path | None = None) -> Trainer:
    return Trainer(config, data, folder, place=CPU, perceptual=None, start=start)


def weights(folder: Path) -> dict[str, Any]:
    return load_checkpoint(folder / "last.pt").generator


def test_a_run_that_stopped_goes_on_as_if_it_had_not(data: Path, tmp_path: Path) -> None:
    make_trainer(data, tmp_path / "whole").run()
    first = make_trainer(data, tmp_path / "parts")
    first.run(lambda: first.step >= 2)
    assert load_checkpoint(tmp_path / "parts" / "last.pt").step == 2
    make_trainer(data, tmp_path / "parts").run()
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert load_checkpoint(tmp_path / "parts" / "last.pt").step == 4


def test_the_rate_rises_stays_and_falls() -> None:
    optimiser, run = OptimiserConfig(warm_up=10, decay=0.5), RunConfig(steps=100)
    factors = [rate_factor(optimiser, run, step, 0.0) for step in (0, 4, 9, 50, 75, 99, 100)]
    assert factors == pytest.approx([0.1, 0.5, 1.0, 1.0, 0.5, 0.02, 0.0])
    # Whichever is farther on counts, steps or time.
    timed = RunConfig(steps=100, minutes=30)
    assert rate_factor(optimiser, timed, 20, 0.375) == pytest.approx(0.5)
    assert rate_factor(optimiser, timed, 75, 0.1) == pytest.approx(0.5)
    assert share_done(timed, 20, 0.5) == 1
    assert share_done(run, 20, 1000.0) == pytest.approx(0.2)


def test_a_run_ends_when_its_time_is_over_and_its_rate_falls_until_then(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = itertools.count(step=12.0)
    monkeypatch.setattr("headgan.models.train.trainer.time", SimpleNamespace(monotonic=lambda: next(moments)))
    rates: list[float] = []
    trainer = make_trainer(
        data,
        tmp_path,
        replace(
            TINY,
            optimiser=OptimiserConfig(rate=1e-3, warm_up=1, decay=1.0),
            run=replace(TINY.run, steps=1000, minutes=1.0, checkpoint_minutes=100, validate_minutes=100),
        ),
    )
    monkeypatch.setattr(trainer, "_average", lambda: rates.append(trainer._rate_factor()))
    trainer.run()
    assert rates == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])
    assert load_checkpoint(tmp_path / "last.pt").hours == pytest.approx(1 / 60)


def test_training_lowers_the_loss(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On one batch, over and over."""
    draw = BatchMaker.__getitem__
    monkeypatch.setattr(BatchMaker, "__getitem__", lambda self, _step: draw(self, 0))
    config = replace(
        TINY,
        data=replace(TINY.data, scene=False, frames=1),
        loss=LossConfig(vgg=0, vgg_warped=0, smooth=0),
        optimiser=OptimiserConfig(rate=2e-3, betas=(0.9, 0.999), warm_up=1, decay=0, clip=20.0),
        run=replace(TINY.run, steps=60),
    )
    make_trainer(data, tmp_path, config).run()
    lines = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    losses = [line["losses"]["l1"] for line in lines if "losses" in line]
    assert losses[-1] < 0.8 * losses[0]


def test_validation_is_written_with_scores_and_a_sheet(data: Path, tmp_path: Path) -> None:
    config = replace(TINY, data=replace(TINY.data, held_out=0.5), run=replace(TINY.run, steps=1))
    make_trainer(data, tmp_path, config).run()
    lines = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    scores = lines[-1]["scores"]
    assert set(scores) == {"model", "prior", "repeat"}
    # One step from its start the generator still draws the prior, but for the mouth, which that fills by itself.
    assert abs(scores["model"]["psnr_db"] - scores["prior"]["psnr_db"]) < 3
    assert (tmp_path / "samples" / "0000001.png").stat().st_size > 1000


def test_a_new_run_can_start_from_the_weights_of_another(data: Path, tmp_path: Path) -> None:
    make_trainer(data, tmp_path / "one").run()
    other = make_trainer(data, tmp_path / "two", start=tmp_path / "one" / "last.pt")
    assert other.step == 0
    other.run(lambda: True)
    assert load_checkpoint(tmp_path / "two" / "last.pt").step == 1


def test_a_packed_checkpoint_is_small_and_goes_on(data: Path, tmp_path: Path) -> None:
    make_trainer(data, tmp_path / "run").run()
    path = tmp_path / "run" / "last.pt"
    size = path.stat().st_size
    save_checkpoint(path, packed(load_checkpoint(path)))
    assert path.stat().st_size < 0.45 * size
    longer = replace(TINY, run=replace(TINY.run, steps=6))
    make_trainer(data, tmp_path / "run", longer).run()
    assert load_checkpoint(path).step == 6


def test_a_checkpoint_is_exported_for_calls_and_packed_for_later(data: Path, tmp_path: Path) -> None:
    make_trainer(data, tmp_path / "run").run(lambda: True)
    last = tmp_path / "run" / "last.pt"
    for name in ("made.onnx", "packed.pt"):
        assert main(["export", str(last), "-o", str(tmp_path / name)]) == 0
    generator = OnnxGenerator(tmp_path / "made.onnx", provider="cpu")
    assert generator.needs("eyes") and generator.needs("reference_eyes") and not generator.needs("sound")
    assert load_checkpoint(tmp_path / "packed.pt").step == 1
    int8 = ["export", str(last), "-o", str(tmp_path / "int8.onnx"), "--precision", "int8"]
    assert main(int8) == 2
    assert main([*int8, "--data", str(data)]) == 0
    assert OnnxGenerator(tmp_path / "int8.onnx", provider="cpu").needs("eyes")
    assert main(["export", str(last), "-o", str(tmp_path / "made.bin")]) == 2
    assert main(["export", str(tmp_path / "no.pt"), "-o", str(tmp_path / "made.onnx")]) == 1


def test_a_generator_that_warps_nothing_is_not_cut(data: Path, tmp_path: Path) -> None:
    config = replace(TINY, network=NetConfig(width=24, flow=False, prior=False, code="landmarks"))
    make_trainer(data, tmp_path / "run", config).run(lambda: True)
    stale = [tmp_path / f"made.{half}.onnx" for half in ("flow", "render")]
    for half in stale:
        half.write_bytes(b"of another generator")
    assert main(["export", str(tmp_path / "run" / "last.pt"), "-o", str(tmp_path / "made.onnx")]) == 0
    assert not any(half.exists() for half in stale)
    generator = OnnxGenerator(tmp_path / "made.onnx", provider="cpu")
    assert generator.needs("landmarks") and generator.needs("reference_landmarks")
    assert not generator.needs("pncc") and not generator.needs("source_grid")


def test_checkpoint_and_configuration_have_to_fit(data: Path, tmp_path: Path) -> None:
    make_trainer(data, tmp_path).run(lambda: True)
    with pytest.raises(UsageError, match="another network"):
        make_trainer(data, tmp_path, replace(TINY, network=NetConfig(width=32)))


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 damaged"])
def test_what_is_no_checkpoint_says_so(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(ModelError, match="no checkpoint"):
        load_checkpoint(tmp_path / "last.pt")


def test_a_frame_may_be_its_own_reference(data: Path) -> None:
    maker = BatchMaker(data, TINY.network, replace(TINY.data, same=1.0), seed=1)
    batch = maker[0]
    for frame in range(2):
        torch.testing.assert_close(batch.picture[:, frame], batch.reference[:, 0])


def test_references_may_be_the_nearest_ones(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = PreparedSet.open(data)
    distances: list[list[float]] = []
    make = SampleMaker.make

    def watched(
        self: SampleMaker, segment: Any, references: Any, frames: Any, *scene: Any, **more: Any
    ) -> Any:
        params, known = prepared.params(segment), prepared.reference_frames(segment)
        distances.append([pose_distance(params[known[index]], params[frames[0]]) for index in references])
        return make(self, segment, references, frames, *scene, **more)

    monkeypatch.setattr(SampleMaker, "make", watched)
    monkeypatch.setattr(batches, "_MOMENT_S", -1)  # The segments are shorter than a moment.
    for near in (1.0, 0.0):
        settings = replace(TINY.data, references=(0.0, 1.0), near=near)
        maker = BatchMaker(data, TINY.network, settings, seed=1)
        distances.clear()
        for step in range(12):
            maker[step]
        is_sorted = [pair == sorted(pair) for pair in distances]
        # Random ones are in order half the time.
        assert sum(is_sorted) == 12 if near else 0 < sum(is_sorted) < 12


def test_equal_poses_are_no_distance_apart() -> None:
    # Its square is a little more than one.
    pose = np.zeros(37, np.float32)
    pose[28:32] = 0.5 + 5e-7
    assert pose_distance(pose, pose) == 0


def test_bf16_is_used_where_it_is_faster(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds, expected in (({True: 0.1, False: 0.2}, True), ({True: 0.2, False: 0.1}, False)):
        monkeypatch.setattr(device, "_seconds", lambda *_, bf16, seconds=seconds: seconds[bf16])
        assert is_bf16_faster(torch.device("cpu")) == expected
    # What is measured does not matter to what asked for single precision.
    monkeypatch.setattr(trainer, "is_bf16_faster", lambda _: True)
    used: list[bool] = []
    autocast = torch.autocast

    def watched(kind: str, dtype: Any, *, enabled: bool) -> Any:
        used.append(enabled)
        return autocast(kind, dtype, enabled=enabled)

    monkeypatch.setattr(torch, "autocast", watched)
    for bf16 in (True, False):
        config = replace(TINY, run=replace(TINY.run, bf16=bf16))
        make_trainer(data, tmp_path / str(bf16), config).run(lambda: True)
        assert set(used) == {bf16}
        used.clear()


def test_dm_sees_the_mouths_that_a_window_holds() -> None:
    boxes = torch.tensor([[0.0, 0.2, 0.3], [0.9, 0.0, 0.3], [-0.5, 3.0, 0.3], [0.7, -0.7, 0.3]])
    assert _in_view(boxes).tolist() == [0, 3]
    # A batch without any still has one, or the processes' gradients would not match.
    assert _in_view(boxes[1:3]).tolist() == [0]


def test_the_shipped_configurations_are_valid() -> None:
    folder = Path(__file__).resolve().parents[1] / "models" / "train" / "configs"
    found = {path.stem: load_config(path) for path in sorted(folder.rglob("*.toml"))}
    assert found["paper"].network.family == "paper"
    assert found["live"].network == NetConfig()


def test_a_configuration_survives_as_a_dictionary() -> None:
    assert config_from_dict(asdict(TINY), "here") == TINY


@pytest.mark.parametrize(
    "text",
    [
        "[network",
        "[nets]\nwidth = 8",
        "network = 3",
        "[network]\nwidht = 8",
        '[network]\nwidth = "8"',
        "[network]\nwidth = true",
        "[network]\nwidth = 9",
        "[data]\nreferences = [0.5]",
        "[data]\nreferences = 1",
        "[data]\npeople = 0",
        "[run]\nsize = 100",
        "[data]\nwindow = 100",
        "[data]\nwindow = 128\n[run]\nsize = 128",
        "[run]\nsteps = 0",
        "[run]\nminutes = -1",
        "[loss]\nmask = 10",
        "[optimiser]\ndecay = 2",
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(text: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(UsageError):
        load_config(path)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_processes_train_one_network(data: Path, tmp_path: Path) -> None:
    """Under torchrun: both see other batches, and the network that comes out is one."""
    config = tmp_path / "run.toml"
    config.write_text(
        "[network]\nwidth = 24\n[data]\npeople = 1\nheld_out = 0.0\nworkers = 0\n"
        "[loss]\nvgg = 0\nvgg_warped = 0\ngan = 1\ndiscriminator_width = 8\n"
        "[optimiser]\nwarm_up = 1\n[run]\nsteps = 3\nsize = 32\nbf16 = false\n"
    )
    script = tmp_path / "one.py"
    script.write_text(
        "import os, sys\nimport torch.distributed as dist\n"
        "from headgan.models.train import trainer\n"
        "run = trainer.Trainer.run\n"
        "def checked(self, stop):\n"
        "    run(self, stop)\n"
        "    parts = [*self._generator.parameters(), *self._objective.parameters()]\n"
        "    flat = trainer.torch.cat([part.detach().flatten() for part in parts])\n"
        "    both = [trainer.torch.empty_like(flat) for _ in range(2)]\n"
        "    dist.all_gather(both, flat)\n"
        "    assert trainer.torch.equal(*both)\n"
        "trainer.Trainer.run = checked\n"
        "from headgan.models.cli import main\nsys.exit(main(sys.argv[1:]))\n"
    )
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        str(script),
    ]
    command += ["train", str(config), "--data", str(data), "-o", str(tmp_path / "run"), "--device", "cpu"]
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert load_checkpoint(tmp_path / "run" / "last.pt").step == 3
