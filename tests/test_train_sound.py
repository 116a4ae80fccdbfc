"""Training with sound: what a frame hears is computed once, reaches the networks, and is missing where it should be."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'headgan[train]'")

from headgan.codec.params import FaceParams  # noqa: E402
from headgan.models.cli import main  # noqa: E402
from headgan.models.codes import CodeRenderer  # noqa: E402
from headgan.models.generator import OnnxGenerator  # noqa: E402
from headgan.models.morphable import MorphableModel  # noqa: E402
from headgan.models.nets.config import AUDIO_SIZE, NetConfig  # noqa: E402
from headgan.models.nets.head_gan import HeadGan  # noqa: E402
from headgan.models.speech import SPEECH_SIZE, clip_features  # noqa: E402
from headgan.models.train import speech_of_set  # noqa: E402
from headgan.models.train.batches import BatchMaker  # noqa: E402
from headgan.models.train.checkpoint import load_checkpoint  # noqa: E402
from headgan.models.train.config import (  # noqa: E402
    DataConfig,
    LossConfig,
    OptimiserConfig,
    RunConfig,
    TrainConfig,
    config_from_dict,
)
from headgan.models.train.device import Place  # noqa: E402
from headgan.models.train.prepared_set import PreparedSet  # noqa: E402
from headgan.models.train.samples import SampleMaker  # noqa: E402
from headgan.models.train.shard_pictures import encode_mask, encode_picture  # noqa: E402
from headgan.models.train.shards import (  # noqa: E402
    FORMAT_VERSION,
    SHARD_FOLDER,
    DatasetInfo,
    PreparedReference,
    PreparedSegment,
    ShardWriter,
)
from headgan.models.train.speech_of_set import speech_rows  # noqa: E402
from headgan.models.train.trainer import Trainer  # noqa: E402
from headgan.proto.errors import DeviceError, UsageError  # noqa: E402

MODEL = MorphableModel.load()
FRAMES = 5
DEAF = TrainConfig(
    network=NetConfig(width=24),
    data=DataConfig(people=1, frames=2, held_out=0.0, workers=0, references=(1.0,)),
    loss=LossConfig(vgg=0, vgg_warped=0, gan_mouth=1, matching_mouth=1, discriminator_width=8),
    optimiser=OptimiserConfig(warm_up=1, decay=0),
    run=RunConfig(steps=2, size=32, bf16=False),
)
HEARING = replace(DEAF, data=replace(DEAF.data, audio_drop=0.0))
CPU = Place(torch.device("cpu"))
LISTENS = "render_net.listen.adain.affine.weight"


def speech(person: int) -> NDArray[np.int16]:
    """As long as the frames are; the second person says nothing."""
    if person == 1:
        return np.empty(0, np.int16)
    places = np.arange(FRAMES * 640) / 16_000
    tone = sum(np.sin(2 * np.pi * 140 * k * places) / k for k in range(1, 15))
    return np.rint(6000 * tone * np.sin(2 * np.pi * 6 * places)).astype(np.int16)


def segment(writer: ShardWriter, person: int) -> PreparedSegment:
    random = np.random.default_rng(person)
    waves = np.sin(np.mgrid[:256, :256].sum(axis=0)[..., None] / random.uniform(20, 40, 3))
    places = [
        writer.add_picture(encode_picture((128 + 20 * frame + 30 * waves).astype(np.uint8)))
        for frame in range(FRAMES)
    ]
    mask = np.zeros((256, 256), np.float32)
    mask[40:, 60:200] = 1
    camera = np.array([1, 0, 0, 0, 0.45, 0, 0], np.float32)
    face = FaceParams(np.zeros(28, np.float32), camera, np.zeros(2, np.float32))
    background = encode_picture(np.full((256, 256, 3), 90, np.uint8))
    return PreparedSegment(
        person=f"person {person}",
        clip=f"{person}.mp4",
        places=places,
        params=np.stack([face.to_array()] * FRAMES),
        fit_error_px=np.zeros(FRAMES, np.float32),
        pts_ms=1000 + 40 * np.arange(FRAMES, dtype=np.float64),
        identity=np.zeros(MODEL.identity_size, np.float32),
        crop=(0.0, 0.0, 256.0),
        rate_fps=25.0,
        sound=speech(person),
        references=[PreparedReference(0, encode_mask(mask), background)],
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A set of two shards: in the first one person speaks and one does not, in the second one speaks."""
    folder = tmp_path / "set"
    (folder / SHARD_FOLDER).mkdir(parents=True)
    DatasetInfo(FORMAT_VERSION, 256, MODEL.model_id.hex(), 1, 2, "plan", ("clips",)).write(folder)
    for number, people in enumerate(((0, 1), (2,))):
        with ShardWriter(folder, number) as writer:
            for person in people:
                writer.add_segment(segment(writer, person))
            writer.finish({"clips": []})
    return folder


def kept(data: Path) -> list[Path]:
    return sorted((data / SHARD_FOLDER).glob("*.speech-*.npy"))


def trainer(data: Path, folder: Path, config: TrainConfig = HEARING, **more: Any) -> Trainer:
    return Trainer(config, data, folder, place=CPU, perceptual=None, **more)


def test_frames_have_the_features_of_their_time(data: Path) -> None:
    prepared = PreparedSet.open(data)
    features = speech_rows(prepared)
    everything = np.arange(FRAMES)
    expected = clip_features(speech(0), 16_000, 40.0 * everything)
    for one, other in ((0, expected), (1, np.zeros_like(expected)), (2, expected)):
        np.testing.assert_array_equal(features.of(prepared.segments[one], everything), other)
    np.testing.assert_array_equal(features.of(prepared.segments[2], np.array([3, 0])), expected[[3, 0]])
    assert expected.any()
    assert SPEECH_SIZE == AUDIO_SIZE
    again = pickle.loads(pickle.dumps(features))
    np.testing.assert_array_equal(again.of(prepared.segments[0], everything), expected)


def test_features_are_computed_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speech_rows(PreparedSet.open(data))
    assert [path.name[:12] for path in kept(data)] == ["00000.speech", "00001.speech"]

    def fail(*_: Any, **__: Any) -> Any:
        raise AssertionError("computed again")

    with monkeypatch.context() as patched:
        patched.setattr(speech_of_set, "segment_features", fail)
        speech_rows(PreparedSet.open(data))
        kept(data)[0].unlink()
        with pytest.raises(AssertionError, match="computed again"):
            speech_rows(PreparedSet.open(data))
        # What was made in another way is not taken for this.
        patched.setattr(speech_of_set, "speech_form", lambda: "2-other")
        with pytest.raises(AssertionError, match="computed again"):
            speech_rows(PreparedSet.open(data))
    assert not list((data / SHARD_FOLDER).glob("*.part"))


def test_features_of_another_shard_are_not_taken(data: Path) -> None:
    speech_rows(PreparedSet.open(data))
    with ShardWriter(data, 1) as writer:
        writer.add_segment(segment(writer, 1))
        writer.finish({"clips": []})
    prepared = PreparedSet.open(data)
    assert not speech_rows(prepared).of(prepared.segments[2], np.arange(FRAMES)).any()


def test_damaged_features_say_so(data: Path) -> None:
    prepared = PreparedSet.open(data)
    speech_rows(prepared)
    kept(data)[0].write_bytes(b"damaged")
    with pytest.raises(DeviceError, match="damaged or missing; delete it and start again"):
        speech_rows(prepared).of(prepared.segments[0], np.arange(2))


def test_features_that_cannot_be_kept_say_so(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(DeviceError, match="No space left on device"):
        speech_rows(PreparedSet.open(data))


def test_a_sample_hears_what_its_frames_hear(data: Path) -> None:
    prepared = PreparedSet.open(data)
    renderer = CodeRenderer(MODEL)
    maker = SampleMaker(prepared, renderer, hears=True)
    expected = clip_features(speech(0), 16_000, 40.0 * np.arange(FRAMES))
    sample = maker.make(prepared.segments[0], np.zeros(1, np.int64), np.array([4, 1]))
    np.testing.assert_array_equal(sample.audio, expected[[4, 1]])
    deaf = SampleMaker(prepared, renderer).make(prepared.segments[0], np.zeros(1, np.int64), np.array([4]))
    assert deaf.audio.shape == (1, 0)


def test_sound_is_dropped_as_often_as_asked(data: Path) -> None:
    def silent(share: float) -> float:
        maker = BatchMaker(data, HEARING.network, replace(HEARING.data, audio_drop=share, people=2), seed=1)
        heard = [maker[step].audio for step in range(15)]
        return float(np.mean([not sample.any() for batch in heard for sample in batch]))

    # A third of the people is silent.
    never, often = silent(0.0), silent(0.7)
    assert 0.1 < never < 0.6
    assert often > never + 0.2
    batch = BatchMaker(data, HEARING.network, HEARING.data, seed=1)[0]
    _, driving, _ = batch.inputs(32)
    assert driving.audio is not None
    assert driving.audio.shape == (2, AUDIO_SIZE)


def test_without_sound_all_is_as_before(data: Path) -> None:
    """No file is written, no random number more is drawn, and the networks are given no sound."""
    deaf = BatchMaker(data, DEAF.network, DEAF.data, seed=1)[3]
    assert not kept(data)
    _, driving, _ = deaf.inputs(32)
    assert driving.audio is None
    for config in (replace(HEARING.network, audio=False), HEARING.network):
        batch = BatchMaker(data, config, replace(HEARING.data, audio_drop=1.0), seed=1)[3]
        assert batch.audio.shape[-1] == 0
        assert torch.equal(batch.picture, deaf.picture)
    assert not kept(data)
    assert not TrainConfig().hears
    assert not config_from_dict({"network": {"audio": False}, "data": {"audio_drop": 0.0}}, "x").hears


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(UsageError, match="audio_drop"):
        config_from_dict({"data": {"audio_drop": share}}, "x")


def test_gradients_reach_what_listens(data: Path, tmp_path: Path) -> None:
    # In the first step what follows the weight is nothing, and some steps are of the silent person.
    longer = replace(HEARING, run=replace(HEARING.run, steps=6))
    hearing = trainer(data, tmp_path / "run", longer)
    before = {name: value.clone() for name, value in hearing._generator.state_dict().items()}
    hearing.run()
    after = load_checkpoint(tmp_path / "run" / "last.pt")
    changed = {name for name, value in after.generator.items() if not torch.equal(value, before[name])}
    assert LISTENS in changed
    assert after.config.hears
    # In silence that weight is multiplied by nothing.
    deaf = trainer(data, tmp_path / "deaf", DEAF)
    start = deaf._generator.state_dict()[LISTENS].clone()
    deaf.run()
    assert torch.equal(load_checkpoint(tmp_path / "deaf" / "last.pt").generator[LISTENS], start)


def test_a_run_that_begins_to_hear_begins_with_what_it_drew_in_silence(data: Path, tmp_path: Path) -> None:
    trainer(data, tmp_path / "deaf", DEAF).run()
    last = tmp_path / "deaf" / "last.pt"
    hearing = trainer(data, tmp_path / "hearing", start=last)._generator.eval()
    deaf = trainer(data, tmp_path / "same", DEAF, start=last)._generator.eval()
    maker = BatchMaker(data, HEARING.network, HEARING.data, seed=1)
    loud = next(batch for batch in map(maker.__getitem__, range(20)) if batch.audio.any())
    reference, driving, _ = loud.inputs(32)
    with torch.no_grad():
        one = hearing(reference, driving).picture
        other = deaf(reference, replace(driving, audio=None)).picture
        wrong = deaf(reference, driving).picture
    torch.testing.assert_close(one, other)
    assert (wrong - other).abs().max() > 1e-5
    # And what has begun to hear goes on hearing.
    longer = replace(HEARING, run=replace(HEARING.run, steps=6))
    trainer(data, tmp_path / "hearing", longer, start=last).run()
    again = trainer(data, tmp_path / "again", start=tmp_path / "hearing" / "last.pt")
    assert again._generator.state_dict()[LISTENS].any()


def test_validation_hears(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = []
    forward = HeadGan.forward

    def watched(self: Any, reference: Any, driving: Any, **more: Any) -> Any:
        heard.append((self.training, driving.audio))
        return forward(self, reference, driving, **more)

    monkeypatch.setattr(HeadGan, "forward", watched)
    config = replace(HEARING, data=replace(HEARING.data, held_out=0.4), run=replace(HEARING.run, steps=1))
    trainer(data, tmp_path / "run", config).run()
    assert len(heard) >= 2
    assert all(audio is not None for _, audio in heard)


def test_only_what_was_trained_with_sound_is_given_any(data: Path, tmp_path: Path) -> None:
    for name, config in (("deaf", DEAF), ("hearing", HEARING)):
        trainer(data, tmp_path / name, config).run()
        assert main(["export", str(tmp_path / name / "last.pt"), "-o", str(tmp_path / f"{name}.onnx")]) == 0
    deaf, hearing = (OnnxGenerator(tmp_path / f"{name}.onnx", provider="cpu") for name in ("deaf", "hearing"))
    assert hearing.needs("audio")
    # It declares the input, but what it would make of sound is by chance.
    assert not deaf.needs("audio")
    assert "audio" in deaf._inputs


def test_sound_of_another_version_is_not_given(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trainer(data, tmp_path / "run").run()
    made = tmp_path / "made.onnx"
    int8 = ["export", str(tmp_path / "run" / "last.pt"), "-o", str(made), "--precision", "int8"]
    assert main([*int8, "--data", str(data)]) == 0
    assert OnnxGenerator(made, provider="cpu").needs("audio")
    monkeypatch.setattr("headgan.models.generator.speech_form", lambda: "2-other")
    assert not OnnxGenerator(made, provider="cpu").needs("audio")
    assert "features of sound of another version" in caplog.text
