"""The wheel holds everything that a call needs, and the container files start commands that exist."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgan.proto.options import parse_command
from headgan.proto.signalling import parse_address
from headgan.receiver.cli import ReceiveOptions
from headgan.sender.cli import SendOptions

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("proto", "codec", "models", "sender", "receiver", "benchmarks")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DATA_FILES = (
    "headgan/models/weights/face_landmarker.task",
    "headgan/models/weights/lips.onnx",
    "headgan/models/weights/live.flow.onnx",
    "headgan/models/weights/live.onnx",
    "headgan/models/weights/live.reference.onnx",
    "headgan/models/weights/live.render.onnx",
    "headgan/models/weights/morphable.npz",
    "headgan/models/weights/prior.onnx",
    "headgan/codec/said_code.npz",
    "headgan/models/weights/speech.npz",
    "headgan/proto/PROTOCOL.md",
    "headgan/receiver/viewer.css",
    "headgan/receiver/viewer.html",
    "headgan/receiver/viewer.js",
)
COMMANDS = {"headgan", "headgan-send", "headgan-recv", "headgan-bench"}


def python_files() -> list[Path]:
    return [path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]


def compose_service(name: str, file: str = "docker-compose.yml") -> dict[str, Any]:
    """A service of a compose file with every variable at its default."""
    text = (ROOT / file).read_text()
    service: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))["services"][name]
    return service


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy: setuptools leaves a build folder behind."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, source)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-index", "--no-build-isolation"]
    result = subprocess.run(
        [*command, "--wheel-dir", str(target), str(source)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    (path,) = target.glob("*.whl")
    return zipfile.ZipFile(path)


def test_every_folder_with_code_is_a_package() -> None:
    folders = {path.parent.as_posix() for path in python_files()}
    setuptools = PROJECT["tool"]["setuptools"]
    expected = {"headgan." + folder.replace("/", "."): folder for folder in folders}
    assert setuptools["package-dir"] == expected
    assert sorted(setuptools["packages"]) == sorted(expected)


def test_every_package_is_typed() -> None:
    assert [folder for folder in FOLDERS if not (ROOT / folder / "py.typed").is_file()] == []


def test_the_changelog_knows_this_version() -> None:
    version = re.escape(PROJECT["project"]["version"])
    assert re.search(rf"^## \[?{version}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


@pytest.mark.slow
def test_the_wheel_is_complete(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    modules = {f"headgan/{path.as_posix()}" for path in python_files()}
    typed = {f"headgan/{folder}/py.typed" for folder in FOLDERS}
    assert {*modules, *typed, *DATA_FILES} - names == set()
    licences = {name.rsplit("/", 1)[1] for name in names if ".dist-info/licenses/" in name}
    assert licences == {"LICENSE", "NOTICE"}


@pytest.mark.slow
def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    assert {name.split("/")[0].split("-")[0] for name in wheel.namelist()} == {"headgan"}
    assert [name for name in wheel.namelist() if "__pycache__" in name or "/test" in name] == []


@pytest.mark.slow
def test_the_wheel_installs_the_commands(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    entries = re.findall(r"^([\w-]+) = headgan\.([\w.]+):main$", wheel.read(name).decode(), re.MULTILINE)
    assert {command for command, _ in entries} == COMMANDS
    for _, module in entries:
        assert f"headgan/{module.replace('.', '/')}.py" in wheel.namelist()


def test_the_containers_call_each_other() -> None:
    receiver, sender = compose_service("receiver"), compose_service("sender")
    assert (receiver["command"][0], sender["command"][0]) == ("headgan-recv", "headgan-send")
    received = parse_command(ReceiveOptions, receiver["command"][1:], prog="", about="", example="")
    sent = parse_command(SendOptions, sender["command"][1:], prog="", about="", example="")
    listen, peer = parse_address(received.listen), parse_address(sent.peer)
    assert (listen.host, peer.host, peer.port) == ("0.0.0.0", "receiver", listen.port)
    assert sender["devices"] == [sent.camera]
    viewer = parse_address(received.viewer_address)
    assert (received.viewer, viewer.host) == ("web", "0.0.0.0")
    assert (received.speaker, sent.microphone) == ("none", "none")  # there is no sound card in a container
    assert receiver["ports"] == [f"127.0.0.1:8080:{viewer.port}"]


def test_containers_can_be_given_the_sound_card() -> None:
    for name in ("receiver", "sender"):
        service = compose_service(name, "docker-compose.sound.yml")
        assert service == {"devices": ["/dev/snd"], "group_add": ["29"]}
    assert "libportaudio2" in (ROOT / "Dockerfile").read_text()


def test_the_relay_is_private_until_it_is_configured() -> None:
    relay = compose_service("relay")
    assert relay["profiles"] == ["relay"]
    assert {"--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--lt-cred-mech"} <= set(relay["command"])


def test_the_image_gets_all_sources_and_no_root() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    needed = (*FOLDERS, "pyproject.toml", "README.md", "LICENSE", "NOTICE", "scripts/fetch_models.py")
    assert [name for name in needed if f"!{name}" not in ignore] == []
    assert re.findall(r"^USER (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE) == ["headgan"]


def test_docker_reads_the_compose_file() -> None:
    docker = shutil.which("docker")
    if (
        docker is None
        or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("there is no docker compose")
    command = [
        docker,
        "compose",
        "-f",
        str(ROOT / "docker-compose.yml"),
        "-f",
        str(ROOT / "docker-compose.sound.yml"),
        "--profile",
        "relay",
        "config",
        "-q",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
