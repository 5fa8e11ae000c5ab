"""What an epoch of any length takes, from its start and its rate, round by round."""

import math

import numpy as np
import pandas as pd

from helpers.results.pairs import plain, seconds_of


def epochs_of(row: pd.Series, lengths: np.ndarray) -> np.ndarray:
    """Returns the seconds of epochs of so many examples, float64 (lengths, rounds), in each of a row's rounds.

    Args:
        row: of the results table.
        lengths: (lengths,) examples.
    """
    grows = np.nan_to_num(row["start_s_per_example"])
    start = seconds_of(row, "start_s") - grows * row["examples"]
    batch_s = seconds_of(row, "batch_s")
    if len(batch_s) != len(start):  # schema 1 has kept none
        batch_s = np.full(len(start), np.nan)
    rate = batch_s / row["batch_size"] + grows
    return start + lengths[:, None] * rate


def log_ratios(row: pd.Series, reference: pd.Series, lengths: np.ndarray) -> np.ndarray:
    """Returns the logarithms of the ratio of two rows' epochs, float64 (lengths, rounds).

    A length at which a round has no epoch of more than no time, since its start was told as less than nothing, has
    NaN in all rounds; so have all lengths where a row has no parts.

    Args:
        row: of the pipeline.
        reference: of the other one, of the same cell.
        lengths: (lengths,) examples.
    """
    mine, other = (epochs_of(each, lengths) for each in (row, reference))
    common = min(mine.shape[-1], other.shape[-1])  # the rounds that both ran
    mine, other = mine[:, :common], other[:, :common]
    told = (np.isfinite(mine) & (mine > 0) & np.isfinite(other) & (other > 0)).all(axis=-1, keepdims=True)
    return np.log(np.where(told, mine, np.nan)) - np.log(np.where(told, other, np.nan))


def rounded(value: float) -> str:
    """Returns a number of examples to two digits, as people write it.

    Args:
        value: above 0.
    """
    digits = max(0, math.floor(math.log10(value)) - 1)
    return plain(round(value, -digits))
