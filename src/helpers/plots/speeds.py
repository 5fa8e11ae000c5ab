"""The picture that answers: for each kind of work, how many times as fast each pipeline is."""

import math
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from helpers.plots.style import COLOURS, styled
from helpers.ratios import Verdict

GREY = "0.75"


def speeds(table: pd.DataFrame) -> Figure:
    """Draws how many times as fast as its reference each pipeline is, as bars with intervals, kind by kind of work.

    A bar that is not decided is grey and hatched; words say the same beside it.

    Args:
        table: one row per bar, in order: kind and work (one line each, the heading of a group), pipeline, time_ratio,
            low and high (time of an epoch over that of the group's reference), verdict (see `helpers.ratios.Verdict`;
            "reference" for what the others are compared with).
    """
    groups = [group for _, group in table.groupby("kind", sort=False)]
    sizes = [len(group) + 0.9 for group in groups]
    with styled(
        len(groups), 1, height=0.9 + 0.34 * sum(sizes), sharex=True, gridspec_kw={"height_ratios": sizes}, squeeze=False
    ) as (figure, rows):
        longest = max([1.0, *(1 / table["low"]).to_list()])
        for axes, group in zip(rows[:, 0], groups, strict=True):
            heights = range(len(group))
            for height, row in zip(heights, group.itertuples(), strict=True):
                _bar(axes, height, row)
            axes.axvline(1, color="0.3", linewidth=1)
            axes.set(yticks=list(heights), yticklabels=group["pipeline"], ylim=(len(group) - 0.4, -0.6))
            # From the figure's left edge to its right one, above the names of the pipelines.
            across = {"transform": blended_transform_factory(figure.transFigure, axes.transAxes), "in_layout": False}
            axes.set_title(" ", fontsize=9)  # room for them
            axes.text(0.01, 1.03, group["kind"].iloc[0], fontsize=11, fontweight="bold", **across)
            axes.text(0.99, 1.03, group["work"].iloc[0], fontsize=9, color="0.3", ha="right", **across)
            axes.tick_params(axis="y", length=0)
            axes.grid(axis="y", visible=False)
            axes.set_xlim(0, longest * 1.45)  # room for the words
            axes.set_xticks(range(math.ceil(longest) + 1))
        rows[-1, 0].set_xlabel("times as fast (an epoch through fit; lines: 95% intervals)")
        told = []
        for group in groups:
            bars = "; ".join(f"{row.pipeline}: {in_words(row)}" for row in group.itertuples())
            told.append(f"{group['kind'].iloc[0]} ({group['work'].iloc[0]}): {bars}.")
        figure.set_label(f"How many times as fast each pipeline is. {' '.join(told)}")
        return figure


def _bar(axes, height, row):
    reference = row.verdict == "reference"
    decided = row.verdict in (Verdict.FASTER, Verdict.SLOWER, Verdict.THE_SAME)
    looks = {"color": COLOURS[0] if row.verdict == Verdict.FASTER else GREY}
    looks["hatch"] = "" if decided or reference else "///"
    axes.barh(height, 1 / row.time_ratio, height=0.62, edgecolor="black", linewidth=0.5, **looks)
    if not reference:
        axes.plot([1 / row.high, 1 / row.low], [height, height], color="black", linewidth=1.5)
    end = 1 / row.low if not reference else 1
    weight = "bold" if row.verdict == Verdict.FASTER else "normal"
    axes.annotate(
        in_words(row), (end, height), (6, 0), textcoords="offset points", va="center", fontsize=9, fontweight=weight
    )


def in_words(row: Any) -> str:
    """Returns what a bar says: "1.9 times as fast (1.4 to 2.1)", "takes 2.2 times as long (1.9 to 2.7)", and so on.

    Args:
        row: with time_ratio, low, high and verdict, as `itertuples` gives it.
    """
    if row.verdict == "reference":
        return "1 (the others are compared with it)"
    if row.verdict == Verdict.SLOWER:
        return f"takes {_interval(' times as long', row.time_ratio, row.low, row.high)}"
    speed = [1 / ratio for ratio in (row.time_ratio, row.high, row.low)]
    told = _interval(" times as fast", *speed)
    return told if row.verdict == Verdict.FASTER else f"{row.verdict}, {told}"


def _interval(words, centre, low, high):
    """As many digits as tell the ends from 1."""
    digits = 2 if min(abs(low - 1), abs(high - 1)) < 0.1 else 1
    return f"{centre:.{digits}f}{words} ({low:.{digits}f} to {high:.{digits}f})"
