"""The one table that every run appends to: its columns, its files, written whole or not at all.

A sweep's cell writes its rows to a file of its own; the run's `results.parquet` is derived from those files,
so that nothing can be lost or doubled.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pandas as pd

from helpers import files
from helpers.errors import StudyError, first_line
from helpers.measurement import SCHEMA_VERSION, SMALLEST, Row
from helpers.tasks.task import SOURCES

# Type of an attribute of Row -> dtype of its column.
DTYPES = {str: "str", bool: "bool", int: "int64", float: "float64", list: "object"}
COLUMNS = {name: DTYPES[kind] for name, kind in get_type_hints(Row).items()}
# What stands in the columns that an older schema had not: it was not measured. Epochs of schema 1 were of a `fit` each,
# those of schema 2 had their waits for AUTOTUNE's thread in them.
NOT_MEASURED = {"str": "", "float64": float("nan"), "int64": 1}
RENAMED = {"steady_batch_s": "batch_s"}
TABLE = "results.parquet"
ROWS = "rows.parquet"
DONE = "done.json"  # written last: what the rows are, so that damaged ones, and another cell's, are no result


def _conform(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows with exactly the table's columns and dtypes."""
    rows = rows.assign(schema_version=SCHEMA_VERSION)
    missing, unknown = set(COLUMNS) - set(rows), set(rows) - set(COLUMNS)
    if missing or unknown:
        raise StudyError(
            f"rows must have the columns of schema {SCHEMA_VERSION} "
            f"(missing: {', '.join(sorted(missing)) or 'none'}; unknown: {', '.join(sorted(unknown)) or 'none'})"
        )
    return rows[list(COLUMNS)].astype(COLUMNS)


def write_table(path: Path, rows: pd.DataFrame) -> None:
    """Writes rows as a Parquet file, whole or not at all.

    Raises:
        StudyError: if the columns are not the table's.
    """
    table = _conform(rows)
    files.write_whole(Path(path), lambda path: table.to_parquet(path, index=False))


def write_cell(folder: Path | str, rows: pd.DataFrame) -> Path:
    """Writes the rows of one cell into its folder, then what says that they are whole; returns the rows' file."""
    path = Path(folder) / ROWS
    write_table(path, rows)
    files.write_json(path.with_name(DONE), _told_of(path, list(rows["cell_id"])))
    return path


def _told_of(path, cell_ids):
    return {"sha256": files.sha256(path), "rows": len(cell_ids), "cell_ids": sorted(set(cell_ids))}


def read(path: Path | str) -> pd.DataFrame:
    """Reads a results table.

    Args:
        path: a run's folder, or a Parquet file.

    Raises:
        StudyError: if there is none, it is not whole, or it is of another schema.
    """
    path = Path(path)
    path = path / TABLE if path.is_dir() else path
    if not path.is_file():
        raise StudyError(f"a results table must be there (got {path}, which is not); run `study sweep GRID --out RUN`")
    try:
        table = pd.read_parquet(path)
    except Exception as error:  # pyarrow and pandas raise what they meet in a damaged file, such as a TypeError
        told = f"{path} must be a whole Parquet file ({first_line(error)})"
        raise StudyError(f"{told}; run the sweep again with --resume") from error
    versions = set(table.get("schema_version", []))
    if "model" not in table:  # before, all were measured with that one
        table = table.assign(model=SMALLEST)
    try:
        if versions == {1}:
            table = _of_schema_1(table)
        if versions == {2}:
            table = table.assign(wait_s_rounds=_no_lists(table))
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        told = f"{path} must hold what the columns of its schema say ({first_line(error)})"
        raise StudyError(f"{told}; run the sweep again") from None
    if not versions <= {1, 2, SCHEMA_VERSION} or set(table) != set(COLUMNS):
        got = ", ".join(map(str, sorted(versions))) or "none"
        others = ", with other columns" if versions in ({2}, {SCHEMA_VERSION}) else ""
        raise StudyError(
            f"{path} must have schema {SCHEMA_VERSION} (got {got}{others}); "
            "read it with the version of the kit that wrote it, or run the sweep again"
        )
    try:
        table = table[list(COLUMNS)].astype(COLUMNS)
        _check(table)
        return table
    except Exception as error:  # as above
        raise StudyError(f"{path} must hold what its columns say ({first_line(error)}); run the sweep again") from None


def _of_schema_1(table):
    """Returns a table of schema 1 in today's columns; its schema_version stays."""
    table = table.rename(columns=RENAMED)
    added = {
        name: _no_lists(table) if kind == "object" else NOT_MEASURED[kind]
        for name, kind in COLUMNS.items()
        if name not in table and kind != "bool"  # schema 1 had them all
    }
    batches = -(-table["examples"] // table["batch_size"])
    known = {"batches": batches, "cores": 0, "order_seed": table["seed"]}
    return table.assign(**added | known)[list(COLUMNS)]


def _no_lists(table):
    empty: list[list] = [[]] * len(table)
    return empty


def _check(table):
    """Raises ValueError or TypeError where a column's values are not what its dtype leaves open."""
    for name, kind in COLUMNS.items():
        if kind == "str" and pd.isna(table[name].to_numpy(object)).any():  # which also reads what is no text
            raise ValueError(f"{name} is empty in some rows")
        if kind == "object" and any(np.ndim(np.asarray(raw, float)) != 1 for raw in table[name]):
            raise ValueError(f"{name} must be lists of numbers")
    if not set(table["source"]) <= set(SOURCES):
        raise ValueError(f"source must be one of {', '.join(SOURCES)}")
    if table.duplicated(["machine_id", "cell_id", "launcher", "pipeline"]).any():
        raise ValueError("a pipeline stands twice in a cell")
    for name in ("knobs", "differences"):
        if not all(isinstance(json.loads(text or "{}"), dict) for text in table[name].unique()):
            raise ValueError(f"{name} must be a JSON object")


def read_cell(folder: Path | str, cell_id: str | None = None) -> pd.DataFrame | None:
    """Returns a cell's rows, or None where it has none that are whole and its own.

    Args:
        folder: of the cell.
        cell_id: whose rows they must be; None: whosever they are.
    """
    path = Path(folder) / ROWS
    try:
        told = files.read_json(path.with_name(DONE))
        if not isinstance(told, dict) or told.get("sha256") != files.sha256(path):  # before anything reads the file
            return None
        rows = read(path)
    except (StudyError, OSError, ValueError):
        return None
    if set(rows["schema_version"]) != {SCHEMA_VERSION}:
        return None
    ids = list(rows["cell_id"])
    return rows if told == _told_of(path, ids) and cell_id in (None, *ids) else None


def gather(run: Path | str, cell_ids: Iterable[str]) -> pd.DataFrame:
    """Rebuilds a run's table from its cells' files; those that are not whole are left out.

    Args:
        run: the run's folder.
        cell_ids: the cells, in the order of their rows.

    Returns:
        The columns cell_id and timed_s of the table.
    """
    import pyarrow.dataset
    import pyarrow.parquet

    cells = [Path(run) / "cells" / cell for cell in cell_ids]
    whole = [str(cell / ROWS) for cell in cells if read_cell(cell, cell.name) is not None]
    if not whole:
        return pd.DataFrame({"cell_id": [], "timed_s": []})
    # As an Arrow table, since a cell's rows as a DataFrame of their own take ten times the memory.
    table = pyarrow.dataset.dataset(whole).to_table()
    files.write_whole(Path(run) / TABLE, lambda path: pyarrow.parquet.write_table(table, path))
    return table.select(["cell_id", "timed_s"]).to_pandas()
