"""The parts of an epoch with their intervals, what a longer one takes, and the length at which an order turns."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from helpers import ratios
from helpers.errors import StudyError

# When AUTOTUNE's thread wakes, in seconds of an iterator's life, a little later each time for its own work: it begins
# with a look, and its sleeps double from 20 ms to a minute (TensorFlow 2.21, `core/framework/model.cc`,
# `Model::OptimizeLoop`; its log in `python benchmarks/autotune_modes.py`).
WAKES_S = np.cumsum(np.minimum(0.02 * 2.0 ** np.arange(40), 60.0))
LONGER_THAN_ALONE = 2  # how many times as long as the shortest a change of iterators takes where it waited
AT_A_WAKING_S, AT_A_WAKING = 0.01, 0.5  # how near to a waking such an epoch ends: seconds, and share of a first batch


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


@dataclass(frozen=True, kw_only=True)
class EpochModel:
    """What an epoch of `fit` takes on average, by its number of batches: start, rate, and a wait that comes by chance.

    `fit` makes an iterator for each epoch and ends the former. That ends AUTOTUNE's thread, which may go on sleeping:
    TensorFlow wakes it before it notes that it is to end (`core/framework/cancellation.cc`, 2.21), and a thread that
    looks too early sleeps again [fact: iterator-waits-for-autotune]. Then the epoch lasts
    until the thread's next waking: after 140, 300, 620 ms …

    Attributes:
        start_s: seconds that an epoch takes beside its batches where it does not wait for the thread.
        batch_s: seconds per batch.
        waiting: share of the epochs that wait, 0 to 1.
    """

    start_s: float
    batch_s: float
    waiting: float

    def epoch_s(self, batches: int) -> float:
        """Returns the mean seconds of an epoch of so many batches."""
        alone_s = self.start_s + batches * self.batch_s
        return float(alone_s + self.waiting * _until_waking(alone_s))


def _until_waking(age_s):
    """Seconds from an iterator's age until its thread wakes; 0 beyond all the wakings that are known."""
    after = np.searchsorted(WAKES_S, age_s)
    return np.where(after < len(WAKES_S), WAKES_S[np.minimum(after, len(WAKES_S) - 1)] - age_s, 0.0)


def waits_s(epochs: pd.DataFrame) -> np.ndarray:
    """Tells how long each epoch waited for AUTOTUNE's thread before the next one's first batch; see `EpochModel`.

    An epoch waited where changing the iterators took twice as long as in the fastest twentieth, and it ended when the
    thread wakes, give or take what first batches differ by. Such a change is taken to be like the median of the others.

    Args:
        epochs: a row per epoch of one feed, with the attributes of `timing.Epoch` as columns.

    Returns:
        Seconds, float64 (epochs,); 0 where it did not wait.
    """
    parts = ("epoch_s", "first_batch_s", "iterator_s")
    lasted_s, first_s, changed_s = (epochs[part].to_numpy(float) for part in parts)
    usual_s = np.quantile(changed_s, 0.05, method="lower")
    near_s = AT_A_WAKING_S + AT_A_WAKING * np.median(first_s - changed_s)
    from_waking_s = np.abs(lasted_s[:, None] - WAKES_S).min(axis=1)
    waited = (changed_s > LONGER_THAN_ALONE * usual_s) & (from_waking_s <= near_s)
    return np.where(waited, np.maximum(0.0, changed_s - np.median(changed_s[~waited])), 0.0)


def epoch_model(epochs: pd.DataFrame) -> EpochModel:
    """Returns start, rate and share of waiting of one feed's epochs, each of the same length.

    Args:
        epochs: a row per epoch, with the attributes of `timing.Epoch` as columns; epochs of at least two batches.
    """
    batches = epochs["batches"].to_numpy()
    batch_s = epochs["steady_s"].to_numpy() / (batches - 1)
    waited_s = waits_s(epochs)
    could_wait_s = max(1e-9, _until_waking(epochs["epoch_s"].to_numpy() - waited_s).sum())
    first_s = (epochs["first_batch_s"].to_numpy() - waited_s).mean()
    return EpochModel(
        start_s=float((epochs["end_s"].to_numpy() + first_s - batch_s).mean()),
        batch_s=float(batch_s.mean()),
        waiting=float(min(1.0, waited_s.sum() / could_wait_s)),
    )


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
