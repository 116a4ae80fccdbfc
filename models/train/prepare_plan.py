"""Folders of clips in, the same shards of whole people out every time: what `headgan prepare` will do.

Two layouts are known. In VoxCeleb's, `id10001/<video>/00001.mp4`, the folder called id and five digits is the person;
in any other, the folder that holds the files is. A file given by itself is its own person.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headgan.models.morphable_data import CLIP_SUFFIXES
from headgan.proto.errors import UsageError

# A shard is done or not: small enough that little is lost when a machine stops, large enough for few files.
SHARD_CLIPS = 16
SHARD_BYTES = 200_000_000
_VOXCELEB_PERSON = re.compile(r"id\d{5}")


@dataclass(frozen=True)
class PlannedPerson:
    """Clips of one person, sorted."""

    name: str
    clips: tuple[Path, ...]


@dataclass(frozen=True)
class PlannedShard:
    """What one task prepares."""

    number: int
    people: tuple[PlannedPerson, ...]

    @property
    def clips(self) -> int:
        """Number of clips of all its people."""
        return sum(len(person.clips) for person in self.people)


def find_clips(inputs: Sequence[Path], list_file: Path | None = None) -> list[PlannedPerson]:
    """Everybody in `inputs`, by name, with absolute paths.

    Args:
        inputs: folders, searched at every depth, and clips.
        list_file: text that names the clips of the folders that are taken; see `_read_list`.

    Raises:
        UsageError: an input does not exist, the list cannot be read, or there is no clip.
    """
    wanted = None if list_file is None else _read_list(list_file)
    people: dict[str, set[Path]] = {}
    for given in (path.absolute() for path in inputs):
        if not given.exists():
            raise UsageError(f"{given} does not exist; give clips or folders of them")
        if given.is_file():
            people.setdefault(str(given), set()).add(given)
            continue
        for path in given.rglob("*"):
            inside = path.relative_to(given)
            if path.suffix.lower() in CLIP_SUFFIXES and (wanted is None or _list_names(inside) & wanted):
                people.setdefault(_person(given, inside), set()).add(path)
    if not people:
        listed = "" if list_file is None else f" that {list_file} names"
        raise UsageError(
            f"no clips{listed} in {', '.join(map(str, inputs))}; they end in .mp4, .mov, .webm ..."
        )
    return [PlannedPerson(name, tuple(sorted(clips))) for name, clips in sorted(people.items())]


def plan_shards(people: Sequence[PlannedPerson]) -> list[PlannedShard]:
    """Whole people in order, each shard closed when it has SHARD_CLIPS clips or SHARD_BYTES bytes."""
    shards: list[PlannedShard] = []
    batch: list[PlannedPerson] = []
    clips = size = 0
    for person in people:
        batch.append(person)
        clips += len(person.clips)
        size += sum(path.stat().st_size for path in person.clips)
        if clips >= SHARD_CLIPS or size >= SHARD_BYTES:
            shards.append(PlannedShard(len(shards), tuple(batch)))
            batch, clips, size = [], 0, 0
    if batch:
        shards.append(PlannedShard(len(shards), tuple(batch)))
    return shards


def plan_digest(shards: Sequence[PlannedShard]) -> str:
    """16 hexadecimal digits that differ when a person, a clip or the size of a clip does."""
    digest = hashlib.sha256()
    for shard in shards:
        for person in shard.people:
            for path in person.clips:
                digest.update(f"{shard.number}\0{person.name}\0{path}\0{path.stat().st_size}\n".encode())
    return digest.hexdigest()[:16]


def _person(given: Path, inside: Path) -> str:
    at = _person_index(inside)
    return str((given / inside).parent) if at is None else inside.parts[at]


def _person_index(inside: Path) -> int | None:
    """Which part of the path is VoxCeleb's name of a person, if one is."""
    folders = enumerate(inside.parts[:-1])
    return next((index for index, part in folders if _VOXCELEB_PERSON.fullmatch(part)), None)


def _list_names(inside: Path) -> set[str]:
    """How a list may call the clip at `inside`: by its path in the folder given, or from the person on."""
    name = inside.with_suffix("")
    at = _person_index(inside)
    return {name.as_posix()} | (set() if at is None else {Path(*name.parts[at:]).as_posix()})


def _read_list(path: Path) -> set[str]:
    """Every line of the list and every word in it, without endings.

    VoxCeleb's lists have numbers before the paths or two paths in a line, and name the sound: 00001.wav for 00001.mp4.
    """
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(
            f"--list {path} cannot be read ({exc}); give a text file with a path in each line"
        ) from exc
    names = {name for line in lines for name in (line, *line.split()) if name}
    return {Path(name).with_suffix("").as_posix() for name in names}
