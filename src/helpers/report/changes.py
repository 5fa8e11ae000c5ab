"""What changed from one run to another, as lines: ratios of ratios, and claims that turned round."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from helpers.claims import Judgement
from helpers.errors import StudyError
from helpers.ratios import Verdict, in_words
from helpers.report.run import Run, judge, open_runs
from helpers.results.changes import changes

DECIDED = {Judgement.SUPPORTED, Judgement.REFUTED}


@dataclass(frozen=True)
class Changed:
    """What changed between two runs of the same cells, in lines, and whether a pipeline became slower."""

    lines: tuple[str, ...]
    is_slower: bool


def print_changes(run: str | Path, other: str | Path) -> bool:
    """Prints what changed from a run to another one of the same cells, and which claims turned round.

    Args:
        run: folder or Parquet file of the earlier one, or of the one to hold the other against.
        other: of the later one.

    Returns:
        Whether a pipeline became slower.

    Raises:
        StudyError: where one of them is of several machines, or they share no cell.
    """
    runs = open_runs(run), open_runs(other)
    verdicts = [judge(of_run[0], keeps=True).set_index("id")["verdict"] for of_run in runs]
    told = changed(*runs, verdicts=[dict(of_run) for of_run in verdicts])
    print("\n".join(told.lines))
    return told.is_slower


def changed(runs: Sequence[Run], others: Sequence[Run], *, verdicts: Sequence[Mapping[str, str]]) -> Changed:
    """Holds a run against another one of the same cells.

    Args:
        runs: the earlier run, by machine.
        others: the later one.
        verdicts: claim -> verdict, of the earlier one's first machine and of the later one's.

    Raises:
        StudyError: where one of them is of several machines, or they share no cell.
    """
    before, after = _single(runs), _single(others)
    table = changes(before.results, after.results)
    if table.empty:
        told = f"two runs are compared by the cells that both have (got none in {before.path} and {after.path})"
        raise StudyError(f"{told}; run the same grid")
    return Changed(tuple(_lines(before, after, table, verdicts)), bool((table["verdict"] == Verdict.SLOWER).any()))


def _single(opened):
    if len(opened) > 1:
        machines = ", ".join(run.machine_id for run in opened)
        told = f"a run that is held against another must be of one machine (got {machines} in {opened[0].path})"
        raise StudyError(told)
    return opened[0]


def _lines(before: Run, after: Run, table: pd.DataFrame, verdicts) -> Iterable[str]:
    yield f"{after.path} against {before.path}: ratios to the cell's reference over what they were; above 1 is slower"
    over_all = table["where"] == "all cells"
    is_changed = table["verdict"].isin([Verdict.SLOWER, Verdict.FASTER])
    for row in table[over_all | is_changed].itertuples():
        indent, where = ("  ", "") if row.where == "all cells" else ("    ", f" {row.where}:")
        cells = "1 cell" if row.cells == 1 else f"{row.cells} cells"
        verdict = in_words(row.verdict, row.low, row.high)
        span = f"x{row.ratio:.3f} ({row.low:.3f} to {row.high:.3f})"
        yield f"{indent}{row.pipeline}:{where} {span} {verdict}; {cells}, epochs of {row.examples} examples"
    counts = table["verdict"].value_counts()
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if verdict in counts)
    chance = f"all at 95% together; {0.05 * len(table):.1f} expected by chance if each stood alone"
    yield f"  {len(table)} questions ({chance}): {told}"
    if table.attrs["scatter"] > 1:
        yield f"  changes scatter {table.attrs['scatter']:.1f} times as much as rounds say; intervals are so much wider"
    earlier, later = verdicts
    turned = [
        f"{claim} {verdict} → {later[claim]}"
        for claim, verdict in earlier.items()
        if verdict != later[claim] and {verdict, later[claim]} <= DECIDED
    ]
    yield f"  claims that turned round: {'; '.join(turned) or 'none'}"
