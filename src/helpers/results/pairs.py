"""Pairs of pipelines of one cell that did the same work, compared on the raw seconds of their common rounds."""

import itertools
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers import ratios
from helpers.measurement import SMALLEST
from helpers.ratios import Verdict

# What is the same for all pipelines of a cell, and may tell cells apart.
CONDITIONS = (
    "dataset",
    "source",
    "decoding",
    "transform",
    "batch_size",
    "examples",
    "image_height",
    "image_width",
    "channels",
    "shuffle",
    "cores",
    "real",
    "model",
)
MEASURED = ("pipeline", "reference", "rounds", "row", "reference_row", "ratio", "low", "high", "verdict")
PAIR = ("machine_id", "cell_id", "launcher", *CONDITIONS, "dataset_label", *MEASURED)
READ_FROM = {"arrays": "arrays in memory", "tfds": "TFDS records", "folder": "files"}


# Measures that a comparison may use, and what less and more of them are called.
MEASURES = {
    "epoch_s": "time of an epoch",
    "start_s": "start of an epoch",
    "batch_s": "time of a batch after the first",
    "first_batch_s": "time to the first batch of an epoch",
    "cpu_us_per_image": "CPU time of an image",
    "peak_rss_bytes": "peak memory",
    "pipeline_rss_bytes": "memory that a pipeline brought to a process of its own",
    "waiting_share": "share of the training epoch spent waiting",
}
TIMED = ("epoch_s", "start_s", "batch_s", "first_batch_s")  # the table keeps their rounds
# The rounds of a cell stop when the intervals are narrow: two or more looks, see ratios.sequential_confidence.
LOOKS = 2
NO_RATIO = (math.nan, math.nan, math.nan, Verdict.UNDECIDED)


def fair_rows(results: pd.DataFrame, *, despite: Sequence[str] = ()) -> pd.DataFrame:
    """Returns the rows that did the same work; only their speeds may be compared.

    Args:
        results: the table.
        despite: aspects of parity in which a row may differ from its task, where just these are asked about.
    """

    def differs(told):
        try:
            return not set(json.loads(told or "{}")) <= set(despite)
        except ValueError:  # tables of before tell it in prose
            return True

    same = results["same_work"].astype(bool)
    if despite:
        same |= np.array([bool(told) and not differs(told) for told in results["differences"]], dtype=bool)
    return results[same]


def reading(source: str, decoding: str) -> str:
    """Returns in words where a cell's pictures came from, and when they were decoded.

    Files and records were read before, by parity and by the epochs that do not count: no disk is timed.
    """
    if source == "arrays" or not decoding:
        return READ_FROM[source]
    warm = " in a warm page cache" if decoding == "every epoch" else ""
    return f"{READ_FROM[source]}{warm}, decoded {decoding}"


def step(model: str) -> str:
    """Returns in words what an epoch trained besides being fed, to stand behind a cell's conditions; "" for nothing."""
    return "" if model == SMALLEST else f"; whole epochs of {model}"


def select_cells(results: pd.DataFrame, conditions: dict[str, Any]) -> pd.DataFrame:
    """Returns the rows whose cells meet all conditions: a value, a list of them, or {from:, to:}, both included."""
    chosen = pd.Series(True, index=results.index)
    for column, wanted in conditions.items():
        values = results[column]
        if isinstance(wanted, dict):
            chosen &= values.between(wanted.get("from", -math.inf), wanted.get("to", math.inf))
        else:
            chosen &= values.isin(wanted if isinstance(wanted, list) else [wanted])
    return results[chosen]


def select_pipelines(rows: pd.DataFrame, wanted: dict[str, Any]) -> pd.DataFrame:
    """Returns the rows of the pipelines described: `builder`, `pipeline` (the label), or knobs.

    A knob that was not set counts as "default". Knobs that are not named may have any value, unless
    `others: default` is given.
    """
    allowed = {key: value if isinstance(value, list) else [value] for key, value in wanted.items() if key != "others"}

    def meets(builder, pipeline, told):
        knobs = json.loads(told or "{}")
        has = {**dict.fromkeys(allowed, "default"), **knobs, "builder": builder, "pipeline": pipeline}
        alike = (any(type(has[key]) is type(value) and has[key] == value for value in allowed[key]) for key in allowed)
        return all(alike) and (wanted.get("others") != "default" or set(knobs) <= set(allowed))

    return rows[np.array(list(map(meets, rows["builder"], rows["pipeline"], rows["knobs"])), dtype=bool)]


def seconds_of(row: pd.Series, measure: str = "epoch_s") -> np.ndarray:
    """Returns a row's seconds by round, float64 (rounds,); NaN where an epoch has no such part.

    Args:
        row: of the results table.
        measure: a name of TIMED.
    """
    rounds = lambda part: np.asarray(row[f"{part}_rounds"], float)  # noqa: E731
    if measure in ("epoch_s", "first_batch_s"):
        return rounds(measure)
    batch_s = rounds("steady_s") / (row["batches"] - 1 or math.nan)
    if measure == "batch_s":
        return batch_s
    epoch_s = rounds("epoch_s")
    if len(batch_s) != len(epoch_s):  # schema 1 has kept none
        return np.full(len(epoch_s), math.nan)
    return epoch_s - row["batches"] * batch_s


def compare_rounds(
    mine: np.ndarray, other: np.ndarray, *, confidence: float, margin: float = 0.05
) -> tuple[float, float, float, Verdict]:
    """Compares the figures of the rounds that both ran: the first ones, since a pipeline leaves once at most.

    A start may be so short that a round finds none, or less than none: no ratio has an interval then, and the
    difference of the two decides.

    Args:
        mine: (rounds,) of the pipeline, seconds, from the first round on; NaN where there is none.
        other: the same of the reference, of as many rounds or not.
        confidence: of the interval.
        margin: within which ratios count as the same, share.

    Returns:
        (ratio, low, high, verdict), each NaN that cannot be told.
    """
    common = min(len(mine), len(other))
    mine, other = mine[:common], other[:common]
    if common < ratios.LEAST_ROUNDS or not np.isfinite([*mine, *other]).all():
        return NO_RATIO
    if min(*mine, *other) > 0:
        ratio, verdict = ratios.compared(mine, other, confidence=confidence, margin=margin)
        return ratio.ratio, ratio.low, ratio.high, verdict
    _, low, high, _ = ratios.log_ratio_interval(mine - other, confidence)
    verdict = Verdict.FASTER if high < 0 else Verdict.SLOWER if low > 0 else Verdict.UNDECIDED
    middles = np.median(mine), np.median(other)
    return (middles[0] / middles[1] if min(middles) > 0 else math.nan), math.nan, math.nan, verdict


def compare_figures(mine: float, other: float, *, margin: float = 0.05) -> tuple[float, float, float, Verdict]:
    """Compares two single figures, which have no interval: low = ratio = high.

    Args:
        mine: the pipeline's.
        other: the reference's.
        margin: within which ratios count as the same, share.
    """
    quotient = mine / (other or math.nan)
    if not 0 < quotient < math.inf:
        return NO_RATIO
    outside = Verdict.SLOWER if quotient > 1 else Verdict.FASTER
    verdict = Verdict.THE_SAME if 1 / (1 + margin) <= quotient <= 1 + margin else outside
    return quotient, quotient, quotient, verdict


def cell_ratio(
    row: pd.Series, reference: pd.Series, *, measure: str = "epoch_s", comparisons: int = 1, margin: float = 0.05
) -> tuple[float, float, float, Verdict]:
    """Compares two rows of one cell.

    Args:
        row: of the pipeline.
        reference: row of the other one.
        measure: a name of MEASURES. Those of TIMED have their rounds in the table, and so an interval.
        comparisons: how many intervals of the cell are to hold together.
        margin: within which ratios count as the same, share.

    Returns:
        (ratio, low, high, verdict); without an interval low = ratio = high.
    """
    if measure not in TIMED:
        return compare_figures(float(row[measure]), float(reference[measure]), margin=margin)
    level = ratios.sequential_confidence(0.95, looks=LOOKS, comparisons=comparisons)
    mine, other = seconds_of(row, measure), seconds_of(reference, measure)
    return compare_rounds(mine, other, confidence=level, margin=margin)


def pairs_of(
    results: pd.DataFrame,
    *,
    pipeline: dict[str, Any],
    reference: dict[str, Any],
    cells: dict[str, Any] | None = None,
    measure: str = "epoch_s",
    margin: float = 0.05,
    despite: Sequence[str] = (),
    as_many: bool = False,
) -> pd.DataFrame:
    """Compares the pipelines of every selected cell that did the same work; one row per pair.

    Args:
        results: the results table of one machine.
        pipeline: which pipelines, see `select_pipelines`.
        reference: which ones they are compared with.
        cells: which cells, see `select_cells`; of those that trained the smallest model where it names no other.
        measure: a name of MEASURES.
        margin: within which ratios count as the same, share.
        despite: aspects of parity in which they may differ, see `fair_rows`.
        as_many: whether both sides are tuned alike: each keeps the first so many of its pipelines as the other has,
            at least two; cells with fewer are left out.

    Returns:
        The cell's conditions, pipeline and reference with the labels `row` and `reference_row` of their rows, and
        ratio, low, high and verdict, as of `cell_ratio` at 95% for all ratios of the cell together.
    """
    pairs = []
    fair = select_cells(fair_rows(results, despite=despite), {"model": SMALLEST} | (cells or {}))
    points = ["machine_id", "cell_id", "launcher"]
    sizes = fair.groupby(points, sort=False).size()
    of_reference = dict(list(select_pipelines(fair, reference).groupby(points, sort=False)))
    for point, mine in select_pipelines(fair, pipeline).groupby(points, sort=False):
        if point not in of_reference:
            continue
        (machine, cell, launcher), others = point, of_reference[point]
        if as_many:
            count = min(len(mine), len(others))
            mine, others = (side.head(count if count > 1 else 0) for side in (mine, others))
        comparisons = max(1, int(sizes[point]) - 1)
        for (index, row), (other_index, other) in itertools.product(mine.iterrows(), others.iterrows()):
            if row["pipeline"] != other["pipeline"]:
                ratio, low, high, verdict = cell_ratio(
                    row, other, measure=measure, comparisons=comparisons, margin=margin
                )
                pairs.append(
                    {"machine_id": machine, "cell_id": cell, "launcher": launcher}
                    | {name: row[name] for name in (*CONDITIONS, "dataset_label")}
                    | {"pipeline": row["pipeline"], "reference": other["pipeline"], "rounds": row["rounds"]}
                    | {"row": index, "reference_row": other_index}
                    | {"ratio": ratio, "low": low, "high": high, "verdict": verdict.value}
                )
    return pd.DataFrame(pairs, columns=list(PAIR))


def plain(value: object) -> str:
    """Returns a value as people write it."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | float | np.number):
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"
    return str(value)
