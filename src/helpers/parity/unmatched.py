"""Which examples of two epochs have no counterpart in the other: exactly, and up to rounding."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from helpers.parity.examples import FIGURES, PATTERNS, Epoch

ROUNDING = 2e-6  # of a part's typical size: what two ways to compute the same in float32 may differ by
NEIGHBOURS = 16


def examples(first: Epoch, second: Epoch, names: Sequence[str]) -> tuple[list[int], list[int], bool]:
    """Returns the positions in each epoch that have no counterpart in the other, and whether some differ by rounding.

    Args:
        first: an epoch.
        second: another one, of the same parts.
        names: the parts that are held against each other, together.
    """
    names = tuple(names)
    left, right = _differing(first.joint(names), second.joint(names))
    # Numbers that are single, such as labels and weights, are held to each other exactly.
    rounded = tuple(name for name in names if not (first.parts[name].single or _of_strings(first, second, name)))
    if not (left and right and rounded):
        return left, right, False
    others = tuple(name for name in names if name not in rounded)
    taken_left, taken_right = _nearest(
        [_group(epoch, others, chosen) for epoch, chosen in ((first, left), (second, right))],
        [_place(epoch, first, rounded, chosen) for epoch, chosen in ((first, left), (second, right))],
    )
    return (
        [position for number, position in enumerate(left) if number not in taken_left],
        [position for number, position in enumerate(right) if number not in taken_right],
        bool(taken_left),
    )


def _of_strings(first, second, name):
    return "string" in (*first.parts[name].dtypes, *second.parts[name].dtypes)


def _differing(first, second):
    """The positions of what is left when equal hashes are taken away in pairs."""

    def left_over(these, those):
        counts, left = Counter(those.tolist()), []
        for position, value in enumerate(these.tolist()):
            if counts[value] > 0:
                counts[value] -= 1
            else:
                left.append(position)
        return left

    return left_over(first, second), left_over(second, first)


def _group(epoch, names, chosen):
    return epoch.joint(names)[chosen]


def _place(epoch, scale_of, names, chosen):
    """Where examples lie by their patterns, as a share of the parts' typical size."""
    columns = []
    for name in names:
        figures = scale_of.parts[name].figures
        size = np.sqrt(np.mean(np.square(figures[:, :2]).sum(axis=1))) or 1.0
        columns.append(epoch.parts[name].figures[chosen][:, [FIGURES.index(pattern) for pattern in PATTERNS]] / size)
    return np.concatenate(columns, axis=1)


def _nearest(groups, places):
    """Takes nearest neighbours of one group away in pairs, where they are no further apart than rounding goes."""
    from scipy.spatial import cKDTree

    taken: tuple[set, set] = set(), set()
    for group in np.intersect1d(*groups):
        here, there = (np.flatnonzero(of_epoch == group) for of_epoch in groups)
        reach = ROUNDING * np.sqrt(places[0].shape[1])
        distances, neighbours = cKDTree(places[1][there]).query(
            places[0][here], k=range(1, min(NEIGHBOURS, len(there)) + 1), distance_upper_bound=reach
        )
        for number, near, found in zip(here, distances, neighbours, strict=True):
            free = [there[index] for index in found[np.isfinite(near)] if there[index] not in taken[1]]
            if free:
                taken[0].add(int(number))
                taken[1].add(int(free[0]))
    return taken
