"""Runs a grid: one papermill run per cell, resumable, and nothing lost when it is killed."""

import fcntl
import sys
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from helpers import checks, datasets, files, machine, results
from helpers.datasets import preparing
from helpers.errors import StudyError
from helpers.machine import processes
from helpers.sweep import earlier, grid as grids, kernels
from helpers.sweep.cell import run_cell
from helpers.sweep.progress import TimeLeft

CELL_TIMEOUT_S = 1800


@dataclass(frozen=True)
class SweepSummary:
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
    notebook: Path | None = None,
) -> SweepSummary:
    """Runs every cell of a grid that is not done yet.

    A cell is done when its rows file is whole; papermill's own metadata is no sign of it. A cell that fails keeps
    its notebook and its traceback, and the sweep goes on. What another machine finished of the same grid stays in the
    table, as that machine's, and runs here again.

    Args:
        grid_path: the grid.
        out: the run's folder.
        resume: go on in a folder that holds a run of this grid.
        cell_timeout_s: a cell that takes longer is ended and counts as failed.
        progress: show a progress bar.
        scheduler: address of a Dask scheduler whose workers run the cells; None: this process does.
        launcher: how the kernels are started, see `kernels.Supply`.
        notebook: what is run for each cell; None: what the grid names.

    Raises:
        StudyError: before anything runs, for a bad grid or folder, or data that is not there; later, where the
            folder can no longer be written.
    """
    out = Path(out)
    with processes.libraries_into(out / processes.LIBRARIES):
        here = machine.describe()
        plan = grids.load(grid_path, machine_id=here.id, notebook=notebook)
        _provide_data(plan)
        _check_folder(out, plan, resume)
    start = time.monotonic()
    with _locked(out), _explaining_disk_errors(out):
        for left in out.glob(f".*{files.PART}"):  # of a sweep that was killed while it wrote
            left.unlink()
        files.remove_orphans(Path(tempfile.gettempdir()))
        earlier.check_schema(out)
        earlier.write_machine(out, here)
        files.write_whole(out / "grid.yml", lambda part: part.write_text(plan.text, encoding="utf-8"))
        missing = [cell for cell in plan.cells if results.read_cell(out / "cells" / cell.id, cell.id) is None]
        others = earlier.cells_of_others(
            out, here, lambda other: grids.load(grid_path, machine_id=other, notebook=notebook)
        )
        earlier.tell(out, plan, missing, others, here)
        try:
            failed = _run_cells(plan, missing, out, cell_timeout_s, progress, launcher, scheduler)
        finally:  # also when interrupted: what is done may be looked at
            table = results.gather(out, [*(cell.id for cell in plan.cells), *chain.from_iterable(others.values())])
    wall_s = time.monotonic() - start
    ran = table[table["cell_id"].isin([cell.id for cell in missing])]
    timed_s = ran.drop_duplicates("cell_id")["timed_s"].sum()
    before = len(plan.cells) - len(missing)
    summary = SweepSummary(len(missing) - len(failed), before, tuple(failed), wall_s, timed_s / wall_s)
    _say(summary, out)
    return summary


def _say(summary, out):
    if not summary.done and not summary.failed:
        print(f"nothing to do: all {summary.before} cells of {out} are done")
        return
    print(
        f"{summary.done} cells done in {summary.wall_s / 60:.1f} min, {summary.timed_share:.0%} of it timed or warm-up"
    )
    for cell in summary.failed:
        error = (out / "cells" / cell / "error.txt").read_text().strip().splitlines()
        print(f"failed: {out / 'cells' / cell}: {error[-1] if error else 'no reason given'}", file=sys.stderr)


def _provide_data(plan):
    """Checks that all data is here; makes the stand-ins that the grid fell back on, and photographs, and says so."""
    for name in dict.fromkeys(cell.parameters["dataset"] for cell in plan.cells):
        source = datasets.named(name)
        real = source.stands_for
        if real and datasets.best_available(real) == name:
            print(f"real {real} is not prepared: using {name}, which is generated")
            preparing.prepare(name)
        elif source.makes_itself and not source.is_ready and not real:
            preparing.prepare(name)
        datasets.require(name)


def _check_folder(out, plan, resume):
    """Refuses a folder that holds something else, or a run that was not to be resumed."""
    try:
        if out.exists() and not out.is_dir():
            raise StudyError(f"--out must be a folder (got the file {out})")
        if (out / "cells").is_dir() and not resume:
            raise StudyError(f"{out} holds a run already; give --resume to go on with it, or another folder")
        if (out / "grid.yml").is_file() and _name_in(out / "grid.yml", plan.name) != plan.name:
            raise StudyError(f"{out} holds a run of another grid; give another folder")
        if out.is_dir() and not (out / "cells").is_dir() and any(p.name != ".lock" for p in out.iterdir()):
            raise StudyError(f"{out} must be new, empty, or the folder of a run (it holds something else)")
        files.make_folder(out / "cells")
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise StudyError(f"{out} must be a folder that can be written ({error.strerror}); give another") from error


def _name_in(grid, unnamed):
    """Returns the name in a run's grid, or `unnamed` where it has none."""
    try:
        return str(checks.plain_yaml(grid.read_text(encoding="utf-8-sig")).get("name", unnamed))
    except (ValueError, AttributeError):
        raise StudyError(f"{grid} must be the grid of this run (it is damaged); put the grid there again") from None


@contextmanager
def _locked(out):
    """Keeps a second sweep out of the folder for as long as this process lives."""
    with ExitStack() as stack:
        try:
            lock = stack.enter_context(open(out / ".lock", "a"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StudyError(f"another sweep is running in {out}; wait for it, or give another folder") from error
        except OSError as error:
            raise StudyError(f"{out} must be on a disk with locks ({error.strerror}); give another folder") from error
        yield


@contextmanager
def _explaining_disk_errors(out):
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
        from helpers.sweep import cluster

        return cluster.run_cells(plan, cells, out, cell_timeout_s, progress, scheduler=scheduler)
    failed = []
    left = TimeLeft(cells)
    looks = "{desc}: {n_fmt} of {total_fmt} cells |{bar:20}| {elapsed}{postfix}"
    bar = tqdm(total=len(cells), disable=not progress, desc=plan.name, bar_format=looks)
    with closing(kernels.Supply(launcher)) as supply, bar:
        for cell in cells:
            p = cell.parameters
            bar.set_postfix_str(f"{left}: {p['dataset']} {p['transform']} batch {p['batch_size']}")
            starter = supply.next_starter(p["server"])
            if not run_cell(plan.notebook, cell, out / "cells" / cell.id, cell_timeout_s, starter=starter):
                failed.append(cell.id)
            left.done(cell)
            bar.update()
    return failed
