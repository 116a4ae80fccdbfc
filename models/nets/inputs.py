"""What goes into the generator and what comes out of it, with every shape.

B samples, K references each, pictures H x W. Letters of the paper: y_ref is `Reference.picture`, x_ref is
`Reference.code`, x_{t-k:t} is `Driving.code`, h_t^(a) is `Driving.audio`, y~_t is `Drawn.picture`, the warped
reference is `Drawn.warped`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Reference:
    """K pictures of each person.

    Attributes:
        picture: [B, K, 3, H, W], RGB, -1 to 1.
        code: [B, K, C, H, W], 0 to 1: the coordinate code, and with gaze the irises.
        background: [B, K, 3, H, W], the picture without the person, -1 to 1.
    """

    picture: Tensor
    code: Tensor
    background: Tensor


@dataclass(frozen=True, eq=False)
class Driving:
    """One frame to draw of each person.

    Attributes:
        code: [B, C (1 + past frames), H, W], 0 to 1, newest frame first.
        grid: [B, K, H, W, 2], the flow prior: each pixel's x-y in the reference, -1 to 1.
        uncovered: [B, K, 1, H, W], 0 to 1, where the head was in the reference and nothing is now.
        mouth: [B, K, 1, H, W], 0 to 1, where a mouth opens that the reference shows closed.
        audio: [B, 300], or None for silence.
    """

    code: Tensor
    grid: Tensor
    uncovered: Tensor
    mouth: Tensor
    audio: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Features:
    """Features of a batch of references, or of the same references warped, in three scales.

    Attributes:
        fine: [N, C1, H1, W1], h^(1) of the paper; None from the `live` encoder, whose R looks at the warped picture
            itself instead.
        middle: [N, C2, H1/2, W1/2], h^(2).
        coarse: [N, C3, H1/4, W1/4], h^(3).
    """

    fine: Tensor | None
    middle: Tensor
    coarse: Tensor

    def each(self, change: Callable[[Tensor], Tensor]) -> "Features":
        """The same with every scale changed."""
        fine = None if self.fine is None else change(self.fine)
        return Features(fine, change(self.middle), change(self.coarse))


@dataclass(frozen=True, eq=False)
class Drawn:
    """The generator's result.

    Attributes:
        picture: [B, 3, H, W], -1 to 1, and a little beyond it from the `live` R.
        warped: [B, 3, H, W], the references warped by F and fused, before R.
        residual: [B K, 2, h, w], what F added to where it started from, in half picture widths; zeros
            without F.
        trust: [B, K, h, w], softmax over K: how much each reference is trusted where.
        mask: [B K, 1, H, W], 0 to 1, where the published F lets anything move; None from the `live` F.
    """

    picture: Tensor
    warped: Tensor
    residual: Tensor
    trust: Tensor
    mask: Tensor | None = None
