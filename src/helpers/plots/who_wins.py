"""Pictures of many cells: which pipeline wins where, and where the winner changes."""

import math
import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from helpers import checks
from helpers.errors import NothingToShow
from helpers.plots.style import COLOURS, MARKERS, WIDTH, look, ratio_axis, styled
from helpers.results.pairs import reading, step
from helpers.results.winners import winners

AXES = {
    "batch_size": "batch size (images)",
    "examples": "examples per epoch (images)",
    "image_height": "height of the images (pixels)",
    "cores": "cores that the pipelines may use",
}
LEVEL: dict[str, Any] = {"facecolor": "white"}
LINES = ("-", "--", ":", "-.")


def heat_map(results: pd.DataFrame, *, columns: str = "batch_size", limit: int = 24) -> Figure:
    """Draws who wins where: one row per kind of cell, one column per value of `columns`; winner and lead in each field.

    Args:
        results: rows of one machine.
        columns: batch_size, examples or cores.
        limit: rows drawn at most.

    Raises:
        NothingToShow: where no cell has two pipelines that did the same work.
        StudyError: where the column is another.
    """
    checks.one_of("columns", columns, ("batch_size", "examples", "cores"))
    table = winners(results)
    if table.empty:
        raise NothingToShow("a heat map needs cells with two pipelines of the same work (got none)")
    several = columns != "cores" and table["cores"].nunique() > 1
    table["row"] = [_kind(cell, columns) + f", cores: {cell.cores}" * several for cell in table.itertuples()]
    rows = list(dict.fromkeys(table["row"]))[:limit]
    across = sorted(table[columns].unique())
    labels = list(dict.fromkeys(table["winner"]))
    with styled(height=1.8 + 0.62 * len(rows), width=max(WIDTH, 4.2 + 1.6 * len(across))) as (figure, axes):
        edge: dict[str, Any] = {"edgecolor": "0.25", "linewidth": 0.8}
        label = {"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.9}
        centred = {"ha": "center", "va": "center", "fontsize": 8, "linespacing": 1.05, "bbox": label}
        for cell in table[table["row"].isin(rows)].itertuples():
            left, top = across.index(getattr(cell, columns)), rows.index(cell.row)
            clear = _filling(cell.winner, labels) | {"alpha": _shade(cell.lead)}
            axes.add_patch(Rectangle((left, top), 1, 1, **(clear if cell.clear else LEVEL), **edge))
            lead = f"{cell.lead:.2f} x ahead" if cell.clear else f"level with {cell.second}"
            text = "\n".join([*textwrap.wrap(cell.winner, 24, break_long_words=False), *textwrap.wrap(lead, 22)])
            axes.text(left + 0.5, top + 0.5, text, **centred)
        axes.set(xlim=(0, len(across)), ylim=(len(rows), 0), xlabel=AXES[columns])
        axes.set_xticks(np.arange(len(across)) + 0.5, [f"{value:,}" for value in across])
        axes.set_yticks(np.arange(len(rows)) + 0.5, ["\n".join(textwrap.wrap(name, 42)) for name in rows])
        axes.grid(visible=False)
        handles = [Patch(**_filling(name, labels), edgecolor="0.25", alpha=0.6, label=name) for name in labels]
        handles.append(Patch(**LEVEL, edgecolor="0.25", label="level: no clear winner"))
        figure.legend(handles=handles, loc="outside upper left", ncols=min(3, len(handles)), frameon=False)
        told = [
            f"{cell.row}, {columns} {getattr(cell, columns):,}: {cell.winner} "
            + (f"{cell.lead:.2f} times ahead" if cell.clear else f"level with {cell.second}")
            for cell in table.head(15).itertuples()
        ]
        figure.set_label(f"Who wins where, by {columns.replace('_', ' ')}. {'; '.join(told)}")
        return figure


def _kind(cell, columns):
    """A cell's conditions but the one that the columns tell."""
    others = {"batch_size": f"{cell.batch_size:,} per batch", "examples": f"{cell.examples:,} images"}
    order = "" if cell.shuffle else ", in order"
    told = ", ".join(text for name, text in others.items() if name != columns)
    read = f"{reading(cell.source, cell.decoding)}{step(cell.model)}"
    return f"{cell.dataset_label}, {cell.transform}, {told}{order}; {read}"


def _filling(name, labels):
    looks = look(name, labels)
    return {"facecolor": looks["color"], "hatch": looks["hatch"]}


def _shade(lead):
    """A stronger colour for a longer lead: 0.3 at level, 0.9 from three times on."""
    return float(np.clip(0.3 + 0.6 * math.log(max(lead, 1)) / math.log(3), 0.3, 0.9))


def crossover(pairs: pd.DataFrame, *, along: str = "batch_size") -> Figure:
    """Draws the ratio of two pipelines along a column, with its interval: where it passes 1 the winner changes.

    Args:
        pairs: from `helpers.results.pairs_of`.
        along: batch_size, examples, image_height or cores.

    Raises:
        NothingToShow: where there are no pairs, or none that differ in the column alone.
        StudyError: where the column is another.
    """
    checks.one_of("along", along, AXES)
    conditions = (
        "dataset_label",
        "source",
        "decoding",
        "model",
        "transform",
        *AXES,
        "shuffle",
        "pipeline",
        "reference",
    )
    fixed = [name for name in conditions if name != along]
    pairs = pairs.dropna(subset=["ratio"])
    pairs = pairs[pairs.groupby(fixed)[along].transform("nunique") > 1]
    if pairs.empty:
        raise NothingToShow(
            f"a crossover needs cells that differ in {along} alone, with at least two values of {along} (got none); "
            "run the full sweep"
        )
    varying = [name for name in fixed if pairs[name].nunique() > 1] or ["pipeline"]
    with styled(height=4.2) as (figure, axes):
        drawn = []
        for number, (_, line) in enumerate(pairs.groupby(fixed, sort=False)):
            line = line.sort_values(along)
            name = ", ".join(str(line[column].iloc[0]) for column in varying)
            looks = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
            errors = [line["ratio"] - line["low"], line["high"] - line["ratio"]]
            dashes = LINES[number % len(LINES)]
            axes.errorbar(line[along], line["ratio"], errors, capsize=3, linestyle=dashes, label=name, **looks)
            drawn.append(f"{name}: {line['ratio'].iloc[0]:.2f} to {line['ratio'].iloc[-1]:.2f}")
        axes.axhline(1, color="0.3", linewidth=1)
        axes.set_xscale("log", base=2 if along in ("batch_size", "cores") else 10)
        values = sorted(pairs[along].unique())
        axes.set_xticks(values, [f"{value:,}" for value in values])
        axes.minorticks_off()
        ratio_axis(axes.yaxis, [*pairs["low"], *pairs["high"]])
        pipeline, reference = pairs["pipeline"].iloc[0], pairs["reference"].iloc[0]
        axes.set(xlabel=AXES[along], ylabel=f"time of {pipeline} / {reference}\n(log scale; above 1: slower)")
        figure.legend(loc="outside right upper", frameon=False, fontsize=9)
        figure.set_label(f"Ratio of the time of {pipeline} to {reference} along {along}. {'; '.join(drawn)}")
        return figure
