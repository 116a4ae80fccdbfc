"""Training a network that reads lips."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from headgan.models.cli import main  # noqa: E402
from headgan.models.metrics.lip_judge import LipJudge  # noqa: E402
from headgan.models.metrics.lip_sound import HEARD_SIZE, LipSound  # noqa: E402
from headgan.models.nets.lip_export import export_lips  # noqa: E402
from headgan.models.nets.lips import LipNet  # noqa: E402
from headgan.models.speech_classes import CLASSES, REST  # noqa: E402
from headgan.models.train import lip_training, lips_command  # noqa: E402
from headgan.models.train.lip_set import LipClip  # noqa: E402
from headgan.models.train.lip_training import (  # noqa: E402
    LipSettings,
    changed,
    classes_loss,
    sync_loss,
    train_lips,
)
from headgan.models.train.lip_validation import validate_lips  # noqa: E402


def clip_of(person: str, count: int, seed: int = 0) -> LipClip:
    """A person whose mouth is as light as what is heard, which is one of three sounds."""
    random = np.random.default_rng(seed)
    sounds = random.integers(0, 3, count)
    shares = np.full((count, CLASSES), 0.5 / (CLASSES - 1), np.float32)
    shares[np.arange(count), sounds] = 0.5
    shares[:, REST] = 0.5 / (CLASSES - 1)
    heard = np.zeros((count, HEARD_SIZE), np.float32)
    heard[np.arange(count), sounds] = 3
    mouths = random.integers(0, 40, (count, 60, 80)) + 70 * sounds[:, None, None]
    return LipClip(person, mouths.astype(np.uint8), LipSound(shares, heard))


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lip_training, "_BATCH", 2)
    monkeypatch.setattr(lip_training, "_STRETCH", 24)


def test_every_parameter_learns() -> None:
    torch.manual_seed(0)
    net = LipNet()
    logits, lips, sound = net(torch.rand(2, 9, 48, 64) * 255, torch.randn(2, 9, HEARD_SIZE))
    assert (logits.shape, lips.shape, sound.shape) == ((2, 9, CLASSES), (2, 9, 64), (2, 9, 64))
    assert torch.allclose(lips.norm(dim=-1), torch.ones(2, 9), atol=1e-5)
    shares, known = torch.rand(2, 9, CLASSES), torch.ones(2, 9, dtype=torch.bool)
    loss = classes_loss(logits, shares, torch.ones(CLASSES), known)
    loss += sync_loss(lips, sound, net.sharpness.exp(), known)
    loss.backward()  # type: ignore[no-untyped-call]
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_losses_know_what_is_right_and_what_is_not_there() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(1, 20, 64), dim=-1)
    known = torch.ones(1, 20, dtype=torch.bool)
    right = sync_loss(vectors, vectors, torch.tensor(20.0), known)
    assert right < 0.1 < 3 < sync_loss(vectors, vectors.roll(5, 1), torch.tensor(20.0), known)
    shares = torch.zeros(1, 20, CLASSES)
    shares[..., 4] = 1
    logits = 20 * shares
    assert classes_loss(logits, shares, torch.ones(CLASSES), known) < 0.1
    logits[:, 10:] = -logits[:, 10:]
    assert classes_loss(logits, shares, torch.ones(CLASSES), known) > 3
    known[:, 9:] = False
    assert classes_loss(logits, shares, torch.ones(CLASSES), known) < 0.1
    broken = vectors.clone()
    broken[:, 9:] = -vectors[:, 9:]
    assert sync_loss(broken, vectors, torch.tensor(20.0), known) < 0.1


def test_pictures_are_changed_a_little() -> None:
    rows, columns = np.mgrid[:60, :80]
    face = 120 + 80 * np.exp(-(((rows - 29.5) / 10) ** 2 + ((columns - 39.5) / 15) ** 2))
    mouths = torch.from_numpy(np.tile(face.astype(np.float32), (16, 3, 1, 1)))
    seen = changed(mouths, np.random.default_rng(0))
    assert seen.shape == (16, 3, 48, 64)
    peaks = seen.mean(dim=1).flatten(1).argmax(dim=1)
    middle = torch.stack([peaks // 64, peaks % 64], dim=1) - torch.tensor([24, 32])
    assert middle.abs().max() <= 11
    assert middle.float().std(dim=0).min() > 0.5


def test_it_learns_and_the_file_says_the_same(tmp_path: Path) -> None:
    clips = [clip_of(str(seed), 70, seed) for seed in range(4)]
    losses: list[tuple[float, float]] = []
    net = train_lips(clips, LipSettings(4), lambda _, told, apart: losses.append((told, apart)))
    assert losses[-1][0] < losses[0][0]
    path = tmp_path / "lips.onnx"
    path.write_bytes(export_lips(net))
    judge, clip = LipJudge(path), clip_of("other", 33, 9)
    mouths: NDArray[np.uint8] = clip.mouths[:, 6:-6, 8:-8]
    look = judge.look(mouths, clip.sound)
    with torch.no_grad():
        logits, lips, sound = net(
            torch.from_numpy(mouths.astype(np.float32))[None], torch.from_numpy(clip.sound.heard)[None]
        )
    assert np.allclose(look.shares, logits[0].softmax(-1), atol=1e-4)
    assert np.allclose(look.lips, lips[0], atol=1e-4)
    assert np.allclose(look.sound, sound[0], atol=1e-4)
    found = validate_lips(judge, [clip_of("other", 120, 9)])
    assert found.sounds == 120
    assert "| sounds told |" in found.table()


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    people = [clip_of(name, 70, seed) for seed, name in enumerate("abcde")]
    monkeypatch.setattr("headgan.models.train.prepared_set.PreparedSet.open", lambda _: None)
    monkeypatch.setattr("headgan.models.train.lip_set.read_lip_clips", lambda *_: people)
    monkeypatch.setattr(lips_command, "PhonemeNet", lambda: None)
    output = tmp_path / "lips.onnx"
    assert main(["train-lips", "prepared", "-o", str(output), "--steps", "2"]) == 0
    assert output.stat().st_size < 2_000_000
    told = capsys.readouterr().out
    assert "trained on 4 people, 4 clips, 280 pictures; measured on 1 people, 1 clips, 70 pictures" in told
    monkeypatch.setattr("headgan.models.train.lip_set.read_lip_clips", lambda *_: people[:2])
    assert main(["train-lips", "prepared", "-o", str(output)]) == 2
    assert "2 people speak in it, too few" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "lips.pt"], "the name ends in .onnx"),
        (["-o", "lips.onnx", "--steps", "0"], "give 1 or more"),
        (["-o", "lips.onnx", "--held-out", "1"], "less than 1"),
    ],
)
def test_bad_options(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train-lips", "prepared", *words]) == 2
    assert message in capsys.readouterr().err
