"""Compares feeds fairly: interleaved rounds in random order, paired ratios with intervals, verdicts."""

from helpers.comparison.rounds import (
    MIN_ROUNDS as MIN_ROUNDS,
    UNTIL as UNTIL,
    Comparison as Comparison,
    compare as compare,
)
from helpers.ratios import Verdict as Verdict, paired_ratio as paired_ratio
