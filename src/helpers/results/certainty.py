"""How sure many comparisons are together: errors corrected, and several points of a series as one trend."""

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from helpers import ratios
from helpers.ratios import Verdict
from helpers.results.pairs import LOOKS, NO_RATIO, TIMED, compare_rounds, seconds_of

Outcome = TypeVar("Outcome")


def step_down(count: int, decide: Callable[[int, float], tuple[Outcome, bool]]) -> list[Outcome]:
    """Decides several questions so that all answers together hold at 95%, by Holm's procedure (1979).

    While any of those still open is decided at the level that their number asks for, it is taken out, and the others
    are asked again at the milder level of those that are left. The levels are Šidák's, for rounds that stopped by
    themselves.

    Args:
        count: of the questions.
        decide: (which, level of the interval) -> (what it finds, whether that is decided).

    Returns:
        What each finds, at the level at which it was decided, or was left open.
    """
    outcomes: dict[int, Outcome] = {}
    still_open = list(range(count))
    while still_open:
        level = ratios.sequential_confidence(0.95, looks=LOOKS, comparisons=len(still_open))
        asked = {which: decide(which, level) for which in still_open}
        outcomes |= {which: outcome for which, (outcome, _) in asked.items()}
        left = [which for which, (_, decided) in asked.items() if not decided]
        if len(left) == len(still_open):
            break
        still_open = left
    return [outcomes[which] for which in range(count)]


def corrected(pairs: pd.DataFrame, results: pd.DataFrame, *, measure: str, margin: float) -> pd.DataFrame:
    """Decides pairs anew, so that their verdicts hold together.

    Args:
        pairs: from `pairs_of`.
        results: the table that they were made from.
        measure: theirs. One without rounds has no interval, and stays as it is.
        margin: within which ratios count as the same, share.

    Returns:
        The pairs; ratio, low, high and verdict as of `step_down`, and `alone`: the verdict at 95% of that pair alone.
    """
    if measure not in TIMED:
        return pairs.assign(alone=pairs["verdict"])
    rounds = [
        (seconds_of(results.loc[pair.row], measure), seconds_of(results.loc[pair.reference_row], measure))
        for pair in pairs.itertuples()
    ]

    def at(which, level):
        found = compare_rounds(*rounds[which], confidence=level, margin=margin)
        return found, found[3] != Verdict.UNDECIDED

    single = ratios.sequential_confidence(0.95, looks=LOOKS)
    alone = [at(which, single)[0] for which in range(len(rounds))]
    asked = [which for which, outcome in enumerate(alone) if outcome is not NO_RATIO]  # others can be no error
    decided = step_down(len(asked), lambda which, level: at(asked[which], level))
    together = dict(enumerate(alone)) | dict(zip(asked, decided, strict=True))
    decisions = pd.DataFrame(together.values(), columns=["ratio", "low", "high", "verdict"], index=pairs.index)
    return pairs.assign(**decisions.astype({"verdict": str}), alone=[str(verdict) for *_, verdict in alone])


def combined(
    centres: ArrayLike,
    lows: ArrayLike,
    highs: ArrayLike,
    weights: ArrayLike,
    *,
    rounds: ArrayLike,
    confidence: float,
) -> tuple[float, float, float]:
    """The weighted sum of independent figures, with an interval from theirs (MOVER, Zou and Donner 2008).

    Several intervals of few rounds know more together than each by itself: their distances are put together as
    standard errors, with the degrees of freedom of all (Welch 1947; `python benchmarks/coverage.py --combined`).

    Args:
        centres: (n,) figures; lows, highs: (n,) the ends of their intervals.
        weights: (n,) of any sign.
        rounds: (n,) that each interval rests on.
        confidence: level of each interval, and of the sum's.

    Returns:
        (sum, low, high) at that level.
    """
    centre, low, high, weight = (np.asarray(values, float) for values in (centres, lows, highs, weights))
    below = np.where(weight > 0, weight * (centre - low), weight * (centre - high))
    above = np.where(weight > 0, weight * (high - centre), weight * (low - centre))
    freedom = np.array([ratios.freedom(int(count), confidence) for count in np.asarray(rounds)])
    middle = float((weight * centre).sum())
    return middle, middle - _together(below, freedom, confidence), middle + _together(above, freedom, confidence)


def _together(distances, freedom, confidence):
    """One end's distance from the sum, of the distances (n,) of as many ends from their own centres."""
    squares = (distances / stats.t.isf((1 - confidence) / 2, freedom)) ** 2
    if not squares.any():
        return 0.0
    uncertain = (squares**2 / freedom).sum()
    of_all = squares.sum() ** 2 / uncertain if uncertain else math.inf
    return math.sqrt(squares.sum()) * float(stats.t.isf((1 - confidence) / 2, of_all))


def slope_weights(along: ArrayLike) -> np.ndarray:
    """Weights (n,) that make of logarithms the change from the first to the last, along a line of least squares.

    Args:
        along: (n,) where the points lie, at least two of them different.
    """
    places = np.asarray(along, float)
    centred = places - places.mean()
    return centred / (centred**2).sum() * (places.max() - places.min())
