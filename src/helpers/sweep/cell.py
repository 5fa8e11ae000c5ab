"""Runs one cell of a sweep by papermill, in a kernel and a temporary folder of its own."""

import hashlib
import json
import os
import shutil
import sys
import tempfile
import traceback
from contextlib import contextmanager

from helpers import results
from helpers.sweep import kernels


def run_cell(notebook, cell, folder, cell_timeout_s, *, starter=kernels.STOCK):
    """Runs one cell in a kernel of its own; returns whether its rows are there, whole.

    `starter` is what starts the kernel: `kernels.STOCK`, or a `kernels.Warm` of this process.
    """
    import papermill

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    error = None
    with _scratch(folder), _stderr_into(folder / "kernel.log"):
        try:
            papermill.execute_notebook(
                str(notebook),
                str(folder / "executed.ipynb"),
                parameters={**cell.parameters, "out": str(folder.resolve()), "launcher": starter.launcher},
                kernel_name="python3",
                progress_bar=False,
                execution_timeout=int(cell_timeout_s),
                cwd=str(notebook.parent),
                shutdown_kernel="immediate",  # its rows are on the disk
                **starter.engine_options(),
            )
        except Exception as caught:
            error = caught
    if error is None and results.read_cell(folder) is not None:
        return True
    reason = "".join(traceback.format_exception_only(error)) if error else "the cell wrote no whole rows file"
    (folder / results.ROWS).unlink(missing_ok=True)
    (folder / "error.txt").write_text(f"{json.dumps(cell.parameters, indent=2)}\n\n{reason}\n")
    return False


@contextmanager
def _stderr_into(file):
    """Sends what this process's children write to stderr into a file: a kernel's log lines, or its last words."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(file, "wb") as opened:
        os.dup2(opened.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def scratch_name(cells):
    """How the temporary folders of a run's cells begin, so that those of a killed sweep are found again."""
    return f"study-cell-{hashlib.sha256(str(cells.resolve()).encode()).hexdigest()[:12]}-"


@contextmanager
def _scratch(folder):
    """Gives the cell a temporary folder of its own."""
    place = tempfile.mkdtemp(prefix=f"{scratch_name(folder.parent)}{folder.name}-")
    try:
        with _environment(TMPDIR=place, TF_CPP_MIN_LOG_LEVEL="2"):
            tempfile.tempdir = None  # the connection file goes there too
            yield
    finally:
        tempfile.tempdir = None
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _environment(**variables):
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
