"""The results of a class side by side: one table from each laptop, each ratio with its interval, never pooled."""

import functools
from pathlib import Path

import pandas as pd

from helpers import files, plots
from helpers.errors import StudyError
from helpers.ratios import Verdict
from helpers.report import pack
from helpers.report.run import Run, open_runs
from helpers.results import TABLE
from helpers.results.pairs import CONDITIONS, fair_rows

PICTURE = "room.png"
PICTURE_BY = "study room"
# What makes the ratios of two laptops answers to one question; their cores are their own.
QUESTION = (*(name for name in CONDITIONS if name != "cores"), "pipeline", "reference")


def laptops(folder: Path) -> dict[str, Run]:
    """Returns each laptop's results by its name: a run's folder, a NAME.zip of `study pack`, or a NAME.parquet.

    Args:
        folder: of the class; what is no table in it is left alone.

    Raises:
        StudyError: where there are fewer than two, one is damaged, or two hold the same measurement.
    """
    if not folder.is_dir():
        raise StudyError(f"a room must be a folder with one results table per laptop (got {folder}, which is not)")
    tables = [path.parent for path in folder.glob(f"*/{TABLE}")]
    tables += [*folder.glob("*.parquet"), *folder.glob("*.zip")]
    found: dict[str, Run] = {}
    for path in sorted(tables):
        runs = pack.read(path) if path.suffix == ".zip" else open_runs(path)
        for run in runs:
            name = path.stem if path.suffix in (".parquet", ".zip") else path.name
            name = name if len(runs) == 1 else f"{name} ({run.machine_id})"
            if name in found:
                raise StudyError(f"each laptop needs a name of its own (got {name} twice in {folder}); rename one")
            found[name] = run
    if len(found) < 2:
        raise StudyError(
            f"a room needs two laptops or more (got {len(found)} in {folder}); put one folder, or one file of "
            "`study pack`, per laptop there"
        )
    seen: dict[tuple, str] = {}
    for name, run in found.items():
        other = seen.setdefault(_measurement(run), name)
        if other != name:
            raise StudyError(f"each laptop must have measured itself (got one measurement as {other} and as {name})")
    return found


def _measurement(run):
    rounds = (tuple(seconds) for seconds in run.results["epoch_s_rounds"])
    return tuple(run.results["cell_id"]), tuple(rounds)


def side_by_side(found: dict[str, Run]) -> pd.DataFrame:
    """Returns the ratios that two laptops or more have, question by question; nothing is averaged.

    Args:
        found: from `laptops`.

    Returns:
        One row per ratio and laptop: the conditions of its cell, `pipeline`, `reference`, `builder`, `laptop`,
        `machine_id`, `dataset_label`, `time_ratio`, `low`, `high`, `verdict`; and `question`, a number.

    Raises:
        StudyError: where no two laptops have a ratio in common.
    """
    parts = []
    for name, run in found.items():
        fair = fair_rows(run.results)
        parts.append(fair[(fair["pipeline"] != fair["reference"]) & fair["time_ratio"].notna()].assign(laptop=name))
    rows = pd.concat(parts, ignore_index=True)
    rows = rows.rename(columns={"time_ratio_low": "low", "time_ratio_high": "high"})
    questions = rows.groupby(list(QUESTION), sort=False, dropna=False)
    rows = rows.assign(question=questions.ngroup(), answers=questions["laptop"].transform("nunique"))
    shared = rows[rows["answers"] > 1].sort_values(["question", "laptop"], ignore_index=True)
    if shared.empty:
        names = ", ".join(found)
        raise StudyError(f"laptops must have measured something in common (got nothing of {names}); run the same grid")
    columns = [
        *QUESTION,
        "dataset_label",
        "question",
        "builder",
        "laptop",
        "machine_id",
        "time_ratio",
        "low",
        "high",
        "verdict",
    ]
    return shared[columns]


def lines(table: pd.DataFrame) -> list[str]:
    """Returns the table as text: per question the laptops, and how many gave each verdict.

    Args:
        table: from `side_by_side`.
    """
    told = []
    for _, rows in table.groupby("question", sort=False):
        first = next(rows.itertuples())
        told.append(f"{plots.condition(first)}: {first.pipeline} against {first.reference}")
        width = max(map(len, rows["laptop"]))
        for row in rows.itertuples():
            told.append(f"  {row.laptop:{width}}  {row.time_ratio:.2f} ({row.low:.2f} to {row.high:.2f}) {row.verdict}")
        counts = rows["verdict"].value_counts()
        verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if verdict in counts)
        told.append(f"  of {len(rows)} laptops: {verdicts}")
    return told


def show(folder: Path) -> Path:
    """Prints what the laptops of a class found, and draws it into one picture.

    Args:
        folder: as for `laptops`; the picture goes there, as `PICTURE`.

    Returns:
        The picture's file.

    Raises:
        StudyError: as `laptops` and `side_by_side`, and where a file of that name is not one that this command wrote.
    """
    target = folder / PICTURE
    table = side_by_side(laptops(folder))
    if target.exists() and not _is_ours(target):
        raise StudyError(f"only a picture of `study room` may be replaced (got {target}); move it away")
    figure = plots.room(table)
    print("\n".join(lines(table)))
    print("Each ratio holds for its laptop. They are not averaged: where they differ, the machines do.")
    picture = plots.png(figure, software=PICTURE_BY)
    files.write_whole(target, functools.partial(Path.write_bytes, data=picture))
    return target


def _is_ours(path):
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            return picture.info.get("Software") == PICTURE_BY
    except (UnidentifiedImageError, OSError):
        return False
