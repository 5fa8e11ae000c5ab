"""The table that every run appends to, and what it says in short."""

from helpers.measurement import SCHEMA_VERSION
from helpers.results.pairs import pairs_of
from helpers.results.table import (
    COLUMNS,
    DONE,
    ROWS,
    TABLE,
    gather,
    read,
    read_cell,
    write_cell,
    write_table,
)

__all__ = [
    "COLUMNS",
    "DONE",
    "ROWS",
    "SCHEMA_VERSION",
    "TABLE",
    "gather",
    "pairs_of",
    "read",
    "read_cell",
    "write_cell",
    "write_table",
]
