"""Every picture of the kit, in one style."""

from helpers.plots.results import augmented, comparison_ratios, condition, crossover, epoch_parts, heat_map, ratios
from helpers.plots.style import look, png, show, styled

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
