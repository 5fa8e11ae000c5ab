"""Are two samples of one distribution? For examples that come in batches, and may have draws in common there."""

import numpy as np

FEWEST = 8  # examples of each feed


def p_value(first: np.ndarray, second: np.ndarray, batches: tuple[np.ndarray, np.ndarray]) -> float:
    """Returns the p-value of Kolmogorov and Smirnov's test, its sample sizes divided by Kish's design effect.

    Examples of one batch may be alike, as under one draw per batch, or where the data is sorted. Then they count for
    fewer (Kish 1965, Survey Sampling: variance of a mean over that of independent examples). Draws that hold for a
    whole epoch are not accounted for.

    Args:
        first: one figure of each example of one feed, (n,).
        second: the same of the other, (m,).
        batches: the number of the batch that each example came in, (n,) and (m,).

    Returns:
        0 to 1; 1 where there are too few examples to tell.
    """
    from scipy import stats

    if min(len(first), len(second)) < FEWEST:
        return 1.0
    statistic = stats.ks_2samp(first, second, method="asymp").statistic
    size = len(first) * len(second) / (len(first) + len(second))
    return float(stats.kstwobign.sf(statistic * np.sqrt(size / _design_effect((first, second), batches))))


def _design_effect(samples, batches):
    """How many times the variance of a mean is what it would be for independent examples; at least 1."""
    from scipy import stats

    ranks = np.split(stats.rankdata(np.concatenate(samples)), [len(samples[0])])
    between = within = 0.0
    freedom = 0
    for values, numbers in zip(ranks, batches, strict=True):
        centred = values - values.mean()
        _, index, sizes = np.unique(numbers, return_inverse=True, return_counts=True)
        between += float(np.sum(np.square(np.bincount(index, centred)) / sizes))
        within += float(np.sum(np.square(centred)))
        freedom += len(sizes) - 1
    spread = within / max(sum(map(len, samples)) - 2, 1)
    if not freedom or not spread:
        return 1.0
    effect = between / freedom / spread
    if stats.chi2.sf(effect * freedom, freedom) < 0.05:  # alike: a cautious estimate, which few batches allow
        effect *= freedom / stats.chi2.ppf(0.05, freedom)
    return max(1.0, effect)


def share_p_value(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Returns the p-value of Fisher's exact test that two shares, (part, whole), are one."""
    from scipy import stats

    return float(stats.fisher_exact([[first[0], first[1] - first[0]], [second[0], second[1] - second[0]]]).pvalue)


def chance_of_the_same_counts(counts: np.ndarray) -> float:
    """Returns how probable it is to find these very counts again when as many examples are drawn anew.

    It is the multinomial probability of the counts, at their own shares.

    Args:
        counts: of each value, whole numbers >= 1.
    """
    from scipy.special import gammaln

    total = counts.sum()
    return float(np.exp(gammaln(total + 1) - gammaln(counts + 1).sum() + np.sum(counts * np.log(counts / total))))
