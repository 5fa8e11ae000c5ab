"""The rules that decide a claim: each takes rows of the results table and gives a verdict with its evidence.

Pipelines are compared within one cell of one machine only, on the raw seconds of their common rounds, and
only where both did the same work. Nothing here reads a file or times anything.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from helpers.checks import few
from helpers.claims.crossover import crossover, separators
from helpers.claims.judgement import Judgement
from helpers.errors import StudyError
from helpers.ratios import Verdict
from helpers.results.pairs import CONDITIONS, MEASURES, MEMORY_MEASURES, pairs_of, plain, select_cells, select_pipelines

FULL_SWEEP = "the full sweep"
Cells = dict[str, Any]  # column -> a value, a list of values, or {from:, to:}

EXPECTATIONS = {
    "faster": Verdict.FASTER,
    "less": Verdict.FASTER,
    "slower": Verdict.SLOWER,
    "more": Verdict.SLOWER,
    "same": Verdict.THE_SAME,
}


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
    results: pd.DataFrame, *, expect: str, cells: Cells | None = None, measure: str = "epoch_s", **selection: Any
) -> RuleOutcome:
    """Supported if the expectation holds in every cell that decides, refuted if in none, else it depends."""
    pairs = pairs_of(results, cells=cells, measure=measure, **selection)
    if pairs.empty:
        return RuleOutcome(Judgement.UNDECIDED, "no cell of this run compares them", needs=FULL_SWEEP)
    expected = EXPECTATIONS[expect]
    pairs["holds"] = [None if verdict == Verdict.UNDECIDED else verdict == expected for verdict in pairs["verdict"]]
    decided = pairs[pairs["holds"].notna()]
    if decided.empty:
        return RuleOutcome(
            Judgement.UNDECIDED,
            f"{len(pairs)} comparisons, none decided: the intervals reach across 1 ({_span(pairs)})",
            needs="more rounds, or a quieter machine",
            pairs=pairs,
        )
    held = int(decided["holds"].sum())
    cells_of = f"{held} of {len(decided)} {'comparison' if len(decided) == 1 else 'comparisons'}"
    evidence = f"{expect} in {cells_of} of {MEASURES[measure]}; ratio {_span(decided)}"
    if measure != "epoch_s":
        evidence += ", medians without an interval"
    if len(decided) < len(pairs):
        evidence += f"; {len(pairs) - len(decided)} more undecided"
    verdict = Judgement.SUPPORTED if held == len(decided) else Judgement.REFUTED if held == 0 else Judgement.DEPENDS
    turns = separators(decided) if verdict == Judgement.DEPENDS else ""
    return RuleOutcome(verdict, f"{evidence} [{covered(decided)}]", crossover=turns, pairs=pairs)


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
    """Whether the ratio of pipeline to reference rises or falls along a column, all other conditions alike."""
    pairs = pairs_of(results, cells=cells, measure=measure, margin=margin, **selection)
    if pairs.empty:
        return RuleOutcome(Judgement.UNDECIDED, "no cell of this run compares them", needs=FULL_SWEEP)
    launcher = ["launcher"] if measure in MEMORY_MEASURES else []
    fixed = [*(name for name in CONDITIONS if name not in (along, *apart_from)), *launcher]
    ends, holds = [], []
    for _, group in pairs.groupby([*fixed, "pipeline", "reference"], sort=False):
        group = group.dropna(subset=["ratio"]).sort_values(along)
        if group[along].nunique() < 2:
            continue
        first, last = group.iloc[0], group.iloc[-1]
        rises, falls = last["low"] > first["high"], last["high"] < first["low"]
        flat = max(last["high"] / first["low"], first["high"] / last["low"]) <= 1 + margin
        holds.append(bool({"rises": rises, "falls": falls}[expect]) if rises or falls or flat else None)
        ends.append(f"x{last['ratio'] / first['ratio']:.2f} from {along} {plain(first[along])} to {plain(last[along])}")
    if not holds:
        return RuleOutcome(
            Judgement.UNDECIDED, f"this run has one value of {along} only", needs=FULL_SWEEP, pairs=pairs
        )
    decided = [held for held in holds if held is not None]
    if not decided:
        return RuleOutcome(
            Judgement.UNDECIDED,
            f"no change beyond the intervals: {few(ends)}",
            needs="more rounds, or more points",
            pairs=pairs,
        )
    verdict = Judgement.SUPPORTED if all(decided) else Judgement.DEPENDS if any(decided) else Judgement.REFUTED
    evidence = f"the ratio {expect} in {sum(decided)} of {len(decided)} series: {few(ends)}"
    return RuleOutcome(verdict, evidence, crossover=crossover(pairs, along), pairs=pairs)


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
    middle = math.exp(np.log(pairs["ratio"]).median()) if pairs["ratio"].notna().any() else math.nan
    if len(pairs) == 1:
        row = pairs.iloc[0]
        return f"{middle:.2f}" if row["low"] == row["high"] else f"{middle:.2f} ({row['low']:.2f} to {row['high']:.2f})"
    return f"{middle:.2f}, from {pairs['ratio'].min():.2f} to {pairs['ratio'].max():.2f}"


RULES: dict[str, Callable[..., RuleOutcome]] = {"compare": compare, "trend": trend, "differ": differ}


def require_one_machine(results: pd.DataFrame) -> None:
    """Raises StudyError where rows of several machines are mixed."""
    machines = sorted(results["machine_id"].unique())
    if len(machines) > 1:
        raise StudyError(
            f"rows of different machines are never merged (got {', '.join(machines)}); judge one machine at a time"
        )
