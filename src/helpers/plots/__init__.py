"""Every picture of the kit, in one style: readable in black and white and by the colour-blind, units on axes.

Each function returns a matplotlib figure made with pyplot, whose label is its text alternative; `show`
displays it with that text. Meaning is carried by position, marker, hatch and words, never by colour alone.
"""

from helpers.plots.graphs import graph as graph
from helpers.plots.images import augmented as augmented
from helpers.plots.plain import bars as bars, dots as dots, histograms as histograms, intervals as intervals
from helpers.plots.results import (
    comparison_ratios as comparison_ratios,
    condition as condition,
    epoch_parts as epoch_parts,
    ratios as ratios,
    room as room,
    start_and_rate as start_and_rate,
)
from helpers.plots.speeds import speeds as speeds
from helpers.plots.style import (
    look as look,
    png as png,
    ratio_scale as ratio_scale,
    show as show,
    styled as styled,
)
from helpers.plots.who_wins import crossover as crossover, heat_map as heat_map
