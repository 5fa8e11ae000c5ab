"""The rules that decide a claim: each takes rows of the results table and gives a verdict with its evidence.

Pipelines are compared within one cell of one machine only, on the raw seconds of their common rounds, and
only where both did the same work. Nothing here reads a file or times anything.
"""

import json
import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from helpers import ratios
from helpers.errors import StudyError
from helpers.separation import CONDITIONS, crossover, plain, separators

SUPPORTED, REFUTED, DEPENDS = "supported", "refuted", "depends"
UNDECIDED, NOT_TESTABLE = "undecided yet", "not testable"
FULL_SWEEP = "the full sweep"

# Measures that a comparison may use, and what less and more of them are called.
MEASURES = {
    "epoch_s": "time of an epoch",
    "first_batch_cold_s": "time to the very first batch",
    "first_batch_s": "time to the first batch of an epoch",
    "steady_batch_s": "time of a batch after the first",
    "cpu_us_per_image": "CPU time of an image",
    "peak_rss_bytes": "peak memory",
    "waiting_share": "share of the training epoch spent waiting",
}
# A warm kernel shares pages with its server, so memory is compared among kernels that were started alike only.
MEMORY_MEASURES = ("peak_rss_bytes",)
EXPECTATIONS = {"faster": "faster", "less": "faster", "slower": "slower", "more": "slower", "same": "the same"}
# The rounds of a cell stop when the intervals are narrow: two or more looks, see ratios.sequential_confidence.
LOOKS = 2


@dataclass(frozen=True)
class Outcome:
    """What one rule found.

    Attributes:
        verdict: supported, refuted, depends, undecided yet or not testable.
        evidence: one or two sentences with the counts and ratios behind it.
        crossover: on what it depends, and where it turns; "" if it does not.
        needs: what would decide it; "" if it is decided.
        pairs: the single comparisons, one row each: conditions, pipeline, reference, ratio, low, high,
            verdict, holds (True, False, or None where undecided).
    """

    verdict: str
    evidence: str
    crossover: str = ""
    needs: str = ""
    pairs: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False, repr=False)


def select_cells(results: pd.DataFrame, conditions: dict) -> pd.DataFrame:
    """Returns the rows whose cells meet all conditions: a value, a list of them, or {from:, to:}, both included."""
    chosen = pd.Series(True, index=results.index)
    for column, wanted in conditions.items():
        values = results[column]
        if isinstance(wanted, dict):
            chosen &= values.between(wanted.get("from", -math.inf), wanted.get("to", math.inf))
        else:
            chosen &= values.isin(wanted if isinstance(wanted, list) else [wanted])
    return results[chosen]


def select_pipelines(rows: pd.DataFrame, wanted: dict) -> pd.DataFrame:
    """Returns the rows of the pipelines described: `builder`, `pipeline` (the label), or knobs.

    A knob that was not set counts as "default". Knobs that are not named may have any value, unless
    `others: default` is given.
    """
    wanted = dict(wanted)
    others = wanted.pop("others", "any")
    chosen = []
    for _, row in rows.iterrows():
        knobs = json.loads(row["knobs"] or "{}")
        meets = True
        for key, value in wanted.items():
            found = row[key] if key in ("builder", "pipeline") else knobs.get(key, "default")
            allowed = value if isinstance(value, list) else [value]
            meets &= any(type(found) is type(one) and found == one for one in allowed)
        if others == "default":
            meets &= set(knobs) <= set(wanted)
        chosen.append(bool(meets))
    return rows[np.array(chosen, dtype=bool)]


def cell_ratio(row, reference, *, measure="epoch_s", comparisons=1, margin=0.05):
    """Compares two rows of one cell.

    Args:
        row: of the pipeline.
        reference: row of the other one.
        measure: a name of MEASURES. Only epoch_s has its raw rounds in the table, and so an interval.
        comparisons: how many intervals of the cell are to hold together.
        margin: within which ratios count as the same, share.

    Returns:
        (ratio, low, high, verdict); without an interval low = ratio = high.
    """
    if measure == "epoch_s":
        mine, other = np.asarray(row["epoch_s_rounds"], float), np.asarray(reference["epoch_s_rounds"], float)
        if len(mine) != len(other) or len(mine) < ratios.LEAST_ROUNDS:
            return math.nan, math.nan, math.nan, "undecided"
        level = ratios.sequential_confidence(0.95, looks=LOOKS, comparisons=comparisons)
        ratio = ratios.paired_ratio(mine, other, confidence=level)
        inner = ratios.paired_ratio(mine, other, confidence=ratios.equivalence_confidence(level))
        return ratio.ratio, ratio.low, ratio.high, ratios.verdict(ratio, margin=margin, equivalence=inner)
    mine, other = float(row[measure]), float(reference[measure])
    if not (math.isfinite(mine) and math.isfinite(other) and mine > 0 and other > 0):
        return math.nan, math.nan, math.nan, "undecided"
    ratio = mine / other
    outside = "slower" if ratio > 1 else "faster"
    return ratio, ratio, ratio, "the same" if 1 / (1 + margin) <= ratio <= 1 + margin else outside


def pairs_of(results, *, pipeline, reference, cells=None, measure="epoch_s", take="all", margin=0.05) -> pd.DataFrame:
    """Compares the pipelines of every selected cell that did the same work; one row a pair.

    Args:
        results: the results table of one machine.
        pipeline: which pipelines, see `select_pipelines`.
        reference: which ones they are compared with.
        cells: which cells, see `select_cells`.
        measure: a name of MEASURES.
        take: "all" pairs of a cell, or the "best" of each side (chosen by its median, on the same data).
        margin: within which ratios count as the same, share.
    """
    pairs = []
    fair = select_cells(results, cells or {})
    fair = fair[fair["same_work"].astype(bool)]
    for (machine, cell, launcher), rows in fair.groupby(["machine_id", "cell_id", "launcher"], sort=False):
        mine, others = select_pipelines(rows, pipeline), select_pipelines(rows, reference)
        if take == "best":
            mine, others = mine.nsmallest(1, measure), others.nsmallest(1, measure)
        for _, row in mine.iterrows():
            for _, other in others.iterrows():
                if row["pipeline"] == other["pipeline"]:
                    continue
                ratio, low, high, verdict = cell_ratio(
                    row, other, measure=measure, comparisons=max(1, len(rows) - 1), margin=margin
                )
                pairs.append(
                    {"machine_id": machine, "cell_id": cell, "launcher": launcher}
                    | {name: row[name] for name in (*CONDITIONS, "dataset_label")}
                    | {"pipeline": row["pipeline"], "reference": other["pipeline"], "rounds": row["rounds"]}
                    | {"ratio": ratio, "low": low, "high": high, "verdict": verdict}
                )
    return pd.DataFrame(pairs)


def compare(results, *, expect, cells=None, measure="epoch_s", **selection) -> Outcome:
    """Supported if the expectation holds in every cell that decides, refuted if in none, else it depends."""
    pairs = pairs_of(results, cells=cells, measure=measure, **selection)
    if pairs.empty:
        return Outcome(UNDECIDED, "no cell of this run compares them", needs=FULL_SWEEP)
    expected = EXPECTATIONS[expect]
    pairs["holds"] = [None if verdict == "undecided" else verdict == expected for verdict in pairs["verdict"]]
    decided = pairs[pairs["holds"].notna()]
    if decided.empty:
        return Outcome(
            UNDECIDED,
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
    verdict = SUPPORTED if held == len(decided) else REFUTED if held == 0 else DEPENDS
    turns = separators(decided) if verdict == DEPENDS else ""
    return Outcome(verdict, f"{evidence} [{covered(decided)}]", crossover=turns, pairs=pairs)


def trend(results, *, along, expect, apart_from=(), cells=None, measure="epoch_s", margin=0.05, **selection) -> Outcome:
    """Whether the ratio of pipeline to reference rises or falls along a column, all other conditions alike."""
    pairs = pairs_of(results, cells=cells, measure=measure, margin=margin, **selection)
    if pairs.empty:
        return Outcome(UNDECIDED, "no cell of this run compares them", needs=FULL_SWEEP)
    fixed = [name for name in CONDITIONS if name not in (along, *apart_from)]
    if measure in MEMORY_MEASURES:
        fixed.append("launcher")
    ends, holds = [], []
    for _, group in pairs.groupby([*fixed, "pipeline", "reference"], sort=False):
        group = group.dropna(subset=["ratio"]).sort_values(along)
        if group[along].nunique() < 2:
            continue
        first, last = group.iloc[0], group.iloc[-1]
        rises, falls = last["low"] > first["high"], last["high"] < first["low"]
        change = last["ratio"] / first["ratio"]
        flat = max(last["high"] / first["low"], first["high"] / last["low"]) <= 1 + margin
        decided = rises or falls or flat
        holds.append(None if not decided else bool((rises and expect == "rises") or (falls and expect == "falls")))
        ends.append(f"x{change:.2f} from {along} {plain(first[along])} to {plain(last[along])}")
    if not holds:
        return Outcome(UNDECIDED, f"this run has one value of {along} only", needs=FULL_SWEEP, pairs=pairs)
    decided = [one for one in holds if one is not None]
    if not decided:
        return Outcome(
            UNDECIDED, f"no change beyond the intervals: {_few(ends)}", needs="more rounds, or more points", pairs=pairs
        )
    verdict = SUPPORTED if all(decided) else DEPENDS if any(decided) else REFUTED
    evidence = f"the ratio {expect} in {sum(decided)} of {len(decided)} series: {_few(ends)}"
    return Outcome(verdict, evidence, crossover=crossover(pairs, along), pairs=pairs)


def differ(results, *, pipeline, expect, cells=None) -> Outcome:
    """Whether pipelines were found to do another work than their task."""
    rows = select_pipelines(select_cells(results, cells or {}), pipeline)
    if rows.empty:
        return Outcome(UNDECIDED, "no cell of this run holds them", needs=FULL_SWEEP)
    unlike = rows[~rows["same_work"].astype(bool)]
    holds = len(unlike) if expect == "different" else len(rows) - len(unlike)
    verdict = SUPPORTED if holds == len(rows) else REFUTED if holds == 0 else DEPENDS
    evidence = f"{len(unlike)} of {len(rows)} do not do the task"
    if len(unlike):
        aspects = {}
        for row in unlike.itertuples():
            named = [part.split(":")[0].strip() for part in row.differences.split(";") if ":" in part]
            aspects.setdefault(row.builder, []).extend(named)
        evidence += ": " + "; ".join(f"{name} ({', '.join(dict.fromkeys(found))})" for name, found in aspects.items())
    return Outcome(verdict, evidence)


def covered(pairs: pd.DataFrame) -> str:
    """In short, where the cells lie: data, transforms, batch sizes, numbers of examples."""
    parts = [_few(list(pairs["dataset_label"].unique())), _few(list(pairs["transform"].unique()))]
    for column, name in (("batch_size", "batch"), ("examples", "examples")):
        values = pairs[column]
        ends = dict.fromkeys((plain(values.min()), plain(values.max())))
        parts.append(f"{name} {' to '.join(ends)}")
    return "; ".join(parts)


def _span(pairs):
    middle = math.exp(np.log(pairs["ratio"]).median()) if pairs["ratio"].notna().any() else math.nan
    if len(pairs) == 1:
        row = pairs.iloc[0]
        return f"{middle:.2f}" if row["low"] == row["high"] else f"{middle:.2f} ({row['low']:.2f} to {row['high']:.2f})"
    return f"{middle:.2f}, from {pairs['ratio'].min():.2f} to {pairs['ratio'].max():.2f}"


def _few(names, most=3):
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


RULES = {"compare": compare, "trend": trend, "differ": differ}


def require_one_machine(results: pd.DataFrame) -> None:
    """Raises StudyError where rows of several machines are mixed."""
    machines = sorted(results["machine_id"].unique())
    if len(machines) > 1:
        raise StudyError(
            f"rows of different machines are never merged (got {', '.join(machines)}); judge one machine at a time"
        )
