"""A trained generator in, ONNX graphs out: what is done once for a reference, and what is done for every frame.

    reference graph   reference, reference_pncc, reference_eyes, background ── whatever they alone decide
    frame graph       these, pncc, eyes, source_grid, uncovered, mouth, audio ── picture

with landmarks in place of pncc where the generator was trained on those.

The frame graph of the `live` generator may be cut in two where it warps the picture: on a processor a picture library
does that in a fifth of the time, and what F says of several references can be fused in between.

    flow graph        of one reference: all of the above ── grid, trust, middle, coarse, decoded
    render graph      warped, middle, coarse, decoded, fused, and the rest of the above ── picture

Pictures go in and come out as bytes, [256, 256, C]. The generator is exported whole and split after, so that also the
tables that features are fetched from are made once. Weights are stored in half precision; the arithmetic is single,
unless the provider prefers otherwise.
"""

import io
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn.utils import parametrize

from headgan.models.cut_frames import COARSE_KEY, MIDDLE_KEY
from headgan.models.frame_graphs import SPEECH_KEY
from headgan.models.gpu_session import HALF_KEY
from headgan.models.nets.blocks import PlainResBlock
from headgan.models.nets.config import AUDIO_SIZE, NetConfig
from headgan.models.nets.head_gan import HeadGan, sound_of
from headgan.models.nets.inputs import Driving, Reference
from headgan.models.nets.render import LiveRender
from headgan.models.nets.split import SplitGraph, part_of, split_graph
from headgan.models.nets.warp import gathering
from headgan.models.runtime import open_session

OPSET = 17
OF_REFERENCE = ("reference", "reference_pncc", "reference_landmarks", "reference_eyes", "background")
# What is cut at: between F and what comes before and after it, and before and after R.
FLOW_INPUTS, FLOW_OUTPUTS = ("start", "hints", "started"), ("residual", "trust", "decoded")
RENDER_INPUTS = ("warped", "middle", "coarse", "decoded")
CUTS = (*FLOW_INPUTS, *FLOW_OUTPUTS, "warped", "middle", "coarse", "changes")
# Weights with fewer numbers stay exact: it costs nothing.
_EXACT_BELOW = 64


@dataclass(frozen=True, eq=False)
class ExportedGenerator:
    """The two graphs as bytes of ONNX files; the outputs of `reference` are inputs of `frame`, by name.

    Where `frame` can be cut, what it is cut at are outputs too.
    """

    reference: bytes
    frame: bytes


class _Whole(nn.Module):
    """The generator as a call uses it: bytes in, bytes out, one reference."""

    def __init__(self, generator: HeadGan) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, given: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """The picture, uint8 [H, W, 3], and the tensors of `CUTS`; given: `generator_inputs`."""
        code = self.generator.config.code
        reference = Reference(
            _picture(given["reference"])[:, None],
            _code(given[f"reference_{code}"], given.get("reference_eyes"))[:, None],
            _picture(given["background"])[:, None],
        )
        audio = given.get("audio")
        driving = Driving(
            _code(given[code], given.get("eyes")),
            given["source_grid"][None, None],
            given["uncovered"][None, None, None],
            given["mouth"][None, None, None],
            None if audio is None else audio[None],
        )
        generator = self.generator
        moved = generator.move(generator.encode(reference), reference, driving)
        warped, flow = moved.warped, moved.flow
        if not is_cut(generator.config):
            return (_levels(generator.finish(warped, driving)),)
        render_net = generator.render_net
        assert isinstance(render_net, LiveRender) and flow.seen is not None
        changes = render_net.changes(warped, driving.code, sound_of(driving))
        picture = _levels(render_net.changed(warped.picture, changes))
        found = (flow.residual, flow.trust, warped.decoded)
        return (
            picture,
            *flow.seen,
            *found,
            warped.picture,
            warped.features.middle,
            warped.features.coarse,
            changes,
        )


def generator_inputs(config: NetConfig, size: int) -> dict[str, Tensor]:
    """Every input of a call by name, all zeros: pictures uint8 [size, size, C], the others float32."""
    picture, plane = torch.zeros(size, size, 3, dtype=torch.uint8), torch.zeros(size, size)
    eyes = torch.zeros(size, size, dtype=torch.uint8)
    return {
        "reference": picture,
        f"reference_{config.code}": picture,
        **({"reference_eyes": eyes} if config.gaze else {}),
        "background": picture,
        config.code: picture,
        **({"eyes": eyes} if config.gaze else {}),
        "source_grid": torch.zeros(size, size, 2),
        "uncovered": plane,
        "mouth": plane,
        **({"audio": torch.zeros(AUDIO_SIZE)} if config.audio else {}),
    }


def draw_bytes(generator: HeadGan, given: dict[str, Tensor]) -> Tensor:
    """Uint8 [H, W, 3]: what the exported graphs draw, by torch; given: as `generator_inputs`."""
    with torch.no_grad():
        drawn: Tensor = _Whole(generator.eval())(given)[0]
        return drawn


def export_generator(generator: HeadGan, size: int = 256, *, half: bool = True) -> ExportedGenerator:
    """Both graphs of `generator` for one reference.

    Args:
        generator: trained; it is not changed.
        size: side of the pictures.
        half: whether weights are stored in half precision.

    Raises:
        ValueError: it was trained with past frames, which a call does not stack.
    """
    config = generator.config
    if config.past_frames:
        raise ValueError("a call draws every frame for itself; train with past_frames = 0 to export")
    given = generator_inputs(config, size)
    with gathering() if config.family == "live" else nullcontext():
        names = ["picture", *CUTS] if is_cut(config) else ["picture"]
        whole = _exported(_Whole(_plain(generator)), given, names)
    parts = split_graph(whole, [name for name in OF_REFERENCE if name in given])
    _fix_shapes(parts, given)
    if half:
        _store_half(parts.once)
        _store_half(parts.each)
    return ExportedGenerator(_checked(parts.once), _checked(parts.each))


def whole_frame(frame: bytes) -> bytes:
    """The frame graph with no output but the picture."""
    return _checked(part_of(onnx.load_from_string(frame), ["picture"]))


def cut_frame(frame: bytes) -> tuple[bytes, bytes]:
    """The flow and the render graph of the frame graph of a `live` generator.

    Raises:
        ValueError: it cannot be cut.
    """
    model = onnx.load_from_string(frame)
    flow = part_of(model, FLOW_OUTPUTS, FLOW_INPUTS)
    render = part_of(model, ["picture"], RENDER_INPUTS)
    helper.set_model_props(flow, _tables(model))
    return _checked(flow), _checked(render)


def cut_for_bytes(frame: bytes) -> tuple[bytes, bytes]:
    """The same for eight bits: the render graph up to the changes that it makes to the warped picture."""
    flow, _ = cut_frame(frame)
    return flow, _checked(part_of(onnx.load_from_string(frame), ["changes"], RENDER_INPUTS))


def _tables(model: onnx.ModelProto) -> dict[str, str]:
    """Which inputs of the frame graph are the tables that `middle` and `coarse` are fetched from."""
    makers = {name: node for node in model.graph.node for name in node.output}
    found = {}
    for key, name in ((MIDDLE_KEY, "middle"), (COARSE_KEY, "coarse")):
        known, names = {item.name for item in model.graph.input}, [name]
        while names:
            node = makers.get(names.pop())
            if node is not None and node.op_type == "Gather" and node.input[0] in known:
                found[key] = node.input[0]
                break
            names += [] if node is None else node.input
    return found


def marked(graph: bytes, speech: str) -> bytes:
    """The ONNX file `graph`, saying that it was trained with the features of sound named `speech`."""
    model = onnx.load_from_string(graph)
    known = {item.key: item.value for item in model.metadata_props}
    helper.set_model_props(model, known | {SPEECH_KEY: speech})
    return _checked(model)


def is_cut(config: NetConfig) -> bool:
    """Whether the frame graph of such a generator can be cut."""
    return config.family == "live" and config.flow and config.prior


def _plain(generator: HeadGan) -> HeadGan:
    """A copy for inference, its spectral norms folded into the weights."""
    plain = HeadGan(generator.config)
    plain.load_state_dict(generator.state_dict())
    plain.eval()
    for module in plain.modules():
        if isinstance(module, PlainResBlock):
            module.fold()
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight")
    return plain.requires_grad_(False)


def _exported(whole: nn.Module, given: dict[str, Tensor], names: list[str]) -> onnx.ModelProto:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Shapes are fixed on purpose, and the other exporter needs one package more.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            whole,
            (given, {}),
            buffer,  # type: ignore[arg-type]
            input_names=list(given),
            output_names=names,
            opset_version=OPSET,
            dynamo=False,
        )
    return onnx.load_from_string(buffer.getvalue())


def _fix_shapes(parts: SplitGraph, given: dict[str, Tensor]) -> None:
    """Writes the shapes of what is kept of a reference where nobody could infer them; a run of the first part tells."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "once.onnx"
        onnx.save(parts.once, path)
        session, _ = open_session(path, "cpu")
    names = [item.name for item in session.get_outputs()]
    feed = {item.name: given[item.name].numpy() for item in session.get_inputs()}
    shapes = {name: array.shape for name, array in zip(names, session.run(names, feed), strict=True)}
    for item in [*parts.once.graph.output, *parts.each.graph.input]:
        if item.name in shapes:
            of = item.type.tensor_type
            fixed = helper.make_tensor_value_info(item.name, of.elem_type, shapes[item.name])
            item.CopyFrom(fixed)


def _store_half(model: onnx.ModelProto) -> None:
    """Stores large float32 weights as float16 with a Cast behind each, which is folded when the graph is loaded."""
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < _EXACT_BELOW:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _checked(model: onnx.ModelProto) -> bytes:
    if all(item.key != HALF_KEY for item in model.metadata_props):
        # Where a warp fetches from is found with whole numbers, and nothing else needs more digits.
        model.metadata_props.add(key=HALF_KEY, value="1")
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data


def _levels(picture: Tensor) -> Tensor:
    """Uint8 [H, W, 3] of [1, 3, H, W], -1 to 1."""
    return ((picture[0] + 1) * 127.5).round().clamp(0, 255).permute(1, 2, 0).to(torch.uint8)


def _picture(levels: Tensor) -> Tensor:
    """[1, 3, H, W], -1 to 1, of uint8 [H, W, 3]."""
    return levels.float().permute(2, 0, 1)[None] / 127.5 - 1


def _code(code: Tensor, eyes: Tensor | None) -> Tensor:
    """[1, C, H, W], 0 to 1, of uint8 [H, W, 3] and eyes, uint8 [H, W]."""
    planes = code.float().permute(2, 0, 1)[None]
    if eyes is not None:
        planes = torch.cat([planes, eyes.float()[None, None]], dim=1)
    return planes / 255
