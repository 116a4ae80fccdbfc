"""`headgan-bench outage`: a clip and a line's faults in, what a call over that line was like out."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headgan.benchmarks.faulty_line import LineFaults
from headgan.benchmarks.figure import new_figure
from headgan.benchmarks.run_call import CallFiles, run_call
from headgan.benchmarks.watched_side import Outage, launch_words, read_diary
from headgan.codec.stage_times import percentiles
from headgan.models.machine import describe_run
from headgan.proto.errors import HeadganError, UsageError
from headgan.proto.options import argument, option, required

_AFTER_S = 12.0
# A picture is fresh if it is no older than this and most were before the outage.
_FRESH_MS = 150.0
_BIN_S = 0.5

Entry = dict[str, Any]


@dataclass(frozen=True)
class OutageOptions:
    """Options of `headgan-bench outage`."""

    clip: Path = argument("a clip, played over and over")
    output: Path = required("folder for the report and the videos", flag="-o", metavar="DIR")
    seconds: float = option(5.0, "how long the line is interrupted")
    at: float = option(6.0, "seconds of the call after which that happens, with the next reference")
    loss: float = option(0.0, "share of the datagrams that are lost all the time, each way, 0 to 0.5")
    delay: float = option(0.0, "milliseconds that each is on its way")
    jitter: float = option(0.0, "up to so many milliseconds more, so that some overtake others")
    kbps: float = option(8.0, "kbit/s that references may cost")


@dataclass(frozen=True)
class Course:
    """What the two diaries of a call say; times in seconds since the first picture.

    Attributes:
        outage: from, until.
        pictures: when each was shown, and its latency in milliseconds, or None.
        states: when another state was shown, and which.
        sender_held: when references that the sender may name became more or fewer, and how many.
        receiver_held: the same for those that the receiver holds.
        acknowledged: when the sender learned that a reference is held.
        is_agreed: at the end the receiver holds what the sender may name, and else at most what is under way.
    """

    outage: tuple[float, float]
    pictures: list[tuple[float, float | None]]
    states: list[tuple[float, str]]
    sender_held: list[tuple[float, int]]
    receiver_held: list[tuple[float, int]]
    acknowledged: list[float]
    is_agreed: bool


def bench_outage(options: OutageOptions) -> int:
    """Writes outage.json and outage.png; exit code 1 if the call did not go on as if nothing had happened."""
    figure = new_figure("outage", 9, 5)
    faults = _check(options)
    files, course = _call(options, faults)
    report = {
        "run": describe_run(),
        "clip": options.clip.name,
        "line": {**asdict(faults), "outage_s": options.seconds},
        **judge(course, files.sender, files.receiver),
        "sender": files.sender,
        "receiver": files.receiver,
    }
    (options.output / "outage.json").write_text(json.dumps(report, indent=2) + "\n")
    _draw(figure.subplots(2, 1, sharex=True), course)
    figure.savefig(options.output / "outage.png", dpi=120)
    sys.stdout.write(_summary(report))
    return 0 if report["is_survived"] else 1


def read_course(sender: Sequence[Entry], receiver: Sequence[Entry]) -> Course:
    """Puts the diaries of both sides together.

    Raises:
        HeadganError: no picture was shown, or no reference was sent when the line was to be cut.
    """
    cuts = [entry for entry in sender if entry["what"] == "outage"]
    pictures = [entry for entry in receiver if entry["what"] == "picture"]
    if not pictures:
        raise HeadganError("no picture was shown")
    if not cuts:
        raise HeadganError("no reference was sent after --at; give less, or a clip with more to see")
    start_s: float = pictures[0]["s"]
    named, under_way = {0}, dict[int, int | None]()
    held = {0}
    sender_held, receiver_held = [(0.0, 1)], [(0.0, 1)]
    acknowledged = []
    for entry in sender:
        match entry["what"]:
            case "offered":
                under_way[entry["number"]] = entry["replaces"]
                named.discard(entry["replaces"])
            case "answered":
                replaced = under_way.pop(entry["number"])
                back = entry["number"] if entry["held"] else replaced
                named |= set() if back is None else {back}
                if entry["held"]:
                    acknowledged.append(entry["s"] - start_s)
            case _:
                continue
        sender_held.append((entry["s"] - start_s, len(named)))
    for entry in receiver:
        if entry["what"] == "answered" and entry["held"]:
            held = held - {entry["replaces"]} | {entry["number"]}
            receiver_held.append((entry["s"] - start_s, len(held)))
    others = set(under_way) | {number for number in under_way.values() if number is not None}
    return Course(
        outage=(cuts[0]["start"] - start_s, cuts[0]["until"] - start_s),
        pictures=[(entry["s"] - start_s, entry["latency_ms"]) for entry in pictures],
        states=_changes((entry["s"] - start_s, entry["state"]) for entry in receiver if "state" in entry),
        sender_held=sender_held,
        receiver_held=receiver_held,
        acknowledged=acknowledged,
        is_agreed=named <= held and held - named <= others,
    )


def judge(course: Course, sender: dict[str, Any], receiver: dict[str, Any]) -> dict[str, Any]:
    """What the call was like, ready for JSON, with `is_survived` for all in all.

    Args:
        course: of the call.
        sender: its statistics.
        receiver: its statistics.
    """
    start_s, end_s = course.outage
    back = [shown_s for shown_s, _ in course.pictures if shown_s >= end_s]
    known = [(shown_s, latency) for shown_s, latency in course.pictures if latency is not None]
    before = [latency for shown_s, latency in known if shown_s < start_s]
    fresh_ms = (percentiles(before)["p50"] or 0.0) + _FRESH_MS
    fresh = [shown_s for shown_s, latency in known if shown_s >= end_s and latency < fresh_ms]
    after = [latency for shown_s, latency in known if fresh and shown_s >= fresh[0]]
    answered = [time_s for time_s in course.acknowledged if time_s >= end_s]
    held = (sender["references"]["held"], receiver["references_held"])
    frames = {**receiver["frames"], "held_back": sender["frames"]["held_back"]}
    is_agreed = course.is_agreed and held[0] == held[1]
    is_hung_up = sender["ended"] == receiver["ended"] == "the caller hung up"
    return {
        "is_survived": bool(fresh and answered and is_agreed and is_hung_up)
        and not frames["unknown_reference"],
        "outage_s": [round(start_s, 3), round(end_s, 3)],
        "first_picture_after_s": round(back[0] - end_s, 3) if back else None,
        "first_fresh_picture_after_s": round(fresh[0] - end_s, 3) if fresh else None,
        "first_reference_after_s": round(answered[0] - end_s, 3) if answered else None,
        "pictures_in_outage": sum(start_s + 0.5 <= shown_s < end_s for shown_s, _ in course.pictures),
        "states": [[round(time_s, 2), state] for time_s, state in course.states],
        "latency_before_ms": percentiles(before),
        "latency_after_ms": percentiles(after),
        "references": {
            "sent": sender["references"]["sent"],
            "held_by_sender": held[0],
            "held_by_receiver": held[1],
            "is_agreed": is_agreed,
        },
        "frames": frames,
    }


def _check(options: OutageOptions) -> LineFaults:
    if not options.clip.is_file():
        raise UsageError(f"{options.clip} does not exist; give a clip")
    if not 0 <= options.loss <= 0.5:
        raise UsageError(f"--loss {options.loss:g}: give 0 to 0.5")
    for name in ("seconds", "at", "delay", "jitter"):
        if not 0 <= getattr(options, name) <= 10_000:
            raise UsageError(f"--{name} {getattr(options, name):g}: give 0 or more")
    return LineFaults(options.loss, options.delay, options.jitter)


def _call(options: OutageOptions, faults: LineFaults) -> tuple[CallFiles, Course]:
    """Makes the call, drawn from the geometry alone: the line is looked at, not the networks."""
    diaries = {side: options.output / f"{side}.jsonl" for side in ("sender", "receiver")}
    options.output.mkdir(parents=True, exist_ok=True)
    outage = Outage(options.at, options.seconds, _AFTER_S)
    files = run_call(
        options.clip,
        options.output,
        duration_s=options.at + options.seconds + 3 * _AFTER_S,
        receiver_options=("--draw", "geometry"),
        sender_options=("--loop", "--kbps", str(options.kbps)),
        receiver_program=launch_words("receiver", diaries["receiver"]),
        sender_program=launch_words("sender", diaries["sender"], faults, outage),
    )
    return files, read_course(read_diary(diaries["sender"]), read_diary(diaries["receiver"]))


def _changes(states: Iterable[tuple[float, str]]) -> list[tuple[float, str]]:
    """Only those that differ from the one before."""
    result: list[tuple[float, str]] = []
    for time_s, state in states:
        if not result or result[-1][1] != state:
            result.append((time_s, state))
    return result


def _draw(axes: Any, course: Course) -> None:  # noqa: ANN401
    rate, memory = axes
    end_s = course.pictures[-1][0]
    bins = [0] * (int(end_s / _BIN_S) + 1)
    for shown_s, _ in course.pictures:
        bins[int(shown_s / _BIN_S)] += 1
    # The last one is not a whole bin.
    rate.step(
        [place * _BIN_S for place in range(len(bins) - 1)],
        [count / _BIN_S for count in bins[:-1]],
        where="post",
    )
    rate.set_ylabel("pictures shown a second")
    for name, steps in (("sender may name", course.sender_held), ("receiver holds", course.receiver_held)):
        times_s, counts = zip(*[*steps, (end_s, steps[-1][1])], strict=True)
        memory.step(times_s, counts, where="post", label=name, linestyle="--" if "may" in name else "-")
    memory.set_ylabel("references")
    memory.set_xlabel("seconds since the first picture")
    memory.legend(fontsize=8)
    for each in axes:
        each.axvspan(*course.outage, color="0.85")
        each.grid(alpha=0.3)


def _summary(report: dict[str, Any]) -> str:
    before, after, references = (
        report[name] for name in ("latency_before_ms", "latency_after_ms", "references")
    )
    return (
        f"{'survived' if report['is_survived'] else 'NOT survived'}: after the line's return the first picture "
        f"{_seconds(report['first_picture_after_s'])}, a fresh one "
        f"{_seconds(report['first_fresh_picture_after_s'])}, "
        f"the first reference {_seconds(report['first_reference_after_s'])}\n"
        f"latency p50 / p95: {before.get('p50')} / {before.get('p95')} ms before, "
        f"{after.get('p50')} / {after.get('p95')} ms after\n"
        f"references: {references['sent']} sent, {references['held_by_sender']} held says the sender, "
        f"{references['held_by_receiver']} the receiver\n"
        f"frames: {report['frames']}\n"
    )


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f} s"
