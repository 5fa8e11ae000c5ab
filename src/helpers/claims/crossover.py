"""What separates the cells where an expectation holds from those where it does not, and where it turns."""

import math

import numpy as np
import pandas as pd

from helpers import ratios
from helpers.ratios import Verdict
from helpers.results.lengths import log_ratios, rounded
from helpers.results.pairs import CONDITIONS, plain

CHANCE = 0.05
PERMUTATIONS = 1999
SIDES = ("pipeline", "reference")


def separators(decided: pd.DataFrame) -> str:
    """Names the column that separates where an expectation holds from where it does not, and the crossover.

    A column is named only where it separates better than chance: in at most 5% of 1,999 random orders of the labels
    does any column separate as well as it does. The labels of a cell keep together when conditions of cells are
    tried; they are exchanged within their cell when pipelines are.

    Args:
        decided: pairs with `holds`, none of them undecided.
    """
    generator = np.random.default_rng(0)
    holds = decided["holds"].astype(bool).to_numpy()
    cells = decided["cell_id"].to_numpy(object)
    candidates = []
    for columns, shuffled in ((CONDITIONS, _between_cells), (SIDES, _within_cells)):
        splits = {name: _Split(decided[name]) for name in columns if _tells_apart(decided, name)}
        if splits:
            labels = shuffled(holds, cells, generator)
            best = max(splits, key=lambda name: splits[name].right(holds[None])[0])
            right = int(splits[best].right(holds[None])[0])
            by_chance = np.max([split.right(labels) for split in splits.values()], axis=0)
            p_value = (1 + int((by_chance >= right).sum())) / (1 + PERMUTATIONS)
            candidates.append((p_value, best, splits[best].where(holds), right))
    p_value, column, text, right = min(candidates, default=(1.0, "", "", 0), key=lambda found: found[0])
    if min(1.0, p_value * len(candidates)) > CHANCE:
        said = "no single column separates the cells better than chance"
        turns = [crossover(decided, name) for name in ("batch_size", "examples", "image_height")]
        return "; ".join([said, *filter(None, turns)])
    share = "" if right == len(holds) else f" (explains {right} of {len(holds)})"
    turns = [crossover(decided, column)] if column in ("batch_size", "examples", "image_height") else []
    return "; ".join([f"{column}: holds for {text}{share}, by chance in {p_value:.1%} of orders", *filter(None, turns)])


def _tells_apart(decided, column):
    values = decided[column]
    square = column == "image_width" and (values == decided["image_height"]).all()
    return values.nunique() > 1 and not square


def _between_cells(holds, cells, generator):
    """The labels of whole cells exchanged among cells with as many pairs: (orders, pairs)."""
    labels = np.tile(holds, (PERMUTATIONS, 1))
    places = [np.flatnonzero(cells == cell) for cell in np.unique(cells)]
    for size in {len(of_cell) for of_cell in places}:
        blocks = np.array([of_cell for of_cell in places if len(of_cell) == size])
        order = generator.permuted(np.tile(np.arange(len(blocks)), (PERMUTATIONS, 1)), axis=1)
        labels[:, blocks] = holds[blocks][order]
    return labels


def _within_cells(holds, cells, generator):
    """The labels exchanged within each cell: (orders, pairs)."""
    number = np.unique(cells, return_inverse=True)[1]
    order = np.argsort(number + generator.random((PERMUTATIONS, len(holds))), axis=1)
    labels = np.empty((PERMUTATIONS, len(holds)), bool)
    labels[:, np.argsort(number, kind="stable")] = holds[order]
    return labels


class _Split:
    """How well one column separates labels: a side of a threshold for numbers, a set of values for names."""

    def __init__(self, values):
        self.is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        self.values = sorted(values.unique()) if self.is_number else list(values.unique())
        column = values.to_numpy()[:, None]
        members = column <= np.array(self.values[:-1]) if self.is_number else column == np.array(self.values, object)
        self.members, self.sizes = members.astype(float), members.sum(axis=0)

    def _counts(self, labels):
        """(rows that a split below, or above, each threshold explains; or each value by its majority)."""
        held = labels @ self.members
        if not self.is_number:
            return np.maximum(held, self.sizes - held)
        below = held + (labels.shape[1] - self.sizes) - (labels.sum(axis=1, keepdims=True) - held)
        return np.concatenate([below, labels.shape[1] - below], axis=1)

    def right(self, labels):
        """How many rows the best split explains, for each of (orders, rows) labels."""
        counts = self._counts(labels.astype(float))
        return counts.max(axis=1) if self.is_number else counts.sum(axis=1)

    def where(self, holds):
        """For which values it holds, in words."""
        if self.is_number:
            best = int(self._counts(holds[None].astype(float))[0].argmax())
            side, threshold = divmod(best, len(self.values) - 1)
            ends = f"{plain(self.values[threshold])} and below", f"{plain(self.values[threshold + 1])} and above"
            return ends[side]
        held = (holds.astype(float) @ self.members) * 2 > self.sizes
        return ", ".join(plain(value) for value, is_held in zip(self.values, held, strict=True) if is_held) or "none"


def crossover(pairs: pd.DataFrame, along: str) -> str:
    """Where the ratio passes 1 along a column, by interpolation between logarithms; "" where it is not shown to.

    It passes between two neighbours of which one is decided to be faster and the other slower; what is undecided or
    the same between them is passed over.

    Args:
        pairs: with verdicts that hold together.
        along: a column.
    """
    if not pd.api.types.is_numeric_dtype(pairs[along]) or pd.api.types.is_bool_dtype(pairs[along]):
        return ""
    fixed = [name for name in CONDITIONS if name != along and not (along == "image_height" and name == "image_width")]
    decided = pairs[pairs["verdict"].isin([Verdict.FASTER, Verdict.SLOWER])].dropna(subset=["ratio"])
    crossings = []
    for _, group in decided.groupby([*fixed, "pipeline", "reference"], sort=False):
        group = group.sort_values(along)
        x, y = np.log(group[along].to_numpy(float)), np.log(group["ratio"].to_numpy(float))
        for i in np.flatnonzero(np.sign(y[1:]) * np.sign(y[:-1]) < 0):
            crossings.append(math.exp(x[i] + (x[i + 1] - x[i]) * y[i] / (y[i] - y[i + 1])))
    if not crossings:
        return ""
    ends = dict.fromkeys((rounded(min(crossings)), rounded(max(crossings))))
    return f"the ratio passes 1 at {along} of about {' to '.join(ends)}"


def fades_at(pairs: pd.DataFrame, results: pd.DataFrame, *, margin: float = 0.05) -> str:
    """Up to how many examples of an epoch a lead lasts, from start and rate, over all pairs.

    Args:
        pairs: of pipelines that are faster than their reference.
        results: the table that they were made from.
        margin: a lead within it counts as none, share.
    """
    lengths = np.logspace(1, 7, 601)  # examples
    surely, at_most, lasting = [], [], 0
    for pair in pairs.itertuples():
        differences = log_ratios(results.loc[pair.row], results.loc[pair.reference_row], lengths)
        if not np.isfinite(differences).all():
            continue
        _, low, high, _ = ratios.log_ratio_interval(differences, 0.95)
        leads, may_lead = high < -math.log1p(margin), low < -math.log1p(margin)
        surely.append(lengths[leads][-1] if leads.any() else 0.0)
        if may_lead[-1]:
            lasting += 1
        else:
            at_most.append(lengths[may_lead][-1] if may_lead.any() else 0.0)
    if not surely:
        return "how far that reaches is not told: start and rate are missing"
    said = f"by more than {margin:.0%} surely up to {_examples(surely)} examples"
    said += f", at most up to {_examples(at_most)}" if at_most else ""
    return said + (f"; {lasting} of {len(surely)} keep a lead in the rate" if lasting else "")


def _examples(lengths):
    ends = dict.fromkeys(rounded(length) if length else "0" for length in (min(lengths), max(lengths)))
    return " to ".join(ends)
