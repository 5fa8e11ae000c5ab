"""Where things lie in the page's pictures, in percent of their width; the templates draw them as SVG.

A browser draws lines and rectangles from a few numbers: this takes a tenth of the bytes of matplotlib's SVG, follows
the reader's light or dark, and shows an interval's rounds where one points at it, without a script.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from helpers import plots

# The numbers that a scale may have, the most wanted first, and how far apart they are, percent of its width.
STEPS = (1, 0.1, 10, 100, 2, 0.5, 5, 0.2, 20, 0.01, 0.02, 0.05, 50, 1.5, 3, 0.7, 0.3, 1.25, 0.8, 4, 0.6, 1.1, 0.9, 0.4)
APART = 9


@dataclass(frozen=True)
class Scale:
    """A logarithmic scale: its ends, and the numbers to write on it as (percent, text)."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    def at(self, value: float) -> float:
        """Returns where a ratio lies, percent from the left, cut at the ends."""
        if not value > 0:
            return 0.0
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)


@dataclass(frozen=True)
class Interval:
    """A ratio with its interval, as it is drawn; lengths in percent.

    Attributes:
        middle: where the ratio lies; left, right: the ends of its interval.
        rounds: the ratio in each round, as text; rug: a path through them, in thousandths of the width.
        verdict: of it; said: all of it in words.
    """

    middle: float
    left: float
    right: float
    rounds: tuple[str, ...]
    rug: str
    verdict: str
    said: str


def scale(values: Iterable[float]) -> Scale:
    """Returns a scale that is wide enough for these ratios.

    Args:
        values: those drawn; infinite ones and NaN have no say.
    """
    low, high, _ = plots.ratio_scale(values)
    bare, ticks = Scale(low, high, ()), dict[float, str]()
    for step in (step for step in STEPS if low <= step <= high):
        if all(abs(bare.at(step) - other) > APART for other in ticks):
            ticks[bare.at(step)] = f"{step:g}"
    return Scale(low, high, tuple(sorted(ticks.items())))


def interval(
    on: Scale, figures: tuple[float, float, float], rounds: Sequence[float], *, verdict: str, name: str
) -> Interval:
    """Returns how a ratio is drawn.

    Args:
        on: the scale.
        figures: the ratio, and the ends of its interval.
        rounds: (rounds,) the ratio in each.
        verdict: of it.
        name: what is compared with what, for those who cannot see it.
    """
    middle, low, high = figures
    shown = [value for value in rounds if value > 0]
    said = f"{name}: {middle:.2f} ({low:.2f} to {high:.2f}), {verdict}"
    said += f"; {len(shown)} rounds from {min(shown):.2f} to {max(shown):.2f}" if shown else ""
    rug = "".join(f"M{10 * on.at(value):.0f} 0v9" for value in shown)
    return Interval(
        on.at(middle), on.at(low), on.at(high), tuple(f"{value:.2f}" for value in shown), rug, verdict, said
    )
