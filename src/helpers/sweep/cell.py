"""Runs one cell of a sweep by papermill, in a kernel and a temporary folder of its own."""

import json
import os
import shutil
import sys
import tempfile
import traceback
from contextlib import contextmanager, nullcontext
from pathlib import Path

from helpers import files, results
from helpers.machine import limits
from helpers.sweep import kernels
from helpers.sweep.grid import Cell

# What nbclient says of two kernels that start at the same moment and pick the same port: neither has run anything.
NEVER_BEGAN = "Kernel died before replying to kernel_info"


def run_cell(
    notebook: Path, cell: Cell, folder: Path, cell_timeout_s: float, *, starter: kernels.Stock = kernels.STOCK
) -> bool:
    """Runs one cell in a kernel of its own, and once more where that never began.

    Args:
        notebook: what is run.
        cell: with these parameters.
        folder: gets the executed notebook, the kernel's log, and the rows or the error; emptied before.
        cell_timeout_s: seconds after which it is ended.
        starter: what starts the kernel: `kernels.STOCK`, or a `kernels.Warm` of this process. A cell that names its
            cores gets a stock one in any case, held to them from its start: a kernel that is forked has OpenBLAS with
            a thread for each core of the server.

    Returns:
        Whether its rows are there, whole.
    """
    if cell.parameters.get("cores"):
        starter = kernels.STOCK
    error = _execute(notebook, cell, folder, cell_timeout_s, starter)
    if isinstance(error, RuntimeError) and NEVER_BEGAN in str(error):
        error = _execute(notebook, cell, folder, cell_timeout_s, starter)
    if error is None and results.read_cell(folder, cell.id) is not None:
        return True
    reason = "".join(traceback.format_exception_only(error)) if error else "the cell wrote no whole rows file"
    for name in (results.DONE, results.ROWS):
        (folder / name).unlink(missing_ok=True)
    (folder / "error.txt").write_text(f"{json.dumps(cell.parameters, indent=2)}\n\n{reason}\n", encoding="utf-8")
    return False


def _execute(notebook, cell, folder, cell_timeout_s, starter):
    """Runs the notebook in an emptied folder; returns the error that ended it, or None."""
    import papermill

    shutil.rmtree(folder, ignore_errors=True)
    files.make_folder(folder)
    with _scratch(), _stderr_into(folder / "kernel.log"):
        cores = cell.parameters.get("cores")
        try:
            with limits.restricted_to(cores) if cores else nullcontext():
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
        except Exception as error:
            return error
    return None


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


@contextmanager
def _scratch():
    """Gives the cell a temporary folder of its own."""
    with files.scratch("cell") as scratch:
        variables = {"TMPDIR": str(scratch), "TF_CPP_MIN_LOG_LEVEL": "2"}
        before = {name: os.environ[name] for name in variables if name in os.environ}
        os.environ.update(variables)
        tempfile.tempdir = None  # the connection file goes there too
        try:
            yield
        finally:
            tempfile.tempdir = None
            for name in variables:
                del os.environ[name]
            os.environ.update(before)
