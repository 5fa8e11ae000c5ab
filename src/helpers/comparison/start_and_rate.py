"""The two parts of an epoch with their intervals, and the length of an epoch at which an order turns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from helpers import ratios
from helpers.errors import StudyError


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval, in the figure's own unit.

    Attributes:
        value: the median over the rounds.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    value: float
    low: float
    high: float

    def __str__(self):
        """One line for people."""
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


def estimate(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Returns the median of some rounds' figures, with the interval of `ratios.log_ratio_interval`.

    Args:
        values: (rounds,) finite figures of any sign, in the order in which they were measured.
        confidence: level of this single interval, 0 … 1 exclusive.

    Raises:
        StudyError: where there are fewer than 3.
    """
    figures = np.asarray(values, float)
    if figures.ndim != 1 or len(figures) < ratios.LEAST_ROUNDS:
        raise StudyError(
            f"values must be one-dimensional with >= {ratios.LEAST_ROUNDS} values (got shape {figures.shape})"
        )
    middle, low, high, _ = ratios.log_ratio_interval(figures, confidence)
    return Estimate(float(middle), float(low), float(high))


def turning_point(starts: ArrayLike, rates: ArrayLike, *, confidence: float = 0.95) -> Estimate | None:
    """Finds the length of an epoch at which the order of two pipelines turns.

    An epoch of n batches takes a start and n times a rate. The interval holds the lengths at which neither pipeline
    is shown to be faster: a test at each length, inverted (as Fieller's interval for a quotient).

    Args:
        starts: (rounds,) the pipeline's start less the reference's of the same round, seconds.
        rates: (rounds,) the pipeline's rate less the reference's, seconds per batch.
        confidence: of the interval.

    Returns:
        The number of batches, or None where it is not shown that the order turns between 1 and 10 million batches.
    """
    lengths = np.logspace(0, 7, 701)
    differences = np.asarray(starts, float) + lengths[:, None] * np.asarray(rates, float)
    middle, low, high, _ = ratios.log_ratio_interval(differences, confidence)
    decided = np.sign(low + high) * ((low > 0) | (high < 0))  # -1: faster, 1: slower, 0: not decided
    if decided[0] * decided[-1] != -1:
        return None
    before, after = np.flatnonzero(decided == decided[0])[-1], np.flatnonzero(decided == decided[-1])[0]
    turns = np.flatnonzero(np.sign(middle) == decided[-1])[0]
    return Estimate(*(float(lengths[index]) for index in (turns, min(before, turns), max(after, turns))))
