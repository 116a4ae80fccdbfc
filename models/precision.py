"""The files of a generator and this machine in, the precision that draws fastest here out: measured once.

All that are there draw one built-in face in turns. What draws something else than single precision is out, whatever its
speed: a processor may lack an instruction, and a library may have a bug. The answer is kept in the user's cache folder
until processor, libraries or weights change.
"""

import hashlib
import json
import logging
import os
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headgan.codec.params import EXPRESSION_SIZE, GAZE_SIZE, FaceParams
from headgan.models.fitting import project
from headgan.models.frame_graphs import MADE_FROM_KEY, PRECISIONS, half_paths
from headgan.models.generator import SHIPPED_GENERATOR, OnnxGenerator
from headgan.models.machine import cpu_name
from headgan.models.morphable import MESH_VERTICES, MorphableModel
from headgan.models.pncc import CROP_SIZE, pncc_colors, render_pncc
from headgan.models.reconstruct import Reconstructor, ReferenceImage
from headgan.models.runtime import is_processor, open_session
from headgan.models.timed_draws import shortest_ms
from headgan.models.user_folders import cache_folder
from headgan.models.weights import weights_path
from headgan.proto.errors import HeadganError

PRECISION_CHOICES = ("auto", *PRECISIONS)
_EXACT = "float32"
_TIMED_DRAWS = 15
# Mean difference to single precision, in levels of 255: eight bits differ by 0.5 as they should.
_MAX_DIFFERENCE = 3.0
_LIBRARIES = ("headgan", "numba", "numpy", "onnxruntime", "opencv-python-headless")

log = logging.getLogger(__name__)


def open_networks(
    model: MorphableModel,
    path: Path | None = None,
    provider: str = "auto",
    precision: str = "auto",
    *,
    in_halves: bool = False,
) -> OnnxGenerator:
    """The networks in the precision that is wanted or, with `auto` and on a processor, draws fastest here.

    Args:
        model: the morphable model.
        path: see `OnnxGenerator`.
        provider: see `OnnxGenerator`.
        precision: one of `PRECISION_CHOICES`.
        in_halves: see `OnnxGenerator`.

    Raises:
        ModelError: a file is missing, damaged, or asks for inputs that nobody has.
        UsageError: the provider cannot be had on this machine, or the precision for this generator.
    """
    if precision != "auto":
        return OnnxGenerator(path, provider=provider, precision=precision, in_halves=in_halves)
    if not is_processor(provider):
        generator = OnnxGenerator(path, provider=provider, in_halves=in_halves)
        if generator.provider != "cpu":
            return generator
    best = chosen_precision(model, path or weights_path(SHIPPED_GENERATOR))
    return OnnxGenerator(path, provider="cpu", precision=best, in_halves=in_halves)


def chosen_precision(model: MorphableModel, path: Path, cache: Path | None = None) -> str:
    """Of `PRECISIONS`, what a processor draws fastest with.

    Args:
        model: the morphable model.
        path: of the whole graph; which halves are beside it is looked up.
        cache: another folder than `cache_folder` to remember it in.
    """
    there = [name for name in PRECISIONS if name == _EXACT or _is_there(path, name)]
    folder = cache_folder() if cache is None else cache
    # The key stands for what is in the files: what was found once to belong together still does.
    file = folder / f"precision-{_key(path, there)}.json"
    known = _remembered(file)
    if known in there:
        return known
    names = [name for name in there if name == _EXACT or belongs(path, name)]
    if len(names) == 1:
        return _EXACT
    times_ms = _measured(model, path, names)
    best = min(times_ms, key=lambda name: times_ms[name])
    _remember(file, {"precision": best, "draw_ms": times_ms})
    return best


def belongs(path: Path, precision: str) -> bool:
    """Whether there are halves of `precision` that were made from those in single precision beside them."""
    if not (_is_there(path, precision) and _is_there(path, _EXACT)):
        return False
    files, exact = half_paths(path, precision), half_paths(path, _EXACT)
    digests = [hashlib.sha256(file.read_bytes()).digest() for file in exact]
    made_from = hashlib.sha256(b"".join(digests)).hexdigest()
    for file in files:
        session, _ = open_session(file, "cpu")
        if session.get_modelmeta().custom_metadata_map.get(MADE_FROM_KEY) != made_from:
            log.warning("%s belongs to other weights and is not used; headgan export makes it anew", file)
            return False
    return True


def _is_there(path: Path, precision: str) -> bool:
    return all(file.exists() for file in half_paths(path, precision))


def _measured(model: MorphableModel, path: Path, names: list[str]) -> dict[str, float]:
    """The shortest time to draw, in ms, of each precision that draws what single precision does."""
    reference, params = _face(model)
    drawers, pictures = {}, {}
    for name in names:
        try:
            generator = OnnxGenerator(path, provider="cpu", precision=name)
            drawers[name] = Reconstructor(model, generator, reference)
            pictures[name] = drawers[name].draw(params)
        except HeadganError as error:
            log.warning("%s is left out: %s", name, error)
    exact = pictures[_EXACT].astype(np.int16)
    for name in list(drawers):
        difference = float(np.abs(pictures[name] - exact).mean())
        if difference > _MAX_DIFFERENCE:
            log.warning(
                "%s draws something else on this machine (%.1f levels off) and is not used", name, difference
            )
            del drawers[name]
    draws = {name: drawer.draw for name, drawer in drawers.items()}
    return shortest_ms(draws, params, _TIMED_DRAWS)


def _face(model: MorphableModel) -> tuple[ReferenceImage, FaceParams]:
    """A face that nobody has, the mean one painted with its coordinates, before a shaded wall; and turned a little."""
    camera = np.array([1, 0, 0, 0, 0.45, 0, 0.1], np.float32)
    still = FaceParams(np.zeros(EXPRESSION_SIZE, np.float32), camera, np.zeros(GAZE_SIZE, np.float32))
    identity = np.zeros(model.identity_size, np.float32)
    points = project(model, identity, still)
    face = render_pncc(points[:MESH_VERTICES], model.triangles, pncc_colors(model))
    shade = np.linspace(60, 180, CROP_SIZE, dtype=np.float32)
    wall: NDArray[np.uint8] = np.stack(
        np.broadcast_arrays(shade, shade[:, None], shade[::-1]), axis=-1
    ).astype(np.uint8)
    picture = np.where(face.any(axis=-1, keepdims=True), face, wall)
    angle = 0.1  # radians, about the neck
    turned = np.array([np.cos(angle / 2), 0, np.sin(angle / 2), 0, 0.45, 0.04, 0.1], np.float32)
    return ReferenceImage(picture, identity, still), replace(still, camera=turned)


def _key(path: Path, names: list[str]) -> str:
    """Stands for everything that the answer depends on."""
    files = [path, path.with_suffix(".reference.onnx")]
    files += [file for name in names for file in half_paths(path, name)]
    whole = hashlib.sha256(f"{cpu_name()} {os.cpu_count()}".encode())
    for library in _LIBRARIES:
        whole.update(f"{library} {_version(library)}".encode())
    for file in files:
        if file.exists():
            whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()[:32]


def _version(library: str) -> str:
    try:
        return version(library)
    except ModuleNotFoundError:  # Another package may bring the same module.
        return "none"


def _remembered(file: Path) -> str | None:
    try:
        found = json.loads(file.read_text())["precision"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def _remember(file: Path, answer: dict[str, object]) -> None:
    """Writes the answer, which nobody sees before it is whole; where that cannot be, it is measured again next time."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as part:
            json.dump(answer, part)
        Path(part.name).replace(file)
    except OSError as error:
        log.info("%s cannot be written (%s)", file, error.strerror)
