"""The rules that decide a claim: each takes rows of the results table and gives a verdict with its evidence.

Pipelines are compared within one cell of one machine only, on the raw seconds of their common rounds, and
only where both did the same work. Cells are counted, not pairs; the errors of all comparisons of a rule are
held at 5% together (`results.certainty`). Nothing here reads a file or times anything.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from helpers.checks import few
from helpers.claims.crossover import crossover, fades_at, separators
from helpers.claims.judgement import Judgement
from helpers.errors import StudyError
from helpers.ratios import Verdict
from helpers.results import certainty
from helpers.results.pairs import (
    CONDITIONS,
    MEASURES,
    TIMED,
    compare_rounds,
    pairs_of,
    plain,
    seconds_of,
    select_cells,
    select_pipelines,
)

FULL_SWEEP = "the full sweep"
Cells = dict[str, Any]  # column -> a value, a list of values, or {from:, to:}

EXPECTATIONS = {
    "faster": Verdict.FASTER,
    "less": Verdict.FASTER,
    "slower": Verdict.SLOWER,
    "more": Verdict.SLOWER,
    "same": Verdict.THE_SAME,
}
TRENDS = ("rises", "falls", "widens", "narrows")


@dataclass(frozen=True)
class RuleOutcome:
    """What one rule found.

    Attributes:
        verdict: what it says of the claim.
        evidence: one or two sentences with the counts and ratios behind it.
        crossover: on what it depends, and where it turns; "" if it does not.
        needs: what would decide it; "" if it is decided.
        pairs: the single comparisons, one row each: conditions, pipeline, reference, ratio, low, high,
            verdict, holds (True, False, or None where undecided).
    """

    verdict: Judgement
    evidence: str
    crossover: str = ""
    needs: str = ""
    pairs: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False, repr=False)


def compare(
    results: pd.DataFrame,
    *,
    expect: str,
    cells: Cells | None = None,
    measure: str = "epoch_s",
    take: str = "all",
    margin: float = 0.05,
    until: bool = False,
    **selection: Any,
) -> RuleOutcome:
    """Supported if the expectation holds in every cell that decides, refuted if in none, else it depends."""
    pairs = pairs_of(results, cells=cells, measure=measure, margin=margin, **selection)
    if pairs.empty:
        return RuleOutcome(Judgement.UNDECIDED, "no cell of this run compares them", needs=FULL_SWEEP, pairs=pairs)
    if measure not in TIMED and pairs["ratio"].isna().all():
        return RuleOutcome(
            Judgement.UNDECIDED, f"no cell of this run has the {MEASURES[measure]}", needs=f"{FULL_SWEEP}: isolate"
        )
    pairs = certainty.corrected(pairs, results, measure=measure, margin=margin)
    expected = EXPECTATIONS[expect]
    pairs["holds"] = _holds(pairs["verdict"], expected)
    by_cell = [
        _cell_holds(of_cell, expected, take) for _, of_cell in pairs.groupby(["cell_id", "launcher"], sort=False)
    ]
    decided = [held for held in by_cell if held is not None]
    if not decided:
        return RuleOutcome(
            Judgement.UNDECIDED,
            f"{len(by_cell)} cells, none decided: the intervals reach across 1 ({_span(pairs)}{_open(pairs)})",
            needs="more rounds, or a quieter machine",
            pairs=pairs,
        )
    held = decided.count(True)
    verdict = Judgement.SUPPORTED if held == len(decided) else Judgement.DEPENDS
    verdict = Judgement.REFUTED if decided.count(False) == len(decided) else verdict
    told = f"{expect} in {held} of {_cells(len(decided))} by {MEASURES[measure]}"
    if len(decided) < len(by_cell):
        told += f", {len(by_cell) - len(decided)} more undecided{_open(pairs)}"
    told += f"; ratio {_span(pairs[pairs['holds'].notna()])}; {_chance(pairs, expected, measure)}"
    told += f" [{covered(pairs)}]"
    if measure not in TIMED and verdict != Judgement.DEPENDS and 0.5 ** (len(decided) - 1) > 0.05:
        needs = f"{FULL_SWEEP}: at least 6 cells, since a single figure has no interval"
        return RuleOutcome(Judgement.UNDECIDED, told, needs=needs, pairs=pairs)
    if until and held:
        told += f"; {fades_at(pairs[pairs['holds'].eq(True)], results, margin=margin)}"
    turns = separators(pairs[pairs["holds"].notna()]) if verdict == Judgement.DEPENDS else ""
    return RuleOutcome(verdict, told, crossover=turns, pairs=pairs)


def _open(pairs):
    """The largest difference that the intervals of the undecided pairs leave open, in words."""
    undecided = pairs[(pairs["verdict"] == Verdict.UNDECIDED) & (pairs["low"] > 0)]
    most = max([*undecided["high"], *(1 / undecided["low"])], default=math.nan)
    return "" if undecided.empty else f", {most:.2f} times at most"


def _holds(verdicts, expected):
    """Returns whether each verdict is the expected one; None where it is undecided."""
    holds = [None if verdict == Verdict.UNDECIDED else verdict == expected for verdict in verdicts]
    return pd.Series(holds, index=verdicts.index, dtype=object)


def _cell_holds(pairs, expected, take):
    """Returns what a cell says: True, False, None where it is undecided, or "mixed" where its pairs disagree."""
    if take == "best":
        return _holds(pd.Series([_best(pairs)]), expected).iloc[0]
    states = set(pairs["holds"])
    if {True, False} <= states:
        return "mixed"
    return False if False in states else None if None in states else True


def _best(pairs):
    """How the fastest of one side stands to the fastest of the other, whichever these are.

    The best is not chosen by the figures that are then compared, which would favour the side with more pipelines:
    one side is ahead if one of its pipelines is ahead of each of the other's.
    """
    table = pairs.pivot(index="pipeline", columns="reference", values="verdict")
    ahead, behind = table == Verdict.FASTER, table == Verdict.SLOWER
    if ahead.all(axis="columns").any():
        return Verdict.FASTER
    if behind.all(axis="index").any():
        return Verdict.SLOWER
    same = table == Verdict.THE_SAME
    level = (ahead | same).all(axis="columns").any() and (behind | same).all(axis="index").any()
    return Verdict.THE_SAME if level else Verdict.UNDECIDED


def _chance(pairs, expected, measure):
    """How many comparisons hold, and how many would by chance alone."""
    count, held = len(pairs), int((pairs["verdict"] == expected).sum())
    if measure not in TIMED:
        return f"{held} of {count} comparisons, {count / 2:g} expected by chance; single figures without an interval"
    share = 0.05 if expected == Verdict.THE_SAME else 0.025
    alone = int((pairs["alone"] == expected).sum())
    return (
        f"{held} of {count} comparisons, all at 95% together "
        f"(each alone at 95%: {alone}, of them {share * count:.1g} expected by chance)"
    )


def _cells(count):
    return "1 cell" if count == 1 else f"{count} cells"


def trend(
    results: pd.DataFrame,
    *,
    along: str,
    expect: str,
    apart_from: Sequence[str] = (),
    cells: Cells | None = None,
    measure: str = "epoch_s",
    margin: float = 0.05,
    **selection: Any,
) -> RuleOutcome:
    """Whether the ratio of pipeline to reference changes along a column, all other conditions alike.

    A line through the logarithms of all points of a series gives the ratio of the last ratio to the first, with an
    interval. For `widens` and `narrows` the ratios' distances from 1 are taken, whichever side is ahead.
    """
    pairs = pairs_of(results, cells=cells, measure=measure, margin=margin, **selection)
    if pairs.empty:
        return RuleOutcome(Judgement.UNDECIDED, "no cell of this run compares them", needs=FULL_SWEEP)
    pairs = certainty.corrected(pairs, results, measure=measure, margin=margin)
    fixed = [name for name in CONDITIONS if name not in (along, *apart_from)]
    series = [
        group.sort_values(along)
        for _, group in pairs.dropna(subset=["low"]).groupby([*fixed, "pipeline", "reference"], sort=False)
        if group[along].nunique() > 1
    ]
    if not series:
        return RuleOutcome(
            Judgement.UNDECIDED, f"this run has one value of {along} only", needs=FULL_SWEEP, pairs=pairs
        )
    gap = expect in ("widens", "narrows")

    def decide(which, level):
        change = _change(series[which], results, along=along, measure=measure, gap=gap, level=level)
        milder = _change(series[which], results, along=along, measure=measure, gap=gap, level=2 * level - 1)
        flat = 1 / (1 + margin) <= milder[1] and milder[2] <= 1 + margin
        outcome = "level" if flat else "rises" if change[1] > 1 else "falls" if change[2] < 1 else None
        return (outcome, change), outcome is not None

    decisions = certainty.step_down(len(series), decide)
    wanted = {"widens": "rises", "narrows": "falls"}.get(expect, expect)
    decided = [outcome == wanted for outcome, _ in decisions if outcome]
    ends = []
    for points, (_, (change, low, high)) in zip(series, decisions, strict=True):
        first, last = (plain(points[along].iloc[place]) for place in (0, -1))
        ends.append(f"x{change:.2f} ({low:.2f} to {high:.2f}) from {along} {first} to {last}")
    if not decided:
        return RuleOutcome(
            Judgement.UNDECIDED,
            f"no change beyond the intervals: {few(ends)}",
            needs="more rounds, or more points",
            pairs=pairs,
        )
    verdict = Judgement.SUPPORTED if all(decided) else Judgement.DEPENDS if any(decided) else Judgement.REFUTED
    evidence = f"the {'distance from 1' if gap else 'ratio'} {expect} in {sum(decided)} of {len(decided)} series"
    if len(decided) < len(series):
        evidence += f", {len(series) - len(decided)} more undecided"
    evidence += f" (all at 95% together; {0.025 * len(series):.1g} expected by chance if each stood alone)"
    evidence += f": {few(ends)} [{covered(pairs)}]"
    return RuleOutcome(verdict, evidence, crossover=crossover(pairs, along), pairs=pairs)


def _change(series, results, *, along, measure, gap, level):
    """The last ratio over the first, along the line through all points, and its interval: (change, low, high)."""
    points, rounds = [], []
    for pair in series.itertuples():
        mine, other = (seconds_of(results.loc[index], measure) for index in (pair.row, pair.reference_row))
        found = compare_rounds(mine, other, confidence=level)
        centre, low, high = np.log(found[:3])
        if gap:
            inside = low <= 0 <= high
            nearest, farthest = sorted((abs(low), abs(high)))
            centre, low, high = abs(centre), 0.0 if inside else nearest, farthest
        points.append((centre, low, high))
        rounds.append(min(len(mine), len(other)))
    places = series[along].to_numpy(float)
    places = np.log(places) if (places > 0).all() else places
    centres, lows, highs = zip(*points, strict=True)
    weights = certainty.slope_weights(places)
    change = certainty.combined(centres, lows, highs, weights, rounds=rounds, confidence=level)
    return tuple(map(math.exp, change))


def differ(results: pd.DataFrame, *, pipeline: dict[str, Any], expect: str, cells: Cells | None = None) -> RuleOutcome:
    """Whether pipelines were found to do another work than their task."""
    rows = select_pipelines(select_cells(results, cells or {}), pipeline)
    if rows.empty:
        return RuleOutcome(Judgement.UNDECIDED, "no cell of this run holds them", needs=FULL_SWEEP)
    unlike = rows[~rows["same_work"].astype(bool)]
    holds = len(unlike) if expect == "different" else len(rows) - len(unlike)
    verdict = Judgement.SUPPORTED if holds == len(rows) else Judgement.REFUTED if holds == 0 else Judgement.DEPENDS
    evidence = f"{len(unlike)} of {len(rows)} do not do the task"
    if len(unlike):
        told = []
        for builder, of_it in unlike.groupby("builder", sort=False):
            aspects = dict.fromkeys(aspect for text in of_it["differences"] for aspect in _aspects(text))
            told.append(f"{builder} ({', '.join(aspects)})" if aspects else builder)
        evidence += f": {'; '.join(told)}"
    return RuleOutcome(verdict, evidence)


def _aspects(differences):
    """Returns the aspects in which a row differs; none for tables of before, which tell them in prose."""
    try:
        return list(json.loads(differences))
    except ValueError:
        return []


def covered(pairs: pd.DataFrame) -> str:
    """In short, where the cells lie: data, transforms, batch sizes, numbers of examples."""
    parts = [few(list(pairs["dataset_label"].unique())), few(list(pairs["transform"].unique()))]
    for column, name in (("batch_size", "batch"), ("examples", "examples")):
        ends = dict.fromkeys((plain(pairs[column].min()), plain(pairs[column].max())))
        parts.append(f"{name} {' to '.join(ends)}")
    return "; ".join(parts)


def _span(pairs):
    if not pairs["ratio"].notna().any():
        return "not told"
    middle = math.exp(np.log(pairs["ratio"]).median())
    if len(pairs) == 1:
        row = pairs.iloc[0]
        return (
            f"{middle:.2f}" if not row["low"] < row["high"] else f"{middle:.2f} ({row['low']:.2f} to {row['high']:.2f})"
        )
    return f"{middle:.2f}, from {pairs['ratio'].min():.2f} to {pairs['ratio'].max():.2f}"


RULES: dict[str, Callable[..., RuleOutcome]] = {"compare": compare, "trend": trend, "differ": differ}


def require_one_machine(results: pd.DataFrame) -> None:
    """Raises StudyError where rows of several machines are mixed."""
    machines = sorted(results["machine_id"].unique())
    if len(machines) > 1:
        raise StudyError(
            f"rows of different machines are never merged (got {', '.join(machines)}); judge one machine at a time"
        )
