"""A network file and an NVIDIA provider in, how onnxruntime is to run it there out; and what keeps references there.

    frame ── copied ─────┐
                         ├─ graph on the device ── picture ── copied back
    references ── kept ──┘

TensorRT compiles an engine for this very card, which takes a while, once: engines and what they were measured with stay
in the user's cache folder. All shapes are fixed. Half precision is used for graphs that say that they may be.
"""

import contextlib
import ctypes
import hashlib
import importlib.util
import io
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from headgan.models.user_folders import cache_folder
from headgan.proto.errors import DeviceError

TENSORRT, CUDA, CPU = "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"
# A property of files in which nothing needs more digits than half precision has: places in tables are whole numbers.
HALF_KEY = "headgan_half"
# Arrays of references whose copies stay on the device: a memory of 64, some arrays each.
_KEPT = 512
_SILENT_S, _TELL_EVERY_S = 2.0, 10.0
log = logging.getLogger(__name__)

Provider = tuple[str, dict[str, str]]


def gpu_providers(path: Path, provider: str) -> list[Provider]:
    """`provider` and what takes over what it cannot run, with options as onnxruntime wants them.

    Args:
        path: an ONNX file.
        provider: `TENSORRT` or `CUDA`.

    Raises:
        DeviceError: the cache folder cannot be written.
    """
    below: list[Provider] = [(CUDA, _cuda_options()), (CPU, {})]
    if provider == CUDA:
        return below
    is_half = may_be_half(path)
    return [(TENSORRT, tensorrt_options(engine_folder(path), is_half=is_half)), *below]


def tensorrt_options(folder: Path, *, is_half: bool) -> dict[str, str]:
    """Options of TensorRT whose engines are kept in `folder`."""
    # No card is named, here and for CUDA: the first is taken, and since 1.26 onnxruntime warns if one is.
    return {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder.parent),
        "trt_fp16_enable": str(int(is_half)),
        # Also a small graph is worth an engine; none of it is worth a second one.
        "trt_min_subgraph_size": "1",
        "trt_builder_optimization_level": "3",
    }


def _cuda_options() -> dict[str, str]:
    return {
        # Shapes never change: the search is done once, while a call begins.
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "cudnn_conv_use_max_workspace": "1",
        "do_copy_in_default_stream": "1",
        # 10 bits instead of 23 behind the point, in convolutions alone: places in pictures stay exact.
        "use_tf32": "1",
        "prefer_nhwc": "1",
    }


def engine_folder(path: Path) -> Path:
    """Where the engines for the file `path` are, made if missing: another file, or onnxruntime, has another folder.

    Raises:
        DeviceError: it cannot be made.
    """
    key = hashlib.sha256(path.read_bytes() + onnxruntime.__version__.encode()).hexdigest()[:16]
    folder = cache_folder() / "tensorrt" / f"{path.stem}-{key}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise DeviceError(
            f"{folder}: engines cannot be kept there ({exc.strerror}); set XDG_CACHE_HOME to another folder"
        ) from exc
    return folder


def may_be_half(path: Path) -> bool:
    """Whether the file `path` says that half precision is enough for it."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=[CPU])
    return HALF_KEY in session.get_modelmeta().custom_metadata_map


@contextlib.contextmanager
def telling_of_engine(path: Path) -> Iterator[None]:
    """Says that an engine is built while the context is open, if there is none yet, and how long it took."""
    folder = engine_folder(path)
    if any(folder.glob("*.engine")):
        yield
        return
    began_s, is_done = time.monotonic(), threading.Event()

    def tell() -> None:
        # Without TensorRT's libraries it is over at once.
        if is_done.wait(_SILENT_S):
            return
        log.info("building the TensorRT engine of %s for this card, once; it may take minutes", path.name)
        while not is_done.wait(_TELL_EVERY_S):
            log.info(
                "still building the TensorRT engine of %s: %.0f s", path.name, time.monotonic() - began_s
            )

    thread = threading.Thread(target=tell, name="engine", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_done.set()
        thread.join()
    if any(folder.glob("*.engine")):
        log.info("built in %.0f s; the next start takes it from %s", time.monotonic() - began_s, folder)


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Keeps what onnxruntime prints from stdout, where results go, and logs it."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            yield
    finally:
        if said.getvalue():
            log.debug("%s", said.getvalue().strip())


def find_libraries(provider: str) -> None:
    """Loads NVIDIA's libraries where pip has installed them, which the system's loader does not know of."""
    if hasattr(onnxruntime, "preload_dlls"):
        with heard():
            onnxruntime.preload_dlls()
    spec = importlib.util.find_spec("tensorrt_libs") if provider == TENSORRT else None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        # The parser needs the first.
        for library in (*Path(folder).glob("libnvinfer.so.*"), *Path(folder).glob("libnv*.so.*")):
            with contextlib.suppress(OSError):
                ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


class BoundSession:
    """An onnxruntime session whose arrays stay on a device where they do not change; otherwise it is used as one."""

    def __init__(self, session: Any, changing: frozenset[str], device: str = "cuda") -> None:  # noqa: ANN401
        """Binds.

        Args:
            session: of onnxruntime.
            changing: inputs that differ from run to run. The arrays of all others are kept, and must not be changed.
            device: where it runs, `cuda` or `cpu`.
        """
        self._session, self._changing, self._device = session, changing, device
        self._binding = session.io_binding()
        self._places: dict[str, Any] = {}
        # An array is held as long as its copy, so that no other can have its id.
        self._kept: OrderedDict[int, tuple[NDArray[np.generic], Any]] = OrderedDict()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the session has
        return getattr(self._session, name)

    def run(self, names: Sequence[str], feed: Mapping[str, NDArray[np.generic]]) -> list[NDArray[np.generic]]:
        """The outputs `names` for the inputs `feed`, as `InferenceSession.run` gives them."""
        for name, array in feed.items():
            value = self._place(name, array) if name in self._changing else self._keep(array)
            self._binding.bind_ortvalue_input(name, value)
        self._binding.clear_binding_outputs()
        for name in names:
            self._binding.bind_output(name)  # on the host
        self._session.run_with_iobinding(self._binding)
        outputs: list[NDArray[np.generic]] = self._binding.copy_outputs_to_cpu()
        return outputs

    def _place(self, name: str, array: NDArray[np.generic]) -> Any:  # noqa: ANN401
        """The input's one place on the device, with the array's numbers."""
        if name in self._places:
            self._places[name].update_inplace(np.ascontiguousarray(array))
        else:
            # On the processor the place is the array's own memory, which is to be overwritten.
            self._places[name] = self._copied(np.array(array, order="C"))
        return self._places[name]

    def _keep(self, array: NDArray[np.generic]) -> Any:  # noqa: ANN401
        """The array's copy on the device, made if there is none."""
        kept = self._kept.pop(id(array), None) or (array, self._copied(np.ascontiguousarray(array)))
        self._kept[id(array)] = kept
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return kept[1]

    def _copied(self, array: NDArray[np.generic]) -> Any:  # noqa: ANN401
        return onnxruntime.OrtValue.ortvalue_from_numpy(array, self._device, 0)
