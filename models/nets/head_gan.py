"""The generator G of Eq. 2: references and a driving code in, the picture out.

    Reference ── encoder ── h^(1), h^(2), h^(3) ──┐            (once per reference)
                                                  F ── grid ── warp ── fuse over K ── R ── picture
    Driving ── code, grid, hints ─────────────────┘                                   │
             └ code, audio ───────────────────────────────────────────────────────────┘

With K references F runs once for each, and a softmax of what F says of its trust in them weighs the warped features
and pictures; with one reference that is the paper. Where a head left its place, the reference's background shows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from headgan.models.cut_frames import TRUST_SHARPNESS
from headgan.models.nets.blocks import AdaIn, keep_variance
from headgan.models.nets.config import AUDIO_SIZE, NetConfig
from headgan.models.nets.flow import Flow, LiveEncoder, LiveFlow, PaperEncoder, PaperFlow
from headgan.models.nets.inputs import Drawn, Driving, Features, Reference
from headgan.models.nets.render import LiveRender, PaperRender, Warped
from headgan.models.nets.warp import identity_grid, shrink, to_grid, to_planes, warp, warp_sharply


@dataclass(frozen=True, eq=False)
class Moved:
    """References, each moved by F for itself, before they are fused.

    Attributes:
        flow: what F finds for each of the N.
        warped: what R is to be given, N of each.
    """

    flow: Flow
    warped: Warped


class HeadGan(nn.Module):
    """The generator; `config` says which."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        is_paper = config.family == "paper"
        inputs = config.code_channels + 3
        self.encoder = PaperEncoder(inputs, config.width) if is_paper else LiveEncoder(inputs, config.width)
        self.flow_net = PaperFlow(config) if is_paper else LiveFlow(config)
        self.render_net = PaperRender(config) if is_paper else LiveRender(config)
        if is_paper:
            _xavier(self)
        else:
            keep_variance(self)

    def forward(self, reference: Reference, driving: Driving, *, renders: bool = True) -> Drawn:
        """Draws T frames of each of B persons from K references.

        Args:
            reference: of B persons.
            driving: of B T frames, those of one person one after the other.
            renders: whether R finishes the picture; without, it is the warped one.
        """
        features = self.encode(reference)
        frames = len(driving.code) // len(reference.picture)
        if frames > 1:
            features, reference = _repeated(features, reference, frames)
        return self.draw(features, reference, driving, renders=renders)

    def encode(self, reference: Reference) -> Features:
        """Features of the B K references, which do not depend on the driving frame."""
        code = reference.code.flatten(0, 1)
        features: Features = self.encoder(torch.cat([code, reference.picture.flatten(0, 1)], dim=1))
        return features

    def draw(
        self, features: Features, reference: Reference, driving: Driving, *, renders: bool = True
    ) -> Drawn:
        """Draws from features that `encode` made of `reference`; see `forward`."""
        B, K = reference.picture.shape[:2]
        moved = self.move(features, reference, driving, renders=renders)
        flow = moved.flow
        sharp = TRUST_SHARPNESS * flow.trust
        trust = sharp.reshape(B, K, *flow.trust.shape[1:]).softmax(dim=1)  # [B, K, 1, h, w]
        warped = moved.warped.each(lambda planes: _fuse(planes, trust))
        picture = self.finish(warped, driving) if renders else warped.picture
        return Drawn(picture, warped.picture, flow.residual, trust[:, :, 0], flow.mask)

    def move(
        self, features: Features, reference: Reference, driving: Driving, *, renders: bool = True
    ) -> Moved:
        """Each of the B K references by itself: what F finds, and everything that R is given, warped."""
        B, K = reference.picture.shape[:2]
        start = self._start(reference, driving)
        # What is uncovered is the prior's to say.
        uncovered = driving.uncovered if self.config.prior else torch.zeros_like(driving.uncovered)
        hints = torch.cat([uncovered, driving.mouth], dim=2).flatten(0, 1)  # [B K, 2, H, W]
        repeated = driving.code[:, None].expand(-1, K, -1, -1, -1).flatten(0, 1)  # [B K, Z, H, W]
        flow = self.flow_net(features, repeated, start, hints)
        if not self.config.flow:
            unmoved = identity_grid(driving.code).expand(B * K, -1, -1, -1)
            flow = Flow(unmoved, torch.zeros_like(flow.residual), flow.trust, torch.zeros_like(flow.decoded))
        picture = self._warp_picture(reference, hints, flow)
        # Without R nobody looks at the features.
        warped = _warp_features(features, flow) if renders else features
        return Moved(flow, Warped(picture, warped, hints, flow.decoded.float()))

    def finish(self, warped: Warped, driving: Driving) -> Tensor:
        """[B, 3, H, W]: the picture that R makes of what was warped and fused."""
        picture: Tensor = self.render_net(warped, driving.code, sound_of(driving))
        return picture

    def begin_to_hear(self) -> None:
        """Before the first sound after a training in silence: what it would be multiplied by is still by chance."""
        for module in self.modules():
            if isinstance(module, AdaIn):
                nn.init.zeros_(module.affine.weight)

    def _start(self, reference: Reference, driving: Driving) -> Tensor:
        """[B K, H, W, 2]: where F starts from."""
        if self.config.prior:
            return driving.grid.flatten(0, 1)
        count = reference.picture.shape[0] * reference.picture.shape[1]
        return identity_grid(driving.code).expand(count, -1, -1, -1)

    def _warp_picture(self, reference: Reference, hints: Tensor, flow: Flow) -> Tensor:
        """[B K, 3, H, W]: each reference warped; where it is uncovered its background.

        In training bilinearly: R learns to give back what that takes of hair and lashes, and then draws them sharper
        from what is fetched bicubically than if it had been trained with that (docs/training.md).
        """
        fetched = warp if self.training else warp_sharply
        picture = fetched(reference.picture.flatten(0, 1), flow.grid)
        if self.config.prior:
            picture = picture + hints[:, :1] * (reference.background.flatten(0, 1) - picture)
        return picture


def sound_of(driving: Driving) -> Tensor:
    """[B, 300]: what is heard; zeros for silence."""
    if driving.audio is not None:
        return driving.audio
    return torch.zeros((len(driving.code), AUDIO_SIZE), device=driving.code.device, dtype=driving.code.dtype)


def _warp_features(features: Features, flow: Flow) -> Features:
    whole = to_planes(flow.grid)

    def moved(level: Tensor) -> Tensor:
        return warp(level, to_grid(shrink(whole, int(whole.shape[2]) // int(level.shape[2]))))

    return features.each(moved)


def _repeated(features: Features, reference: Reference, frames: int) -> tuple[Features, Reference]:
    """Every person `frames` times."""
    B, K = reference.picture.shape[:2]

    def each(planes: Tensor) -> Tensor:
        return planes.repeat_interleave(frames, dim=0)

    def each_of(level: Tensor) -> Tensor:
        return each(level.reshape(B, K, *level.shape[1:])).flatten(0, 1)

    return (
        features.each(each_of),
        Reference(each(reference.picture), each(reference.code), each(reference.background)),
    )


def _fuse(planes: Tensor, trust: Tensor) -> Tensor:
    """[B, C, h, w]: planes [B K, C, h, w] weighed over K by `trust` [B, K, 1, any, any]."""
    B, K = trust.shape[:2]
    if K == 1:
        return planes
    weights = nn.functional.interpolate(
        trust[:, :, 0], size=planes.shape[2:], mode="bilinear", align_corners=False
    )
    fused: Tensor = (planes.reshape(B, K, *planes.shape[1:]) * weights[:, :, None]).sum(dim=1)
    return fused


def _xavier(module: nn.Module) -> None:
    """The paper's initialisation: Xavier normal with gain 0.02, biases 0."""
    for name, parameter in module.named_parameters():
        if parameter.dim() > 1:
            nn.init.xavier_normal_(parameter, gain=0.02)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
