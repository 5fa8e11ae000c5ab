"""Cells that measure nothing and write rows known beforehand, for the benchmarks of the sweep itself."""

import json
from pathlib import Path

import pandas as pd

from helpers import paths, results

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
    exact = {"epoch_s": seed * 1.5, "epoch_s_rounds": [seed + 0.25, seed + 0.5], "seed": seed}
    filled = {name: VALUES[kind] for name, kind in results.COLUMNS.items()}
    return filled | exact | {"cell_id": cell_id, "pipeline": pipeline, "launcher": launcher, "wall_s": wall_s}


def write(out: str, **of_the_cell) -> None:
    """Writes a cell's two rows."""
    results.write_cell(out, pd.DataFrame([row(pipeline=name, **of_the_cell) for name in ("py_dataset", "tf_data")]))


def write_grid(folder: Path, *, cells: int, code: str = "") -> Path:
    """Writes a notebook and a grid of so many cells that run it; returns the grid.

    Args:
        folder: where.
        cells: how many.
        code: what the cells run besides.
    """
    import nbformat  # a cell needs neither
    import yaml

    original = nbformat.read(paths.project_root() / "notebooks" / "sweeps" / "compare_pipelines.ipynb", 4)
    (parameters,) = [cell for cell in original.cells if "parameters" in cell.metadata.get("tags", [])]
    body = nbformat.v4.new_code_cell(CODE.format(here=str(Path(__file__).parent), code=code))
    notebook = nbformat.v4.new_notebook(cells=[parameters, body], metadata=original.metadata)
    nbformat.write(notebook, folder / "trivial.ipynb")
    block = {"dataset": "synthetic", "transform": "noise", "pipelines": ["py_dataset", "tf_data"]}
    grid = {
        "name": "trivial",
        "notebook": str(folder / "trivial.ipynb"),
        "cells": [{**block, "seed": list(range(cells))}],
    }
    place = folder / "trivial.yml"
    place.write_text(yaml.safe_dump(grid))
    return place


def wrong(run: Path, seeds: dict) -> list[str]:
    """Returns what is wrong with a run's table, in words; [] where it holds exactly the rows it should.

    Args:
        run: the run's folder.
        seeds: cell id -> seed, of the cells that are done.
    """
    found = results.read(run)
    wanted = [row(cell_id=cell, seed=seed, pipeline=name) for cell, seed in seeds.items() for name in
              ("py_dataset", "tf_data")]  # fmt: skip
    free = ["launcher", "wall_s", "schema_version"]

    def lines(rows):
        return sorted(json.dumps(one, sort_keys=True, default=list) for one in rows)

    have = lines(found.drop(columns=free).to_dict("records"))
    want = lines([{name: one[name] for name in found.columns if name not in free} for one in wanted])
    return [f"{len(set(have) - set(want))} rows that should not be, {len(set(want) - set(have))} missing, "
            f"{len(have)} of {len(want)}"] * (have != want)  # fmt: skip
