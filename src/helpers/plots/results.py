"""Every picture of the kit, in one style: readable in black and white and by the colour-blind, units on axes.

Each function returns a matplotlib figure made with pyplot, whose label is its text alternative; `show`
displays it with that text. Meaning is carried by position, marker, hatch and words, never by colour alone.
"""

import math
import textwrap

import numpy as np
import pandas as pd

from helpers.errors import StudyError
from helpers.plots.style import COLOURS, MARKERS, WIDTH, look, show, styled
from helpers.results.winners import fair_rows, winners

__all__ = ["augmented", "comparison_ratios", "crossover", "epoch_parts", "heat_map", "look", "ratios", "show"]


def comparison_ratios(comparison):
    """Draws one comparison: each feed's time as a ratio to the reference, with its interval.

    Args:
        comparison: from `helpers.comparison.compare`.
    """
    table = comparison.table
    others = table[table["pipeline"] != comparison.reference]
    rows = [
        ("", row.pipeline, row.pipeline, row.time_ratio, row.low, row.high, row.verdict)
        for row in others.itertuples(index=False)
    ]
    return _forest(rows, f"time of an epoch / time of {comparison.reference}", margin=comparison.margin)


def ratios(results: pd.DataFrame, *, limit: int = 40, margin: float = 0.05):
    """Draws every ratio of a results table with its interval, cell by cell.

    Args:
        results: rows of one machine; those that did other work have no ratio and are left out.
        limit: rows drawn at most, from the top of the table.
        margin: the band in which ratios are the same, share.

    Raises:
        StudyError: where there is nothing to draw.
    """
    shown = fair_rows(results)
    shown = shown[(shown["pipeline"] != shown["reference"]) & shown["time_ratio"].notna()]
    if shown.empty:
        raise StudyError("ratios need pipelines that did the same work (got none); choose other cells")
    rows, several = [], shown["reference"].nunique() > 1
    for row in shown.head(limit).itertuples():
        interval = (row.time_ratio, row.time_ratio_low, row.time_ratio_high)
        against = f"; against {row.reference}" if several else ""
        rows.append((condition(row) + against, row.pipeline, row.builder, *interval, row.verdict))
    reference = "the reference" if several else shown["reference"].iloc[0]
    more = f" (the first {limit} of {len(shown)})" if len(shown) > limit else ""
    return _forest(rows, f"time of an epoch / time of {reference}{more}", margin=margin)


def condition(row) -> str:
    """Returns a cell's conditions in short: data, transform, batch, examples."""
    tail = "" if row.shuffle else ", in order"
    return f"{row.dataset_label}, {row.transform}, batch {row.batch_size}, {row.examples:,} images{tail}"


def _places(headings):
    """Returns the height of each row, one unit apart, with a line left for each new heading, and those lines."""
    places, lines, place, last = [], [], -1, ""
    for heading in headings:
        if heading != last:
            place += 1
            lines.append((place, heading))
            last = heading
        place += 1
        places.append(place)
    return places, lines


def _label_rows(axes, places, lines, names):
    from matplotlib.transforms import blended_transform_factory

    axes.set_yticks(places, names)
    axes.set_ylim(places[-1] + 0.6, -0.6)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    for place, heading in lines:
        # From the figure's left edge, and without a say in the layout: headings are longer than the axes.
        across = blended_transform_factory(axes.figure.transFigure, axes.transData)
        size = min(9, 9 * 105 / max(len(heading), 1))  # a long heading is set smaller, so that it ends in the figure
        text = axes.text(0.01, place + 0.1, heading, transform=across, va="center", fontsize=size, fontweight="bold",
                         bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
        text.set_in_layout(False)


def _forest(rows, axis_label, *, margin):
    """Draws rows of (heading, name, builder, ratio, low, high, verdict)."""
    builders = [row[2] for row in rows]
    places, lines = _places([row[0] for row in rows])
    with styled(height=1.1 + 0.27 * (places[-1] + 1)) as (figure, axes):
        axes.axvspan(1 / (1 + margin), 1 + margin, color="0.88", zorder=0)
        axes.axvline(1, color="0.3", linewidth=1, zorder=1)
        for place, (_, _, builder, ratio, low, high, verdict) in zip(places, rows, strict=True):
            looks = look(builder, builders)
            axes.plot([low, high], [place, place], color=looks["color"], linewidth=2)
            axes.plot(ratio, place, linestyle="", marker=looks["marker"], color=looks["color"], markersize=7,
                      markeredgecolor="black", markeredgewidth=0.5)  # fmt: skip
            axes.annotate(f"{ratio:.2f} {verdict}", (1.02, place), xycoords=("axes fraction", "data"), va="center",
                          annotation_clip=False)  # fmt: skip
        _ratio_axis(axes.xaxis, [value for *_, ratio, low, high, _ in rows for value in (ratio, low, high)])
        _label_rows(axes, places, lines, [row[1] for row in rows])
        axes.set_xlabel(f"{axis_label}\n← faster    (log scale; grey: the same within {margin:.0%})    slower →")
        told = "; ".join(f"{heading} {name}: {ratio:.2f} ({low:.2f} to {high:.2f}), {verdict}".strip()
                         for heading, name, _, ratio, low, high, verdict in rows[:12])  # fmt: skip
        figure.set_label(f"Ratios with their intervals, {axis_label}. {told}")
        return figure


def _ratio_axis(axis, values):
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    values = [value for value in values if math.isfinite(value) and value > 0]
    low, high = min([*values, 0.9]), max([*values, 1.1])
    steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    if high / low < 4:
        steps = sorted({*steps, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9, 1.1, 1.25, 1.5, 1.75, 2.5, 3})
    low, high = low / 1.06, high * 1.06
    axes = axis.axes
    (axes.set_xscale if axis.axis_name == "x" else axes.set_yscale)("log")
    (axes.set_xlim if axis.axis_name == "x" else axes.set_ylim)(low, high)
    axis.set_major_locator(FixedLocator([step for step in steps if low <= step <= high]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def heat_map(results: pd.DataFrame, *, columns: str = "batch_size", limit: int = 24):
    """Draws who wins where: a row a kind of cell, a column a value of `columns`; winner and lead in each field.

    Args:
        results: rows of one machine.
        columns: batch_size or examples.
        limit: rows drawn at most.

    Raises:
        StudyError: where no cell has two pipelines that did the same work, or the column is another.
    """
    from matplotlib.patches import Patch, Rectangle

    if columns not in ("batch_size", "examples"):
        raise StudyError(f"columns must be batch_size or examples (got {columns!r})")
    table = winners(results)
    if table.empty:
        raise StudyError("a heat map needs cells with two pipelines of the same work (got none)")
    other = "examples" if columns == "batch_size" else "batch_size"
    unit = {"examples": "images", "batch_size": "a batch"}[other]
    names = []
    for row in table.itertuples():
        tail = "" if row.shuffle else ", in order"
        names.append(f"{row.dataset_label}, {row.transform}, {getattr(row, other):,} {unit}, {row.source}{tail}")
    table["row"] = names
    rows = list(dict.fromkeys(names))[:limit]
    across = sorted(table[columns].unique())
    labels = list(dict.fromkeys(table["winner"]))
    with styled(height=1.8 + 0.62 * len(rows), width=max(WIDTH, 4.2 + 1.6 * len(across))) as (figure, axes):
        for row in table[table["row"].isin(rows)].itertuples():
            left, top = across.index(getattr(row, columns)), rows.index(row.row)
            looks = look(row.winner, labels)
            axes.add_patch(
                Rectangle(
                    (left, top),
                    1,
                    1,
                    facecolor=looks["color"] if row.clear else "white",
                    alpha=_shade(row.lead) if row.clear else 1,
                    hatch=looks["hatch"] if row.clear else "",
                    edgecolor="0.25",
                    linewidth=0.8,
                )
            )
            lead = f"{row.lead:.2f} x ahead" if row.clear else f"level with {row.second}"
            text = "\n".join([*textwrap.wrap(row.winner, 20), *textwrap.wrap(lead, 22)])
            axes.text(left + 0.5, top + 0.5, text, ha="center", va="center", fontsize=8, linespacing=1.05,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.9})  # fmt: skip
        axes.set_xlim(0, len(across))
        axes.set_ylim(len(rows), 0)
        axes.set_xticks(np.arange(len(across)) + 0.5, [f"{value:,}" for value in across])
        axes.set_yticks(np.arange(len(rows)) + 0.5, ["\n".join(textwrap.wrap(name, 42)) for name in rows])
        axes.set_xlabel({"batch_size": "batch size (images)", "examples": "examples an epoch (images)"}[columns])
        axes.grid(visible=False)
        handles = [Patch(facecolor=look(one, labels)["color"], hatch=look(one, labels)["hatch"], edgecolor="0.25",
                         alpha=0.6, label=one) for one in labels]  # fmt: skip
        handles.append(Patch(facecolor="white", edgecolor="0.25", label="level: no clear winner"))
        figure.legend(handles=handles, loc="outside upper left", ncols=min(3, len(handles)), frameon=False)
        told = "; ".join(f"{row.row}, {columns} {getattr(row, columns):,}: {row.winner} "
                         + (f"{row.lead:.2f} times ahead" if row.clear else f"level with {row.second}")
                         for row in table.head(15).itertuples())  # fmt: skip
        figure.set_label(f"Who wins where, by {columns.replace('_', ' ')}. {told}")
        return figure


def _shade(lead):
    """A stronger colour for a longer lead: 0.3 at level, 0.9 from three times on."""
    return float(np.clip(0.3 + 0.6 * math.log(max(lead, 1)) / math.log(3), 0.3, 0.9))


def crossover(pairs: pd.DataFrame, *, along: str = "batch_size"):
    """Draws the ratio of two pipelines along a column, with its interval: where it passes 1 the winner changes.

    Args:
        pairs: from `helpers.results.pairs_of`.
        along: batch_size, examples or image_height.

    Raises:
        StudyError: where there are no pairs or they have one value of the column only.
    """
    units = {"batch_size": "batch size (images)", "examples": "examples an epoch (images)",
             "image_height": "height of the images (pixels)"}  # fmt: skip
    if along not in units:
        raise StudyError(f"along must be one of {', '.join(units)} (got {along!r})")
    if pairs.empty or pairs[along].nunique() < 2:
        raise StudyError(f"a crossover needs at least two values of {along}; run the full sweep")
    fixed = [name for name in ("dataset_label", "source", "transform", "batch_size", "examples", "image_height",
                               "shuffle", "pipeline", "reference") if name != along]  # fmt: skip
    pairs = pairs.dropna(subset=["ratio"])
    pairs = pairs[pairs.groupby(fixed)[along].transform("nunique") > 1]
    if pairs.empty:
        raise StudyError(f"a crossover needs cells that differ in {along} alone (got none); run the full sweep")
    varying = [name for name in fixed if pairs[name].nunique() > 1] or ["pipeline"]
    with styled(height=4.2) as (figure, axes):
        drawn = []
        for place, (key, group) in enumerate(pairs.groupby(fixed, sort=False)):
            group = group.sort_values(along)
            named = dict(zip(fixed, key, strict=True))
            name = ", ".join(str(named[one]) for one in varying)
            errors = [group["ratio"] - group["low"], group["high"] - group["ratio"]]
            axes.errorbar(group[along], group["ratio"], yerr=errors, color=COLOURS[place % len(COLOURS)], capsize=3,
                          marker=MARKERS[place % len(MARKERS)], linestyle=("-", "--", ":", "-.")[place % 4],
                          label=name)  # fmt: skip
            ends = f"{group['ratio'].iloc[0]:.2f} to {group['ratio'].iloc[-1]:.2f}"
            drawn.append(f"{name}: {ends}")
        axes.axhline(1, color="0.3", linewidth=1)
        axes.set_xscale("log", base=2 if along == "batch_size" else 10)
        values = sorted(pairs[along].unique())
        axes.set_xticks(values, [f"{value:,}" for value in values])
        axes.minorticks_off()
        _ratio_axis(axes.yaxis, [*pairs["low"], *pairs["high"]])
        axes.set_xlabel(units[along])
        names = pairs["pipeline"].iloc[0], pairs["reference"].iloc[0]
        axes.set_ylabel(f"time of {names[0]} / {names[1]}\n(log scale; above 1: slower)")
        if drawn:
            figure.legend(loc="outside right upper", frameon=False, fontsize=9)
        figure.set_label(f"Ratio of the time of {names[0]} to {names[1]} along {along}. {'; '.join(drawn)}")
        return figure


def epoch_parts(results: pd.DataFrame, *, limit: int = 30):
    """Draws a training epoch taken apart: the steps themselves, and waiting for data.

    Args:
        results: rows with a training epoch (a small CNN), of one machine.
        limit: rows drawn at most.

    Raises:
        StudyError: where no row has one.
    """
    rows = results[results["train_epoch_s"].notna()].head(limit)
    if rows.empty:
        raise StudyError("the parts of an epoch need cells that trained (got none); set train: true in the grid")
    headings, names, told = [condition(row) for row in rows.itertuples()], list(rows["pipeline"]), []
    places, lines = _places(headings)
    with styled(height=1.1 + 0.27 * (places[-1] + 1)) as (figure, axes):
        for place, heading, row in zip(places, headings, rows.itertuples(), strict=True):
            per_image = row.train_epoch_s / row.examples * 1e3
            waiting = per_image * row.waiting_share
            first = place == places[0]
            axes.barh(place, per_image - waiting, color=COLOURS[4], edgecolor="black", linewidth=0.5,
                      label="the steps" if first else None)  # fmt: skip
            axes.barh(place, waiting, left=per_image - waiting, color=COLOURS[1], hatch="///", edgecolor="black",
                      linewidth=0.5, label="waiting for data" if first else None)  # fmt: skip
            axes.annotate(f"{row.waiting_share:.0%} waiting", (1.02, place), xycoords=("axes fraction", "data"),
                          va="center", annotation_clip=False)  # fmt: skip
            told.append(f"{heading}, {row.pipeline}: {row.waiting_share:.0%} waiting")
        _label_rows(axes, places, lines, names)
        axes.set_xlabel("training epoch of a small CNN (milliseconds an image)")
        figure.legend(loc="outside upper right", ncols=2, frameon=False)
        figure.set_label(f"A training epoch taken apart. {'; '.join(told[:12])}")
        return figure


def augmented(images, titles=None, *, columns: int = 8):
    """Draws a grid of pictures, such as one image augmented many times.

    Args:
        images: (n, height, width, 1 or 3), uint8 0 to 255 or float 0 to 1; values outside are clipped.
        titles: n texts; None: none.
        columns: pictures a row.

    Raises:
        StudyError: where these are no images, or the titles are not as many.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not len(images):
        raise StudyError(f"images must have shape (n, height, width, 1 or 3) (got {images.shape})")
    titles = [""] * len(images) if titles is None else [str(title) for title in titles]
    if len(titles) != len(images):
        raise StudyError(f"each image needs one title (got {len(titles)} for {len(images)})")
    pictures = images / 255 if images.dtype == np.uint8 else np.clip(images, 0, 1)
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    has_titles = any(titles)
    with styled(rows, columns, height=(1.25 if has_titles else 1.0) * rows * WIDTH / columns, squeeze=False) as (
        figure,
        grid,
    ):
        for place, axes in enumerate(grid.ravel()):
            axes.set_axis_off()
            if place < len(images):
                picture = pictures[place]
                grey = picture.shape[-1] == 1
                axes.imshow(picture[..., 0] if grey else picture, cmap="gray" if grey else None, vmin=0, vmax=1)
                if has_titles:
                    axes.set_title(titles[place], fontsize=9, loc="center")
        named = f": {', '.join(titles)}" if has_titles else ""
        figure.set_label(f"{len(images)} pictures of {images.shape[2]} x {images.shape[1]} pixels{named}")
        return figure
