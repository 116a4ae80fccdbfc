"""How long the stages of several things take in, a picture of stacked bars out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headgan.benchmarks.figure import new_figure, save_figure

Bars = Mapping[str, Mapping[str, float]]
# A stage below this share of the longest bar has no room for its number.
_ROOM = 0.04


def draw_bars(command: str, bars: Bars, path: Path, title: str) -> None:
    """Writes the PNG `path`.

    Args:
        command: whose name an error has.
        bars: from the top down, of each the milliseconds of its stages; a stage has one colour in all of them.
        path: of the picture.
        title: above it.

    Raises:
        UsageError: matplotlib is not there.
    """
    lines = 1 + len({stage for bar in bars.values() for stage in bar}) // 5
    figure = new_figure(command, 11, 1.4 + 0.55 * len(bars) + 0.2 * lines)
    axes = figure.subplots(1, 1)
    stack_bars(axes, bars)
    axes.set_title(title)
    figure.legend(loc="outside lower center", ncols=5, fontsize=7)
    save_figure(figure, path)


def stack_bars(axes: Any, bars: Bars) -> None:  # noqa: ANN401 - matplotlib is an extra
    """Draws the bars into matplotlib's `axes`; the legend is left to the caller."""
    import matplotlib

    # More stages than any one of its palettes has colours.
    palettes: Any = matplotlib.colormaps
    colours = [*palettes["tab20"].colors, *palettes["tab20b"].colors]
    stages = list(dict.fromkeys(stage for bar in bars.values() for stage in bar))
    longest = max((sum(bar.values()) for bar in bars.values()), default=0.0)
    lefts = dict.fromkeys(bars, 0.0)
    for number, stage in enumerate(stages):
        widths = {name: max(bar.get(stage, 0.0), 0.0) for name, bar in bars.items()}
        colour = colours[number % len(colours)]
        axes.barh(
            range(len(bars)),
            list(widths.values()),
            left=list(lefts.values()),
            color=colour,
            label=stage,
            height=0.7,
        )
        for place, (name, width) in enumerate(widths.items()):
            if width > _ROOM * longest:
                middle = lefts[name] + width / 2
                axes.text(middle, place, f"{width:.1f}", ha="center", va="center", fontsize=7)
            lefts[name] += width
    axes.set_yticks(range(len(bars)), list(bars))
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds")
    axes.grid(axis="x", alpha=0.3)
