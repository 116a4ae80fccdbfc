"""A network file and the user's wish in, a running onnxruntime session and what runs it out."""

import logging
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeAlias

import onnxruntime

from headgan.models.gpu_session import (
    CUDA,
    TENSORRT,
    BoundSession,
    find_libraries,
    gpu_providers,
    heard,
    telling_of_engine,
)
from headgan.proto.errors import ModelError, UsageError

log = logging.getLogger(__name__)

Session: TypeAlias = onnxruntime.InferenceSession
PROVIDER_CHOICES = ("auto", "cpu", "openvino", "cuda", "tensorrt")
# In the order in which `auto` tries them.
_PROVIDERS = {
    "tensorrt": TENSORRT,
    "cuda": CUDA,
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
_HOW_TO_GET = {
    "tensorrt": "docs/gpu.md says how to install onnxruntime-gpu, CUDA and TensorRT",
    "cuda": "docs/gpu.md says how to install onnxruntime-gpu and CUDA",
    "openvino": "install onnxruntime-openvino in place of onnxruntime",
    "cpu": "reinstall onnxruntime",
}


def open_session(
    path: Path, provider: str = "auto", changing: frozenset[str] | None = None
) -> tuple[Session, str]:
    """Loads `path`; returns the session and the name of the provider that runs it.

    Args:
        path: an ONNX file.
        provider: one of `PROVIDER_CHOICES`; `auto` takes the fastest that works.
        changing: inputs that differ from run to run, where the arrays of all others stay as they are for as long as
            they are used: those are copied to a graphics card once. None where nothing is known of that.

    Raises:
        ModelError: the file is missing or damaged.
        UsageError: the provider is unknown or does not work on this machine.
    """
    if provider not in PROVIDER_CHOICES:
        raise UsageError(f"--provider {provider}: choose one of {', '.join(PROVIDER_CHOICES)}")
    built_in = onnxruntime.get_available_providers()
    wanted = list(_PROVIDERS) if provider == "auto" else [provider]
    missing = True
    for name in wanted:
        if _PROVIDERS[name] not in built_in:
            continue
        missing = False
        session = _try_provider(path, _PROVIDERS[name])
        # onnxruntime falls back to the CPU without a word, for example when a CUDA library is missing.
        if session.get_providers()[0] == _PROVIDERS[name]:
            is_bound = changing is not None and _PROVIDERS[name] in (TENSORRT, CUDA)
            return BoundSession(session, changing or frozenset()) if is_bound else session, name
        log.warning("%s is installed but does not start on this machine", name)
    why = (
        "this onnxruntime was built without it" if missing else "its libraries, or a card for it, are missing"
    )
    raise UsageError(
        f"--provider {provider} does not work here: {why}; {_HOW_TO_GET[wanted[-1]]}, or use --provider auto"
    )


def is_processor(provider: str) -> bool:
    """Whether it is known before anything is opened that `provider` is the processor: nothing else is built in."""
    others = set(_PROVIDERS.values()) & set(onnxruntime.get_available_providers()) - {_PROVIDERS["cpu"]}
    return provider == "cpu" or (provider == "auto" and not others)


def _try_provider(path: Path, provider: str) -> Session:
    options = onnxruntime.SessionOptions()
    # Half of the cores: a call has a camera, a tracker and a network stack to run beside the networks; and no
    # spinning, which would take the cores from them while a network waits for its next frame.
    options.intra_op_num_threads = max(1, (os.cpu_count() or 2) // 2)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    providers: list[Any] = [provider] if provider == _PROVIDERS["cpu"] else [provider, _PROVIDERS["cpu"]]
    try:
        if provider in (TENSORRT, CUDA):
            find_libraries(provider)
            providers = list(gpu_providers(path, provider))
        # Where a library is missing, onnxruntime prints so and goes on with the next provider.
        with telling_of_engine(path) if provider == TENSORRT else nullcontext(), heard():
            return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except _load_errors() as exc:
        raise ModelError(f"{path} cannot be loaded by onnxruntime ({exc}); reinstall the package") from exc


def _load_errors() -> tuple[type[BaseException], ...]:
    """The errors of onnxruntime's C++ side, which have no common base of their own."""
    state: Any = onnxruntime.capi.onnxruntime_pybind11_state
    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented")
    return tuple(getattr(state, name) for name in names)
