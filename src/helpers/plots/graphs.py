"""Draws a tf.data graph, its stages from left to right: as it was written, and below it as it ran."""

import math
import re
import textwrap
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from helpers.errors import NothingToShow
from helpers.pipelines.graph import Graph, Node, Stage
from helpers.plots.style import COLOURS, styled

ROW = 1.12  # inches
BOX = 0.86  # a box's share of its column and of its row
LETTERS = 16  # of a line in a box
LEFT_OUT = "left out"
ACROSS = 6  # columns side by side; a longer graph goes on below


def graph(drawn: Graph) -> Figure:
    """Draws what was written above what ran: a fused node spans its stages, an added one stands below none.

    A graph of many stages goes on below, in lines. What the words and colours in the boxes mean stands at the end.

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
    lines = _lines(1 + max([last for _, last, _ in nodes] + [column for column, _ in stages]), nodes)
    deep = 1.5 + max(row for *_, row in nodes)  # rows of a line, with the heading of the next
    across = max(4, *(1 + column for _, column in lines))
    rows = deep * (1 + lines[-1][0])

    def at(column, row):
        line, place = lines[column]
        return place, row + deep * line

    with styled(height=ROW * rows + 0.3) as (figure, axes):
        axes.set(xlim=(-0.5, across - 0.5), ylim=(rows - 0.9, -0.9))
        axes.axis("off")
        for line in range(1 + lines[-1][0]):
            for title, row in (("as it was written", 0), ("as it ran", height)):
                more = " (goes on)" if line else ""
                axes.text(-BOX / 2, row + deep * line - 0.52, title + more, fontweight="bold", va="bottom", fontsize=10)
        kept = {id(stage) for node in drawn.nodes for stage in node.stages}
        for stage, (column, row) in zip(drawn.written, stages, strict=True):
            told = [*_told(stage), LEFT_OUT] if id(stage) not in kept else _told(stage)
            _box(axes, at(column, row), 0, told, linestyle="-" if id(stage) in kept else ":")
            for place in stage.inputs:
                _arrow(axes, at(*stages[place]), at(column, row))
        for node, (first, last, row) in zip(drawn.nodes, nodes, strict=True):
            colour = COLOURS[1] if node.changes else "0.92"
            thick = 1.6 if node.changes else 0.8
            _box(axes, at(first, row), last - first, _told(node), facecolor=colour, linewidth=thick)
            for place in node.inputs:
                _arrow(axes, at(*nodes[place][1:]), at(first, row))
        explained = _explained(drawn, len(kept) < len(drawn.written))
        if explained:
            figure.legend(handles=explained, loc="outside lower left", frameon=False, fontsize=9, handlelength=1.6)
        figure.set_label(f"As it was written: {_chain(drawn.written)}. As it ran: {_chain(drawn.nodes)}.")
        return figure


def _lines(columns: int, nodes: list[tuple[int, int, float]]) -> list[tuple[int, int]]:
    """Returns the (line, place in it) of each column: lines of much the same length, which end within no node."""
    most = math.ceil(columns / math.ceil(columns / ACROSS))
    lines: list[tuple[int, int]] = []
    line = place = 0
    for column in range(columns):
        # As wide as the widest node that begins here: it must end in this line.
        wide = max([1, *(last - first + 1 for first, last, _ in nodes if first == column)])
        within = any(first < column <= last for first, last, _ in nodes)
        if place and not within and place + wide > most:
            line, place = line + 1, 0
        lines.append((line, place))
        place += 1
    return lines


def _explained(drawn: Graph, something_left_out: bool) -> list[Any]:
    """Returns what a legend says of the words and colours that occur in this drawing."""
    nodes = drawn.nodes
    tuned = any("(tuned)" in str(value) for node in nodes for value in node.told.values())
    timed = any(node.processing_s is not None for node in nodes)
    nothing = {"facecolor": "none", "edgecolor": "none"}
    told: list[tuple[bool, str, dict[str, Any]]] = [
        (
            something_left_out,
            f"{LEFT_OUT} by TensorFlow",
            {"facecolor": "white", "edgecolor": "black", "linestyle": ":"},
        ),
        (any(node.changes for node in nodes), "changed by TensorFlow", {"facecolor": COLOURS[1]}),
        (tuned, "(tuned): chosen by AUTOTUNE", nothing),
        (timed, "ms: work in this stage, in the pass that was read; stages work side by side", nothing),
    ]
    return [Patch(label=label, **look) for occurs, label, look in told if occurs]


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


def _box(axes, place, longer, lines, *, facecolor="white", **edge):
    """Draws a box at (column, row), so many columns longer than one."""
    column, row = place
    axes.add_patch(Rectangle((column - BOX / 2, row - BOX / 2), longer + BOX, BOX, fc=facecolor, ec="black", **edge))
    size = 9 if len(lines) < 6 and max(map(len, lines)) < 15 else 8
    axes.text(column + longer / 2, row, "\n".join(lines), ha="center", va="center", fontsize=size, linespacing=1.1)


def _arrow(axes, start, end):
    """Draws an arrow between the boxes at two places; into the next line, it leaves here and comes in there."""
    begins, ends = (start[0] + BOX / 2, start[1]), (end[0] - BOX / 2, end[1])
    if ends[0] > begins[0]:
        pieces = [(begins, ends)]
    else:
        pieces = [(begins, (begins[0] + 1 - BOX, begins[1])), ((ends[0] - 1 + BOX, ends[1]), ends)]
    look = {"arrowstyle": "->", "shrinkA": 0, "shrinkB": 0}
    for tail, head in pieces:
        axes.annotate("", head, tail, arrowprops=look, annotation_clip=False)


def _chain(parts):
    return ", ".join(part.name + "".join(f" ({change})" for change in getattr(part, "changes", ())) for part in parts)
