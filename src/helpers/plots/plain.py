"""Plain pictures of a few figures: bars, dots, heaps, and ratios with their intervals."""

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers import ratios
from helpers.errors import StudyError
from helpers.plots.style import COLOURS, HATCHES, MARKERS, ratio_axis, styled

ROW = 0.36  # inches


def bars(
    series: Mapping[str, ArrayLike],
    labels: Sequence[object],
    *,
    axis: str,
    across: str = "",
    log: bool = False,
    line: tuple[str, float] | None = None,
) -> Figure:
    """Draws groups of bars, one bar per series in each group.

    Args:
        series: name -> (groups,) numbers.
        labels: of the groups.
        axis: what the numbers are, and their unit.
        across: what the groups are.
        log: whether the axis is logarithmic.
        line: (what it is, its height) of a dashed line across.

    Raises:
        StudyError: where a series has not as many numbers as there are groups.
    """
    for name, values in series.items():
        if np.shape(values) != (len(labels),):
            raise StudyError(f"a series needs one number per group (got {np.shape(values)} of {name}, {len(labels)})")
    width = 0.8 / len(series)
    with styled(height=3.0) as (figure, axes):
        for number, (name, values) in enumerate(series.items()):
            places = np.arange(len(labels)) + width * (number - (len(series) - 1) / 2)
            look: dict[str, Any] = {
                "color": COLOURS[number],
                "hatch": HATCHES[number],
                "edgecolor": "black",
                "linewidth": 0.5,
            }
            drawn = axes.bar(places, values, width, label=name, **look)
            axes.bar_label(drawn, labels=[_number(value) for value in np.asarray(values, float)], fontsize=8)
        if line:
            axes.axhline(line[1], color="black", linestyle="--", label=line[0])
        axes.set_xticks(range(len(labels)), [str(label) for label in labels])
        axes.set(xlabel=across, ylabel=axis)
        axes.margins(y=0.12)
        if log:
            axes.set(yscale="log", ylabel=f"{axis}, log scale")
        figure.legend(loc="outside upper left", ncols=4, frameon=False)
        lines = [f"{name}: {_told(values)}" for name, values in series.items()]
        limit = f"; {line[0]}: {line[1]:.3g}" if line else ""
        figure.set_label(f"Bars, {axis}, for {', '.join(map(str, labels))}. {'; '.join(lines)}{limit}")
        return figure


def dots(rows: Mapping[str, ArrayLike], *, axis: str, mark: float | None = None) -> Figure:
    """Draws one row of dots per name, such as the times of single runs.

    Args:
        rows: name -> numbers; each row may have another count.
        axis: what the numbers are, and their unit.
        mark: where a dotted line stands; None: none.
    """
    with _rows(list(rows)) as (figure, axes):
        for row, (name, values) in enumerate(rows.items()):
            values = np.asarray(values, float)
            look: dict[str, Any] = {"color": COLOURS[row % len(COLOURS)], "alpha": 0.6, "markeredgecolor": "black"}
            axes.plot(values, np.full(len(values), row), MARKERS[row % len(MARKERS)], label=name, **look)
        if mark is not None:
            axes.axvline(mark, color="0.3", linestyle=":")
        axes.set_xlabel(axis)
        lines = [f"{name}: {len(np.asarray(values))} from {_ends(values)}" for name, values in rows.items()]
        figure.set_label(f"Dots, {axis}. {'; '.join(lines)}")
        return figure


def histograms(series: Mapping[str, ArrayLike], *, axis: str, counted: str, mark: float | None = None) -> Figure:
    """Draws how often values occur, one heap per series, in the same bins.

    Args:
        series: name -> numbers.
        axis: what the numbers are, and their unit.
        counted: what is counted, such as "sessions".
        mark: where a dotted line stands; None: none.
    """
    heaps = {name: np.asarray(values, float) for name, values in series.items()}
    lowest, highest = np.percentile(np.concatenate(list(heaps.values())), [0.1, 99.9])
    bins = np.linspace(lowest, highest, 70)
    with styled(height=2.6) as (figure, axes):
        for number, (name, values) in enumerate(heaps.items()):
            axes.hist(values, bins, label=name, color=COLOURS[number], hatch=HATCHES[number + 1], alpha=0.7)
        if mark is not None:
            axes.axvline(mark, color="black", linestyle=":")
        axes.set(xlabel=axis, ylabel=counted)
        figure.legend(loc="outside upper left", ncols=3, frameon=False)
        lines = [f"{name}: most from {_ends(np.percentile(values, [2.5, 97.5]))}" for name, values in heaps.items()]
        figure.set_label(f"How often, {axis}. {'; '.join(lines)}")
        return figure


def intervals(rows: Mapping[str, ratios.Ratio], *, axis: str, margin: float = 0.05) -> Figure:
    """Draws ratios with their intervals, one per row, beside the band in which they count as the same.

    Args:
        rows: name -> ratio.
        axis: what is divided by what.
        margin: the band, share; the verdicts are those of `ratios.verdict` within it.
    """
    with _rows(list(rows)) as (figure, axes):
        axes.axvspan(1 / (1 + margin), 1 + margin, color="0.88", zorder=0)
        axes.axvline(1, color="0.3", linewidth=1, zorder=1)
        told = []
        for row, (name, ratio) in enumerate(rows.items()):
            axes.plot([ratio.low, ratio.high], [row, row], color=COLOURS[0], linewidth=2)
            axes.plot(ratio.ratio, row, "o", color=COLOURS[0], markersize=7, markeredgecolor="black")
            verdict = ratios.verdict(ratio, margin=margin)
            beside: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center", "annotation_clip": False}
            axes.annotate(f"{ratio.ratio:.2f} {verdict}", (1.02, row), **beside)
            told.append(f"{name}: {ratio.ratio:.2f} ({ratio.low:.2f} to {ratio.high:.2f}), {verdict}")
        ratio_axis(axes.xaxis, [end for ratio in rows.values() for end in (ratio.low, ratio.high)])
        axes.set_xlabel(f"{axis}\n← faster    (log scale; grey: the same within {margin:.0%})    slower →")
        figure.set_label(f"Ratios with their intervals, {axis}. {'; '.join(told)}")
        return figure


@contextmanager
def _rows(names):
    """Gives (figure, axes) with one named row per name, the first on top."""
    with styled(height=1.0 + ROW * len(names)) as (figure, axes):
        axes.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.4, -0.6))
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        yield figure, axes


def _ends(values):
    return f"{np.min(values):.3g} to {np.max(values):.3g}"


def _number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _told(values):
    return ", ".join(map(_number, np.asarray(values, float)))
