"""The page of a run, or of several side by side: the answer first, then the verdicts, then everything behind them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from helpers import claims, files, paths
from helpers.errors import StudyError
from helpers.report.cards import Card, cards
from helpers.report.changes import Changed, changed
from helpers.report.first_screen import FirstScreen, first_screen
from helpers.report.run import SIGNS, TEMPLATES, Run, folder_of, open_runs
from helpers.report.tables import differences_of_machines, tables

REPORT = "report.html"


def verdict_table(judged: dict[str, pd.DataFrame]) -> str:
    """Returns the verdicts as an HTML table with one row per claim, for one run or for several side by side.

    Args:
        judged: name of the run -> its table from `claims.judge`; all of the same claims.
    """
    rows = zip(*(table.itertuples() for table in judged.values()), strict=True)
    return files.filled(TEMPLATES / "verdicts.html", names=list(judged), claims=rows, signs=SIGNS)


@dataclass(frozen=True)
class Examined:
    """What a report says, before it is written.

    Attributes:
        folder: where the page goes.
        runs: each machine's results, the first run's first.
        names: of the runs, each its own.
        cards: the claims, judged on each.
        screen: the first screen.
        changed: what changed from the first run to the second; None where there is one run, or it cannot be told.
        untold: why it cannot be told; "" where it can, or there is one run.
    """

    folder: Path
    runs: tuple[Run, ...]
    names: tuple[str, ...]
    cards: tuple[Card, ...]
    screen: FirstScreen
    changed: Changed | None
    untold: str


def examine(
    run: str | Path,
    other: str | Path | None = None,
    *,
    retry: bool = False,
    link: Callable[[str], str] | None = None,
) -> Examined:
    """Works out what a report says.

    Args:
        run: the run's folder, or a Parquet file.
        other: a second run, put beside the first.
        retry: whether evidence that was kept undecided is tried again.
        link: name of a notebook -> where the page is to link to; None: to the notebooks, as seen from the run's folder.

    Raises:
        StudyError: where there are no results.
    """
    first, second = open_runs(Path(run).resolve()), open_runs(Path(other).resolve()) if other else []
    runs, folder = (*first, *second), folder_of(Path(run).resolve())
    different = len({opened.name for opened in runs}) == len(runs)
    names = tuple(opened.name if different else f"{opened.name} ({opened.machine_id})" for opened in runs)
    judged = tuple(cards(runs, retry=retry))
    verdicts = [{card.claim.id: card.judged[which].verdict for card in judged} for which in range(len(runs))]
    screen = first_screen(runs, [list(of_run.values()) for of_run in verdicts], link=link or _to_lessons(folder))
    found, untold = None, ""
    if second:
        try:
            found = changed(first, second, verdicts=[verdicts[0], verdicts[len(first)]])
        except StudyError as error:
            untold = str(error)
    return Examined(folder, runs, names, judged, screen, found, untold)


def _to_lessons(folder):
    """Returns name of a notebook -> where it lies, as seen from the page."""
    notebooks = paths.project_root() / "notebooks"
    return lambda name: Path(os.path.relpath(notebooks / name, folder)).as_posix()


def html(examined: Examined) -> str:
    """Returns the page: no other file, nothing from the network, one script that it names by its hash.

    Args:
        examined: what it says.
    """
    body = files.filled(
        TEMPLATES / "report.html",
        report=examined,
        runs=[tables(run) for run in examined.runs],
        differences=differences_of_machines(examined.runs) if len(examined.runs) > 1 else [],
        judgements=[str(verdict) for verdict in claims.Judgement],
        signs=SIGNS,
    )
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    title = f"Which pipeline? {', '.join(dict.fromkeys(examined.names))}"
    return files.page(body, title=title, style=style, script=script)


def write(run: str | Path, other: str | Path | None = None, *, examined: Examined | None = None) -> Path:
    """Writes report.html into a run's folder, whole or not at all.

    Args:
        run: the run's folder, or a Parquet file.
        other: a second run, put beside the first.
        examined: what `examine` said of them, so that it is not asked again.

    Returns:
        The report.

    Raises:
        StudyError: where there are no results, or the report cannot be written.
    """
    examined = examined or examine(run, other)
    page, target = html(examined), examined.folder / REPORT
    try:
        files.write_whole(target, lambda path: path.write_text(page, encoding="utf-8"))
    except OSError as error:
        raise StudyError(f"the report cannot be written to {target} ({error.strerror}); make room or access") from None
    return target
