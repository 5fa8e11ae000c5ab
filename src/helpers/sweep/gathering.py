"""Puts the runs of one grid together: shards of it, parts that several machines measured. Nothing is averaged."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers import files, results
from helpers.errors import StudyError
from helpers.sweep import earlier, folder


@dataclass(frozen=True)
class Gathered:
    """What a folder holds that runs were gathered in.

    Attributes:
        cells: that are done, of all machines.
        machines: ids of the machines that measured them.
        missing: numbers of the grid's cells that no machine has done, from 1; None where machines plan it differently.
    """

    cells: int
    machines: tuple[str, ...]
    missing: tuple[int, ...] | None


def gather(runs: Sequence[Path], out: Path) -> Gathered:
    """Copies the finished cells of several runs of one grid into one folder, and writes its table.

    The folder is a run as any other: it can be reported, packed, gathered again, and gone on with. Its rows stand in
    the grid's order. A cell that two runs hold, since one machine measured it twice, is taken from the first.

    Args:
        runs: folders that `sweep.run` wrote; they stay as they are.
        out: a new folder, an empty one, or one that holds a run of this grid already.

    Raises:
        StudyError: where a run is none, they are of different grids, or `out` holds something else.
    """
    orders = _orders(runs, out)
    folder.check(out, folder.name_in(runs[0] / folder.GRID, ""), resume=True)
    with folder.locked(out), folder.explaining_disk_errors(out):
        folder.tidy(out)
        if not (out / folder.GRID).is_file():
            text = (runs[0] / folder.GRID).read_bytes()
            files.write_whole(out / folder.GRID, lambda part: part.write_bytes(text))
        for run in runs:
            for described in earlier.machines_in(run):
                files.write_json(out / f"machine-{described['id']}.json", described)
            for cell in dict.fromkeys(id for order in folder.order_in(run).values() for id in order):
                _copy(run / folder.CELLS / cell, out / folder.CELLS / cell)
        folder.add_order(out, orders)
        done = _done(out, orders)
        results.gather(out, [cell for _, _, cell in done])
    lengths = {len(order) for order in orders.values()}
    numbers = {number for number, _, _ in done}
    missing = tuple(number + 1 for number in range(max(lengths)) if number not in numbers)
    machines = tuple(dict.fromkeys(machine for _, machine, _ in done))
    return Gathered(len(done), machines, missing if len(lengths) == 1 else None)


def _orders(runs, out):
    """Checks the runs; returns machine id -> ids of the grid's cells there, in order, of all of them."""
    orders = folder.order_in(out)
    grid = out if (out / folder.GRID).is_file() else runs[0]
    for run in runs:
        if not (run / folder.CELLS).is_dir() or not (run / folder.GRID).is_file():
            raise StudyError(f"a run must be a folder that `study sweep` wrote (got {run}, which is none)")
        if out.resolve() == run.resolve():
            raise StudyError(f"--out must be another folder than the runs' (got {out}); name a new one")
        earlier.check_schema(run)
        if (grid / folder.GRID).is_file() and (run / folder.GRID).read_bytes() != (grid / folder.GRID).read_bytes():
            raise StudyError(
                f"runs to gather must be of one grid, with the same --set (got {grid} and {run}, whose {folder.GRID} "
                "differ); gather them apart"
            )
        told = folder.order_in(run)
        if not told:
            raise StudyError(f"{run} must tell the order of its cells; run it once more with --resume, which writes it")
        if any(orders.get(machine, cells) != cells for machine, cells in told.items()):
            raise StudyError(
                f"runs to gather must be of one state of the kit and the data (got {run}, of another than the others "
                "of its machine); run it once more with --resume"
            )
        orders |= told
    return orders


def _copy(cell, target):
    """Copies a cell's plain files where it is whole, and no whole one is there yet."""
    if results.read_cell(cell, cell.name) is None or results.read_cell(target, cell.name) is not None:
        return
    with files.working_folder(target.parent) as work:
        made = work / cell.name
        made.mkdir()
        for path in cell.iterdir():
            if path.is_file() and not path.is_symlink():
                shutil.copy2(path, made / path.name)
        shutil.rmtree(target, ignore_errors=True)
        files.move_whole(made, target)


def _done(out, orders):
    """Returns (number, machine id, cell id) of the cells that are done, in the grid's order, then the machines'."""
    placed = [
        (number, machine, cell)
        for machine, order in sorted(orders.items())
        for number, cell in enumerate(order)
        if results.read_cell(out / folder.CELLS / cell, cell) is not None
    ]
    return sorted(placed)
