"""How long the stages of several things take in, a picture of stacked bars out."""

from collections.abc import Mapping
from pathlib import Path

from headgan.benchmarks.figure import new_figure, save_figure

# A stage below this share of the longest bar has no room for its number.
_ROOM = 0.04
_COLOURS = 20


def draw_bars(command: str, bars: Mapping[str, Mapping[str, float]], path: Path, title: str) -> None:
    """Writes the PNG `path`.

    Args:
        command: whose name an error has.
        bars: from the top down, of each the milliseconds of its stages; a stage has one colour in all of them.
        path: of the picture.
        title: above it.

    Raises:
        UsageError: matplotlib is not there.
    """
    stages = list(dict.fromkeys(stage for bar in bars.values() for stage in bar))
    longest = max((sum(bar.values()) for bar in bars.values()), default=0.0)
    figure = new_figure(command, 11, 1.6 + 0.55 * len(bars) + 0.22 * (len(stages) // 4))
    axes = figure.subplots(1, 1)
    import matplotlib

    colours = matplotlib.colormaps["tab20"]
    for number, stage in enumerate(stages):
        for place, bar in enumerate(bars.values()):
            width = max(bar.get(stage, 0.0), 0.0)
            left = sum(max(bar.get(before, 0.0), 0.0) for before in stages[:number])
            name = stage if place == 0 else None
            axes.barh(place, width, left=left, color=colours(number % _COLOURS), label=name, height=0.7)
            if width > _ROOM * longest:
                axes.text(left + width / 2, place, f"{width:.1f}", ha="center", va="center", fontsize=7)
    axes.set_yticks(range(len(bars)), list(bars))
    axes.invert_yaxis()
    axes.set(xlabel="milliseconds a frame", title=title)
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=5, fontsize=7)
    save_figure(figure, path)
