"""`headgan prepare`: clips in, a compact training set that can be read anywhere out (`shards` tells its form)."""

import csv
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from headgan.models.morphable import MorphableModel
from headgan.models.pncc import CROP_SIZE
from headgan.models.train.prepare_plan import PlannedShard, find_clips, plan_digest, plan_shards
from headgan.models.train.prepare_ray import run_on_ray
from headgan.models.train.prepare_shard import ShardTask
from headgan.models.train.prepare_sheet import write_sheet
from headgan.models.train.prepare_workers import run_here
from headgan.models.train.prepared_set import PreparedSet
from headgan.models.train.shards import (
    FORMAT_VERSION,
    INFO_NAME,
    SHARD_FOLDER,
    DatasetInfo,
    is_done,
    read_report,
    remove_unfinished,
    write_text,
)
from headgan.proto.errors import DeviceError, UsageError
from headgan.proto.options import argument, option, required


@dataclass(frozen=True)
class PrepareOptions:
    """Options of `headgan prepare`."""

    inputs: tuple[Path, ...] = argument(
        "clips, and folders of clips: one folder a person, or VoxCeleb's id00000/video/00000.mp4", many=True
    )
    output: Path = required(
        "folder of the training set; what is finished in it is kept", flag="-o", metavar="FOLDER"
    )
    workers: int = option(1, "processes, each with one thread")
    every: int = option(1, "keep every N-th frame", metavar="N")
    list: Path | None = option(
        None, "take only the clips in this file: a path in each line, relative to the folder", metavar="FILE"
    )
    ray: str | None = option(
        None,
        "use a Ray cluster instead of --workers: its address, or local; the clips and the folder have to be on "
        "storage that all its machines see under the same path",
        metavar="ADDRESS",
    )


@dataclass(frozen=True)
class _Totals:
    people: int
    segments: int
    frames: int
    rejected: int
    minutes: float
    gigabytes: float


def prepare_dataset(options: PrepareOptions) -> int:
    """Prepares all clips of the inputs and tells what became of them."""
    if options.workers < 1 or options.every < 1:
        raise UsageError("--workers and --every are 1 or more")
    shards = plan_shards(find_clips(options.inputs, options.list))
    _open_folder(options, shards)
    waiting = [shard for shard in shards if not is_done(options.output, shard.number)]
    # Absolute, because another machine has another working directory.
    tasks = [ShardTask(shard, options.output.absolute(), options.every) for shard in waiting]
    clips = {shard.number: shard.clips for shard in shards}
    done = sum(shard.clips for shard in shards if shard not in waiting)
    with tqdm(desc="preparing", unit="clip", total=sum(clips.values()), initial=done, smoothing=0) as bar:
        for number in _run(tasks, options):
            bar.update(clips[number])
    totals = _summarise(options.output, len(shards))
    if totals.segments:
        write_sheet(PreparedSet.open(options.output), options.output / "sheet.png")
    looked_at = max(totals.frames + totals.rejected, 1)
    sys.stdout.write(
        f"{options.output}: {totals.segments} segments of {totals.people} people, {totals.frames} frames, "
        f"{totals.minutes:.1f} minutes; {totals.rejected / looked_at:.1%} of the frames rejected "
        f"(see rejected.csv); {totals.gigabytes:.2f} GB\n"
    )
    return 0


def _run(tasks: list[ShardTask], options: PrepareOptions) -> Iterator[int]:
    if not tasks:
        return iter(())
    if options.ray is not None:
        return run_on_ray(tasks, options.ray)
    return run_here(tasks, min(options.workers, len(tasks)))


def _open_folder(options: PrepareOptions, shards: list[PlannedShard]) -> None:
    """Makes the folder, or sees whether what is in it was made of the same and in the same way."""
    wanted = DatasetInfo(
        version=FORMAT_VERSION,
        crop_size=CROP_SIZE,
        model_id=MorphableModel.load().model_id.hex(),
        every=options.every,
        shards=len(shards),
        plan=plan_digest(shards),
        inputs=tuple(str(path) for path in options.inputs),
    )
    try:
        (options.output / SHARD_FOLDER).mkdir(parents=True, exist_ok=True)
        if not (options.output / INFO_NAME).exists():
            wanted.write(options.output)
    except OSError as exc:
        raise DeviceError(f"-o {options.output}: the folder cannot be written ({exc})") from exc
    found = DatasetInfo.read(options.output)
    names = ("crop_size", "model_id", "every", "shards", "plan")
    differ = [name for name in names if getattr(found, name) != getattr(wanted, name)]
    if differ:
        told = ", ".join(
            f"{name} {getattr(found, name)} there, {getattr(wanted, name)} now" for name in differ
        )
        raise UsageError(
            f"-o {options.output} was made from other clips or otherwise ({told}); give another -o"
        )
    remove_unfinished(options.output)


def _summarise(folder: Path, shards: int) -> _Totals:
    """Adds up the reports of all shards and writes rejected.csv."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["clip", "person", "first_frame", "last_frame", "start_ms", "end_ms", "frames", "reason"])
    people: set[str] = set()
    segments = frames = rejected = 0
    seconds = 0.0
    for number in range(shards):
        report = read_report(folder, number)
        seconds += report["kept_s"]
        for clip in report["clips"]:
            segments, frames = segments + clip["segments"], frames + clip["frames"]
            people |= {clip["person"]} if clip["segments"] else set()
            spans = clip["rejected"]
            rejected += sum(span["frames"] for span in spans)
            for span in spans:
                values = (
                    span[name] for name in ("first_frame", "last_frame", "start_ms", "end_ms", "frames")
                )
                writer.writerow([clip["clip"], clip["person"], *values, span["reason"]])
            if "unreadable" in clip:
                writer.writerow([clip["clip"], clip["person"], "", "", "", "", "", clip["unreadable"]])
    write_text(folder / "rejected.csv", table.getvalue())
    size = sum(path.stat().st_size for path in (folder / SHARD_FOLDER).iterdir())
    return _Totals(len(people), segments, frames, rejected, seconds / 60, size / 1e9)
