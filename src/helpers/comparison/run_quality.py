"""The shape of one pipeline's times: outliers, flagged and kept; two heaps instead of one; drift over the run."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from helpers.ratios import checked_times


def outliers(seconds: ArrayLike) -> np.ndarray:
    """Flags times far from the rest; nothing is ever dropped for it.

    Args:
        seconds: (rounds,) positive.

    Returns:
        (rounds,) bool: the log lies more than 3.5 robust standard deviations (1.4826 times the median
        absolute deviation, at least 1%) from the median (Iglewicz and Hoaglin 1993).

    Raises:
        StudyError: where a value is not positive and finite.
    """
    logs = np.log(checked_times("seconds", seconds, least=1))
    distance = np.abs(logs - np.median(logs))
    return distance > 3.5 * max(1.4826 * float(np.median(distance)), 0.01)


def two_modes(seconds: ArrayLike) -> bool:
    """Tells whether times fall in two heaps, such as epochs at the median and epochs at twice the median.

    The times are split where the distance of the two means, in sums of their standard deviations, is
    largest, with at least 3 and 8% of the times on each side. Two heaps are reported where that exceeds
    3.2 + 8 / rounds and the means are 10% apart or more. By simulation
    (`python benchmarks/coverage.py --modes`) one normal or heavy-tailed heap is called two in under 1% of
    cases, an exponential tail in under 2%; two heaps a factor 2 apart (15% slow, spread 8%) are found in
    about nine of ten at 50 times, half at 20: few rounds seldom hold enough slow ones.

    Args:
        seconds: (rounds,) positive; fewer than 10 always give one heap.

    Raises:
        StudyError: where a value is not positive and finite.
    """
    logs = np.log(np.sort(checked_times("seconds", seconds, least=1)))
    count, best = len(logs), 0.0
    least = max(3, math.ceil(0.08 * count))
    for position in range(least, count - least + 1):
        fast, slow = logs[:position], logs[position:]
        distance = slow.mean() - fast.mean()
        if distance >= math.log(1.1):
            best = max(best, distance / max(fast.std(ddof=1) + slow.std(ddof=1), 0.01))
    return bool(count >= 10 and best > 3.2 + 8 / count)


@dataclass(frozen=True)
class Drift:
    """How times changed over a run; true where they did.

    Attributes:
        change: from the first round to the last, as a share: 0.2 is 20% slower at the end.
        low: lower end of its 95% interval.
        high: upper end.
    """

    change: float
    low: float
    high: float

    def __bool__(self):
        """Whether the interval excludes no change, and the change is 5% or more."""
        return (self.low > 0 or self.high < 0) and abs(self.change) >= 0.05


def drift(seconds: ArrayLike) -> Drift:
    """Tells how times changed over a run, by the median slope of all pairs of rounds (Theil and Sen).

    Args:
        seconds: (rounds,) positive, in the order of the rounds; fewer than 5 show no drift.

    Raises:
        StudyError: where a value is not positive and finite.
    """
    from scipy.stats import theilslopes

    logs = np.log(checked_times("seconds", seconds, least=1))
    if len(logs) < 5:
        return Drift(0.0, -math.inf, math.inf)
    slope, _, low, high = theilslopes(logs, alpha=0.95)
    return Drift(*(math.expm1(value * (len(logs) - 1)) for value in (slope, low, high)))
