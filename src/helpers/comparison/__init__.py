"""Compares feeds fairly: interleaved rounds in random order, paired ratios with intervals, verdicts."""

from helpers.comparison.rounds import MIN_ROUNDS, Comparison, compare
from helpers.ratios import Verdict, paired_ratio

__all__ = [
    "MIN_ROUNDS",
    "Comparison",
    "Verdict",
    "compare",
    "paired_ratio",
]
