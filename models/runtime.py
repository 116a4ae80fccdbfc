"""A network file and the user's wish in, a running onnxruntime session and what runs it out."""

import logging
import os
from pathlib import Path
from typing import Any, TypeAlias

import onnxruntime

from headgan.proto.errors import ModelError, UsageError

log = logging.getLogger(__name__)

Session: TypeAlias = onnxruntime.InferenceSession
PROVIDER_CHOICES = ("auto", "cpu", "openvino", "cuda", "tensorrt")
# In the order in which `auto` tries them.
_PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
_HOW_TO_GET = {
    "tensorrt": "install headgan[gpu] and NVIDIA TensorRT",
    "cuda": "install headgan[gpu] and NVIDIA's driver",
    "openvino": "install onnxruntime-openvino in place of onnxruntime",
    "cpu": "reinstall onnxruntime",
}


def open_session(path: Path, provider: str = "auto") -> tuple[Session, str]:
    """Loads `path`; returns the session and the name of the provider that runs it.

    Args:
        path: an ONNX file.
        provider: one of `PROVIDER_CHOICES`; `auto` takes the fastest that works.

    Raises:
        ModelError: the file is missing or damaged.
        UsageError: the provider is unknown or does not work on this machine.
    """
    if provider not in PROVIDER_CHOICES:
        raise UsageError(f"--provider {provider}: choose one of {', '.join(PROVIDER_CHOICES)}")
    built_in = onnxruntime.get_available_providers()
    wanted = list(_PROVIDERS) if provider == "auto" else [provider]
    for name in wanted:
        if _PROVIDERS[name] not in built_in:
            continue
        session = _try_provider(path, _PROVIDERS[name])
        # onnxruntime falls back to the CPU without a word, for example when a CUDA library is missing.
        if session.get_providers()[0] == _PROVIDERS[name]:
            return session, name
        log.warning("%s is installed but does not start on this machine", name)
    raise UsageError(
        f"--provider {provider} does not work here; {_HOW_TO_GET[wanted[-1]]}, or use --provider auto"
    )


def _try_provider(path: Path, provider: str) -> Session:
    options = onnxruntime.SessionOptions()
    # Half of the cores: a call has a camera, a tracker and a network stack to run beside the networks; and no
    # spinning, which would take the cores from them while a network waits for its next frame.
    options.intra_op_num_threads = max(1, (os.cpu_count() or 2) // 2)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    fallback = [] if provider == _PROVIDERS["cpu"] else [_PROVIDERS["cpu"]]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=[provider, *fallback])
    except _load_errors() as exc:
        raise ModelError(f"{path} cannot be loaded by onnxruntime ({exc}); reinstall the package") from exc


def _load_errors() -> tuple[type[BaseException], ...]:
    """The errors of onnxruntime's C++ side, which have no common base of their own."""
    state: Any = onnxruntime.capi.onnxruntime_pybind11_state
    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented")
    return tuple(getattr(state, name) for name in names)
