"""What separates the cells where an expectation holds from those where it does not, and where it turns."""

import itertools
import math

import numpy as np
import pandas as pd

from helpers.results.pairs import CONDITIONS, plain


def separators(decided: pd.DataFrame) -> str:
    """Names the column that separates where an expectation holds from where it does not, and the crossover."""
    holds = decided["holds"].astype(bool).to_numpy()
    best = []
    for column in (*CONDITIONS, "pipeline", "reference"):
        values = decided[column]
        if values.nunique() < 2 or (column == "image_width" and (values == decided["image_height"]).all()):
            continue
        numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        text, right = _split_number(values, holds) if numeric else _split_names(values, holds)
        best.append((right, column, text))
    majority = max(holds.sum(), (~holds).sum())
    best = sorted((one for one in best if one[0] > majority), key=lambda one: -one[0])
    if not best:
        return "no single column separates the cells"
    right, column, text = best[0]
    share = "" if right == len(holds) else f" (explains {right} of {len(holds)})"
    turns = crossover(decided, column) if column in ("batch_size", "examples", "image_height") else ""
    return f"{column}: holds for {text}{share}" + (f"; {turns}" if turns else "")


def _split_names(values, holds):
    """Returns (the values for which it holds by majority, how many rows that explains)."""
    names, right = [], 0
    for value in values.unique():
        here = holds[(values == value).to_numpy()]
        right += max(here.sum(), (~here).sum())
        if here.sum() * 2 > len(here):
            names.append(plain(value))
    return ", ".join(names) or "none", int(right)


def _split_number(values, holds):
    """Returns (the side of the best threshold on which it holds, how many rows that explains)."""
    ordered = sorted(values.unique())
    best = ("none", 0)
    for low, high in itertools.pairwise(ordered):
        below = (values <= low).to_numpy()
        for text, right in (
            (f"{plain(low)} and below", (holds == below).sum()),
            (f"{plain(high)} and above", (holds == ~below).sum()),
        ):
            if right > best[1]:
                best = (text, int(right))
    return best


def crossover(pairs: pd.DataFrame, along: str) -> str:
    """Where the ratio passes 1 along a column, by interpolation between logarithms; "" where it never does."""
    if not pd.api.types.is_numeric_dtype(pairs[along]) or pd.api.types.is_bool_dtype(pairs[along]):
        return ""
    fixed = [name for name in CONDITIONS if name != along and not (along == "image_height" and name == "image_width")]
    found = []
    for _, group in pairs.dropna(subset=["ratio"]).groupby([*fixed, "pipeline", "reference"], sort=False):
        group = group.sort_values(along)
        x, y = np.log(group[along].to_numpy(float)), np.log(group["ratio"].to_numpy(float))
        for i in np.flatnonzero(np.sign(y[1:]) * np.sign(y[:-1]) < 0):
            found.append(math.exp(x[i] + (x[i + 1] - x[i]) * y[i] / (y[i] - y[i + 1])))
    if not found:
        return ""
    low, high = min(found), max(found)
    value = f"{_rounded(low)}" if _rounded(low) == _rounded(high) else f"{_rounded(low)} to {_rounded(high)}"
    return f"the ratio passes 1 at {along} of about {value}"


def _rounded(value):
    digits = max(0, math.floor(math.log10(value)) - 1)
    return plain(round(value, -digits))
