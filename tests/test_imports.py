"""Who may import whom, and that importing does nothing else."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Each package may import itself and those named here; so sender and receiver never meet.
MAY_IMPORT = {
    "proto": set[str](),
    "codec": {"proto"},
    "models": {"proto", "codec"},
    "sender": {"proto", "codec", "models"},
    "receiver": {"proto", "codec", "models"},
    "benchmarks": {"proto", "codec", "models", "sender", "receiver"},
}
# A library whose errors are translated in one file is imported in that file only.
BOUNDARIES = {
    "aioice": set[str](),
    "aiortc": {"proto/peer.py"},
    "ai_edge_litert": {"models/litert.py"},
    # Two of them make files, and run no network for a caller.
    "onnxruntime": {
        "models/runtime.py",
        "models/gpu_session.py",
        "models/nets/quantise.py",
        "models/nets/tensor_ranges.py",
    },
    "sounddevice": {"codec/sound_devices.py"},
}
TORCH_FOLDERS = ("models/nets/", "models/train/")
# What the extras bring; a command has to start without them.
EXTRAS = (
    "hama",
    "hypothesis",
    "imageio_ffmpeg",
    "matplotlib",
    "onnx",
    "playwright",
    "psutil",
    "pyAudioAnalysis",
    "pytest",
    "ray",
    "scipy",
    "tensorboard",
    "torch",
    "yaml",
)
MODULES = sorted(path.relative_to(ROOT) for root in MAY_IMPORT for path in (ROOT / root).rglob("*.py"))

# Imports the modules named on the command line one by one and reports what each left behind.
PROBE = """
import importlib, json, os, signal, sys, threading
for extra in json.loads(sys.argv[1]):
    sys.modules[extra] = None
report = {}
for name in sys.argv[2:]:
    threads, handler = threading.active_count(), signal.getsignal(signal.SIGINT)
    importlib.import_module(name)
    effects = []
    if threading.active_count() != threads:
        effects.append("started a thread")
    if signal.getsignal(signal.SIGINT) is not handler:
        effects.append("took over Ctrl-C")
    if sys.modules.get("torch") is not None:
        effects.append("loaded torch")
    if sys.modules.get("sounddevice") is not None:
        effects.append("looked for sound devices")
    if effects:
        report[name] = effects
json.dump(report, sys.stderr)
"""


def imported_names(source: str) -> Iterator[str]:
    """Full dotted names, for example headgan.proto.wire, of every import at any depth."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(("headgan", *(parts[:-1] if parts[-1] == "__init__" else parts)))


def imports_of(path: Path) -> set[str]:
    return set(imported_names((ROOT / path).read_text()))


def boundary_of(name: str) -> str | None:
    """The longest of the libraries above that `name` is of."""
    return max((item for item in BOUNDARIES if f"{name}.".startswith(f"{item}.")), key=len, default=None)


def import_all(paths: list[Path], without: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROBE, json.dumps(without), *map(module_name, paths)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_package_is_looked_at() -> None:
    assert {path.parts[0] for path in MODULES} == set(MAY_IMPORT)
    assert set(imported_names("def f():\n    import a.b\n    from c.d import e, f")) == {
        "a.b",
        "c.d.e",
        "c.d.f",
    }


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_in_one_direction(package: str) -> None:
    allowed = MAY_IMPORT[package] | {package}
    for path in MODULES:
        if path.parts[0] == package:
            names = {name.split(".")[1] for name in imports_of(path) if name.split(".")[0] == "headgan"}
            assert names <= allowed, f"{path} imports {sorted(names - allowed)}"


def test_torch_stays_with_the_networks() -> None:
    for path in MODULES:
        if not path.as_posix().startswith(TORCH_FOLDERS):
            assert "torch" not in {name.split(".")[0] for name in imports_of(path)}, path


@pytest.mark.parametrize("library", BOUNDARIES)
def test_a_library_is_met_in_one_file(library: str) -> None:
    users = {
        path.as_posix()
        for path in MODULES
        if path.parts[0] != "benchmarks" and library in {boundary_of(name) for name in imports_of(path)}
    }
    assert users == BOUNDARIES[library]


def test_importing_has_no_effects() -> None:
    modules = [path for path in MODULES if not path.as_posix().startswith(TORCH_FOLDERS)]
    result = import_all(modules)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "{}")


def test_a_call_needs_no_extra() -> None:
    modules = [
        path for path in MODULES if path.parts[0] not in ("models", "benchmarks") or path.name == "cli.py"
    ]
    result = import_all(modules, EXTRAS)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "{}")
