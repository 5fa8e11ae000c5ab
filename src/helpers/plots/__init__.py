"""Every picture of the kit, in one style: readable in black and white and by the colour-blind, units on axes.

Each function returns a matplotlib figure made with pyplot, whose label is its text alternative; `show`
displays it with that text. Meaning is carried by position, marker, hatch and words, never by colour alone.
"""

from helpers.plots.images import augmented
from helpers.plots.results import comparison_ratios, condition, epoch_parts, ratios
from helpers.plots.style import look, png, show, styled
from helpers.plots.who_wins import crossover, heat_map

__all__ = [
    "augmented",
    "comparison_ratios",
    "condition",
    "crossover",
    "epoch_parts",
    "heat_map",
    "look",
    "png",
    "ratios",
    "show",
    "styled",
]
