"""Runs a grid of comparisons: one papermill run for each cell, resumable, here, in shards or on a cluster."""

from helpers.sweep.gathering import Gathered as Gathered, gather as gather
from helpers.sweep.loop import (
    CELL_TIMEOUT_S as CELL_TIMEOUT_S,
    SweepSummary as SweepSummary,
    listing as listing,
    run as run,
)
from helpers.sweep.selection import Selection as Selection, read_selection as read_selection
