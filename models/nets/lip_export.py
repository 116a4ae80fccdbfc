"""A trained network that reads lips in, its ONNX file out: mouths uint8 [T, 48, 64], heard [T, 150], of any T."""

import io
import warnings

import onnx
import torch
from torch import Tensor, nn

from headgan.models.metrics.lip_judge import INPUTS, OUTPUTS
from headgan.models.metrics.lip_sound import HEARD_SIZE
from headgan.models.metrics.mouth_view import MOUTH_HEIGHT, MOUTH_WIDTH
from headgan.models.nets.export import OPSET
from headgan.models.nets.lips import LipNet

_SAMPLE = 30


class _OneClip(nn.Module):
    """Bytes and sound of one clip in, without a batch; shares out."""

    def __init__(self, net: LipNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, mouths: Tensor, heard: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Shares [T, 27], lips [T, 64] and sound [T, 64]; mouths: uint8 [T, 48, 64], heard: float [T, 150]."""
        logits, lips, sound = self.net(mouths.float()[None], heard[None])
        return logits[0].softmax(dim=-1), lips[0], sound[0]


def export_lips(net: LipNet) -> bytes:
    """The bytes of the ONNX file; net: trained."""
    given = (
        torch.zeros(_SAMPLE, MOUTH_HEIGHT, MOUTH_WIDTH, dtype=torch.uint8),
        torch.zeros(_SAMPLE, HEARD_SIZE),
    )
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The other exporter needs one package more.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _OneClip(net).eval(),
            given,
            buffer,  # type: ignore[arg-type]
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "T"} for name in (*INPUTS, *OUTPUTS)},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data
