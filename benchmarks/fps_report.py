"""What halves of a call and codecs took in, the figures that a user wants to know, and a table of the stages, out."""

from collections.abc import Mapping
from typing import Any

from headgan.benchmarks.markdown import markdown_table
from headgan.benchmarks.performance import Figure

Results = Mapping[str, Mapping[str, Any]]
# What a receiver may be beside the one that a call has, by the last word of its name.
_KINDS = {
    "plain": "one graph as onnxruntime runs it by default",
    "geometry": "from geometry alone",
    "paper": "networks of the paper's size, untrained",
}


def fps_figures(results: Results) -> list[Figure]:
    """Figures of all parts, the sender's first."""
    figures: list[Figure] = []
    for name, result in results.items():
        kind = name.split(".")[0]
        if name == "sender.one_core":
            figures += _one_core(name, result)
        elif kind == "sender":
            figures += _sender(name, result)
        elif kind == "receiver":
            figures += _receiver(name, result)
        else:
            figures += _codec(name, result)
    return figures


def _sender(name: str, result: Mapping[str, Any]) -> list[Figure]:
    return [
        Figure(
            f"{name}.fps", result["fps"], "sender alone, one thread, decoding the clip", "frames a second"
        ),
        Figure(f"{name}.ms", result["ms"], "sender without the camera's decoder, mean", "ms a frame"),
        Figure(
            f"{name}.cpu_ms",
            result["cpu_ms"],
            "sender without the camera's decoder, processor time",
            "ms a frame",
        ),
        Figure(
            f"{name}.cores", result["cores_at_25_fps"], "cores that a sender keeps busy at 25 fps", "cores"
        ),
        Figure(f"{name}.rss_mb", result["resident_mb"], "memory of a sender without the network", "MB", True),
        Figure(f"{name}.detect_ms", result["detect_ms"], "searching a face that was lost", "ms", True),
    ]


def _one_core(name: str, result: Mapping[str, Any]) -> list[Figure]:
    where = "on one core" if result["is_bound"] else "on any core: this system binds no process to one"
    label = f"sender without the camera's decoder, {where}"
    return [
        Figure(f"{name}.ms", result["ms"], f"{label}, mean", "ms a frame"),
        Figure(f"{name}.p50_ms", result["frame_ms"]["p50"], f"{label}, median", "ms a frame"),
        Figure(f"{name}.cpu_ms", result["cpu_ms"], f"{label}: processor time", "ms a frame"),
    ]


def _receiver(name: str, result: Mapping[str, Any]) -> list[Figure]:
    provider, *kind = name.split(".")[1:]
    label = f"receiver on {provider}" + (f", {_KINDS[kind[0]]}" if kind else "")
    figures = [
        Figure(f"{name}.fps", result["fps"], f"{label}, one thread", "frames a second"),
        Figure(f"{name}.ms", result["ms"], label, "ms a frame", True),
        Figure(f"{name}.cpu_ms", result["cpu_ms"], f"{label}: processor time", "ms a frame", bool(kind)),
        Figure(
            f"{name}.cores", result["cores_at_25_fps"], f"{label}: cores busy at 25 fps", "cores", bool(kind)
        ),
        Figure(f"{name}.rss_mb", result["resident_mb"], f"{label}: memory without the network", "MB", True),
    ]
    if kind != ["paper"]:
        figures.append(Figure(f"{name}.psnr", result["psnr"], f"{label}: PSNR of what is drawn", "dB", True))
    return figures


def _codec(name: str, result: Mapping[str, Any]) -> list[Figure]:
    codec = name.split(".")[1]
    means = {stage: values["mean"] for stage, values in result["stages_ms"].items()}
    label = f"{codec} at 256x256, {result['kbps']:.0f} kbit/s, {result['psnr']:.1f} dB"
    return [
        Figure(f"{name}.encode_ms", means["encode"], f"{label}: encoding", "ms a frame"),
        Figure(f"{name}.decode_ms", means["decode"], f"{label}: decoding", "ms a frame"),
    ]


def stage_table(results: Results) -> str:
    """Markdown: of each part each stage, its mean, median and 95th percentile in milliseconds."""
    rows = [
        (name, stage, *(_text(values[of]) for of in ("mean", "p50", "p95")))
        for name, result in results.items()
        for stage, values in result["stages_ms"].items()
    ]
    return "\n".join(markdown_table(("part", "stage", "mean, ms", "p50", "p95"), rows)) + "\n"


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
