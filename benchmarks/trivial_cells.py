"""Cells that measure nothing and write rows known beforehand, for the benchmarks and tests of the sweep itself.

As a script it is `study sweep` on such a grid, with a kernel server that imports no TensorFlow.
"""

import functools
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from unittest import mock

import pandas as pd

from helpers import cli, paths, results

LIGHT = ("helpers.results", "pyarrow.parquet")  # all that the kernel server must import for these cells
PIPELINES = ("py_dataset", "tf_data")
VALUES = {"int64": 1, "str": "trivial", "bool": True, "float64": 0.5, "object": [0.25, 0.5]}
CODE = """
import sys, time
begun = time.perf_counter()
sys.path.insert(0, {here!r})
import trivial_cells
{code}
trivial_cells.write(out, cell_id=cell_id, seed=seed, launcher=launcher, wall_s=time.perf_counter() - begun)
"""


def row(*, cell_id: str, seed: int, pipeline: str, launcher: str = "", wall_s: float = 0.0) -> dict:
    """Returns one row of a cell: all of it follows from the cell, but for the launcher and the time."""
    exact = {
        "epoch_s": seed * 1.5,
        "epoch_s_rounds": [seed + 0.25, seed + 0.5],
        "seed": seed,
        "knobs": "{}",
        "differences": "",
        "source": "arrays",
    }
    filled = {name: VALUES[kind] for name, kind in results.COLUMNS.items()}
    return filled | exact | {"cell_id": cell_id, "pipeline": pipeline, "launcher": launcher, "wall_s": wall_s}


def write(out: str, **of_the_cell) -> None:
    """Writes a cell's two rows."""
    results.write_cell(out, pd.DataFrame([row(pipeline=name, **of_the_cell) for name in PIPELINES]))


def write_grid(folder: Path, seeds: Iterable[int], *, code: str = "", name: str = "trivial") -> Path:
    """Writes a grid of one cell per seed, and the notebook that they run beside it; returns the grid.

    Args:
        folder: where.
        seeds: of the cells.
        code: what the cells run besides, before they write their rows.
        name: of the grid.
    """
    import nbformat  # a cell needs neither
    import yaml

    original = nbformat.read(paths.project_root() / "notebooks" / "sweeps" / "compare_pipelines.ipynb", 4)
    (parameters,) = [cell for cell in original.cells if "parameters" in cell.metadata.get("tags", [])]
    body = nbformat.v4.new_code_cell(CODE.format(here=str(Path(__file__).parent), code=code), id="trivial")
    notebook = nbformat.v4.new_notebook(cells=[parameters, body], metadata=original.metadata)
    place = folder / f"{name}.yml"
    nbformat.write(notebook, notebook_of(place))
    block = {"dataset": "synthetic", "transform": "noise", "pipelines": list(PIPELINES), "seed": list(seeds)}
    place.write_text(yaml.safe_dump({"name": name, "cells": [block]}))
    return place


def notebook_of(grid: Path) -> Path:
    """Returns the notebook that the cells of such a grid run."""
    return Path(grid).with_suffix(".ipynb")


def plan(grid: Path, *, machine_id: str = ""):
    """Returns such a grid, checked and planned."""
    from helpers.sweep import grid as grids

    return grids.load(grid, machine_id=machine_id, notebook=notebook_of(grid))


def command(grid: Path, out: Path, *options: str) -> int:
    """Runs `study sweep` on such a grid, whose notebook no grid may name; returns the exit code."""
    from helpers import sweep

    with mock.patch.object(sweep, "run", functools.partial(sweep.run, notebook=notebook_of(grid))):
        return cli.main(["sweep", str(grid), "--out", str(out), *options])


def wrong(run: Path, seeds: dict) -> list[str]:
    """Returns what is wrong with a run's table, in words; [] where it holds exactly the rows it should.

    Args:
        run: the run's folder.
        seeds: cell id -> seed, of the cells that are done.
    """
    found = results.read(run)
    wanted = [row(cell_id=cell, seed=seed, pipeline=name) for cell, seed in seeds.items() for name in PIPELINES]
    free = ["launcher", "wall_s", "schema_version"]

    def lines(rows):
        return sorted(json.dumps(one, sort_keys=True, default=list) for one in rows)

    have = lines(found.drop(columns=free).to_dict("records"))
    want = lines([{name: one[name] for name in found.columns if name not in free} for one in wanted])
    if have == want:
        return []
    surplus, missing = len(set(have) - set(want)), len(set(want) - set(have))
    return [f"{surplus} rows that should not be, {missing} missing, {len(have)} of {len(want)}"]


if __name__ == "__main__":
    from helpers.sweep import kernels

    kernels.MODULES = LIGHT
    sys.exit(command(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
