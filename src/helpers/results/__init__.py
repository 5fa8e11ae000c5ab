"""The table that every run appends to, and what it says in short."""

from helpers.measurement import SCHEMA_VERSION as SCHEMA_VERSION
from helpers.results.pairs import pairs_of as pairs_of, reading as reading
from helpers.results.table import (
    COLUMNS as COLUMNS,
    DONE as DONE,
    ROWS as ROWS,
    TABLE as TABLE,
    gather as gather,
    read as read,
    read_cell as read_cell,
    write_cell as write_cell,
    write_table as write_table,
)
