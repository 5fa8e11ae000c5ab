"""Which pipeline to use for each kind of work that a run measured: by how much, how sure, and from where to where."""

import itertools
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from helpers import ratios
from helpers.errors import StudyError
from helpers.ratios import Verdict
from helpers.results import certainty
from helpers.results.lengths import log_ratios
from helpers.results.pairs import LOOKS, compare_rounds, fair_rows, seconds_of, select_pipelines
from helpers.timing.starvation import FeedTimes

WORKS = {
    "rescale": "light",
    "noise": "light",
    "brightness": "light",
    "flip_brightness": "light",
    "resize_standardize": "heavy",
    "shear_zoom_flip": "augmentation",
}
ORDER = ("light", "heavy", "augmentation")
LARGE_BATCH = 128  # images, from here on
LENGTHS = np.logspace(0, 7, 141)  # examples of an epoch
STEPS_S = np.logspace(-5, 2, 281)  # of a training step
IN_USE = {"map_and_batch_fusion": ["default", True]}  # without it one sees what the prefetch alone does; nobody uses it
AUGMENTER, SEQUENCE = ("image_data_generator", "{}"), ("py_dataset", "{}")

Feeder = tuple[str, str]  # builder, and its knobs as JSON in the order of their names


@dataclass(frozen=True)
class Lead:
    """How many times as fast as another pipeline, over all cells of a kind of work: above 1 is faster.

    Attributes:
        over: label of the other one; over_feeder: its builder and knobs.
        times: how many times as fast, a mean over the cells; low, high: its interval.
        verdict: of the two, see `ratios.Verdict`.
        by_cell: (cell_id, times, low, high, times in each round) of each cell.
    """

    over: str
    over_feeder: Feeder
    times: float
    low: float
    high: float
    verdict: str
    by_cell: tuple[tuple[str, float, float, float, tuple[float, ...]], ...] = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """What to use for one kind of work.

    Attributes:
        work: "light", "heavy", "augmentation", or a transform that is none of the kit's.
        key: what makes two runs' answers answers to one question.
        rows: the fair rows of its cells.
        usual: label of what the published scripts use; usual_feeder: its builder and knobs.
        pipeline: label of what to use; the usual one where none is shown to be faster; feeder: its builder and knobs.
        lead: over the usual one; None where it is the usual one.
        next: over the best of all others, which may be the usual one; None where it is.
        shown: examples of an epoch (from, to) for which the lead over the usual one is shown; an end is None where
            the lead goes on as far as was looked; both NaN where it is shown for none.
        step_s: seconds of a training step from which on less than the margin is gained, predicted; NaN: not told.
        waiting: share of a small CNN's epoch that waited, (with the usual one, with this one); None: not measured.
    """

    work: str
    key: tuple[object, ...]
    rows: pd.DataFrame = field(repr=False)
    usual: str
    usual_feeder: Feeder
    pipeline: str
    feeder: Feeder
    lead: Lead | None
    next: Lead | None
    shown: tuple[float | None, float | None]
    step_s: float
    waiting: tuple[float, float] | None

    @property
    def cells(self) -> list[str]:
        """Ids of its cells."""
        return list(dict.fromkeys(self.rows["cell_id"]))

    def among(self, name: str) -> list:
        """Returns the values that a column has in its cells.

        Args:
            name: of the column.
        """
        return sorted(set(self.rows[name]))


def answers(results: pd.DataFrame, *, margin: float = 0.05) -> list[Answer]:
    """Says for each kind of work which pipeline to use.

    Cells are of a kind if their work weighs alike (light, heavy, augmentation), was decoded as often, on as many
    cores, in small batches or in large ones, and the pipelines of one are among those of the other. Over several
    cells a lead is the mean of their logarithms. All pairs of a kind's pipelines hold together at 95%, so that it
    does no harm to choose the best by the figures that are then told.

    Args:
        results: the table of one machine.
        margin: a gain within it is none, share.

    Returns:
        One per kind, light work first.
    """
    used = select_pipelines(fair_rows(results), IN_USE)
    found = [_answer(key, cells, feeders, margin) for key, cells, feeders in _kinds(used)]
    return sorted(found, key=lambda answer: ORDER.index(answer.work) if answer.work in ORDER else len(ORDER))


def feeder_of(row: pd.Series) -> Feeder:
    """Returns a row's builder and knobs.

    Args:
        row: of the results table.
    """
    return str(row["builder"]), json.dumps(json.loads(row["knobs"] or "{}"), sort_keys=True)


def _kinds(fair) -> Iterable[tuple]:
    """Gives (key, cells, the feeders that all of them have); a cell is feeder -> row."""
    cells = [
        {feeder_of(row): row for _, row in rows.iterrows()}
        for _, rows in fair.groupby(["machine_id", "cell_id", "launcher"], sort=False)
    ]
    several = fair["cores"].nunique() > 1  # else two machines may be held side by side
    groups: list[tuple[tuple, list, set]] = []
    for cell in sorted((cell for cell in cells if len(cell) > 1), key=len):
        first = next(iter(cell.values()))
        work = WORKS.get(first["transform"], first["transform"])
        cores = int(first["cores"]) if several else 0
        key = (work, first["decoding"], bool(first["batch_size"] >= LARGE_BATCH), cores)
        for other_key, members, feeders in groups:
            if key == other_key and feeders <= set(cell):
                members.append(cell)
                break
        else:
            groups.append((key, [cell], set(cell)))
    place = {id(cell): number for number, cell in enumerate(cells)}
    return sorted(groups, key=lambda group: min(place[id(cell)] for cell in group[1]))


def _answer(key, cells, feeders, margin):
    level = ratios.sequential_confidence(0.95, looks=LOOKS, comparisons=math.comb(len(feeders), 2))
    ordered = [feeder for feeder in cells[0] if feeder in feeders]
    usual = _usual(key[0], ordered, cells[0])
    leads = {
        (mine, other): _lead(cells, mine, other, level, margin) for mine, other in itertools.permutations(ordered, 2)
    }
    over_usual = {mine: lead for (mine, other), lead in leads.items() if other == usual and lead is not None}
    sure = [mine for mine, lead in over_usual.items() if lead.verdict == Verdict.FASTER]
    chosen = max(sure, key=lambda mine: over_usual[mine].times, default=usual)
    others = [lead for (mine, _), lead in leads.items() if mine == chosen and lead is not None]
    nearest = min(others, key=lambda lead: lead.times, default=None)
    pairs = [(cell[chosen], cell[usual]) for cell in cells] if chosen != usual else []
    rows = pd.DataFrame([row for cell in cells for row in cell.values()])
    labels = {feeder: str(cells[0][feeder]["pipeline"]) for feeder in (usual, chosen)}
    return Answer(
        work=key[0],
        key=(*key, *sorted(rows["transform"].unique()), *sorted(rows["source"].unique()), usual),
        rows=rows,
        usual=labels[usual],
        usual_feeder=usual,
        pipeline=labels[chosen],
        feeder=chosen,
        lead=over_usual.get(chosen),
        next=nearest if nearest is None or nearest.over_feeder != usual or chosen == usual else None,
        shown=_shown(pairs, level),
        step_s=max([_step_s(*pair, margin) for pair in pairs], default=math.nan),
        waiting=_waiting(pairs),
    )


def _usual(work, feeders: Sequence[Feeder], cell):
    """What published scripts use: ImageDataGenerator for its augmentation, else a Sequence, else the reference."""
    wanted = (AUGMENTER, SEQUENCE) if work == "augmentation" else (SEQUENCE, AUGMENTER)
    of_cell = [feeder for feeder in feeders if cell[feeder]["pipeline"] == cell[feeder]["reference"]]
    return next(feeder for feeder in (*wanted, *of_cell, *feeders) if feeder in feeders)


def _lead(cells, mine: Feeder, other: Feeder, level: float, margin: float) -> Lead | None:
    rounds = [(seconds_of(cell[other]), seconds_of(cell[mine])) for cell in cells]
    found = [compare_rounds(*pair, confidence=level, margin=margin)[:3] for pair in rounds]
    # The same is told at the level of two one-sided tests, as `ratios.compared` does.
    milder = [compare_rounds(*pair, confidence=2 * level - 1)[:3] for pair in rounds]
    if not all(low > 0 for _, low, _ in [*found, *milder]):
        return None
    counts = [min(map(len, pair)) for pair in rounds]
    times, low, high = _mean(found, counts, level)
    _, least, most = _mean(milder, counts, 2 * level - 1)
    verdict = Verdict.FASTER if low > 1 else Verdict.SLOWER if high < 1 else Verdict.UNDECIDED
    verdict = Verdict.THE_SAME if 1 / (1 + margin) <= least and most <= 1 + margin else verdict
    by_cell = tuple(
        (str(cell[mine]["cell_id"]), *figures, tuple(times_by_round(*pair)))
        for cell, figures, pair in zip(cells, found, rounds, strict=True)
    )
    return Lead(str(cells[0][other]["pipeline"]), other, times, low, high, str(verdict), by_cell)


def _mean(found: list[tuple[float, float, float]], rounds: list[int], level: float) -> tuple[float, float, float]:
    """The mean of ratios with their intervals, by their logarithms."""
    centres, lows, highs = np.log(found).T
    weights = np.full(len(found), 1 / len(found))
    middle, low, high = certainty.combined(centres, lows, highs, weights, rounds=rounds, confidence=level)
    return math.exp(middle), math.exp(low), math.exp(high)


def times_by_round(other: np.ndarray, mine: np.ndarray) -> list[float]:
    """Returns in each round that both ran how many times as fast the second one was.

    Args:
        other: (rounds,) seconds.
        mine: (rounds,) seconds; the rounds from the first one on.
    """
    common = min(len(mine), len(other))
    return [float(times) for times in np.asarray(other)[:common] / np.asarray(mine)[:common]]


def _shown(pairs, level):
    """For which numbers of examples about those measured the first of each pair is shown to be faster."""
    if not pairs:
        return math.nan, math.nan
    differences = [log_ratios(row, reference, LENGTHS) for row, reference in pairs]
    told = np.all([np.isfinite(each).all(axis=-1) for each in differences], axis=0)
    leads = np.zeros(len(LENGTHS), bool)
    if told.any():
        intervals = [ratios.log_ratio_interval(each[told], level)[:3] for each in differences]
        centre = np.mean([interval[0] for interval in intervals], axis=0)
        above = np.sqrt(sum((interval[2] - interval[0]) ** 2 for interval in intervals)) / len(intervals)
        leads[told] = centre + above < 0
    measured = np.log([row["examples"] for row, _ in pairs]).mean()
    here = int(np.abs(np.log(LENGTHS) - measured).argmin())
    if not leads[here]:
        return math.nan, math.nan
    apart = np.flatnonzero(~leads)
    before, after = apart[apart < here], apart[apart > here]
    first = float(LENGTHS[before[-1] + 1]) if len(before) else None
    last = float(LENGTHS[after[0] - 1]) if len(after) else None
    return first, last


def _step_s(row, reference, margin):
    """Seconds of a training step from which on the first of two gains less than the margin, NaN where not told."""
    try:
        mine, other = (feed_times(each) for each in (row, reference))
    except (StudyError, ValueError):
        return math.nan
    gains = [other.predict(step).epoch_s / mine.predict(step).epoch_s > 1 + margin for step in STEPS_S]
    last = max(np.flatnonzero(gains), default=-1)
    return float(STEPS_S[last + 1]) if 0 <= last < len(STEPS_S) - 1 else math.nan


def feed_times(row: pd.Series) -> FeedTimes:
    """Returns what a row's feed takes by itself.

    Args:
        row: of the results table.

    Raises:
        ValueError: where its epochs were not taken apart.
    """
    parts = [np.asarray(row[f"{part}_s_rounds"], float) for part in ("first_batch", "end")]
    if not all(map(len, parts)):
        raise ValueError("parts of an epoch are missing")
    first, end = (float(np.median(part)) for part in parts)
    overlaps = json.loads(row["knobs"] or "{}").get("prefetch") != 0
    times = [first, float(row["batch_s"]), end]
    if not np.isfinite(times).all():
        raise ValueError("parts of an epoch are missing")
    return FeedTimes(
        first_batch_s=times[0], batch_s=times[1], end_s=times[2], batches=int(row["batches"]), overlaps=overlaps
    )


def _waiting(pairs):
    told = [(float(other["waiting_share"]), float(row["waiting_share"])) for row, other in pairs]
    return next((both for both in told if np.isfinite(both).all()), None)
