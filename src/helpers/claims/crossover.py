"""What separates the cells where an expectation holds from those where it does not, and where it turns."""

import itertools
import math

import numpy as np
import pandas as pd

from helpers.results.pairs import CONDITIONS, plain


def separators(decided: pd.DataFrame) -> str:
    """Names the column that separates where an expectation holds from where it does not, and the crossover."""
    holds = decided["holds"].astype(bool).to_numpy()
    splits = []
    for column in (*CONDITIONS, "pipeline", "reference"):
        values = decided[column]
        if values.nunique() < 2 or (column == "image_width" and (values == decided["image_height"]).all()):
            continue
        numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        text, right = _split_number(values, holds) if numeric else _split_names(values, holds)
        splits.append((right, column, text))
    right, column, text = max(splits, key=lambda split: split[0], default=(0, "", ""))
    if right <= max(holds.sum(), (~holds).sum()):
        return "no single column separates the cells"
    share = "" if right == len(holds) else f" (explains {right} of {len(holds)})"
    turns = crossover(decided, column) if column in ("batch_size", "examples", "image_height") else ""
    return f"{column}: holds for {text}{share}" + (f"; {turns}" if turns else "")


def _split_names(values, holds):
    """Returns (the values for which it holds by majority, how many rows that explains)."""
    grouped = pd.Series(holds).groupby(values.to_numpy(), sort=False)
    held, rows = grouped.sum(), grouped.size()
    names = ", ".join(plain(value) for value in held.index[held * 2 > rows])
    return names or "none", int(np.maximum(held, rows - held).sum())


def _split_number(values, holds):
    """Returns (the side of the best threshold on which it holds, how many rows that explains)."""
    sides = []
    for low, high in itertools.pairwise(sorted(values.unique())):
        right = int((holds == (values <= low).to_numpy()).sum())
        sides += [(f"{plain(low)} and below", right), (f"{plain(high)} and above", len(holds) - right)]
    return max(sides, key=lambda side: side[1])


def crossover(pairs: pd.DataFrame, along: str) -> str:
    """Where the ratio passes 1 along a column, by interpolation between logarithms; "" where it never does."""
    if not pd.api.types.is_numeric_dtype(pairs[along]) or pd.api.types.is_bool_dtype(pairs[along]):
        return ""
    fixed = [name for name in CONDITIONS if name != along and not (along == "image_height" and name == "image_width")]
    crossings = []
    for _, group in pairs.dropna(subset=["ratio"]).groupby([*fixed, "pipeline", "reference"], sort=False):
        group = group.sort_values(along)
        x, y = np.log(group[along].to_numpy(float)), np.log(group["ratio"].to_numpy(float))
        for i in np.flatnonzero(np.sign(y[1:]) * np.sign(y[:-1]) < 0):
            crossings.append(math.exp(x[i] + (x[i + 1] - x[i]) * y[i] / (y[i] - y[i + 1])))
    if not crossings:
        return ""
    ends = dict.fromkeys((_rounded(min(crossings)), _rounded(max(crossings))))
    return f"the ratio passes 1 at {along} of about {' to '.join(ends)}"


def _rounded(value):
    digits = max(0, math.floor(math.log10(value)) - 1)
    return plain(round(value, -digits))
