"""Runs a grid of comparisons: one papermill run for each cell, resumable, here or on a cluster."""

from helpers.sweep.loop import (
    CELL_TIMEOUT_S as CELL_TIMEOUT_S,
    SweepSummary as SweepSummary,
    run as run,
)
