import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import pytest
import yaml

from helpers import results, sweep
from helpers.errors import StudyError
from helpers.sweep import cluster

SOURCE = Path(cluster.__file__).resolve().parents[2]
PARAMETERS = SOURCE.parent / "notebooks" / "sweeps" / "compare_pipelines.ipynb"
CELL = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_results import row
import pandas as pd
from helpers import results
marks = Path({marks!r})
(marks / f"{{seed}}-{{os.getppid()}}").touch()
if len(list(marks.iterdir())) < 3:
    time.sleep(3)
results.write_cell(out, pd.DataFrame([row(cell_id=cell_id, seed=seed, timed_s=0.0)]))
"""


@pytest.fixture
def cells(tmp_path, monkeypatch):
    """A grid of two cells that leave a mark, sleep where they are among the first two, and write a row."""
    marks = tmp_path / "marks"
    marks.mkdir()
    original = nbformat.read(PARAMETERS, 4)
    notebook = nbformat.v4.new_notebook(metadata=original.metadata)
    notebook.cells = [cell for cell in original.cells if "parameters" in cell.metadata.get("tags", [])]
    notebook.cells.append(nbformat.v4.new_code_cell(CELL.format(tests=str(Path(__file__).parent), marks=str(marks))))
    folder = tmp_path / "project" / "notebooks" / "sweeps"
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / "compare_pipelines.ipynb")
    monkeypatch.setattr("helpers.paths.project_root", lambda: tmp_path / "project")
    block = {"dataset": "synthetic", "transform": "noise", "seed": [0, 1], "pipelines": ["py_dataset", "tf_data"]}
    grid = tmp_path / "grid.yml"
    grid.write_text(yaml.safe_dump({"name": "trivial", "cells": [block]}))
    return grid, marks


@pytest.fixture
def dask(tmp_path):
    """A scheduler, and `worker(host, source)` that starts a worker; all real processes."""
    pytest.importorskip("distributed", reason="needs the extra `scale`")
    place = tmp_path / "scheduler.json"
    started = []

    def start(program, *arguments, source=SOURCE, **environment):
        path = os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, "-m", f"distributed.cli.dask_{program}", "--scheduler-file", str(place), *arguments]
        with open(tmp_path / f"{program}-{len(started)}.log", "wb") as log:
            started.append(
                subprocess.Popen(
                    command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path, **environment}, stdout=log, stderr=log
                )
            )
        return started[-1]

    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")

    def worker(host, source=SOURCE):
        return start(
            "worker", "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard", source=source,
            STUDY_HOST=host,
        )  # fmt: skip

    yield place, worker, scheduler
    for process in started:
        process.kill()
        process.wait()


def test_a_worker_killed_in_mid_cell_loses_nothing_and_one_with_other_software_is_refused(
    cells, dask, tmp_path, capsys
):
    grid, marks = cells
    place, worker, _ = dask
    other = tmp_path / "other" / "src"
    shutil.copytree(SOURCE / "helpers", other / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    (other / "helpers" / "errors.py").write_text((SOURCE / "helpers" / "errors.py").read_text() + "\n# another\n")
    processes = {process.pid: process for process in (worker("a"), worker("b"))}
    stranger = worker("c", source=other)
    address = _address_with_workers(place, 3)

    killed = []

    def kill_the_first():
        while not killed:
            found = [int(mark.name.split("-")[1]) for mark in marks.iterdir()]
            if len(set(found)) == 2:  # both workers are in mid cell: hosts run theirs side by side
                os.kill(found[0], signal.SIGKILL)
                killed.append(found[0])
            time.sleep(0.05)

    killer = threading.Thread(target=kill_the_first, daemon=True)
    killer.start()
    out = tmp_path / "run"
    outcome = sweep.run(grid, out, progress=False, scheduler=address)
    killer.join(timeout=5)
    assert (outcome.done, outcome.failed) == (2, ())
    assert sorted(results.read(out)["seed"]) == [0, 1]
    said = capsys.readouterr().out
    assert "is refused: its software must be ours: helpers" in said and "is gone; its cell runs again" in said
    by = [json.loads(file.read_text()) for file in sorted(out.glob("cells/*/worker.json"))]
    assert sorted(one["attempt"] for one in by) == [1, 2], said
    assert killed[0] in processes and {one["pid"] for one in by} == {*processes} - {killed[0]}
    assert stranger.pid not in {int(mark.name.split("-")[1]) for mark in marks.iterdir()}
    assert all(one["machine"]["id"] for one in by)


def test_a_scheduler_that_dies_ends_the_sweep_in_one_line_that_says_how_to_go_on(cells, dask, tmp_path):
    grid, marks = cells
    place, worker, scheduler = dask
    worker("a")
    address = _address_with_workers(place, 1)

    def kill_the_scheduler():
        while not list(marks.iterdir()):
            time.sleep(0.05)
        scheduler.kill()

    threading.Thread(target=kill_the_scheduler, daemon=True).start()
    with pytest.raises(StudyError, match="go on with --resume"):
        sweep.run(grid, tmp_path / "run", progress=False, scheduler=address)


def _address_with_workers(place, count):
    import distributed

    deadline = time.monotonic() + 60
    while not place.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    address = json.loads(place.read_text())["address"]
    with distributed.Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)
    return address


def test_without_dask_a_cluster_is_refused_in_one_line_that_names_the_extra(cells, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(StudyError, match=r"pip install -e '\.\[scale\]'"):
        sweep.run(cells[0], tmp_path / "run", progress=False, scheduler="tcp://127.0.0.1:1")


def test_a_scheduler_that_does_not_answer_is_named(cells, tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="needs the extra `scale`")
    monkeypatch.setattr(cluster, "CONNECT_S", 1.0)
    with pytest.raises(StudyError, match=r"must answer at tcp://127\.0\.0\.1:1"):
        sweep.run(cells[0], tmp_path / "run", progress=False, scheduler="tcp://127.0.0.1:1")
