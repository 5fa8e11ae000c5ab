"""What changed from one run to another, as lines: ratios of ratios, and claims that turned round."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from helpers.claims import Judgement
from helpers.errors import StudyError
from helpers.ratios import Verdict, in_words
from helpers.report import page
from helpers.report.run import Run, judge, open_runs, print_verdicts
from helpers.results.changes import changes

DECIDED = {Judgement.SUPPORTED, Judgement.REFUTED}


def tell(run: str | Path, other: str | Path | None = None, *, fail_on_slower: bool = False) -> bool:
    """Prints a run's verdicts, and what changed to a second one; writes the page of both.

    Args:
        run: folder or Parquet file.
        other: of the second run; None: there is none.
        fail_on_slower: whether to look for a pipeline that became slower; two runs that cannot be compared are an
            error then.

    Returns:
        Whether one became slower, where that was asked.

    Raises:
        StudyError: where there is one run only though changes were asked for, or they cannot be told.
    """
    if fail_on_slower and not other:
        raise StudyError("--fail-on-slower needs two runs (got one); give RUN and RUN2")
    print_verdicts(run)
    slower = False
    if other:
        try:
            slower = print_changes(run, other)
        except StudyError as error:
            if fail_on_slower:
                raise
            print(f"what changed is not told: {error}")
    print(f"report: {page.write(run, other)}")
    return slower and fail_on_slower


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
    before, after = _single(run), _single(other)
    table = changes(before.results, after.results)
    if table.empty:
        raise StudyError(
            f"two runs are compared by the cells that both have (got none in {run} and {other}); run the same grid"
        )
    print("\n".join(_lines(before, after, table)))
    return bool((table["verdict"] == Verdict.SLOWER).any())


def _single(run):
    opened = open_runs(run)
    if len(opened) > 1:
        machines = ", ".join(one.machine_id for one in opened)
        raise StudyError(f"a run that is held against another must be of one machine (got {machines} in {run})")
    return opened[0]


def _lines(before: Run, after: Run, table: pd.DataFrame) -> Iterable[str]:
    yield f"{after.path} against {before.path}: ratios to the cell's reference over what they were; above 1 is slower"
    over_all = table["where"] == "all cells"
    changed = table["verdict"].isin([Verdict.SLOWER, Verdict.FASTER])
    for row in table[over_all | changed].itertuples():
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
    judged = [judge(run, keeps=True).set_index("id")["verdict"] for run in (before, after)]
    turned = [
        f"{claim} {judged[0][claim]} → {judged[1][claim]}"
        for claim in judged[0].index
        if judged[0][claim] != judged[1][claim] and {judged[0][claim], judged[1][claim]} <= DECIDED
    ]
    yield f"  claims that turned round: {'; '.join(turned) or 'none'}"
