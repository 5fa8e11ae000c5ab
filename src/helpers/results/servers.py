"""How much ratios vary from one kernel server to another: another hash seed, another layout of addresses."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from helpers.results.pairs import CONDITIONS, cell_ratio, fair_rows

LEVEL = 0.95


@dataclass(frozen=True)
class Spread:
    """By how much the ratios of one cell differ between servers, beyond what their rounds explain.

    Attributes:
        value: standard deviation of a ratio from server to server, as a share: 0.02 is 2%.
        low: lower end of its 95% interval.
        high: upper end.
        ratios: that were measured on two servers or more.
    """

    value: float
    low: float
    high: float
    ratios: int

    def __str__(self):
        """One line for people."""
        return (
            f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%}) from one kernel server to another, beyond what "
            f"rounds explain, in {self.ratios} ratios"
        )


def between_servers(results: pd.DataFrame) -> Spread | None:
    """Returns the spread between servers over all ratios that were measured on several, or None where none was.

    The weighted sum of squares about each ratio's mean follows a chi-squared distribution where the spread is the true
    one: it is inverted for the estimate and for the interval (Q-profile; Viechtbauer, Statistics in Medicine 26, 2007).

    Args:
        results: the table of one machine.
    """
    points: dict[tuple, list[tuple[float, float]]] = {}
    for _, rows in fair_rows(results).groupby(["machine_id", "cell_id", "launcher"], sort=False):
        by_label = {row["pipeline"]: row for _, row in rows.iterrows()}
        for label, row in by_label.items():
            reference = by_label.get(row["reference"])
            if label == row["reference"] or reference is None:
                continue
            ratio, low, high, _ = cell_ratio(row, reference)
            if low > 0:
                error = math.log(high / low) / 2 / stats.norm.ppf((1 + LEVEL) / 2)
                where = tuple(row[name] for name in ("machine_id", "launcher", *CONDITIONS, "pipeline", "reference"))
                points.setdefault(where, []).append((math.log(ratio), max(error, 1e-6)))
    several = [np.array(found).T for found in points.values() if len(found) > 1]
    if not several:
        return None
    freedom = sum(found.shape[1] - 1 for found in several)

    def squares(spread):
        return sum(_squares(centres, errors, spread) for centres, errors in several)

    tails = (freedom, *stats.chi2.ppf([(1 + LEVEL) / 2, (1 - LEVEL) / 2], freedom))
    value, low, high = (math.expm1(_where(squares, aim)) for aim in tails)
    return Spread(value, low, high, len(several))


def _squares(centres, errors, spread):
    """The weighted sum of squares about their mean, were ratios to vary by that much beyond their errors."""
    weights = 1 / (errors**2 + spread**2)
    return float((weights * (centres - np.average(centres, weights=weights)) ** 2).sum())


def _where(squares, aim):
    """The spread at which the falling function reaches the aim; 0 where it never is above."""
    from scipy.optimize import brentq

    return 0.0 if squares(0.0) <= aim else float(brentq(lambda spread: squares(spread) - aim, 0.0, 10.0))
