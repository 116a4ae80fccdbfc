"""The report of `headgan-bench parameters` in, Markdown tables and what falls short out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headgan.benchmarks.markdown import markdown_table
from headgan.benchmarks.param_measure import DAMPINGS, name_of
from headgan.benchmarks.param_mutations import LIMIT_KEPT_BYTES, LIMIT_MS
from headgan.benchmarks.param_pictures import LIMIT_DB, LIMIT_PERCEPTUAL
from headgan.benchmarks.param_tracks import FRAME_MS, RATE_FPS
from headgan.proto.peer import OVERHEAD_BYTES

# After a loss, what arrives can be read again.
LIMIT_UNREAD_MS = 200.0

Report = Mapping[str, Any]


def tables(report: Report) -> str:
    """All of it."""
    about = report["tracks"]
    start = (
        f"{len(about)} clips, {sum(about.values()) / RATE_FPS:.0f} s at 25 frames a second; errors in pixels of 256, "
        f"means over all frames; on {report['run']['cpu']}, {report['run']['cores']} cores"
    )
    parts = [
        (start,),
        _curve(report["curve"]),
        _wire(report["wire"]),
        _losses(report["losses"]),
        _damping(report["damping"]),
        _strategies(report["strategies"]),
        _rates(report["rates"]),
        _speed(report["speed"]),
        *((_mutations(report["mutations"]),) if report["mutations"] else ()),
        *((_pictures(report["pictures"]),) if report["pictures"] else ()),
    ]
    lines = []
    for part in parts:
        lines += [*part, ""]
    return "\n".join(lines + [f"falls short: {one}" for one in shortcomings(report)]).rstrip() + "\n"


def shortcomings(report: Report) -> list[str]:
    """What is not as it has to be, in words."""
    short = [
        f"{run['unread_ms']:.0f} ms of frames that came could not be read, may be {LIMIT_UNREAD_MS:.0f} "
        f"({_kind(run)}, {run['loss']:.0%} lost, round trip {run['round_trip_ms']:.0f} ms)"
        for run in report["losses"]
        if run["unread_ms"] > LIMIT_UNREAD_MS
    ]
    if harm := report["mutations"]:
        if harm["failed"]:
            short.append(f"{harm['failed']} mutated packets raised another error than WireError")
        if harm["cpu_ms_most"] > LIMIT_MS:
            short.append(f"a mutated packet took {harm['cpu_ms_most']:.0f} ms, may take {LIMIT_MS:.0f}")
        for name, order in (("kept_bytes", "any order"), ("kept_bytes_backwards", "falling numbers")):
            if harm[name] > LIMIT_KEPT_BYTES:
                short.append(
                    f"a reader of mutated packets in {order} kept {harm[name]} bytes, may keep {LIMIT_KEPT_BYTES}"
                )
    if pictures := report["pictures"]:
        if pictures["lost_db"] > LIMIT_DB:
            short.append(f"the picture loses {pictures['lost_db']:.2f} dB, may lose {LIMIT_DB}")
        grown = pictures["lost_perceptual"]
        if grown > LIMIT_PERCEPTUAL:
            short.append(f"the perceptual distance grows by {grown:.1%}, may by {LIMIT_PERCEPTUAL:.0%}")
    return short


def _curve(curve: Report) -> Iterator[str]:
    yield "Without loss, round trip 40 ms; tremble is the mean acceleration of the vertices at rest, shown / real:"
    yield ""
    heads = (
        "quality",
        "kbit/s of records",
        "of packets",
        "mean px (95th)",
        "lips",
        "lids",
        "rotation",
        "tremble",
    )
    yield from markdown_table(heads, [_curve_row(point) for point in curve["points"]])
    yield ""
    for px, found in curve["kbps_at_px"].items():
        codec, naive, whole = (_number(found[name], 2) for name in ("codec", "naive", "naive_bytes"))
        yield f"- {px} px: {codec} kbit/s; a naive coder needs {naive}, in whole bytes a frame {whole}"
    for kbps, px_there in curve["px_at_kbps"].items():
        yield f"- {kbps} kbit/s: {_number(px_there, 2)} px"


def _curve_row(point: Report) -> list[str]:
    return [
        f"{point['quality']:g}",
        f"{point['kbps']:.2f}",
        f"{point['packet_kbps']:.2f}",
        f"{point['px']:.2f} ({point['px_p95']:.2f})",
        f"{point['lips_px']:.2f}",
        f"{point['lids_px']:.2f}",
        f"{point['rotation_deg']:.2f}°",
        f"{point['rest_tremble_px']:.2f} / {point['real_rest_tremble_px']:.2f}",
    ]


def wire_rows(bundles: Report) -> dict[str, dict[str, float]]:
    """By frames a packet: kbit/s of records, packets and the wire, and ms later; the headers of a message are given."""
    return {
        frames: {
            "records_kbps": run["kbps"],
            "packets_kbps": run["packet_kbps"],
            "wire_kbps": run["packet_kbps"] + run["packets_per_s"] * OVERHEAD_BYTES * 8 / 1000,
            "later_ms": (int(frames) - 1) * FRAME_MS,
        }
        for frames, run in bundles.items()
    }


def _wire(rows: Report) -> Iterator[str]:
    yield f"On the wire, calculated: packets and {OVERHEAD_BYTES} bytes of SCTP, DTLS, UDP and IP for each:"
    yield ""
    heads = "frames a packet", "kbit/s of records", "of packets", "on the wire", "later by"
    yield from markdown_table(
        heads,
        [
            [
                frames,
                f"{row['records_kbps']:.2f}",
                f"{row['packets_kbps']:.2f}",
                f"{row['wire_kbps']:.1f}",
                f"{row['later_ms']:.0f} ms",
            ]
            for frames, row in rows.items()
        ],
    )


def _losses(runs: Sequence[Report]) -> Iterator[str]:
    yield "With loss, both ways, at the quality of calls; where a frame is missing the face goes on, as calls have it:"
    yield ""
    heads = "loss", "round trip", "kbit/s", "frames missing", "shown px, mean (95th)", "came, not readable"
    yield from markdown_table(
        heads,
        [
            [
                f"{run['loss']:.0%}" + ("" if not run["loss"] else f" {_kind(run)}"),
                f"{run['round_trip_ms']:.0f} ms",
                f"{run['kbps']:.2f}",
                f"{run['missing']:.1%}",
                f"{run['px']:.2f} ({run['px_p95']:.2f})",
                f"{run['unread']:.1%}, at most {run['unread_ms']:.0f} ms",
            ]
            for run in runs
        ],
    )


def _kind(run: Report) -> str:
    return "in bursts" if run["burst"] else "random"


def _damping(report: Report) -> Iterator[str]:
    yield "Error of the frames that are missing, px, if they go on at the last speed, times from frame to frame:"
    yield ""
    dampings = [name_of(damping) for damping in DAMPINGS]
    heads = "loss", *("0 (held)" if damping == "0" else damping for damping in dampings)
    rows = [
        [kind, *(_number(values.get(damping), 2) for damping in dampings)] for kind, values in report.items()
    ]
    yield from markdown_table(heads, rows)


def _strategies(report: Report) -> Iterator[str]:
    yield "What a face is predicted from, at equal rate, round trip 100 ms: px at"
    yield ""
    names = list(next(iter(report.values())))
    rates = list(next(iter(report.values()))[names[0]]["px_at_kbps"])
    rows = [
        [
            f"{float(loss):.0%}",
            f"{rate} kbit/s",
            *(_number(by_name[name]["px_at_kbps"][rate], 2) for name in names),
        ]
        for loss, by_name in report.items()
        for rate in rates
    ]
    yield from markdown_table(("loss", "rate", *names), rows)


def _rates(report: Report) -> Iterator[str]:
    yield "A rate that is held, kbit/s of records in the sliding second:"
    yield ""
    heads = "asked for", "mean", "95th", "most", "seconds 10 % over", "mean px (95th)", "frames left out"
    rows = [
        [
            kbps,
            f"{held['mean_kbps']:.2f}",
            f"{held['p95_kbps']:.2f}",
            f"{held['most_kbps']:.2f}",
            f"{held['over']:.1%}",
            f"{held['px']:.2f} ({held['px_p95']:.2f})",
            f"{held['left_out']:.1%}",
        ]
        for kbps, held in report.items()
    ]
    yield from markdown_table(heads, rows)


def _speed(report: Report) -> Iterator[str]:
    yield "Milliseconds a frame, median (95th percentile); what came out was compared with what was meant:"
    yield ""
    names = {
        "encode": "encoder",
        "encode_cpu": "of the processor",
        "decode": "decoder",
        "decode_cpu": "of the processor",
    }
    rows = []
    for loss, times in report.items():
        if loss != "stolen":
            cells = [f"{times[name]['p50']:.2f} ({times[name]['p95']:.2f})" for name in names]
            rows.append([f"{float(loss):.0%}", *cells])
    yield from markdown_table(("loss", *names.values()), rows)


def _mutations(harm: Report) -> Iterator[str]:
    yield (
        f"{harm['mutations']} mutated packets: {harm['read']} read, {harm['refused']} refused, {harm['idle']} waited "
        f"or were dropped, {harm['failed']} failed; at most {harm['cpu_ms_most']:.1f} ms of the processor each; a "
        f"reader kept {harm['kept_bytes']} bytes more at most, {harm['kept_bytes_backwards']} with falling numbers"
    )
    yield from harm["failures"]


def _pictures(pictures: Report) -> Iterator[str]:
    uncoded, coded = pictures["uncoded"], pictures["coded"]
    yield (
        f"{pictures['frames']} pictures from one reference, from uncoded and from coded faces: {uncoded['psnr']:.2f} "
        f"and {coded['psnr']:.2f} dB, ST-LPIPS {uncoded['perceptual']:.4f} and {coded['perceptual']:.4f} "
        f"({pictures['lost_db']:.3f} dB and {pictures['lost_perceptual']:.2%} lost)"
    )
    real, uncoded, coded = (pictures["tremble_levels"][way] for way in ("real", "uncoded", "coded"))
    yield ""
    yield (
        "In each clip's calmest second the brightness on the face has a mean acceleration, in levels of 255, of "
        f"{real:.2f} in the clip, {uncoded:.2f} drawn from uncoded and {coded:.2f} from coded faces."
    )


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
