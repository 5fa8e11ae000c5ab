"""A run's folder: whose it is, kept to one process, and in what order its cells stand."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from helpers import checks, files
from helpers.errors import StudyError

CELLS, GRID = "cells", "grid.yml"
ORDER = "order.json"  # machine id -> ids of all cells of the grid as it is planned there, in order


def check(out: Path, name: str, *, resume: bool) -> None:
    """Makes the folder of a run of that grid, or refuses one that holds something else.

    Args:
        out: the folder.
        name: of the grid.
        resume: whether a run of it may be there.

    Raises:
        StudyError: where it is no such folder.
    """
    try:
        if out.exists() and not out.is_dir():
            raise StudyError(f"--out must be a folder (got the file {out})")
        if (out / CELLS).is_dir() and not resume:
            raise StudyError(f"{out} holds a run already; give --resume to go on with it, or another folder")
        if (out / GRID).is_file() and name_in(out / GRID, name) != name:
            raise StudyError(f"{out} holds a run of another grid; give another folder")
        if out.is_dir() and not (out / CELLS).is_dir() and any(p.name != ".lock" for p in out.iterdir()):
            raise StudyError(f"{out} must be new, empty, or the folder of a run (it holds something else)")
        files.make_folder(out / CELLS)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise StudyError(f"{out} must be a folder that can be written ({error.strerror}); give another") from error


def name_in(grid: Path, unnamed: str) -> str:
    """Returns the name in a run's grid, or `unnamed` where it has none.

    Raises:
        StudyError: where it is damaged.
    """
    try:
        return str(checks.plain_yaml(grid.read_text(encoding="utf-8-sig")).get("name", unnamed))
    except (ValueError, AttributeError):
        raise StudyError(f"{grid} must be the grid of this run (it is damaged); put the grid there again") from None


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keeps a second process out of the folder for as long as this one lives.

    Raises:
        StudyError: where another one is there, or the disk has no locks.
    """
    with ExitStack() as stack:
        try:
            files.lock(stack.enter_context(open(out / ".lock", "a", encoding="utf-8")))
        except BlockingIOError as error:
            raise StudyError(f"another sweep is running in {out}; wait for it, or give another folder") from error
        except OSError as error:
            raise StudyError(f"{out} must be on a disk with locks ({error.strerror}); give another folder") from error
        yield


@contextmanager
def explaining_disk_errors(out: Path) -> Iterator[None]:
    """Says in one line that the folder can no longer be used: a full disk, one that was made read-only or is gone.

    Raises:
        StudyError: where it is so.
    """
    try:
        yield
    except OSError as error:
        raise StudyError(
            f"the sweep stopped, since {out} must be writable ({error}); "
            "the cells that are done stay: mend that, then go on with --resume"
        ) from error


def tidy(out: Path) -> None:
    """Removes what processes that were killed left of their own in a run's folder, which the caller has locked."""
    for left in out.glob(f".*{files.PART}"):
        left.unlink()
    files.remove_orphans(out / CELLS)


def order_in(run: Path) -> dict[str, list[str]]:
    """Returns machine id -> ids of the grid's cells there, in order; {} where a run does not tell."""
    try:
        told = files.read_json(run / ORDER)
    except (OSError, ValueError):
        return {}
    listed = told if isinstance(told, dict) else {}
    return {
        machine: [cell for cell in cells if isinstance(cell, str) and Path(cell).name == cell]  # none is a path
        for machine, cells in listed.items()
        if isinstance(cells, list)
    }


def add_order(run: Path, orders: Mapping[str, Sequence[str]]) -> None:
    """Writes in what order cells stand, beside what the run tells of other machines already."""
    files.write_json(run / ORDER, order_in(run) | {machine: list(cells) for machine, cells in orders.items()})
