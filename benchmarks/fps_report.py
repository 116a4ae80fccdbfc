"""What halves of a call and codecs took in, the figures that a user wants to know, and a table of the stages, out."""

from collections.abc import Mapping, Sequence
from typing import Any

from headgan.benchmarks.markdown import markdown_table
from headgan.benchmarks.performance import Figure

Results = Mapping[str, Mapping[str, Any]]
# What a receiver may be beside the one that a call has, by the last word of its name.
_KINDS = {
    "one_core": "on one core",
    "float32": "in single precision",
    "plain": "one graph as onnxruntime runs it by default",
    "plain_one_core": "one graph as onnxruntime runs it by default with one thread, on one core",
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
    return figures + _gains(results)


def _gains(results: Results) -> list[Figure]:
    """How many times as fast as the naive baseline a receiver is, where both were measured."""
    ours, alone = results.get("receiver.cpu"), results.get("receiver.cpu.one_core")
    naive, naive_alone = results.get("receiver.cpu.plain"), results.get("receiver.cpu.plain_one_core")
    label = "receiver on cpu against one graph as onnxruntime runs it by default"
    figures = []
    if ours and naive:
        more_fps, less_cpu = ours["fps"] / naive["fps"], naive["cpu_ms"] / ours["cpu_ms"]
        figures += [
            Figure("receiver.cpu.gain.fps", round(more_fps, 2), f"{label}, frames a second", "times"),
            Figure("receiver.cpu.gain.cpu", round(less_cpu, 2), f"{label}, processor time", "times"),
        ]
    if alone and naive_alone and alone["is_bound"] and naive_alone["is_bound"]:
        more_fps, less_cpu = alone["fps"] / naive_alone["fps"], naive_alone["cpu_ms"] / alone["cpu_ms"]
        words = f"{label}, each on one core"
        figures += [
            Figure(
                "receiver.cpu.gain.one_core_fps", round(more_fps, 2), f"{words}, frames a second", "times"
            ),
            Figure("receiver.cpu.gain.one_core_cpu", round(less_cpu, 2), f"{words}, processor time", "times"),
        ]
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
    label = _receiver_label(provider, kind, result)
    is_main = kind in ([], ["fused"])
    one_thread = "" if kind and kind[0].startswith("plain") else ", one thread"
    figures = [
        Figure(f"{name}.fps", result["fps"], f"{label}{one_thread}", "frames a second"),
        Figure(f"{name}.ms", result["ms"], label, "ms a frame", True),
        Figure(
            f"{name}.cpu_ms", result["cpu_ms"], f"{label}: processor time", "ms a frame", kind == ["paper"]
        ),
        Figure(
            f"{name}.cores", result["cores_at_25_fps"], f"{label}: cores busy at 25 fps", "cores", not is_main
        ),
        Figure(f"{name}.rss_mb", result["resident_mb"], f"{label}: memory without the network", "MB", True),
    ]
    if kind != ["paper"]:
        is_detail = kind not in ([], ["fused"], ["float32"], ["plain"])
        figures.append(
            Figure(f"{name}.psnr", result["psnr"], f"{label}: PSNR of what is drawn", "dB", is_detail)
        )
    if "float32_levels" in result:
        words = f"{label}: mean difference to single precision, of 255"
        figures.append(
            Figure(f"{name}.float32_levels", result["float32_levels"], words, "levels", not is_main)
        )
    return figures


def _receiver_label(provider: str, kind: Sequence[str], result: Mapping[str, Any]) -> str:
    """What a table calls a receiver."""
    words = [f"receiver on {provider}"]
    if kind in ([], ["fused"], ["one_core"]):
        words.append(f"as calls draw ({result['precision']})")
    if kind == ["fused"]:
        words.append(f"from {result['references_a_frame']:.2g} references")
    elif kind:
        words.append(_KINDS[kind[0]])
    if kind and kind[0].startswith("plain"):
        words[-1] += f" ({result['file']})" if result["file"] else ""
    return ", ".join(words)


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
