"""The report of a run: notebook 10 executed on its results, as one self-contained HTML file."""

import html
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from helpers import claims, files, machine, paths, results
from helpers.claims import evidence
from helpers.errors import StudyError

NOTEBOOK = "10_read_the_verdicts.ipynb"
REPORT, EVIDENCE, MACHINE = "report.html", "evidence.json", "machine.json"
# Verdicts are told by a word and a sign, never by colour alone.
SIGNS = {"supported": "✓", "refuted": "✗", "depends": "≈", "undecided yet": "?", "not testable": "–"}
LEFT_OUT = {"lesson", "widgets", "solution", "check", "parameters", "injected-parameters"}


@dataclass(frozen=True)
class Run:
    """One machine's results of one run.

    Attributes:
        name: of the run, for people.
        place: its folder, or the Parquet file.
        results: the rows, of one machine.
        machine: what is known of it, from machine.json; {} if there is no such file.
    """

    name: str
    place: Path
    results: pd.DataFrame
    machine: dict = field(default_factory=dict)

    @property
    def machine_id(self) -> str:
        """Of the machine that measured."""
        return str(self.results["machine_id"].iloc[0])

    @property
    def stand_ins(self) -> list[str]:
        """Labels of data that is a stand-in for a real set."""
        labels = self.results.loc[~self.results["real"].astype(bool), "dataset_label"]
        return [label for label in dict.fromkeys(labels) if "stand-in" in label]

    def facts(self) -> dict[str, str]:
        """What measured, what was measured, and on which data, as people read it."""
        known = self.machine
        cells = self.results.drop_duplicates("cell_id")
        what = {"run": self.name, "machine": self.machine_id}
        if known:
            versions = known.get("versions", {})
            what |= {
                "CPU": f"{known.get('cpu', '?')}, {known.get('cores', 0):g} cores usable",
                "memory": f"{known.get('memory_bytes', 0) / 2**30:.1f} GiB",
                "GPU": ", ".join(known.get("gpus", [])) or "none",
                "system": known.get("system", "?"),
                "versions": ", ".join(f"{name} {versions[name]}" for name in ("python", "tensorflow", "keras", "numpy")
                                      if name in versions),
            }  # fmt: skip
        return what | {
            "measured": f"{min(self.results['started_at'])} to {max(self.results['started_at'])}",
            "cells": f"{len(cells)}, with {len(self.results)} pipelines; {self.results['rounds'].sum():,} timed epochs",
            "data": ", ".join(dict.fromkeys(self.results["dataset_label"])),
            "stand-ins": ", ".join(self.stand_ins) or "none",
        }

    def _repr_html_(self):
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
            for name, value in self.facts().items()
        )
        warning = ""
        if self.stand_ins:
            warning = (
                f"<p><strong>Stand-ins:</strong> {html.escape(', '.join(self.stand_ins))} are generated data of the "
                "real set's format; speeds hold for the format, nothing holds for the real pictures.</p>"
            )
        return f"<table>{rows}</table>{warning}"


def find(place: str | Path = "") -> Path:
    """Returns where results are: the place given, or else the newest run, or else the project's reference.

    Raises:
        StudyError: where there are none.
    """
    if place:
        return Path(place)
    runs = sorted((paths.data_dir() / "runs").glob(f"*/{results.TABLE}"), key=lambda path: path.stat().st_mtime)
    if runs:
        return runs[-1].parent
    reference = paths.project_root() / "data" / "results"
    kept = [path.parent if path.name == results.TABLE else path for path in sorted(reference.glob("**/*.parquet"))]
    if not kept:
        raise StudyError("no results are here yet (no run under data/runs, none in data/results); run `make study`")
    return kept[-1]


def open_runs(*places: str | Path) -> list[Run]:
    """Opens results, one Run a place and machine: rows of different machines are never merged.

    Args:
        *places: runs' folders or Parquet files; an empty one is left out.

    Raises:
        StudyError: where a table is not there, not whole, of another schema, or empty.
    """
    import json

    runs = []
    for place in map(Path, filter(None, places)):
        table = results.read(place)
        if table.empty:
            raise StudyError(f"a report needs results (got a table without rows in {place}); run the sweep again")
        beside = (place if place.is_dir() else place.parent) / MACHINE
        known = {}
        if beside.is_file():
            try:
                known = json.loads(beside.read_text())
            except ValueError:
                raise StudyError(f"{beside} must be JSON; run `study sweep` again with --resume") from None
        name = place.name if place.is_dir() else place.stem
        for machine_id, rows in table.groupby("machine_id", sort=False):
            of_it = known if known.get("id", machine_id) == machine_id else {}
            runs.append(Run(name, place, rows.reset_index(drop=True), of_it))
    return runs


def judge(run: Run, *, keeps: bool = False, retry: bool = False) -> pd.DataFrame:
    """Judges the project's claims on a run.

    What is shown rather than timed is read from the run's evidence.json if the machine that measured left it
    there; otherwise it is tried here and now, which takes about half a minute.

    Args:
        run: from `open_runs`.
        keeps: whether what was tried is kept beside the results, for the next time.
        retry: whether what was kept undecided is tried again.
    """
    asked = claims.load()
    wanted = claims.wanted_evidence(asked)
    keep = (run.place if run.place.is_dir() else run.place.parent) / EVIDENCE
    shown = evidence.kept_for(keep, run.machine_id)
    here = machine.describe().id
    missing = [name for name in wanted if name not in shown or (retry and here == run.machine_id)]
    if missing:
        where = "" if here == run.machine_id else f" (tried on machine {here})"
        tried = evidence.kept_for(keep, here)
        if retry or not set(missing) <= set(tried):
            writable = keeps and os.access(keep.parent, os.W_OK)
            tried = evidence.collect(missing, keep=keep if writable else None, retry=retry)
        for name in missing:
            one = tried[name]
            shown[name] = evidence.Evidence(one.verdict, one.text + where, one.needs)
    return claims.judge(asked, run.results, shown=shown)


def verdict_table(judged: dict[str, pd.DataFrame]) -> str:
    """Returns the verdicts as an HTML table: a row a claim, for one run or for several side by side.

    Args:
        judged: name of the run -> its table from `claims.judge`; all of the same claims.
    """
    names = list(judged)
    first = judged[names[0]]
    head = "".join(f"<th scope='col'>verdict{'' if len(names) == 1 else ': ' + html.escape(one)}</th>" for one in names)
    rows = []
    for place, claim in enumerate(first.itertuples()):
        found = [judged[name].iloc[place] for name in names]
        cells = "".join(
            f"<td><strong style='white-space:nowrap'>{SIGNS[one['verdict']]} {one['verdict']}</strong></td>"
            for one in found
        )
        told = []
        for name, one in zip(names, found, strict=True):
            parts = [html.escape(line) for line in one["evidence"].split("\n")]
            if one["crossover"]:
                parts.append(f"<em>Depends:</em> {html.escape(one['crossover'])}")
            if one["needs"]:
                parts.append(f"<em>Needs:</em> {html.escape(one['needs'])}")
            prefix = f"<strong>{html.escape(name)}:</strong> " if len(names) > 1 else ""
            told.append(prefix + "<br>".join(parts))
        style = "style='text-align:left;vertical-align:top'"
        rows.append(
            f"<tr><th scope='row' {style}>{html.escape(claim.id)}</th><td {style}>{html.escape(claim.claim)}</td>"
            f"{cells.replace('<td>', f'<td {style}>')}<td {style}>{'<br>'.join(told)}</td></tr>"
        )
    return (
        f"<table><thead><tr><th scope='col'>id</th><th scope='col'>claim</th>{head}<th scope='col'>evidence</th></tr>"
        f"</thead><tbody>{''.join(rows)}</tbody></table>"
    )


def print_verdicts(run: str | Path) -> None:
    """Prints a line a claim, and how many of each verdict there are."""
    for opened in open_runs(run):
        judged = judge(opened, keeps=True, retry=True)
        print(f"{opened.name}, machine {opened.machine_id}")
        for claim in judged.itertuples():
            tail = " ".join(filter(None, (claim.crossover, f"needs: {claim.needs}" if claim.needs else "")))
            print(
                f"  {claim.id:4} {SIGNS[claim.verdict]} {claim.verdict:14} {claim.claim}"
                + (f" [{tail}]" if tail else "")
            )
        counts = judged["verdict"].value_counts()
        print("  " + ", ".join(f"{counts[one]} {one}" for one in claims.Judgement if one in counts))


def write(run: str | Path, other: str | Path | None = None) -> Path:
    """Executes notebook 10 on a run's results and writes report.html into its folder, whole or not at all.

    Args:
        run: the run's folder, or a Parquet file.
        other: a second run, put beside the first.

    Returns:
        The report.

    Raises:
        StudyError: where there are no results, or the report cannot be made or written.
    """
    run = Path(run).resolve()
    other = Path(other).resolve() if other else ""
    opened = open_runs(run, other)
    for one in opened:
        judge(one, keeps=True)
    notebook = paths.project_root() / "notebooks" / NOTEBOOK
    folder = run if run.is_dir() else run.parent
    with tempfile.TemporaryDirectory(prefix="study-report-") as place:
        executed = Path(place) / NOTEBOOK
        # A process of its own keeps what the kernel logs off the screen.
        command = [sys.executable, "-m", "papermill", notebook, executed, "--cwd", notebook.parent, "-k", "python3"]
        given = [
            "-r",
            "results_path",
            run,
            "-r",
            "other_path",
            other,
            "--no-progress-bar",
            "--execution-timeout",
            "300",
        ]
        ran = subprocess.run([*command, *given], capture_output=True, text=True)
        if ran.returncode:
            told = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise StudyError(f"the report's notebook failed ({told}); run {NOTEBOOK} by hand to see where")
        page = to_html(executed, title=f"Verdicts: {', '.join(dict.fromkeys(one.name for one in opened))}")
    target = folder / REPORT
    try:
        files.write_whole(target, lambda path: path.write_text(page, encoding="utf-8"))
    except OSError as error:
        raise StudyError(f"the report cannot be written to {target} ({error.strerror}); make room or access") from None
    return target


STYLE = """
body {font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 72rem; margin: 2rem auto;
 padding: 0 1rem}
table {border-collapse: collapse; margin: 1rem 0; font-size: .9rem; display: block; overflow-x: auto}
th, td {border: 1px solid #bbb; padding: .35rem .6rem; text-align: left; vertical-align: top}
thead th {background: #eee}
img {max-width: 100%; height: auto}
pre {white-space: pre-wrap; font-size: .9rem}
.anchor-link {display: none}
"""
# No script, nothing from the network, by the page's own rule.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def to_html(notebook: Path, *, title: str) -> str:
    """Returns an executed notebook as one page: no code, no script, pictures inside, nothing from the network.

    Args:
        notebook: the file.
        title: of the page.
    """
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    config = Config()
    config.TagRemovePreprocessor.remove_cell_tags = LEFT_OUT
    config.HTMLExporter.preprocessors = ["nbconvert.preprocessors.TagRemovePreprocessor"]
    exporter = HTMLExporter(
        config=config,
        template_name="basic",
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    body, _ = exporter.from_filename(str(notebook))
    body = re.sub(r"<script\b.*?</script>", "", body, flags=re.DOTALL)
    name = html.escape(title)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{name}</title>\n<style>{STYLE}</style>\n'
        f"</head>\n<body>\n<main>\n<h1>{name}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )
