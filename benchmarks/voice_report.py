"""Runs of `headgan-bench voice` in, Markdown tables and PNG pictures out."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from headgan.benchmarks.figure import new_figure, save_figure
from headgan.benchmarks.markdown import markdown_table
from headgan.benchmarks.voice_line import CONCEALED, COPIES, WAYS
from headgan.benchmarks.voice_measure import BURST
from headgan.benchmarks.voice_webrtc import PACKETS_PER_S
from headgan.codec.voice import DEFAULT_VOICE_KBPS, FRAME_MS

COMMAND = "voice"
_COLORS = dict(zip(WAYS, ("C0", "C2", "C1", "C7"), strict=True))

Run = Mapping[str, Any]


def tables(report: Mapping[str, Any]) -> str:
    """All of it."""
    clips, runs = report["clips"], report["runs"]
    lines = [
        f"{len(clips)} clips with speech, {sum(clips.values()):.0f} s; phoneme errors against no loss at the same rate",
        "",
        *_rates(runs),
        "",
        *_lines(runs),
        "",
        _track(report["webrtc"]),
    ]
    return "\n".join(lines) + "\n"


def _rates(runs: Sequence[Run]) -> Iterator[str]:
    heads = [
        "kbit/s asked for",
        "of Opus data",
        "phoneme errors against the clip",
        "log-spectral distance to the clip",
    ]
    rows = []
    for run in runs:
        if run["way"] == CONCEALED and run["frames_per_packet"] == 1 and not run["loss"]:
            errors = _percent(run["phoneme_errors_to_clip"])
            rows.append([f"{run['kbps']:g}", f"{run['real_kbps']:.1f}", errors, _decibels(run)])
    yield from markdown_table(heads, rows)


def _lines(runs: Sequence[Run]) -> Iterator[str]:
    heads = ["kbit/s", "frames a packet", "loss", "way", "of Opus data", "phoneme errors", "against the clip"]
    heads += ["distance", "recovered", "concealed"]
    rows = [
        [
            f"{run['kbps']:g}",
            str(run["frames_per_packet"]),
            f"{run['loss']:.0%}{' in bursts' if run['burst'] else ''}",
            run["way"],
            f"{run['real_kbps']:.1f}",
            _percent(run["phoneme_errors"]),
            _percent(run["phoneme_errors_to_clip"]),
            _decibels(run),
            _percent(run["recovered"]),
            _percent(run["concealed"]),
        ]
        for run in sorted(runs, key=_order)
        if run["loss"]
    ]
    yield from markdown_table(heads, rows)


def _order(run: Run) -> tuple[Any, ...]:
    place = WAYS.index(run["way"])
    return run["kbps"], run["frames_per_packet"], run["burst"], run["loss"], place


def _track(webrtc: Mapping[str, float]) -> str:
    header_bytes = webrtc["header_kbps"] * 1000 / 8 / PACKETS_PER_S
    same = DEFAULT_VOICE_KBPS + webrtc["header_kbps"]
    return (
        f"An audio track of aiortc: {webrtc['wire_kbps']:.1f} kbit/s on the wire, {webrtc['opus_kbps']:.1f} of them "
        f"Opus, and {webrtc['back_kbps']:.1f} back. What is not Opus is {header_bytes:.0f} bytes a packet, reports "
        f"included, or {webrtc['header_kbps']:.1f} kbit/s: with {DEFAULT_VOICE_KBPS:g} kbit/s of Opus a track would "
        f"cost {same:.1f}. "
        "In the packets of the face parameters a voice costs no header of IP, UDP or DTLS."
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _decibels(run: Run) -> str:
    return "-" if run["distance_db"] is None else f"{run['distance_db']:.1f} dB"


def draw_losses(runs: Sequence[Run], frames_per_packet: int, path: Path) -> None:
    """Errors over loss, a panel for each rate, a colour for each way; bursts are dashed.

    Against the clip: the same rate without loss and without copies would favour ways that change nothing else.
    """
    name, factor, title = _score(runs)
    rates = sorted({run["kbps"] for run in runs})
    figure = new_figure(COMMAND, 13, 7.5)
    panels = figure.subplots(2, -(-len(rates) // 2), sharey=True).ravel()
    for axes, kbps in zip(panels, rates, strict=False):
        for way, (burst, style) in product(WAYS, ((0.0, "o-"), (BURST, "s--"))):
            chosen = [
                run
                for run in runs
                if (run["kbps"], run["way"], run["frames_per_packet"]) == (kbps, way, frames_per_packet)
                and (run["burst"] == burst or not run["loss"])
            ]
            label = f"{way}, {'bursts' if burst else 'random'}"
            _line(axes, chosen, ("loss", 100), (name, factor), style, label, color=_COLORS[way])
        axes.set_title(f"{kbps:g} kbit/s", fontsize=10)
        _finish(axes, "packets lost, %", title)
    # At the highest rate there is every way.
    panels[len(rates) - 1].legend(fontsize=7)
    figure.suptitle(f"{frames_per_packet * FRAME_MS} ms a packet", fontsize=11)
    save_figure(figure, path)


def draw_rates(runs: Sequence[Run], webrtc: Mapping[str, float], path: Path) -> None:
    """What is asked for and what it costs, and how well it is understood without loss and with some."""
    name, factor, title = _score(runs)
    figure = new_figure(COMMAND, 11, 4)
    left, right = figure.subplots(1, 2)
    for way, loss in ((CONCEALED, 0.0), (CONCEALED, 0.1), (COPIES, 0.1)):
        about = (way, loss, 0.0, 1)
        chosen = [
            run for run in runs if (run["way"], run["loss"], run["burst"], run["frames_per_packet"]) == about
        ]
        label = f"{loss:.0%} lost, {way}" if loss else "no loss"
        _line(right, chosen, ("real_kbps", 1), (name, factor), "o-", label)
        if not (way == CONCEALED and loss):
            _line(left, chosen, ("kbps", 1), ("real_kbps", 1), "o-", f"Opus data, {label}")
    asked = sorted({run["kbps"] for run in runs})
    left.plot(asked, asked, "k:", label="as asked for", linewidth=1)
    track = [kbps + webrtc["header_kbps"] for kbps in asked]
    left.plot(asked, track, "s--", color="C3", label="an audio track of WebRTC, on the wire", markersize=4)
    _finish(left, "kbit/s asked for", "kbit/s")
    _finish(right, "kbit/s of Opus data", title)
    for axes in (left, right):
        axes.legend(fontsize=8)
    save_figure(figure, path)


def _score(runs: Sequence[Run]) -> tuple[str, float, str]:
    """What to draw, by how much to multiply it, and what it is: phonemes if there are any."""
    if all(run["phoneme_errors_to_clip"] is not None for run in runs):
        return "phoneme_errors_to_clip", 100, "phoneme errors against the clip, %"
    return "distance_db", 1, "log-spectral distance to the clip, dB"


def _line(
    axes: Any,  # noqa: ANN401 - matplotlib is an extra
    runs: Sequence[Run],
    over: tuple[str, float],
    score: tuple[str, float],
    style: str,
    label: str,
    color: str | None = None,
) -> None:
    """A line of numbers over others, each with its factor."""
    points = sorted(
        (over[1] * run[over[0]], score[1] * run[score[0]]) for run in runs if run[score[0]] is not None
    )
    if points:
        axes.plot(*zip(*points, strict=True), style, color=color, label=label, markersize=4, linewidth=1.2)


def _finish(axes: Any, over: str, title: str) -> None:  # noqa: ANN401
    axes.set_xlabel(over)
    axes.set_ylabel(title)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
