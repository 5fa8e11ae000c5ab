"""Runs a grid: one papermill run a cell, resumable, and nothing lost when it is killed."""

import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from helpers import grid as grids
from helpers import kernels, results
from helpers.errors import StudyError

CELL_TIMEOUT_S = 1800


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended.

    Attributes:
        done: cells that ran now.
        before: cells that were done before.
        failed: ids of the cells that failed.
        wall_s: seconds.
        timed_share: share of the wall time that the cells spent in timed or warm-up work.
    """

    done: int
    before: int
    failed: tuple[str, ...]
    wall_s: float
    timed_share: float

    @property
    def exit_code(self) -> int:
        """0 done, 1 some cells failed."""
        return 1 if self.failed else 0


def run(
    grid_path: Path | str,
    out: Path | str,
    *,
    resume: bool = False,
    cell_timeout_s: float = CELL_TIMEOUT_S,
    progress: bool = True,
    scheduler: str | None = None,
    launcher: str = "auto",
) -> Outcome:
    """Runs every cell of a grid that is not done yet.

    A cell is done when its rows file is whole; papermill's own metadata is no sign of it. A cell that fails keeps
    its notebook and its traceback, and the sweep goes on.

    Args:
        grid_path: the grid.
        out: the run's folder.
        resume: go on in a folder that holds a run of this grid.
        cell_timeout_s: a cell that takes longer is ended and counts as failed.
        progress: show a progress bar.
        scheduler: address of a Dask scheduler whose workers run the cells; None: this process does.
        launcher: how the kernels are started, see `kernels.start`.

    Raises:
        StudyError: before anything runs, for a bad grid or folder, or data that is not there; later, where the
            folder can no longer be written.
    """
    from helpers import machine

    here = machine.describe()
    plan = grids.load(grid_path, machine_id=here.id)
    _provide_data(plan)
    out = Path(out)
    _check_folder(out, plan, resume)
    start = time.monotonic()
    with _locked(out), _told_from(out):
        for left in out.glob(f".*{results.PART}"):  # of a sweep that was killed while it wrote
            left.unlink()
        for left in Path(tempfile.gettempdir()).glob(f"{_scratch_name(out / 'cells')}*"):
            shutil.rmtree(left, ignore_errors=True)
        results.write_json(out / "machine.json", here.to_dict())
        results.write_whole(out / "grid.yml", lambda place: place.write_text(plan.text))
        missing = [cell for cell in plan.cells if results.read_cell(out / "cells" / cell.id) is None]
        before = len(plan.cells) - len(missing)
        if before:
            print(f"{before} of {len(plan.cells)} cells were done before")
        try:
            failed = _run_cells(plan, missing, out, cell_timeout_s, progress, launcher, scheduler)
        finally:  # also when interrupted: what is done may be looked at
            table = results.gather(out, [cell.id for cell in plan.cells])
    wall_s = time.monotonic() - start
    ran = {cell.id for cell in missing}
    timed_s = table[table["cell_id"].isin(ran)].drop_duplicates("cell_id")["timed_s"].sum() if len(table) else 0.0
    outcome = Outcome(len(missing) - len(failed), before, tuple(failed), wall_s, timed_s / wall_s)
    _say(outcome, out)
    return outcome


def _say(outcome, out):
    if not outcome.done and not outcome.failed:
        print(f"nothing to do: all {outcome.before} cells of {out} are done")
        return
    print(
        f"{outcome.done} cells done in {outcome.wall_s / 60:.1f} min, {outcome.timed_share:.0%} of it timed or warm-up"
    )
    for cell in outcome.failed:
        error = (out / "cells" / cell / "error.txt").read_text().strip().splitlines()
        print(f"failed: {out / 'cells' / cell}: {error[-1] if error else 'no reason given'}", file=sys.stderr)


def _provide_data(plan):
    """Checks that all data is here; generates the stand-ins that the grid fell back on, and says so."""
    from helpers import datasets

    for name in dict.fromkeys(cell.parameters["dataset"] for cell in plan.cells):
        if name.endswith("-standin") and datasets.best_available(name.removesuffix("-standin")) == name:
            print(f"real {name.removesuffix('-standin')} is not prepared: using {name}, which is generated")
            datasets.prepare(name)
        datasets.require(name)


def _check_folder(out, plan, resume):
    """Refuses a folder that holds something else, or a run that was not to be resumed."""
    if out.exists() and not out.is_dir():
        raise StudyError(f"--out must be a folder (got the file {out})")
    if (out / "cells").is_dir() and not resume:
        raise StudyError(f"{out} holds a run already; give --resume to go on with it, or another folder")
    earlier = out / "grid.yml"
    if earlier.is_file() and grids.yaml.safe_load(earlier.read_text()).get("name", plan.name) != plan.name:
        raise StudyError(f"{out} holds a run of another grid; give another folder")
    if out.is_dir() and not (out / "cells").is_dir() and any(p.name != ".lock" for p in out.iterdir()):
        raise StudyError(f"{out} must be new, empty, or the folder of a run (it holds something else)")
    try:
        (out / "cells").mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise StudyError(f"{out} must be a folder that can be written ({error.strerror}); give another") from error


@contextmanager
def _locked(out):
    """Keeps a second sweep out of the folder for as long as this process lives."""
    with open(out / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StudyError(f"another sweep is running in {out}; wait for it, or give another folder") from error
        yield


@contextmanager
def _told_from(out):
    """Says in one line that the folder can no longer be used: a full disk, one that was made read-only or is gone."""
    try:
        yield
    except OSError as error:
        raise StudyError(
            f"the sweep stopped, since {out} must be writable ({error}); "
            "the cells that are done stay: mend that, then go on with --resume"
        ) from error


def _run_cells(plan, cells, out, cell_timeout_s, progress, launcher, scheduler):
    from tqdm.auto import tqdm

    if scheduler:
        from helpers import cluster

        return cluster.run_cells(plan, cells, out, cell_timeout_s, progress, scheduler=scheduler)
    failed = []
    bar = tqdm(cells, unit="cell", disable=not progress, desc=plan.name)
    with closing(kernels.Supply(launcher)) as supply:
        for cell in bar:
            p = cell.parameters
            bar.set_postfix_str(f"{p['dataset']} {p['transform']} batch {p['batch_size']}")
            if not _run_cell(plan.notebook, cell, out / "cells" / cell.id, cell_timeout_s, starter=supply.ready()):
                failed.append(cell.id)
    return failed


def _run_cell(notebook, cell, folder, cell_timeout_s, *, starter=kernels.STOCK):
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


def _scratch_name(cells):
    """How the temporary folders of a run's cells begin, so that those of a killed sweep are found again."""
    return f"study-cell-{hashlib.sha256(str(cells.resolve()).encode()).hexdigest()[:12]}-"


@contextmanager
def _scratch(folder):
    """Gives the cell a temporary folder of its own."""
    place = tempfile.mkdtemp(prefix=f"{_scratch_name(folder.parent)}{folder.name}-")
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
