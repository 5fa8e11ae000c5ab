"""What the README says of results, written from `data/results`: `python -m helpers.report.readme`, or `make readme`.

In a file, the text between `<!-- results: NAME -->` and `<!-- end -->` is written anew; all other text is left alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from helpers import claims, files, paths, plots
from helpers.errors import StudyError
from helpers.plots.speeds import in_words
from helpers.ratios import Verdict
from helpers.report.run import MACHINE, SIGNS, Run, judge, open_runs
from helpers.results.pairs import fair_rows, reading, select_cells

QUICK = "quick-2-cores"  # the folder of data/results that the answers come from
PICTURE = "answers.png"
MARKED = re.compile(r"(<!-- results: ([\w-]+) -->\n).*?(\n<!-- end -->)", re.S)
WORDS = {  # the sweep's labels, as people call them
    "py_dataset": "Sequence",
    "py_dataset, OpenCV": "Sequence with OpenCV",
    "tf_data": "tf.data, map per image",
    "tf_data, batch map": "tf.data, map per batch",
    "tf_data, one iterator": "tf.data, one iterator for all epochs",
    "image_data_generator": "ImageDataGenerator",
    "tf_image_data_generator": "its port to tf.data",
    "tf_image_data_generator, one iterator": "the port, one iterator for all epochs",
}


@dataclass(frozen=True)
class Question:
    """One comparison of the sweep that an answer rests on.

    Attributes:
        work: what is done, in few words.
        cell: conditions that one cell of the sweep meets, as of `helpers.results.pairs.select_cells`.
        usual: label of what most people would write.
        drawn: labels of the picture's bars, in order; none where words alone tell it.
    """

    work: str
    cell: dict[str, Any]
    usual: str
    drawn: tuple[str, ...] = field(default=())


KINDS = {
    "Light work": (
        Question(
            "noise, 1,000 images of 32x32, batches of 32",
            {"dataset": "synthetic", "transform": "noise", "examples": 1000},
            "tf_data",
            ("py_dataset", "tf_data", "tf_data, batch map", "tf_data, one iterator"),
        ),
        Question("the same on MNIST, batches of 256", {"transform": "noise", "batch_size": 256}, "tf_data"),
    ),
    "Heavy work": (
        Question(
            "resize to 224x224 and standardise, batches of 16",
            {"dataset": "synthetic", "transform": "resize_standardize"},
            "tf_data",
            ("py_dataset", "py_dataset, OpenCV", "tf_data"),
        ),
        Question("the same on JPEG photographs", {"source": "folder", "transform": "resize_standardize"}, "tf_data"),
    ),
    "An old ImageDataGenerator script": (
        Question(
            "shear, zoom and flip of CIFAR-10 pictures re-encoded as JPEG, batches of 32",
            {"source": "folder", "transform": "shear_zoom_flip"},
            "tf_image_data_generator",
            (
                "image_data_generator",
                "tf_image_data_generator",
                "tf_image_data_generator, one iterator",
                "py_dataset, OpenCV",
            ),
        ),
    ),
}


def rows_of(results: pd.DataFrame, question: Question) -> pd.DataFrame:
    """Returns the rows of a question's cell that did the same work, in the table's order, interval as low and high.

    Raises:
        StudyError: where the sweep has no such cell, or several.
    """
    rows = select_cells(fair_rows(results), question.cell)
    if (cells := rows["cell_id"].nunique()) != 1:
        raise StudyError(f"an answer rests on one cell (got {cells} that meet {question.cell}); see {__name__}")
    return rows.rename(columns={"time_ratio_low": "low", "time_ratio_high": "high"})


def answers(results: pd.DataFrame) -> str:
    """Returns one line per kind of work: the fastest pipeline, by how much, and what the usual one does."""
    lines = []
    for kind, questions in KINDS.items():
        told = " ".join(f"{question.work}: {_answer(results, question)}." for question in questions)
        lines.append(f"- **{kind}.** {told[0].upper()}{told[1:]}".replace(". the", ". The"))
    return "\n".join(lines)


def _answer(results, question):
    rows = {row.pipeline: row for row in rows_of(results, question).itertuples()}
    usual = rows[question.usual]
    reference = WORDS[usual.reference]
    reference = f"a {reference}" if reference.startswith("Sequence") else reference
    faster = [row for row in rows.values() if row.verdict == Verdict.FASTER]
    fastest = min(faster, key=lambda row: row.time_ratio, default=None)
    if fastest is None:
        return f"nothing is shown to be faster than {reference}; {WORDS[question.usual]} {in_words(usual)}"
    told = f"**{WORDS[fastest.pipeline]}** is {in_words(fastest)} as {reference}"
    return told if fastest is usual else f"{told}; {WORDS[question.usual]}: {in_words(usual)}"


def picture(results: pd.DataFrame) -> Figure:
    """Draws the answers: a group per kind of work, a bar per pipeline."""
    groups = []
    for kind, (question, *_) in KINDS.items():
        rows = rows_of(results, question).set_index("pipeline", drop=False).loc[list(question.drawn)]
        groups.append(rows.assign(kind=kind, work=question.work, pipeline=[WORDS[label] for label in question.drawn]))
    return plots.speeds(pd.concat(groups))


def verdicts(quick: Run, others: list[Run]) -> str:
    """Returns the verdicts of all claims as a table.

    Args:
        quick: the run that decides.
        others: runs of other grids, each of which decides the claims that name its grid.
    """
    judged = {claim.id: (claim, "") for claim in judge(quick).itertuples()}
    of_grid = {name: run for run in others for name in run.results["grid"].unique()}
    for claim in claims.load():
        if run := of_grid.get(claim.sweep.removesuffix(".yml")):
            (row,) = claims.judge([claim], run.results).itertuples()
            judged[claim.id] = row, f" ({run.path.name})"
    lines = [f"| {row.id} | {row.claim} | {SIGNS[row.verdict]} {row.verdict}{by} |" for row, by in judged.values()]
    return "\n".join(["| | claim, in our words | verdict |", "|---|---|---|", *lines])


def tested(runs: list[Run]) -> str:
    """Returns what was measured on which machine, as a table with a row per run."""
    lines = ["| machine | versions | measured there |", "|---|---|---|"]
    for run in runs:
        known, rows = run.facts(), run.results
        lines.append(
            f"| {known['CPU']}, {known['memory']}, GPU: {known['GPU']}, {known['system']} | {known['versions']} "
            f"| [{run.path.name}](data/results/README.md): {len(rows)} pipelines in {rows['cell_id'].nunique()} "
            f"comparisons, {min(rows['started_at'])[:10]}; {known['data']}; stand-ins: {known['stand-ins']} |"
        )
    return "\n".join(lines)


def every_ratio(results: pd.DataFrame) -> str:
    """Returns all ratios of a run as a table, cell by cell."""
    lines = ["| the same work, proved | pipeline | time of an epoch / the reference's | that is |", "|---|---|---|---|"]
    rows = fair_rows(results).rename(columns={"time_ratio_low": "low", "time_ratio_high": "high"})
    for _, cell in rows.groupby("cell_id", sort=False):
        for number, row in enumerate(cell.itertuples()):
            work = f"{row.dataset_label}, {row.transform}, batch {row.batch_size}, {row.examples:,} images; "
            work += reading(row.source, row.decoding)
            ratio = "1" if row.verdict == "reference" else f"{row.time_ratio:.2f} ({row.low:.2f} to {row.high:.2f})"
            said = "the reference" if row.verdict == "reference" else in_words(row)
            lines.append(f"| {'' if number else work} | {row.pipeline} | {ratio} | {said} |")
    return "\n".join(lines)


def filled(text: str, written: Mapping[str, str]) -> str:
    """Returns a text with what stands between its marks written anew.

    Args:
        text: of a Markdown file.
        written: name of a mark -> what belongs there.

    Raises:
        StudyError: where a mark has a name that nothing is written for.
    """
    if unknown := {name for _, name, _ in MARKED.findall(text)} - set(written):
        raise StudyError(f"a mark must name what is written (got {', '.join(sorted(unknown))}); see {__name__}")
    return MARKED.sub(lambda found: f"{found[1]}\n{written[found[2]]}\n{found[3]}", text)


def everything(root: Path) -> tuple[dict[str, str], dict[Path, Figure]]:
    """Returns what is written: name of a mark -> text, and the pictures: file -> figure.

    Args:
        root: the project's folder.
    """
    known = sorted((root / "data" / "results").glob(f"*/{MACHINE}"))
    runs = open_runs(*(machine.parent for machine in known))
    (quick,) = (run for run in runs if run.path.name == QUICK)
    folder = quick.path.relative_to(root).as_posix()
    figures = {quick.path / PICTURE: picture(quick.results)}
    figures |= {run.path / "ratios.png": plots.ratios(run.results) for run in runs}
    alt = figures[quick.path / PICTURE].get_label()
    return {
        "answers": answers(quick.results),
        "picture": f"![{alt}]({folder}/{PICTURE})",
        "verdicts": verdicts(quick, [run for run in runs if run is not quick]),
        "tested": tested(runs),
        **{f"every-ratio-{run.path.name}": every_ratio(run.results) for run in runs},
    }, figures


def main() -> None:
    """Writes the README, the page of the results, and their pictures."""
    root = paths.project_root()
    written, figures = everything(root)
    for page in pages(root):
        text = filled(page.read_text(encoding="utf-8"), written)
        files.write_whole(page, partial(Path.write_text, data=text, encoding="utf-8"))
    for path, figure in figures.items():
        files.write_whole(path, partial(Path.write_bytes, data=plots.png(figure)))


def pages(root: Path) -> list[Path]:
    """Returns the files that have marks."""
    return [root / "README.md", root / "data" / "results" / "README.md"]


if __name__ == "__main__":
    main()
