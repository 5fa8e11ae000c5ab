"""What changed between two runs of the same cells: ratios of ratios, each with its interval.

Seconds of two runs are not compared, since the machine, or its mood, is another. A pipeline's ratio to the reference of
its cell is compared with the same ratio in the other run.
"""

import itertools
import json
import math

import numpy as np
import pandas as pd
from scipy import stats

from helpers.ratios import Verdict
from helpers.results import certainty
from helpers.results.pairs import CONDITIONS, NO_RATIO, compare_rounds, fair_rows, seconds_of

LEAST_FREEDOM = 4  # changes beyond one per pipeline, to tell how runs scatter
COLUMNS = ("pipeline", "where", "cells", "examples", "ratio", "low", "high", "verdict")


def changes(before: pd.DataFrame, after: pd.DataFrame, *, margin: float = 0.05) -> pd.DataFrame:
    """Compares two runs, pipeline by pipeline: over all cells that both have, and cell by cell.

    All verdicts together hold at 95% (Holm). Rounds say how a ratio varies within a run, and not how it varies from
    run to run. For two runs of one machine that is told by how all changes scatter: where they do so by more than
    their intervals say, the intervals are widened by as much.

    Args:
        before: table of one machine's run.
        after: table of the other one.
        margin: changes within it are the same, share.

    Returns:
        One row per question: pipeline; where: "all cells", or the cell in words; cells; examples of an epoch, as text;
        ratio of the ratios, above 1 where it became slower; low, high; verdict. `attrs["scatter"]` tells by how much
        intervals were widened, 1.0 or more.
    """
    points = _points(before, after)
    one_machine = set(before["machine_id"]) == set(after["machine_id"])
    scatter, freedom = _scatter(points) if one_machine else (1.0, math.inf)
    questions = []
    for pipeline in dict.fromkeys(point["pipeline"] for point in points):
        of_it = [point for point in points if point["pipeline"] == pipeline]
        questions.append((pipeline, "all cells", of_it))
        questions += [(pipeline, point["where"], [point]) for point in of_it if len(of_it) > 1]

    def interval(which, level):
        middle, low, high = _change(questions[which][2], level)
        # The scatter is itself an estimate: Student's quantile in place of the normal one.
        tail = (1 + level) / 2
        wider = max(1.0, scatter * float(stats.t.ppf(tail, freedom) / stats.norm.ppf(tail)))
        return middle, middle - (middle - low) * wider, middle + (high - middle) * wider

    def decide(which, level):
        middle, low, high = interval(which, level)
        _, least, most = interval(which, 2 * level - 1)
        same = -math.log1p(margin) <= least and most <= math.log1p(margin)
        verdict = Verdict.THE_SAME if same else Verdict.SLOWER if low > 0 else Verdict.FASTER
        verdict = verdict if same or low > 0 or high < 0 else Verdict.UNDECIDED
        return (*np.exp([middle, low, high]), verdict.value), verdict != Verdict.UNDECIDED

    rows = [
        (pipeline, where, len(of_it), _range([point["examples"] for point in of_it]), *outcome)
        for (pipeline, where, of_it), outcome in zip(
            questions, certainty.step_down(len(questions), decide), strict=True
        )
    ]
    table = pd.DataFrame(rows + _references(points, rows), columns=list(COLUMNS))
    table.attrs["scatter"] = scatter
    return table


def _points(before, after):
    """One mapping per pipeline and cell that both runs have, with the seconds of all rounds of both."""
    tables = [fair_rows(table) for table in (before, after)]
    cores = ["cores"] if any(table["cores"].nunique() > 1 for table in tables) else []
    conditions = [name for name in CONDITIONS if name != "cores"] + cores + ["server"]
    found = [
        {
            (*(row[name] for name in conditions), row["pipeline"], _knobs(row), row["reference"]): row
            for _, row in table.iterrows()
        }
        for table in tables
    ]
    points = []
    for key, row in found[0].items():
        *cell, pipeline, _, reference = key
        if pipeline == reference or key not in found[1]:
            continue
        pairs = []
        for rows in found:
            of_reference = [other for at, other in rows.items() if (*at[:-3], at[-3]) == (*cell, reference)]
            pairs += [(seconds_of(rows[key]), seconds_of(other)) for other in of_reference]
        if len(pairs) == 2 and all(compare_rounds(*pair, confidence=0.95) is not NO_RATIO for pair in pairs):
            where = f"{row['dataset_label']}, {row['transform']}, batch {row['batch_size']}"
            named = {"pipeline": pipeline, "reference": reference, "where": where, "examples": row["examples"]}
            points.append({**named, "pairs": pairs})
    return points


def _knobs(row):
    return json.dumps(json.loads(row["knobs"] or "{}"), sort_keys=True)


def _change(points, level):
    """Logarithm of the mean ratio of ratios over some points, with its interval at that level."""
    found = [compare_rounds(*pair, confidence=level)[:3] for point in points for pair in point["pairs"]]
    centres, lows, highs = np.log(found).T
    rounds = [min(map(len, pair)) for point in points for pair in point["pairs"]]
    weights = np.array([-1, 1] * len(points)) / len(points)
    return certainty.combined(centres, lows, highs, weights, rounds=rounds, confidence=level)


def _scatter(points):
    """By how much changes scatter more than their intervals say, and the degrees of freedom behind that.

    Each pipeline's changes are taken about their own mean, so that one that changed in all cells adds nothing.
    """
    level = 0.95
    found = np.array([_change([point], level) for point in points]).reshape(-1, 3)
    errors = pd.Series(
        found[:, 0] / np.maximum((found[:, 2] - found[:, 1]) / 2 / stats.norm.ppf((1 + level) / 2), 1e-9)
    )
    pipelines = [point["pipeline"] for point in points]
    freedom = len(points) - len(set(pipelines))
    if freedom < LEAST_FREEDOM:
        return 1.0, math.inf
    about_their_own = errors - errors.groupby(pipelines).transform("mean")
    return max(1.0, math.sqrt((about_their_own**2).sum() / freedom)), freedom


def _references(points, rows):
    """The references that became faster, or slower: all others of their cells, at least two, changed the other way."""
    opposite = {Verdict.FASTER.value: Verdict.SLOWER.value, Verdict.SLOWER.value: Verdict.FASTER.value}
    told = []
    for reference, of_it in itertools.groupby(sorted(points, key=_reference_of), key=_reference_of):
        mine = list(of_it)
        others = {point["pipeline"] for point in mine}
        found = [row for row in rows if row[0] in others and row[1] == "all cells"]
        verdicts = {row[-1] for row in found}
        if len(found) > 1 and len(verdicts) == 1 and verdicts <= set(opposite):
            ratio, low, high = (1 / float(np.median([row[place] for row in found])) for place in (4, 6, 5))
            examples = _range([point["examples"] for point in mine])
            cells = len({(point["where"], point["examples"]) for point in mine})
            told.append((reference, "all cells", cells, examples, ratio, low, high, opposite[verdicts.pop()]))
    return told


def _reference_of(point):
    return point["reference"]


def _range(examples):
    return " to ".join(dict.fromkeys(f"{count:,}" for count in (min(examples), max(examples))))
