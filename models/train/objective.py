"""What the generator drew and the truth in, its loss and the discriminators' loss out, term by term."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from headgan.models.nets.config import AUDIO_SIZE, NetConfig
from headgan.models.nets.discriminators import MOUTH_SIZE, Judgement, PatchDiscriminator
from headgan.models.nets.inputs import Drawn
from headgan.models.nets.losses import (
    cut_boxes,
    feature_matching,
    gradient_l1,
    hinge_of_discriminator,
    hinge_of_generator,
    mask_distance,
    masked_l1,
    masked_l2,
    smoothness,
    taught_flow,
    vgg_distance,
)
from headgan.models.nets.vgg import PerceptualDistance
from headgan.models.train.batches import Batch
from headgan.models.train.config import LossConfig

Terms = dict[str, Tensor]
# Half a picture's width, and a little: a mouth may be cut at the corner.
_IN_VIEW = 1.1
_Judge = Callable[[Tensor], Judgement]


class Objective(nn.Module):
    """The losses of section 3.4 with the weights of a `LossConfig`; holds the discriminators."""

    def __init__(self, loss: LossConfig, network: NetConfig, perceptual: PerceptualDistance | None) -> None:
        """Args: perceptual: needed where a VGG term has a weight; it is not trained."""
        super().__init__()
        self._loss = loss
        self._perceptual = [perceptual]  # In a list: not a part of this module's state.
        width = loss.discriminator_width
        self.discriminator = (
            PatchDiscriminator(3 + network.driving_channels, width) if loss.gan or loss.matching else None
        )
        self.mouth_discriminator = (
            PatchDiscriminator(3 + AUDIO_SIZE, width) if loss.gan_mouth or loss.matching_mouth else None
        )

    @property
    def has_discriminators(self) -> bool:
        """Whether there is anything to train here."""
        return self.discriminator is not None or self.mouth_discriminator is not None

    def of_generator(
        self, drawn: Drawn, truth: Tensor, code: Tensor, batch: Batch, random: torch.Generator
    ) -> Terms:
        """The weighted terms of the generator's loss.

        Args:
            drawn: of N = B T frames.
            truth: [N, 3, H, W], -1 to 1.
            code: [N, Z, H, W], 0 to 1.
            batch: where the boxes are.
            random: places the squares that the VGG sees.
        """
        loss = self._loss
        face_box, mouth_box = batch.face_box.flatten(0, 1), batch.mouth_box.flatten(0, 1)
        weight = self._pixel_weight(code, mouth_box)
        terms = {}
        if loss.l1:
            terms["l1"] = loss.l1 * masked_l1(drawn.picture, truth, weight)
        if loss.l2:
            terms["l2"] = loss.l2 * masked_l2(drawn.picture, truth, weight)
        if loss.l1_warped:
            terms["l1_warped"] = loss.l1_warped * masked_l1(drawn.warped, truth, weight)
        if loss.gradient:
            terms["gradient"] = loss.gradient * gradient_l1(drawn.picture, truth)
        if loss.flow:
            terms["flow"] = loss.flow * taught_flow(drawn.residual, batch.lesson.flatten(0, 2))
        if loss.mask and drawn.mask is not None:
            terms["mask"] = loss.mask * mask_distance(drawn.mask, batch.person.flatten(0, 2).float() / 255)
        if loss.smooth:
            terms["smooth"] = loss.smooth * 100 * smoothness(drawn.residual)
        terms |= self._perceptual_terms(drawn, truth, face_box, random)
        fake, real = drawn.picture, truth
        for name, judge, gan, matching in self._judges(code, face_box, mouth_box, batch.heard):
            found, wanted = judge(fake), judge(real)
            if gan:
                terms[f"gan_{name}"] = gan * hinge_of_generator(found.scores)
            if matching:
                terms[f"matching_{name}"] = matching * feature_matching(wanted.features, found.features)
        return terms

    def of_discriminators(self, picture: Tensor, truth: Tensor, code: Tensor, batch: Batch) -> Terms:
        """The discriminators' hinge losses; `picture` carries no gradient."""
        boxes = batch.face_box.flatten(0, 1), batch.mouth_box.flatten(0, 1)
        shares = {"D": 1.0, "Dm": 0.5}
        return {
            name: shares[name] * hinge_of_discriminator(judge(truth).scores, judge(picture.detach()).scores)
            for name, judge, _, _ in self._judges(code, *boxes, batch.heard)
        }

    def _judges(
        self, code: Tensor, face_box: Tensor, mouth_box: Tensor, heard: Tensor | None
    ) -> list[tuple[str, _Judge, float, float]]:
        """Name, what judges a picture, weights of the hinge and of the matching loss, of each discriminator."""
        loss = self._loss
        judges: list[tuple[str, _Judge, float, float]] = []
        if self.discriminator is not None:
            judge_picture = self.discriminator
            square = _square(face_box, loss.discriminator_crop, code.shape[-1])

            def picture(picture: Tensor) -> Judgement:
                if square is None:
                    return judge_picture.forward(picture, code)
                size = loss.discriminator_crop
                return judge_picture.forward(cut_boxes(picture, square, size), cut_boxes(code, square, size))

            judges.append(("D", picture, loss.gan, loss.matching))
        if self.mouth_discriminator is not None:
            judge_mouth = self.mouth_discriminator
            seen = _in_view(mouth_box)

            def mouth(picture: Tensor) -> Judgement:
                boxes = cut_boxes(picture[seen], mouth_box[seen], MOUTH_SIZE)
                return judge_mouth.forward(boxes, None if heard is None else heard[seen])

            judges.append(("Dm", mouth, loss.gan_mouth, loss.matching_mouth))
        return judges

    def _pixel_weight(self, code: Tensor, mouth_box: Tensor) -> Tensor:
        """[N, 1, H, W]: one, more on the face and most around the mouth."""
        weight = 1 + self._loss.face * (code[:, :3].sum(dim=1, keepdim=True) > 0.01).float()
        size = code.shape[-1]
        axis = (2 * torch.arange(size, device=code.device) + 1) / size - 1
        x = ((axis[None] - mouth_box[:, :1]).abs() < mouth_box[:, 2:]).float()  # [N, W]
        y = ((axis[None] - mouth_box[:, 1:2]).abs() < mouth_box[:, 2:]).float()
        return weight + self._loss.mouth * (y[:, :, None] * x[:, None])[:, None]

    def _perceptual_terms(
        self, drawn: Drawn, truth: Tensor, face_box: Tensor, random: torch.Generator
    ) -> Terms:
        loss, perceptual = self._loss, self._perceptual[0]
        if perceptual is None or not (loss.vgg or loss.vgg_warped or loss.lpips):
            return {}
        # Frames of one person are alike: the VGG, which costs more than the generator, may see some of them only.
        seen = slice(None, None, max(1, round(1 / loss.vgg_share)))
        squares = self._squares(face_box[seen], truth.shape[-1], random)
        truth = truth[seen]
        pictures = [drawn.picture[seen]] + ([drawn.warped[seen]] if loss.vgg_warped else [])
        cut = [_cut_squares(item, squares, loss.vgg_crop) for item in (truth, *pictures)]
        with torch.no_grad():
            wanted = perceptual.features((cut[0] + 1) / 2)
        found = perceptual.features((torch.cat(cut[1:]) + 1) / 2)
        mine = [level[: len(truth)] for level in found]
        terms = {}
        if loss.vgg:
            terms["vgg"] = loss.vgg * vgg_distance(mine, wanted)
        if loss.lpips:
            terms["lpips"] = (
                loss.lpips
                * perceptual.compare(
                    [level.float() for level in mine], [level.float() for level in wanted]
                ).mean()
            )
        if loss.vgg_warped:
            terms["vgg_warped"] = loss.vgg_warped * vgg_distance(
                [level[len(truth) :] for level in found], wanted
            )
        return terms

    def _squares(self, face_box: Tensor, size: int, random: torch.Generator) -> list[tuple[int, int]]:
        """Upper left corners of the squares that the VGG sees, somewhere or around a place of the face."""
        side = self._loss.vgg_crop
        if not 0 < side < size:
            return []
        anywhere = torch.rand(len(face_box), 2, generator=random) * (size - side)
        inside = torch.rand(len(face_box), 2, generator=random) * 2 - 1
        on_face = face_box[:, :2].cpu() + inside * face_box[:, 2:].cpu() * 0.6
        centered = (on_face + 1) * size / 2 - side / 2
        is_face = torch.rand(len(face_box), 1, generator=random) < self._loss.vgg_face
        corners = torch.where(is_face, centered, anywhere).round().clamp(0, size - side).int()
        return [(int(x), int(y)) for x, y in corners]


def _cut_squares(planes: Tensor, corners: list[tuple[int, int]], side: int) -> Tensor:
    """[N, C, side, side]; everything if there are no corners."""
    if not corners:
        return planes
    return torch.stack(
        [item[:, y : y + side, x : x + side] for item, (x, y) in zip(planes, corners, strict=True)]
    )


def _in_view(boxes: Tensor) -> Tensor:
    """Indices of the boxes [N, 3] that lie in the picture, at least the one that does best: windows may miss them."""
    beyond = boxes[:, :2].abs().amax(dim=1) + boxes[:, 2]
    return (beyond <= torch.clamp(beyond.min(), min=_IN_VIEW)).nonzero()[:, 0]


def _square(face_box: Tensor, side: int, size: int) -> Tensor | None:
    """[N, 3]: the square of `side` pixels around each face, inside the picture; None if it is the picture."""
    if not 0 < side < size:
        return None
    half = side / size
    center = face_box[:, :2].clamp(half - 1, 1 - half)
    return torch.cat([center, torch.full_like(center[:, :1], half)], dim=1)
