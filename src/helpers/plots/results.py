"""Pictures with one row per pipeline: ratios with their intervals, and a training epoch taken apart."""

from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from helpers.comparison import Comparison
from helpers.errors import NothingToShow
from helpers.plots.style import COLOURS, look, ratio_axis, styled
from helpers.ratios import in_words
from helpers.results.pairs import fair_rows, reading, step

RIGHT_OF_AXES: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center", "annotation_clip": False}


def comparison_ratios(comparison: Comparison, *, predicted: Mapping[str, float] | None = None) -> Figure:
    """Draws one comparison: each feed's time as a ratio to the reference, with its interval.

    Args:
        comparison: from `helpers.comparison.compare`.
        predicted: label -> the ratio that somebody expected, drawn as a hollow diamond in the feed's row.
    """
    table = comparison.table.assign(heading="", builder=comparison.table["pipeline"])
    table["predicted"] = table["pipeline"].map(dict(predicted or {}))
    others = table[table["pipeline"] != comparison.reference]
    return _forest(others, f"time of an epoch / time of {comparison.reference}", margin=comparison.margin)


def ratios(results: pd.DataFrame, *, limit: int = 40, margin: float = 0.05) -> Figure:
    """Draws every ratio of a results table with its interval, cell by cell.

    Args:
        results: rows of one machine; those that did other work have no ratio and are left out.
        limit: rows drawn at most, from the top of the table.
        margin: the band in which ratios are the same, share.

    Raises:
        NothingToShow: where no two pipelines did the same work.
    """
    shown = fair_rows(results)
    shown = shown[(shown["pipeline"] != shown["reference"]) & shown["time_ratio"].notna()]
    if shown.empty:
        raise NothingToShow("ratios need pipelines that did the same work (got none); choose other cells")
    several = shown["reference"].nunique() > 1
    rows = shown.head(limit).rename(columns={"time_ratio_low": "low", "time_ratio_high": "high"})
    on_cores = [f", cores: {cores}" if shown["cores"].nunique() > 1 else "" for cores in rows["cores"]]
    rows["heading"] = [
        condition(row) + cores + f"; against {row.reference}" * several
        for row, cores in zip(rows.itertuples(), on_cores, strict=True)
    ]
    reference = "the reference" if several else shown["reference"].iloc[0]
    more = f" (the first {limit} of {len(shown)})" if len(shown) > limit else ""
    return _forest(rows, f"time of an epoch / time of {reference}{more}", margin=margin)


def room(table: pd.DataFrame, *, limit: int = 60, margin: float = 0.05) -> Figure:
    """Draws the ratios of several laptops, each with its interval, question by question.

    Args:
        table: from `helpers.report.room.side_by_side`.
        limit: rows drawn at most, from the top of the table.
        margin: the band in which ratios are the same, share.
    """
    shown = table.head(limit)
    headings = [f"{condition(row)}: {row.pipeline} against {row.reference}" for row in shown.itertuples()]
    rows = shown.assign(heading=headings, pipeline=shown["laptop"], builder=shown["laptop"])
    more = f" (the first {limit} of {len(table)})" if len(table) > limit else ""
    return _forest(rows, f"time of an epoch / time of the reference, laptop by laptop{more}", margin=margin)


def condition(row: Any) -> str:
    """Returns a cell's conditions in short: data, transform, batch, examples, where from and when decoded.

    Args:
        row: of a results table, as `itertuples` gives it.
    """
    order = "" if row.shuffle else ", in order"
    told = f"{row.dataset_label}, {row.transform}, batch {row.batch_size}, {row.examples:,} images{order}"
    return f"{told}; {reading(row.source, row.decoding)}{step(row.model)}"


def start_and_rate(results: pd.DataFrame, *, limit: int = 30) -> Figure:
    """Draws an epoch of each pipeline taken apart: its start, and its batches at their rate.

    Beside each bar stands the number of examples from which on its order with the reference turns, where it does.

    Args:
        results: rows of one machine; those that did other work are left out.
        limit: rows drawn at most.

    Raises:
        NothingToShow: where no row has both parts.
    """
    fair = fair_rows(results)
    rows = fair[fair["start_s"].notna() & fair["batch_s"].notna()].head(limit)
    if rows.empty:
        raise NothingToShow("start and rate need epochs of two batches or more (got none); choose other cells")
    turns = [f"turns at {count:,.0f}" if count == count else "" for count in rows["turns_at_examples"]]
    parts = {"start": rows["start_s"].clip(lower=0) * 1e3, "batches": rows["batch_s"] * rows["batches"] * 1e3}
    return _stacked(rows, parts, "an epoch (milliseconds)", turns, "Start and rate")


def epoch_parts(results: pd.DataFrame, *, limit: int = 30) -> Figure:
    """Draws a training epoch taken apart: the steps themselves, and waiting for data.

    Args:
        results: rows with a training epoch (a small CNN), of one machine.
        limit: rows drawn at most.

    Raises:
        NothingToShow: where no row has one.
    """
    rows = results[results["train_epoch_s"].notna()].head(limit)
    if rows.empty:
        raise NothingToShow("the parts of an epoch need cells that trained (got none); set train: true in the grid")
    ms_per_image = rows["train_epoch_s"] / rows["examples"] * 1e3
    waiting = ms_per_image * rows["waiting_share"]
    told = [f"{share:.0%} waiting" for share in rows["waiting_share"]]
    parts = {"the steps": ms_per_image - waiting, "waiting for data": waiting}
    axis = "training epoch of a small CNN (milliseconds per image)"
    return _stacked(rows, parts, axis, told, "A training epoch taken apart")


def _stacked(rows, parts, axis_label, told, title):
    """Draws one bar per row of two parts, name -> lengths, with a text at its right."""
    rows = rows.assign(heading=[condition(row) for row in rows.itertuples()])
    with _labelled(rows) as (figure, axes, heights):
        edge = {"edgecolor": "black", "linewidth": 0.5}
        (first, lengths), (second, more) = parts.items()
        axes.barh(heights, lengths, color=COLOURS[4], label=first, **edge)
        axes.barh(heights, more, left=lengths, color=COLOURS[1], hatch="///", label=second, **edge)
        for height, text in zip(heights, told, strict=True):
            axes.annotate(text, (1.02, height), **RIGHT_OF_AXES)
        axes.set_xlabel(axis_label)
        figure.legend(loc="outside upper right", ncols=2, frameon=False)
        lines = [
            f"{row.heading}, {row.pipeline}: {first} {one:.3g}, {second} {other:.3g} {text}".strip()
            for row, one, other, text in zip(rows.itertuples(), lengths, more, told, strict=True)
        ]
        figure.set_label(f"{title}, {axis_label}. {'; '.join(lines[:12])}")
        return figure


def _forest(rows, axis_label, *, margin):
    """Draws rows with the columns heading, pipeline, builder, time_ratio, low, high and verdict."""
    with _labelled(rows) as (figure, axes, heights):
        axes.axvspan(1 / (1 + margin), 1 + margin, color="0.88", zorder=0)
        axes.axvline(1, color="0.3", linewidth=1, zorder=1)
        marker = {"linestyle": "", "markersize": 7, "markeredgecolor": "black", "markeredgewidth": 0.5}
        for height, row in zip(heights, rows.itertuples(), strict=True):
            looks = look(row.builder, rows["builder"])
            axes.plot([row.low, row.high], [height, height], color=looks["color"], linewidth=2)
            axes.plot(row.time_ratio, height, marker=looks["marker"], color=looks["color"], **marker)
            verdict = in_words(row.verdict, row.low, row.high)
            axes.annotate(f"{row.time_ratio:.2f} {verdict}", (1.02, height), **RIGHT_OF_AXES)
        expected = rows.get("predicted", pd.Series(dtype=float)).astype(float).tolist()
        if any(ratio == ratio for ratio in expected):
            guess = {"label": "predicted", "markeredgecolor": "black", "markerfacecolor": "none"}
            axes.plot(expected, heights, marker="D", linestyle="", markersize=9, **guess)
            figure.legend(loc="outside upper right", frameon=False)
        ratio_axis(axes.xaxis, [*rows[["time_ratio", "low", "high"]].to_numpy().ravel(), *expected])
        axes.set_xlabel(f"{axis_label}\n← faster    (log scale; grey: the same within {margin:.0%})    slower →")
        told = [
            f"{row.heading} {row.pipeline}: {row.time_ratio:.2f} ({row.low:.2f} to {row.high:.2f}), "
            f"{in_words(row.verdict, row.low, row.high)}"
            for row in rows.head(12).itertuples()
        ]
        figure.set_label(f"Ratios with their intervals, {axis_label}. {'; '.join(map(str.strip, told))}")
        return figure


@contextmanager
def _labelled(rows):
    """Gives (figure, axes, heights): the height of each row, one unit apart, with a line above for each new heading."""
    is_new = rows["heading"].ne(rows["heading"].shift(fill_value=""))
    heights = (is_new.cumsum() + range(len(rows))).tolist()
    with styled(height=1.1 + 0.27 * (heights[-1] + 1)) as (figure, axes):
        yield figure, axes, heights
        axes.set(yticks=heights, yticklabels=rows["pipeline"], ylim=(heights[-1] + 0.6, -0.6))
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        # From the figure's left edge, and without a say in the layout: headings are longer than the axes.
        across = blended_transform_factory(figure.transFigure, axes.transData)
        white = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        for height, heading in zip(heights, rows["heading"].where(is_new, ""), strict=True):
            if heading:
                # A long heading is set smaller, so that it ends in the figure.
                bold = {"fontsize": min(9, 9 * 105 / len(heading)), "fontweight": "bold", "bbox": white}
                axes.text(0.01, height - 0.9, heading, transform=across, va="center", **bold).set_in_layout(False)
