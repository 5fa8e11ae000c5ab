"""Everything behind the answers, run by run: ratios, who wins where, start and rate, waiting, cells, settings."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers import ratios, results
from helpers.plots import condition
from helpers.ratios import Verdict
from helpers.report import wording
from helpers.report.drawing import Interval, Scale, interval, scale
from helpers.report.run import Run
from helpers.results.answers import feeder_of, times_by_round
from helpers.results.pairs import fair_rows, seconds_of
from helpers.results.winners import knob_costs, winners

SIDES = ({"builder": "py_dataset", "others": "default"}, {"builder": "tf_data", "others": "default"})


@dataclass(frozen=True)
class Measured:
    """One pipeline of one cell.

    Attributes:
        row: of the results table; name: of the pipeline for people; label: the grid's.
        where: the cell's conditions; verdict: in words.
        interval: its ratio to the reference, None for the reference itself and for other work.
        differences: aspect -> what was found instead of what.
        start_ms, batches_ms: the parts of an epoch; NaN where not measured. turns: from which length on the order
            turns, "" where it does not.
        steps_ms, waiting_ms: of a training epoch, per 1,000 images; NaN where none was trained.
        rounds: seconds of an epoch in each round, as milliseconds.
    """

    row: pd.Series
    name: str
    label: str
    where: str
    verdict: str
    interval: Interval | None
    differences: dict[str, str]
    start_ms: float
    batches_ms: float
    turns: str
    steps_ms: float
    waiting_ms: float
    rounds: tuple[str, ...]


@dataclass(frozen=True)
class CellTable:
    """A cell: its id, its conditions in words, and its pipelines."""

    id: str
    where: str
    reference: str
    measured: tuple[Measured, ...]


@dataclass(frozen=True)
class RunTables:
    """What the page shows of one run.

    Attributes:
        run: it.
        cells: its cells.
        scale: of all ratios.
        wins: of each cell (its conditions, who wins, by how much, whether clearly, the second, the cell's id).
        longest_ms: the longest epoch of the picture of starts and rates; longest_training_ms: of training.
        lines: of Sequence against tf.data along the batch size: [(conditions, [(batch size, interval, text)])].
        costs: what each knob costs.
    """

    run: Run
    cells: tuple[CellTable, ...]
    scale: Scale
    wins: tuple[tuple[str, str, float, bool, str, str], ...]
    longest_ms: float
    longest_training_ms: float
    lines: tuple[tuple[str, tuple[tuple[int, Interval, str], ...]], ...]
    costs: tuple[dict[str, object], ...]

    @property
    def measured(self) -> list[Measured]:
        """All pipelines of all cells."""
        return [each for cell in self.cells for each in cell.measured]


def tables(run: Run) -> RunTables:
    """Returns what the page shows of a run.

    Args:
        run: from `open_runs`.
    """
    rows = run.results
    on = scale([*rows["time_ratio_low"], *rows["time_ratio_high"]])
    cells = []
    for cell_id, of_cell in rows.groupby("cell_id", sort=False):
        by_label = {(row["launcher"], row["pipeline"]): row for _, row in of_cell.iterrows()}
        first = of_cell.iloc[0]
        where = condition(next(of_cell.itertuples()))
        where += f"; server {first['server']}" if rows["server"].nunique() > 1 else ""
        where += f"; cores: {first['cores']}" if rows["cores"].nunique() > 1 else ""
        measured = tuple(
            _measured(row, by_label.get((launcher, row["reference"])), on, where)
            for (launcher, _), row in by_label.items()
        )
        reference = by_label.get((first["launcher"], first["reference"]), first)
        cells.append(CellTable(str(cell_id), where, _name(reference), measured))
    everyone = [each for cell in cells for each in cell.measured]
    return RunTables(
        run=run,
        cells=tuple(cells),
        scale=on,
        wins=tuple(_wins(rows, cells)),
        longest_ms=_longest(everyone, "start_ms", "batches_ms"),
        longest_training_ms=_longest(everyone, "steps_ms", "waiting_ms"),
        lines=tuple(_lines(rows, on)),
        costs=tuple(knob_costs(rows).to_dict("records")),
    )


def differences_of_machines(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Returns what differs between the runs' machines and conditions: (fact, each run's), the same ones left out.

    Args:
        runs: from `open_runs`.
    """
    facts = [run.facts() for run in runs]
    names = dict.fromkeys(name for told in facts for name in told)
    listed = [(name, [told.get(name, "not told") for told in facts]) for name in names]
    return [(name, values) for name, values in listed if len(set(values)) > 1]


def _name(row):
    return wording.name_of(feeder_of(row), row["pipeline"])


def _measured(row: pd.Series, reference: pd.Series | None, on: Scale, where: str) -> Measured:
    is_ranked = reference is not None and row["pipeline"] != row["reference"] and row["time_ratio_low"] > 0
    drawn = None
    if is_ranked:
        rounds = [value for value in times_by_round(seconds_of(row), seconds_of(reference)) if np.isfinite(value)]
        figures = (row["time_ratio"], row["time_ratio_low"], row["time_ratio_high"])
        told = f"{_name(row)}, time over that of {_name(reference)}"
        drawn = interval(on, figures, rounds, verdict=row["verdict"], name=told)
    images = row["train_epoch_s"] / row["examples"] * 1e6 if row["examples"] else np.nan
    turns = row["turns_at_examples"]
    return Measured(
        row=row,
        name=_name(row),
        label=row["pipeline"],
        where=where,
        verdict=ratios.in_words(row["verdict"], row["time_ratio_low"], row["time_ratio_high"]),
        interval=drawn,
        differences=_differences(row["differences"]),
        start_ms=max(row["start_s"], 0.0) * 1e3 if np.isfinite(row["start_s"]) else np.nan,
        batches_ms=row["batch_s"] * row["batches"] * 1e3,
        turns=f"turns at {turns:,.0f} examples" if turns == turns else "",
        steps_ms=images * (1 - row["waiting_share"]),
        waiting_ms=images * row["waiting_share"],
        rounds=tuple(f"{1e3 * seconds:.4g}" for seconds in row["epoch_s_rounds"]),
    )


def _differences(told):
    try:
        found = json.loads(told or "{}")
    except ValueError:  # tables of before tell it in prose
        return {"work": told}
    return {str(aspect): str(what) for aspect, what in found.items()}


def _longest(measured, first, second):
    lengths = [getattr(each, first) + getattr(each, second) for each in measured]
    return max([length for length in lengths if np.isfinite(length)], default=0.0)


def _wins(rows, cells):
    where = {cell.id: cell.where for cell in cells}
    names = {each.label: each.name for cell in cells for each in cell.measured}
    for cell in winners(rows).itertuples():
        winner, second = names[cell.winner], names[cell.second]
        yield where[cell.cell_id], winner, cell.lead, bool(cell.clear), second, cell.cell_id


def _lines(rows, on):
    """The Sequence's time over tf.data's along the batch size, where cells differ in that alone."""
    pairs = results.pairs_of(fair_rows(rows), pipeline=SIDES[0], reference=SIDES[1])
    if pairs.empty:
        return
    fixed = [name for name in ("dataset_label", "source", "decoding", "transform", "examples", "shuffle", "cores")]
    fixed += ["image_height", "image_width", "launcher"]
    pairs = pairs[pairs["verdict"].ne(Verdict.NOT_THE_SAME_WORK) & (pairs["low"] > 0)]
    for _, line in pairs.groupby(fixed, sort=False):
        if line["batch_size"].nunique() > 1:
            points = []
            for pair in line.sort_values("batch_size").itertuples():
                mine, other = (seconds_of(rows.loc[index]) for index in (pair.row, pair.reference_row))
                figures, rounds = (pair.ratio, pair.low, pair.high), times_by_round(mine, other)
                drawn = interval(on, figures, rounds, verdict=pair.verdict, name=f"batches of {pair.batch_size}")
                points.append((int(pair.batch_size), drawn, f"{pair.ratio:.2f} {pair.verdict}"))
            first = line.iloc[0]
            yield f"{first['dataset_label']}, {first['transform']}, {first['examples']:,} images", tuple(points)
