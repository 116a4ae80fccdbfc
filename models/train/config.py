"""A TOML file in, the settings of a training run out, checked."""

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headgan.models.nets.config import NetConfig
from headgan.proto.errors import UsageError


@dataclass(frozen=True)
class DataConfig:
    """What a batch is made of.

    Attributes:
        people: persons a batch, B.
        frames: driving frames of each person, T; they share the references.
        references: probabilities of K = 1, 2, 3, ... references.
        first: probability that the only reference is the segment's first frame, as in a call.
        far: probability that the driving frame is the farther in pose of two drawn.
        same: probability that it is the first reference itself, of which nothing may be lost.
        near: probability that the references are the nearest in pose, out of a few drawn, to the driving frame, as a
            call's memory of references offers them; `first` and `far` then do not count.
        window: side in pixels of the part of the pictures that is trained on, as cheap as smaller pictures are, but
            sharp; 0, all.
        windows: how many are cut out of each sample; making it costs more than training on a small one.
        window_face: share of the windows that is placed on the face.
        window_mouth: share of these that is placed on the mouth.
        scene: whether scenes are zoomed, turned and shifted, mirrored and changed in colour.
        held_out: share of the people kept for validation.
        audio_drop: share of the samples that come without sound, as calls do too; 1, all: the networks stay deaf, and
            so does a call with them.
        drift: share of the samples whose geometry follows drift (`headgan.models.drift_field`), as it does in calls
            with more than one reference.
        coded: share of the samples whose references are as the other end of a call sees them, coded in few bytes.
        workers: processes that make batches.
    """

    people: int = 4
    frames: int = 2
    references: tuple[float, ...] = (1.0,)
    first: float = 0.4
    far: float = 0.5
    same: float = 0.0
    near: float = 0.0
    window: int = 0
    windows: int = 1
    window_face: float = 0.7
    window_mouth: float = 0.3
    scene: bool = True
    held_out: float = 0.04
    audio_drop: float = 1.0
    drift: float = 0.0
    coded: float = 0.0
    workers: int = 1


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms; the published ones are those of `PAPER_LOSS`.

    Attributes:
        l1: absolute difference of the picture.
        l2: squared difference; what is badly wrong, a mouth that should be open, weighs more than noise everywhere.
        l1_warped: absolute difference of the warped reference.
        face: how many times more a pixel of the face counts in these.
        mouth: and one of the mouth's box.
        gradient: absolute difference of the picture's gradients.
        vgg: VGG distance of the picture.
        vgg_warped: of the warped reference.
        vgg_crop: side of the random squares that the VGG sees; 0, all.
        vgg_share: share of the frames that it sees.
        vgg_face: share of these squares that is centred on the face.
        lpips: distance as ST-LPIPS measures it, on the same squares.
        flow: distance of the residual flow to the flow teacher's, in units of 8 pixels of 256.
        mask: difference of F's mask, of the `paper` family, to where the person is; published 10.
        smooth: smoothness of the residual flow.
        gan: hinge loss of D.
        matching: feature matching of D.
        gan_mouth: hinge loss of Dm.
        matching_mouth: feature matching of Dm.
        discriminator_width: of D and Dm; published 64.
        discriminator_crop: side of the square around the face that D sees; 0, all.
        generator_steps: steps of the generator for one of the discriminators; published 4.
    """

    l1: float = 50.0
    l2: float = 0.0
    l1_warped: float = 25.0
    face: float = 2.0
    mouth: float = 4.0
    gradient: float = 0.0
    vgg: float = 10.0
    vgg_warped: float = 5.0
    vgg_crop: int = 96
    vgg_share: float = 1.0
    vgg_face: float = 0.5
    lpips: float = 0.0
    flow: float = 0.0
    mask: float = 0.0
    smooth: float = 1.0
    gan: float = 0.0
    matching: float = 0.0
    gan_mouth: float = 0.0
    matching_mouth: float = 0.0
    discriminator_width: int = 32
    discriminator_crop: int = 128
    generator_steps: int = 1

    @property
    def needs_picture(self) -> bool:
        """Whether any term looks at what R draws; without, only F is trained."""
        of_picture = (self.l1, self.l2, self.gradient, self.vgg, self.lpips, self.gan, self.matching)
        return any(of_picture) or any((self.gan_mouth, self.matching_mouth))


@dataclass(frozen=True)
class OptimiserConfig:
    """Adam, or Muon.

    Attributes:
        muon: whether the generator's inner convolutions are stepped by Muon.
        rate: learning rate of the generator.
        rate_discriminator: of the discriminators.
        betas: decay of the two moments.
        warm_up: steps over which the rate rises from nothing.
        decay: the last share of all steps, over which the rate falls linearly to nothing.
        clip: largest norm of the gradient; 0, none.
        ema: decay of the averaged weights, a step.
    """

    muon: bool = False
    rate: float = 4e-4
    rate_discriminator: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    warm_up: int = 200
    decay: float = 0.2
    clip: float = 0.0
    ema: float = 0.999


@dataclass(frozen=True)
class RunConfig:
    """How long and how.

    Attributes:
        steps: of the generator.
        minutes: the run ends after so much training at the latest, and its rate falls with time; 0, steps alone count.
        seed: of everything random.
        size: pictures are trained at this side, 256 or less.
        bf16: whether convolutions run in bfloat16 where that is faster; it is measured at the start.
        checkpoint_minutes: time between checkpoints.
        validate_minutes: time between validations.
        validation_pairs: how many held-out pairs are drawn for one.
    """

    steps: int = 100_000
    minutes: float = 0.0
    seed: int = 0
    size: int = 256
    bf16: bool = True
    checkpoint_minutes: float = 5.0
    validate_minutes: float = 10.0
    validation_pairs: int = 64


@dataclass(frozen=True)
class TrainConfig:
    """Everything in the file."""

    network: NetConfig = field(default_factory=NetConfig)
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    run: RunConfig = field(default_factory=RunConfig)

    @property
    def hears(self) -> bool:
        """Whether the networks are trained with sound."""
        return hears(self.network, self.data)

    def __post_init__(self) -> None:
        data, run = self.data, self.run
        if not 0 <= data.audio_drop <= 1:
            raise UsageError(f"[data] audio_drop {data.audio_drop:g}: a share, 0 to 1")
        if not 0 <= data.drift <= 1:
            raise UsageError(f"[data] drift {data.drift:g}: a share, 0 to 1")
        if not 0 <= data.coded <= 1:
            raise UsageError(f"[data] coded {data.coded:g}: a share, 0 to 1")
        if (
            data.people < 1
            or data.frames < 1
            or data.windows < 1
            or not data.references
            or min(data.references) < 0
        ):
            raise UsageError(
                "[data] people, frames and windows are at least 1, references a list of probabilities"
            )
        if abs(sum(data.references) - 1) > 1e-6:
            raise UsageError(f"[data] references add up to {sum(data.references):g}, must be 1")
        if data.window % 32 or not 0 <= data.window <= 256 or (data.window and run.size != 256):
            raise UsageError(
                f"[data] window {data.window}: a multiple of 32 up to 256, with [run] size 256, or 0"
            )
        if not 32 <= run.size <= 256 or 256 % run.size:
            raise UsageError(f"[run] size {run.size}: 256, 128, 64 or 32")
        if self.loss.mask and self.network.family != "paper":
            raise UsageError("[loss] mask: only the F of [network] family = 'paper' has a mask; leave it out")
        if (
            run.steps < 1
            or run.minutes < 0
            or not 0 <= self.optimiser.decay <= 1
            or not 0 <= data.held_out < 1
        ):
            raise UsageError(
                "[run] steps is at least 1, minutes at least 0, [optimiser] decay and [data] held_out are shares"
            )


def hears(network: NetConfig, data: DataConfig) -> bool:
    """Whether such a network is trained with sound on such samples."""
    return network.audio and data.audio_drop < 1


def load_config(path: Path) -> TrainConfig:
    """The settings in the TOML file `path`; what it leaves out has its default.

    Raises:
        UsageError: the file is missing, no TOML, or has a name or a value that does not exist.
    """
    try:
        given = tomllib.loads(path.read_text())
    except OSError as exc:
        raise UsageError(f"{path} cannot be read ({exc.strerror}); give a TOML file") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path} is not TOML: {exc}") from exc
    return config_from_dict(given, str(path))


def config_from_dict(given: dict[str, Any], where: str) -> TrainConfig:
    """The settings in nested dictionaries, as `dataclasses.asdict` writes them.

    Args:
        given: sections by name, settings by name in them.
        where: what to call the source in an error.

    Raises:
        UsageError: a name or a value does not exist.
    """
    parts: dict[str, Any] = {}
    sections = {item.name: item.default_factory for item in dataclasses.fields(TrainConfig)}
    for name, settings in given.items():
        if name not in sections or not isinstance(settings, dict):
            raise UsageError(f"{where}: [{name}] is no section; there are {', '.join(sections)}")
        parts[name] = _section(sections[name], settings, f"{where}: [{name}]")
    return TrainConfig(**parts)


def _section(kind: Any, settings: dict[str, Any], where: str) -> Any:  # noqa: ANN401
    fields = {item.name: item for item in dataclasses.fields(kind)}
    values = {}
    for name, value in settings.items():
        if name not in fields:
            raise UsageError(f"{where} {name} does not exist; there are {', '.join(fields)}")
        default = fields[name].default
        fits = isinstance(value, type(default)) or (isinstance(default, float) and type(value) is int)
        if isinstance(default, tuple):
            fits = isinstance(value, list | tuple) and all(isinstance(item, int | float) for item in value)
            value = tuple(value) if fits else value
        if not fits or (isinstance(value, bool) and not isinstance(default, bool)):
            raise UsageError(
                f"{where} {name} = {value!r}; it is {type(default).__name__}, such as {default!r}"
            )
        values[name] = float(value) if isinstance(default, float) else value
    return kind(**values)
