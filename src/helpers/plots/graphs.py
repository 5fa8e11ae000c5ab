"""Draws a tf.data graph, its stages from left to right: as it was written, and below it as it ran."""

import re
import textwrap

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers.errors import NothingToShow
from helpers.pipelines.graph import Graph, Node, Stage
from helpers.plots.style import COLOURS, WIDTH, styled

COLUMN = 1.15  # inches
ROW = 0.95
BOX = 0.84  # a box's share of its column and of its row
LETTERS = 13  # of a line in a box


def graph(drawn: Graph) -> Figure:
    """Draws what was written above what ran: a fused node spans its stages, an added one stands below none.

    Args:
        drawn: from `helpers.pipelines.graph.as_it_ran`.

    Raises:
        NothingToShow: where the graph is not visible.
    """
    if not drawn.nodes:
        raise NothingToShow(f"a drawing needs a graph that can be seen (got none: {drawn.invisible})")
    stages = _places(drawn.written)
    height = 1.4 + max(row for _, row in stages)  # the rows of the upper half, and a heading
    nodes = _below(drawn, stages, height)
    columns = 1 + max(last for _, last, _ in nodes)
    rows = 1 + max(row for *_, row in nodes)
    width = max(WIDTH, COLUMN * columns)
    with styled(height=ROW * (rows + 0.7), width=width) as (figure, axes):
        axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.4, -0.9))
        axes.axis("off")
        for title, row in (("as it was written", 0), ("as it ran", height)):
            axes.text(-BOX / 2, row - 0.52, title, fontweight="bold", va="bottom", fontsize=9)
        kept = {id(stage) for node in drawn.nodes for stage in node.stages}
        for stage, (column, row) in zip(drawn.written, stages, strict=True):
            dropped = id(stage) not in kept
            _box(axes, column, column, row, _told(stage) + ["left out"] * dropped, linestyle=":" if dropped else "-")
            for place in stage.inputs:
                _arrow(axes, stages[place], (column, row))
        for node, (first, last, row) in zip(drawn.nodes, nodes, strict=True):
            colour = COLOURS[1] if node.changes else "0.92"
            _box(axes, first, last, row, _told(node), facecolor=colour, linewidth=1.6 if node.changes else 0.8)
            for place in node.inputs:
                _arrow(axes, nodes[place][1:], (first, row))
        figure.set_label(f"As it was written: {_chain(drawn.written)}. As it ran: {_chain(drawn.nodes)}.")
        return figure


def _places(stages) -> list[tuple[int, int]]:
    """Returns the (column, row) of each stage: a column left of whom it feeds, the first input in the same row."""
    places: dict[int, tuple[int, int]] = {}
    rows = 0

    def put(place, column, row):
        nonlocal rows
        places[place] = (column, row)
        for number, below in enumerate(stages[place].inputs):
            rows += number > 0
            put(below, column - 1, rows if number else row)

    put(len(stages) - 1, 0, 0)
    most = -min(column for column, _ in places.values())
    return [(places[place][0] + most, places[place][1]) for place in range(len(stages))]


def _below(drawn, stages, height) -> list[tuple[int, int, float]]:
    """Returns the (first column, last column, row) of each node: below its stages; an added one behind its input."""
    of_stage = {id(stage): place for stage, place in zip(drawn.written, stages, strict=True)}
    places: list[tuple[int, int, float]] = []
    for node in drawn.nodes:
        above = [of_stage[id(stage)] for stage in node.stages]
        if above:
            columns = [column for column, _ in above]
            places.append((min(columns), max(columns), height + above[-1][1]))
        else:
            after, row = max((places[place][1:] for place in node.inputs), default=(-1, height))
            places.append((after + 1, after + 1, row))
    return places


def _told(drawn: Stage | Node) -> list[str]:
    """Returns the lines of a box."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"V\d+$", "", drawn.name))
    settings = [f"{what} {value}" for what, value in drawn.told.items() if value]
    if isinstance(drawn, Stage):
        return [*textwrap.wrap(name, LETTERS), *settings, *([drawn.function[:LETTERS]] if drawn.function else [])]
    work = [] if drawn.processing_s is None else [f"{drawn.processing_s * 1e3:.0f} ms"]
    return [*textwrap.wrap(name, LETTERS), *settings, *work, *drawn.changes]


def _box(axes, first, last, row, lines, *, facecolor="white", **edge):
    corner = first - BOX / 2, row - BOX / 2
    axes.add_patch(Rectangle(corner, last - first + BOX, BOX, facecolor=facecolor, edgecolor="black", **edge))
    axes.text((first + last) / 2, row, "\n".join(lines), ha="center", va="center", fontsize=7, linespacing=1.15)


def _arrow(axes, start, end):
    begins, ends = (start[0] + BOX / 2, start[1]), (end[0] - BOX / 2, end[1])
    axes.annotate("", ends, begins, arrowprops={"arrowstyle": "->", "shrinkA": 0, "shrinkB": 0})


def _chain(parts):
    return ", ".join(part.name + "".join(f" ({change})" for change in getattr(part, "changes", ())) for part in parts)
