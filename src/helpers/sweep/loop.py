"""Runs a grid: one papermill run per cell, resumable, and nothing lost when it is killed."""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from subprocess import TimeoutExpired

from helpers import datasets, files, machine, results
from helpers.datasets import preparing
from helpers.errors import StudyError, first_line
from helpers.machine import processes
from helpers.sweep import earlier, folder, grid as grids, kernels
from helpers.sweep.cell import run_cell
from helpers.sweep.progress import TimeLeft
from helpers.sweep.selection import Selection, lines

CELL_TIMEOUT_S = 1800
HOOK_S = 600
After = Callable[[grids.Cell, bool], None]
ALL = Selection()


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
    selection: Selection = ALL,
    after_cell: str = "",
) -> SweepSummary:
    """Runs every cell of a grid that is not done yet.

    A cell is done when its rows file is whole; papermill's own metadata is no sign of it
    [fact: papermill-calls-dead-cells-completed]. A cell that fails keeps
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
        selection: which cells are run, with which values set. What other selections did in the folder stays.
        after_cell: a command of the shell's, run after each cell that was run; see `_run_hook`.

    Raises:
        StudyError: before anything runs, for a bad grid or folder, data that is not there, or a system without locks;
            later, where the folder can no longer be written.
    """
    if not files.HAS_LOCKS:
        raise StudyError(
            f"a sweep needs Linux or macOS (this is {sys.platform}); run it in WSL 2, as notebooks/workshop/setup.md "
            "tells, or one comparison here: study compare"
        )
    out = Path(out)
    with processes.libraries_into(out / processes.LIBRARIES):
        here = machine.describe()
        plan_on = partial(_plan_on, grid_path, notebook, selection)
        plan = plan_on(here.id)
        wanted = selection.of(plan.cells)
        _provide_data(replace(plan, cells=tuple(wanted)))
        folder.check(out, plan.name, resume=resume)
    start = time.monotonic()
    with folder.locked(out), folder.explaining_disk_errors(out):
        folder.tidy(out)
        files.remove_orphans(Path(tempfile.gettempdir()))
        earlier.check_schema(out)
        earlier.write_machine(out, here)
        files.write_whole(out / folder.GRID, lambda part: part.write_text(plan.text, encoding="utf-8"))
        folder.add_order(out, {here.id: [cell.id for cell in plan.cells]})
        missing = [cell for cell in wanted if results.read_cell(out / "cells" / cell.id, cell.id) is None]
        others = earlier.cells_of_others(out, here, plan_on)
        earlier.tell(out, plan, wanted, missing, others, here)
        after = partial(_run_hook, after_cell, out)
        try:
            failed = _run_cells(plan, missing, out, cell_timeout_s, progress, launcher, scheduler, after)
        finally:  # also when interrupted: what is done may be looked at
            table = results.gather(out, [*(cell.id for cell in plan.cells), *chain.from_iterable(others.values())])
    wall_s = time.monotonic() - start
    ran = table[table["cell_id"].isin([cell.id for cell in missing])]
    timed_s = ran.drop_duplicates("cell_id")["timed_s"].sum()
    before = len(wanted) - len(missing)
    summary = SweepSummary(len(missing) - len(failed), before, tuple(failed), wall_s, timed_s / wall_s)
    _say(summary, out)
    return summary


def listing(grid_path: Path | str, selection: Selection = ALL, *, out: Path | None = None) -> list[str]:
    """Returns the cells that a sweep would run, as text: one line each, then what they take. Runs and writes nothing.

    Args:
        grid_path: the grid.
        selection: which cells, with which values set.
        out: a run's folder, where there is one: the lines then tell which cells are done.

    Raises:
        StudyError: for a bad grid.
    """
    return lines(_plan_on(grid_path, None, selection, machine.describe().id), selection, out=out)


def _plan_on(grid_path, notebook, selection, machine_id):
    return grids.load(grid_path, machine_id=machine_id, notebook=notebook, changes=selection.changes)


def _run_hook(command, out, cell, done):
    """Runs a command of the user's after a cell; where it fails it is told, and the sweep goes on.

    It finds in its environment: STUDY_RUN, the run's folder; STUDY_CELL, the cell's; STUDY_CELL_DONE, 1 or 0.
    """
    if not command:
        return
    told = {"STUDY_RUN": str(out.resolve()), "STUDY_CELL": str((out / folder.CELLS / cell.id).resolve())}
    environment = {**os.environ, **told, "STUDY_CELL_DONE": str(int(done))}
    try:
        ended = processes.run(["/bin/sh", "-c", command], deadline_s=HOOK_S, env=environment)
        reason = f"exit code {ended.returncode}: {first_line(ended.stderr)}" if ended.returncode else ""
    except TimeoutExpired:
        reason = f"it took longer than {HOOK_S} s and was ended"
    if reason:
        print(f"--after-cell failed after cell {cell.id} ({reason}); the sweep goes on", file=sys.stderr)


def _say(summary, out):
    if not summary.done and not summary.failed:
        print(f"nothing to do: all {summary.before} cells that are asked for are done in {out}")
        return
    print(
        f"{summary.done} cells done in {summary.wall_s / 60:.1f} min, {summary.timed_share:.0%} of it timed or warm-up"
    )
    for cell in summary.failed:
        error = (out / "cells" / cell / "error.txt").read_text(encoding="utf-8").strip().splitlines()
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


def _run_cells(plan, cells, out, cell_timeout_s, progress, launcher, scheduler, after):
    from tqdm.auto import tqdm

    if scheduler:
        from helpers.sweep import cluster

        return cluster.run_cells(plan, cells, out, cell_timeout_s, progress, scheduler=scheduler, after=after)
    failed = []
    left = TimeLeft(cells)
    looks = "{desc}: {n_fmt} of {total_fmt} cells |{bar:20}| {elapsed}{postfix}"
    bar = tqdm(total=len(cells), disable=not progress, desc=plan.name, bar_format=looks)
    with closing(kernels.Supply(launcher)) as supply, bar:
        for cell in cells:
            p = cell.parameters
            bar.set_postfix_str(f"{left}: {p['dataset']} {p['transform']} batch {p['batch_size']}")
            starter = supply.next_starter(p["server"])
            done = run_cell(plan.notebook, cell, out / folder.CELLS / cell.id, cell_timeout_s, starter=starter)
            failed += [] if done else [cell.id]
            after(cell, done)
            left.done(cell)
            bar.update()
    return failed
