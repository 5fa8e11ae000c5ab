"""What earlier sweeps left in a run's folder: which of it stays in the table, which does not, and why."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from helpers import files, results
from helpers.errors import StudyError
from helpers.machine import Machine
from helpers.sweep.grid import Cell, Grid

MACHINE = "machine.json"  # the machine of the last sweep; those of earlier ones are beside it, by their ids


def check_schema(out: Path) -> None:
    """Raises StudyError where a run's rows have other columns than those that would be added."""
    import pyarrow.parquet

    for path in (out / results.TABLE, *sorted(out.glob(f"cells/*/{results.ROWS}"))):
        try:
            versions = pyarrow.parquet.read_table(path, columns=["schema_version"])["schema_version"].to_pylist()
        except (OSError, ValueError, KeyError):  # not there, or damaged: its cell runs again
            continue
        if others := set(versions) - {results.SCHEMA_VERSION}:
            raise StudyError(
                f"a run goes on with rows of schema {results.SCHEMA_VERSION} (got {out}, of schema "
                f"{', '.join(map(str, sorted(others)))}); report it as it is, and give another folder"
            )
        return


def write_machine(out: Path, here: Machine) -> None:
    """Writes what this machine is into a run's folder; what is there of another machine stays, under its id."""
    former = _machine_in(out / MACHINE)
    if former and former["id"] != here.id:
        files.write_json(out / f"machine-{former['id']}.json", former)
    files.write_json(out / MACHINE, here.to_dict())
    (out / f"machine-{here.id}.json").unlink(missing_ok=True)  # of an earlier turn of this machine


def cells_of_others(out: Path, here: Machine, plan_on: Callable[[str], Grid]) -> dict[str, list[str]]:
    """Returns what other machines finished of the same grid, kit and data: machine id -> ids of its cells, in order.

    Args:
        out: the run's folder.
        here: this machine.
        plan_on: machine id -> the grid as it was planned there.
    """
    ids = [machine["id"] for machine in machines_in(out)]
    done = {
        other: [
            cell.id for cell in plan_on(other).cells if results.read_cell(out / "cells" / cell.id, cell.id) is not None
        ]
        for other in dict.fromkeys(ids)
        if other != here.id
    }
    return {other: cells for other, cells in done.items() if cells}


def tell(
    out: Path,
    plan: Grid,
    wanted: Sequence[Cell],
    missing: Sequence[Cell],
    others: Mapping[str, Sequence[str]],
    here: Machine,
) -> None:
    """Says what of earlier sweeps stays in the table, what runs again, and what stays out of it.

    Args:
        out: the run's folder.
        plan: the grid.
        wanted: those of its cells that are to be done now.
        missing: those of them that are not done yet.
        others: of `cells_of_others`.
        here: this machine.
    """
    if len(wanted) < len(plan.cells):
        print(f"{len(wanted)} of the grid's {len(plan.cells)} cells are asked for")
    if before := len(wanted) - len(missing):
        print(f"{before} of {len(wanted)} cells were done before")
    for other, cells in others.items():
        print(f"{len(cells)} cells of machine {other} stay in the table, as its own; this is machine {here.id}")
    damaged = [cell.id for cell in missing if (out / "cells" / cell.id / results.ROWS).exists()]
    if damaged:
        print(f"{len(damaged)} cells have rows that are damaged, or not theirs: they run again")
    used = {cell.id for cell in plan.cells}.union(*others.values())
    if unused := {folder.name for folder in (out / "cells").iterdir()} - used:
        print(f"{len(unused)} cells of another kit, grid or state of the data stay in {out / 'cells'}, unused")


def machines_in(run: Path) -> list[dict]:
    """Returns what a run's folder tells of the machines that measured, each once."""
    told = filter(None, map(_machine_in, [run / MACHINE, *sorted(run.glob("machine-*.json"))]))
    return list({machine["id"]: machine for machine in told}.values())


def _machine_in(path: Path) -> dict:
    """Returns what a file tells of a machine, or {} where it tells nothing."""
    with suppress(OSError, ValueError):
        told = files.read_json(path)
        if isinstance(told, dict) and re.fullmatch("[0-9a-f]{8}", str(told.get("id"))):
            return told
    return {}
