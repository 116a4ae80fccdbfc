"""Which machine, which code: what every report starts with, so that a number can be judged later."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any


def describe_run() -> dict[str, Any]:
    """Processor, cores, system and versions; the commit if this runs from a checkout."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "headgan": version("headgan"),
        "onnxruntime": version("onnxruntime"),
        "commit": _commit(),
    }


def cpu_name() -> str:
    """The processor's name, as its maker has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _commit() -> str | None:
    """Short hash of the checkout, with a mark if it has changes; None outside one."""
    root = Path(__file__).resolve().parent.parent
    try:
        words = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
        result = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None
