"""The page of a run: notebook 10 executed on its results, as one self-contained HTML file."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from helpers import files, paths
from helpers.errors import StudyError
from helpers.machine import processes
from helpers.report.render import render
from helpers.report.run import SIGNS, folder_of, judge, open_runs

NOTEBOOK = "10_read_the_verdicts.ipynb"
REPORT = "report.html"
DEADLINE_S = 600.0
LEFT_OUT = {"lesson", "widgets", "solution", "check", "parameters", "injected-parameters"}


def verdict_table(judged: dict[str, pd.DataFrame]) -> str:
    """Returns the verdicts as an HTML table with one row per claim, for one run or for several side by side.

    Args:
        judged: name of the run -> its table from `claims.judge`; all of the same claims.
    """
    rows = zip(*(table.itertuples() for table in judged.values()), strict=True)
    return render("verdicts.html", names=list(judged), claims=rows, signs=SIGNS)


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
    runs = open_runs(run, other)
    for opened in runs:
        judge(opened, keeps=True)
    with files.scratch("report") as folder:
        executed = folder / NOTEBOOK
        _execute(executed, results_path=run, other_path=other)
        page = to_html(executed, title=f"Verdicts: {', '.join(dict.fromkeys(opened.name for opened in runs))}")
    target = folder_of(run) / REPORT
    try:
        files.write_whole(target, lambda path: path.write_text(page, encoding="utf-8"))
    except OSError as error:
        raise StudyError(f"the report cannot be written to {target} ({error.strerror}); make room or access") from None
    return target


def _execute(target, **parameters):
    """Runs notebook 10 in a process of its own, which keeps what the kernel logs off the screen.

    Its temporary folder is that of `target`, which is this user's alone.
    """
    notebook = paths.project_root() / "notebooks" / NOTEBOOK
    options = {
        "input_path": str(notebook),
        "output_path": str(target),
        "cwd": str(notebook.parent),
        "parameters": {name: str(value) for name, value in parameters.items()},
        "kernel_name": "python3",
        "progress_bar": False,
        "execution_timeout": int(DEADLINE_S),
    }
    code = (
        "import json, sys, papermill; from helpers.sweep import kernels; "
        "papermill.execute_notebook(**json.loads(sys.argv[1]), **kernels.STOCK.engine_options())"
    )
    try:
        ran = processes.run(
            [sys.executable, "-P", "-c", code, json.dumps(options)],
            deadline_s=DEADLINE_S,
            env={**os.environ, "TMPDIR": str(target.parent)},
        )
    except subprocess.TimeoutExpired:
        raise StudyError(
            f"the report's notebook must end within {DEADLINE_S:g} s (it was ended); run {NOTEBOOK} by hand"
        ) from None
    if ran.returncode:
        told = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StudyError(f"the report's notebook failed ({told}); run {NOTEBOOK} by hand to see where")


def to_html(notebook: Path, *, title: str) -> str:
    """Returns an executed notebook as one page: no code, no script, pictures inside, nothing from the network.

    Args:
        notebook: the file.
        title: of the page.
    """
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    exporter = HTMLExporter(
        config=Config(
            TagRemovePreprocessor={"remove_cell_tags": LEFT_OUT},
            HTMLExporter={"preprocessors": ["nbconvert.preprocessors.TagRemovePreprocessor"]},
        ),
        template_name="basic",
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    body, _ = exporter.from_filename(str(notebook))
    body = re.sub(r"<script\b.*?</script>", "", body, flags=re.DOTALL)
    return render("page.html", title=title, body=Markup(body))
