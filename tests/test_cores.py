"""Cores as an axis: a cell is held to its cores, its thread pools follow, the report says where a winner changes."""

import ast
import os
from pathlib import Path

import nbformat
import pytest
import yaml
from made_up_results import cell, table

from helpers import paths, plots
from helpers.errors import NothingToShow, StudyError
from helpers.machine import limits
from helpers.report import Run
from helpers.results.winners import by_cores
from helpers.sweep import grid, kernels
from helpers.sweep.cell import run_cell

SWEEPS = Path(__file__).resolve().parents[1] / "notebooks" / "sweeps"
can_hold = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system holds no process to cores")

# Every thread pool that a pipeline uses, after it has worked.
POOLS = """
import json, os
import cv2, threadpoolctl
import numpy as np
import tensorflow as tf
square = tf.random.normal((256, 256))
for _ in tf.data.Dataset.range(200).map(lambda i: tf.reduce_sum(square @ square), num_parallel_calls=-1).prefetch(2):
    pass
np.ones((300, 300)) @ np.ones((300, 300))
tasks = os.listdir("/proc/self/task")
names = [open(f"/proc/self/task/{task}/comm").read().strip() for task in tasks]
told = {
    "tensorflow": names.count("tf_Compute"),
    "opencv": cv2.getNumThreads(),
    "blas": max(pool["num_threads"] for pool in threadpoolctl.threadpool_info()),
    "allowed": sorted({core for task in tasks for core in os.sched_getaffinity(int(task))}),
}
with open(os.path.join(out, "told.txt"), "w") as file:
    file.write(repr(told))
"""


def test_doubling_is_one_two_four_and_all():
    assert [grid._doubling(cores) for cores in (1, 2, 3, 4, 6, 64)] == [
        [1], [1, 2], [1, 2, 3], [1, 2, 4], [1, 2, 4, 6], [1, 2, 4, 8, 16, 32, 64],
    ]  # fmt: skip


@can_hold
def test_the_grid_of_cores_has_every_kind_of_work_on_each_number_of_cores():
    cores = [cell.parameters["cores"] for cell in grid.load(SWEEPS / "cores.yml").cells]
    assert set(cores) == set(grid._doubling(len(limits.core_numbers())))
    assert len(cores) == 2 * len(set(cores))


@can_hold
def test_this_process_is_held_to_its_cores_and_let_go():
    before = limits.core_numbers()
    with limits.restricted_to(1):
        assert limits.core_numbers() == before[:1]
    assert limits.core_numbers() == before


@can_hold
@pytest.mark.parametrize(
    ("cores", "said"), [(0, "whole number >= 1"), (10**6, "what this process may use"), (1.5, "whole number")]
)
def test_cores_that_cannot_be_are_refused_in_one_line(cores, said):
    with pytest.raises(StudyError, match=said):
        limits.check_restriction(cores)


def test_a_system_that_cannot_hold_a_process_to_cores_says_so_in_one_line(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    plan = {
        "cells": [{"dataset": "synthetic", "transform": "noise", "pipelines": ["py_dataset", "tf_data"], "cores": 1}]
    }
    (tmp_path / "grid.yml").write_text(yaml.safe_dump(plan))
    with pytest.raises(StudyError, match=r"cores needs sched_setaffinity \(this is .*\); leave cores out") as caught:
        grid.load(tmp_path / "grid.yml")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@can_hold
@pytest.mark.parametrize("launcher", ["stock", "warm"])
def test_every_thread_pool_of_a_cells_kernel_follows_its_cores(launcher, tmp_path):
    if len(limits.core_numbers()) < 2:
        pytest.skip("this process may use one core only")
    if launcher == "warm" and (reason := kernels.why_not_warm()):
        pytest.skip(reason)
    original = nbformat.read(SWEEPS / "compare_pipelines.ipynb", 4)
    (parameters,) = [cell for cell in original.cells if "parameters" in cell.metadata.get("tags", [])]
    pools = nbformat.v4.new_code_cell(POOLS)
    notebook = nbformat.v4.new_notebook(cells=[parameters, pools], metadata=original.metadata)
    nbformat.write(notebook, tmp_path / "pools.ipynb")
    starter = kernels.Warm(("json",)) if launcher == "warm" else kernels.STOCK
    before = limits.core_numbers()
    try:
        run_cell(tmp_path / "pools.ipynb", grid.Cell("held", {"cores": 1}), tmp_path / "cell", 120, starter=starter)
    finally:
        starter.close()
    told = ast.literal_eval((tmp_path / "cell" / "told.txt").read_text())
    assert told == {"tensorflow": 1, "opencv": 1, "blas": 1, "allowed": before[:1]}
    assert limits.core_numbers() == before


def on_cores(winners):
    """A made-up table: number of cores -> the pipeline that takes half the time of the other."""
    cells = []
    for cores, winner in winners.items():
        seconds = {name: 0.5 if name == winner else 1.0 for name in ("py_dataset", "tf_data")}
        cells.append(cell(seconds=seconds, cores=cores))
    return table(cells)


def test_the_report_says_at_how_many_cores_the_winner_changes():
    results = on_cores({1: "py_dataset", 2: "py_dataset", 4: "tf_data"})
    (said,) = by_cores(results)
    assert "the winner changes at 4 cores" in said and "py_dataset on 1; py_dataset on 2; tf_data on 4" in said
    assert said in Run("made up", paths.project_root(), results).facts()["winner by cores"]


def test_a_winner_that_stays_is_not_said_to_change():
    (said,) = by_cores(on_cores({1: "tf_data", 2: "tf_data"}))
    assert "is not shown to change" in said


def test_where_cores_do_not_differ_nothing_is_said_of_them():
    results = on_cores({2: "tf_data"})
    assert by_cores(results) == []
    assert "winner by cores" not in Run("made up", paths.project_root(), results).facts()


def test_a_heat_map_shows_the_winner_for_each_number_of_cores():
    figure = plots.heat_map(on_cores({1: "py_dataset", 2: "tf_data"}), columns="cores")
    assert "cores 1: py_dataset 2.00 times ahead" in figure.get_label()
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["1", "2"]
    with pytest.raises(NothingToShow):
        plots.heat_map(on_cores({1: "py_dataset"}).assign(same_work=False), columns="cores")


def test_cells_of_several_numbers_of_cores_are_told_apart():
    labels = [
        text.get_text() for text in plots.heat_map(on_cores({1: "tf_data", 2: "tf_data"})).axes[0].get_yticklabels()
    ]
    assert any("cores: 1" in label.replace("\n", " ") for label in labels)
