"""The generator G of Eq. 2: references and a driving code in, the picture out.

    Reference ── encoder ── h^(1), h^(2), h^(3) ──┐            (once per reference)
                                                  F ── grid ── warp ── fuse over K ── R ── picture
    Driving ── code, grid, hints ─────────────────┘                                   │
             └ code, audio ───────────────────────────────────────────────────────────┘

With K references F runs once for each, and a softmax of what F says of its trust in them weighs the warped features
and pictures; with one reference that is the paper. Where a head left its place, the reference's background shows.
"""

import torch
from torch import Tensor, nn

from headgan.models.nets.blocks import keep_variance
from headgan.models.nets.config import AUDIO_SIZE, NetConfig
from headgan.models.nets.flow import Flow, LiveEncoder, LiveFlow, PaperEncoder, PaperFlow
from headgan.models.nets.inputs import Drawn, Driving, Features, Reference
from headgan.models.nets.render import LiveRender, PaperRender, Warped
from headgan.models.nets.warp import identity_grid, shrink, to_grid, to_planes, warp


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
        start = self._start(reference, driving)
        # What is uncovered is the prior's to say.
        uncovered = driving.uncovered if self.config.prior else torch.zeros_like(driving.uncovered)
        hints = torch.cat([uncovered, driving.mouth], dim=2)  # [B, K, 2, H, W]
        repeated = driving.code[:, None].expand(-1, K, -1, -1, -1).flatten(0, 1)  # [B K, Z, H, W]
        flow = self.flow_net(features, repeated, start, hints.flatten(0, 1))
        if not self.config.flow:
            unmoved = identity_grid(driving.code).expand(B * K, -1, -1, -1)
            flow = Flow(unmoved, torch.zeros_like(flow.residual), flow.trust, torch.zeros_like(flow.decoded))
        trust = flow.trust.reshape(B, K, *flow.trust.shape[1:]).softmax(dim=1)  # [B, K, 1, h, w]
        if not renders:
            picture = self._warp_picture(reference, hints, flow, trust)
            return Drawn(picture, picture, flow.residual, trust[:, :, 0], flow.mask)
        warped = self._warp(features, reference, hints, flow, trust)
        audio = driving.audio
        if audio is None:
            audio = torch.zeros(B, AUDIO_SIZE, device=driving.code.device, dtype=driving.code.dtype)
        picture = self.render_net(warped, driving.code, audio)
        return Drawn(picture, warped.picture, flow.residual, trust[:, :, 0], flow.mask)

    def _start(self, reference: Reference, driving: Driving) -> Tensor:
        """[B K, H, W, 2]: where F starts from."""
        if self.config.prior:
            return driving.grid.flatten(0, 1)
        count = reference.picture.shape[0] * reference.picture.shape[1]
        return identity_grid(driving.code).expand(count, -1, -1, -1)

    def _warp(
        self, features: Features, reference: Reference, hints: Tensor, flow: Flow, trust: Tensor
    ) -> Warped:
        """Everything that R is given, warped and fused."""
        whole = to_planes(flow.grid)

        def moved(level: Tensor) -> Tensor:
            grid = to_grid(shrink(whole, int(whole.shape[2]) // int(level.shape[2])))
            return _fuse(warp(level, grid), trust)

        return Warped(
            self._warp_picture(reference, hints, flow, trust),
            features.each(moved),
            _fuse(hints.flatten(0, 1), trust),
            _fuse(flow.decoded.float(), trust),
        )

    def _warp_picture(self, reference: Reference, hints: Tensor, flow: Flow, trust: Tensor) -> Tensor:
        """[B, 3, H, W]: the references warped and fused."""
        picture = warp(reference.picture.flatten(0, 1), flow.grid)
        if self.config.prior:
            uncovered = hints[:, :, :1].flatten(0, 1)
            picture = picture + uncovered * (reference.background.flatten(0, 1) - picture)
        return _fuse(picture, trust)


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
