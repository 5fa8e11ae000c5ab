"""From rounds of seconds to a ratio with an interval, and from the interval to a verdict. Pure statistics.

In a round every pipeline runs once, in random order; the quantity is the median over rounds of
log(seconds / reference seconds of the same round). Pairing within a round cancels what the machine does
slowly (drift, a neighbour), and the random order turns what it does quickly into symmetric noise.

**The interval** was chosen by simulation, at the levels and with the stopping that comparisons use (`python
benchmarks/coverage.py`, `--methods` for the others). One pipeline often has slow epochs that the other has not, few
rounds are the rule, and what is stated is the median.
- Below 18 rounds it is Student's t on the means trimmed by 20% at either end (Tukey and McLaughlin, Sankhya A 25,
  1963; Yuen, Biometrika 61, 1974). Below 12, where trimming leaves few degrees of freedom, its half-width is that or
  the one of Student's own t, whichever is less, each at half the error.
- From 18 rounds on it is the one of order statistics (the sign test inverted), interpolated as by Hettmansperger and
  Sheather (Statistics & Probability Letters 4, 1986). The mean of trimmed values is not the median where one side has
  slow epochs; with more rounds that would tell.

Order statistics alone ask for a range many times too wide at 5 to 12 rounds; Student's t alone misses the median where
one side has slow epochs; t on cosine-weighted averages (Müller and Watson, Econometrica 76, 2008) holds for rounds that
resemble their neighbours, and is wider for all others. Repeating at the level that varies, and an interval for the
ratio rather than for each time, follow Kalibera and Jones, "Rigorous benchmarking in reasonable time" (ISMM 2013).

**Rounds that resemble their neighbours** (a pipeline with a mood of its own, which pairing cannot cancel)
carry less than their number says. From 12 rounds on the interval is stretched to the effective number of rounds; it is
never narrowed. With fewer, such a correlation cannot be told from chance.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from helpers import checks
from helpers.errors import StudyError

LEAST_ROUNDS = 3
FIRST_LOOK = 5
LOOK_GROWTH = 1.5
TRIMMED = 5  # one in so many rounds is cut off at either end
TRIMMED_FROM, RESEMBLANCE_FROM, ORDERED_FROM = 12, 12, 18  # rounds


class Verdict(StrEnum):
    """What a comparison says of a pipeline's time, beside the reference's."""

    FASTER = "faster"
    SLOWER = "slower"
    THE_SAME = "the same"
    UNDECIDED = "undecided"
    REFERENCE = "reference"
    NOT_THE_SAME_WORK = "not the same work"


@dataclass(frozen=True)
class Ratio:
    """The time of one pipeline over that of the reference; above 1 is slower than the reference.

    Attributes:
        ratio: median over the rounds.
        low: lower end of the interval, > 0.
        high: upper end of the interval.
        rounds: how many pairs it rests on.
        confidence: level of this interval, 0 … 1.
    """

    ratio: float
    low: float
    high: float
    rounds: int
    confidence: float

    @property
    def precision(self) -> float:
        """Half the interval's width, as a share of the ratio: 0.03 is ±3%."""
        return math.sqrt(self.high / self.low) - 1

    def __str__(self):
        """One line for people."""
        return f"{self.ratio:.3f} ({self.low:.3f} to {self.high:.3f}, {self.rounds} rounds)"


def paired_ratio(seconds: ArrayLike, reference_seconds: ArrayLike, confidence: float = 0.95) -> Ratio:
    """Estimates how many times the reference's time a pipeline takes.

    The ratio does not depend on the order of the rounds or on the unit, and swapping the two sides gives the
    reciprocal. The interval widens where neighbouring rounds resemble each other, so it uses their order.

    Args:
        seconds: (rounds,) positive; the pipeline's time in each round.
        reference_seconds: (rounds,) positive; the reference's time in the same rounds.
        confidence: level of the interval, 0 … 1 exclusive.

    Returns:
        The ratio and its interval.

    Raises:
        StudyError: where the inputs differ in length, are fewer than 3, or are not positive and finite.
    """
    pipeline = checked_times("seconds", seconds, least=LEAST_ROUNDS)
    reference = checked_times("reference_seconds", reference_seconds, least=LEAST_ROUNDS)
    if len(pipeline) != len(reference):
        raise StudyError(
            f"seconds and reference_seconds must pair up, round by round (got {len(pipeline)} and "
            f"{len(reference)}); give both from the same rounds"
        )
    checks.share("confidence", confidence, remedy="0.95 is usual")
    centre, low, high, _ = log_ratio_interval(np.log(pipeline) - np.log(reference), confidence)
    return Ratio(
        ratio=math.exp(centre),
        low=math.exp(low),
        high=math.exp(high),
        rounds=len(pipeline),
        confidence=confidence,
    )


def log_ratio_interval(
    differences: ArrayLike, confidence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The median of log ratios and its interval, for one comparison or for many at once.

    Args:
        differences: (…, rounds) log ratios, the rounds in the order in which they were measured.
        confidence: level of the interval, 0 … 1 exclusive.

    Returns:
        (median, low, high, effective rounds), each of shape (…,).
    """
    differences = np.asarray(differences, float)
    rounds = differences.shape[-1]
    centre = np.median(differences, axis=-1)
    ordered = np.sort(differences, axis=-1)
    interval = _order_statistic_interval if _is_of_order_statistics(rounds, confidence) else _t_interval
    low, high = interval(ordered, confidence)
    effective = effective_rounds(differences)
    stretch = np.sqrt(rounds / effective)
    # A trimmed mean may lie beside the median: the interval still holds its centre.
    low, high = np.minimum(low, centre), np.maximum(high, centre)
    return centre, centre - (centre - low) * stretch, centre + (high - centre) * stretch, effective


def freedom(rounds: int, confidence: float) -> float:
    """Returns the degrees of freedom of an interval of `log_ratio_interval`; order statistics have infinitely many."""
    if _is_of_order_statistics(rounds, confidence):
        return math.inf
    return rounds - 1 if rounds < TRIMMED_FROM else rounds - 2 * (rounds // TRIMMED) - 1


def _is_of_order_statistics(rounds, confidence):
    # The range of few rounds does not reach a high level.
    return rounds >= ORDERED_FROM and 2.0 ** (1 - rounds) <= 1 - confidence


def effective_rounds(differences: ArrayLike) -> np.ndarray:
    """How many independent rounds carry as much as these.

    Args:
        differences: (…, rounds) log ratios in the order in which they were measured.

    Returns:
        (…,) float64, 3 … rounds: the rounds n, times (1 - r) / (1 + r), which is what n values of a first-order
        autoregression are worth for their mean; r is the correlation of successive ranks, less its bias, (n r + 1) /
        (n - 4), where that is positive. Below 12 rounds, all of them.
    """
    from scipy.stats import rankdata

    values = np.asarray(differences, float)
    rounds = values.shape[-1]
    if rounds < RESEMBLANCE_FROM:
        return np.full(values.shape[:-1], float(rounds))
    ranks = rankdata(values, axis=-1) - (rounds + 1) / 2
    spread = np.maximum((ranks**2).sum(axis=-1), 1e-9)
    correlation = (ranks[..., 1:] * ranks[..., :-1]).sum(axis=-1) / spread
    corrected = np.clip((rounds * correlation + 1) / (rounds - 4), 0, 0.9)
    return np.maximum(LEAST_ROUNDS, rounds * (1 - corrected) / (1 + corrected))


def verdict(ratio: Ratio, *, margin: float = 0.05, equivalence: Ratio | None = None) -> Verdict:
    """Decides between faster, slower, the same and undecided.

    Args:
        ratio: the pipeline's time over the reference's, with its interval.
        margin: differences up to this share do not matter: 0.05 makes 1/1.05 … 1.05 "the same".
        equivalence: the same ratio with the interval of the equivalence test, see `compared`; None: `ratio`
            itself, which is stricter.

    Returns:
        "the same" where the equivalence interval lies within the margin, even if it excludes 1;
        "faster" or "slower" where the interval lies on one side of 1; otherwise "undecided".

    Raises:
        StudyError: where the margin is not positive.
    """
    checks.between("margin", margin, 0, math.inf, remedy="0.05 calls differences up to 5% the same")
    inner = ratio if equivalence is None else equivalence
    if 1 / (1 + margin) <= inner.low and inner.high <= 1 + margin:
        return Verdict.THE_SAME
    if ratio.high < 1:
        return Verdict.FASTER
    if ratio.low > 1:
        return Verdict.SLOWER
    return Verdict.UNDECIDED


def in_words(verdict: str, low: float, high: float) -> str:
    """Returns a verdict for people: one that is undecided with the largest difference that its interval leaves open.

    Args:
        verdict: a `Verdict`, or its text.
        low: lower end of the ratio's interval; NaN where there is none.
        high: upper end.
    """
    if verdict != Verdict.UNDECIDED or not low > 0:
        return str(verdict)
    return f"{verdict}, {max(high, 1 / low):.2f} times at most"


def compared(
    seconds: ArrayLike, reference_seconds: ArrayLike, *, confidence: float, margin: float = 0.05
) -> tuple[Ratio, Verdict]:
    """Returns the ratio of `paired_ratio` at this confidence, and its verdict within this margin.

    Faster and slower are decided at `confidence`; the same by two one-sided tests at the error rate a = 1 - confidence,
    which are one interval at confidence 1 - 2a (Schuirmann 1987).

    Args:
        seconds: (rounds,) positive; the pipeline's time in each round.
        reference_seconds: (rounds,) positive; the reference's time in the same rounds.
        confidence: above 0.5 and below 1.
        margin: differences up to this share do not matter.

    Raises:
        StudyError: as `paired_ratio` and `verdict`.
    """
    ratio = paired_ratio(seconds, reference_seconds, confidence)
    equivalence = paired_ratio(seconds, reference_seconds, 1 - 2 * (1 - confidence))
    return ratio, verdict(ratio, margin=margin, equivalence=equivalence)


def look_rounds(most: int, *, first: int = FIRST_LOOK, growth: float = LOOK_GROWTH) -> list[int]:
    """The numbers of rounds after which a run that stops by itself may look: 5, 8, 12, 18, 27, 41 … most.

    Args:
        most: the rounds that the budget allows, >= 1; always the last look.
        first: rounds before the first look.
        growth: each look has this many times the rounds of the one before, > 1.

    Returns:
        Increasing numbers of rounds, ending with `most`.
    """
    looks = [first]
    while looks[-1] < most:
        looks.append(math.ceil(looks[-1] * growth))
    return [*looks[:-1], most]


def sequential_confidence(confidence: float = 0.95, *, looks: int = 1, comparisons: int = 1) -> float:
    """The level each interval needs, so that all of them together hold at `confidence` when the run stops.

    Several pipelines: the error is shared out by Šidák's rule, 1 - (1 - error)^(1/comparisons), which holds
    for intervals that share a reference (Šidák 1967), and is within 0.1 standard errors of Dunnett's.

    Several looks: a run that stops when its intervals are narrow stops a little too often when they are narrow by
    chance. So the error is halved for one that looks at the rounds of `look_rounds`, goes by the width alone, never
    by the verdict, and stops at the look after the first narrow one: all intervals together then hold in 95% or more.
    Shown by `python benchmarks/coverage.py --stopping`.

    Args:
        confidence: for the whole comparison, 0 … 1 exclusive.
        looks: how often the run may look, >= 1.
        comparisons: pipelines compared with the reference, >= 1.

    Returns:
        The level for `paired_ratio`, at least `confidence`.

    Raises:
        StudyError: where a value is out of range.
    """
    checks.share("confidence", confidence, remedy="0.95 is usual")
    checks.whole("looks", looks, least=1)
    checks.whole("comparisons", comparisons, least=1)
    error = 1 - confidence ** (1 / comparisons)
    return 1 - (error / 2 if looks > 1 else error)


@lru_cache(maxsize=1024)
def _t_quantile(confidence: float, freedom: int) -> float:
    """Half-width of Student's interval at this level, in standard errors."""
    from scipy.stats import t

    return float(t.isf((1 - confidence) / 2, freedom))


def _t_interval(ordered, confidence):
    """Ends of Student's interval on trimmed means of sorted values (rounds,), or of each row of (…, rounds)."""
    rounds = ordered.shape[-1]
    cut = rounds // TRIMMED
    kept = rounds - 2 * cut
    middle = ordered[..., cut : rounds - cut].mean(axis=-1)
    winsorised = np.clip(ordered, ordered[..., [cut]], ordered[..., [rounds - 1 - cut]])
    error = winsorised.std(axis=-1, ddof=1) * math.sqrt((rounds - 1) / (kept * (kept - 1)))
    if rounds < TRIMMED_FROM:
        level = 1 - (1 - confidence) / 2
        plain = ordered.std(axis=-1, ddof=1) / math.sqrt(rounds) * _t_quantile(level, rounds - 1)
        half = np.minimum(error * _t_quantile(level, kept - 1), plain)
    else:
        half = error * _t_quantile(confidence, kept - 1)
    return middle - half, middle + half


@lru_cache(maxsize=1024)
def _order_statistic_plan(rounds: int, confidence: float) -> tuple[int, float]:
    """Which order statistics make the interval: (rank from either end, weight of the next inner)."""
    from scipy.stats import binom

    ranks = np.arange(1, rounds // 2 + 1)
    levels = 1 - 2 * binom.cdf(ranks - 1, rounds, 0.5)
    rank = int(ranks[levels >= confidence].max())
    if rank == len(ranks):
        return rank, 0.0
    outer, inner = levels[rank - 1], levels[rank]
    share = (outer - confidence) / (outer - inner)
    return rank, float((rounds - rank) * share / (rank + (rounds - 2 * rank) * share))


def _order_statistic_interval(ordered, confidence):
    """Ends of the interval for the median of sorted values (rounds,), or of each row of (…, rounds)."""
    rank, weight = _order_statistic_plan(ordered.shape[-1], confidence)
    low, high = ordered[..., rank - 1], ordered[..., -rank]
    if weight:
        low = (1 - weight) * low + weight * ordered[..., rank]
        high = (1 - weight) * high + weight * ordered[..., -rank - 1]
    return low, high


def checked_times(name: str, values: ArrayLike, *, least: int) -> np.ndarray:
    """Returns values as a float64 array (rounds,).

    Raises:
        StudyError: where there are fewer than `least`, or one is not positive and finite.
    """
    array = np.asarray(values, float)
    if array.ndim != 1 or len(array) < least:
        raise StudyError(f"{name} must be one-dimensional with >= {least} values (got shape {array.shape})")
    bad = array[~(np.isfinite(array) & (array > 0))]
    if len(bad):
        raise StudyError(f"{name} must be positive and finite (got {bad[0]})")
    return array
