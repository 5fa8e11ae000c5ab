"""Do two workers run two cells in the time of one? Real Dask processes on this machine, cells that sleep.

`python benchmarks/cluster.py` prints the seconds of one cell, of two on one worker, and of two on two workers.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import nbformat
import yaml

from helpers import paths, sweep

CELL = """
import time
from pathlib import Path
import pandas as pd
from helpers import results
time.sleep({seconds})
empty = {{"int64": 0, "float64": 0.0, "str": "", "bool": False, "object": None}}
row = {{name: empty[kind] for name, kind in results.COLUMNS.items()}}
results.write_cell(out, pd.DataFrame([row | {{"cell_id": cell_id, "epoch_s_rounds": [0.0]}}]))
"""


@contextlib.contextmanager
def cluster_of(workers):
    """Starts a scheduler and workers that count as a host each, and yields the address."""
    import distributed

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        place = Path(folder) / "scheduler.json"

        def start(program, *arguments, **environment):
            command = [sys.executable, "-m", f"distributed.cli.dask_{program}", "--scheduler-file", str(place)]
            process = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--no-dashboard", *arguments],
                env={**os.environ, **environment},
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)

        start("scheduler", "--port", "0")
        for number in range(workers):
            start("worker", "--nthreads", "1", "--no-nanny", STUDY_HOST=f"host-{number}")
        while not place.exists():
            time.sleep(0.05)
        address = json.loads(place.read_text())["address"]
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)
        yield address


def seconds_of(cells, address, project):
    block = {"dataset": "synthetic", "transform": "noise", "seed": list(range(cells))}
    grid = project / f"{cells}.yml"
    grid.write_text(yaml.safe_dump({"cells": [{**block, "pipelines": ["py_dataset", "tf_data"]}]}))
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(None):
        start = time.perf_counter()
        outcome = sweep.run(grid, Path(out) / "run", scheduler=address, progress=False)
        took = time.perf_counter() - start
    if outcome.failed:
        raise SystemExit(f"{len(outcome.failed)} of {cells} cells failed")
    return took


def median_of(cells, address, project, repeats):
    return statistics.median(seconds_of(cells, address, project) for _ in range(repeats))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10, help="that a cell sleeps")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    original = nbformat.read(paths.project_root() / "notebooks" / "sweeps" / "compare_pipelines.ipynb", 4)
    cells = [cell for cell in original.cells if "parameters" in cell.metadata.get("tags", [])]
    cells.append(nbformat.v4.new_code_cell(CELL.format(seconds=arguments.seconds)))
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        place = project / "notebooks" / "sweeps" / "compare_pipelines.ipynb"
        place.parent.mkdir(parents=True)
        nbformat.write(nbformat.v4.new_notebook(metadata=original.metadata, cells=cells), place)
        with mock.patch("helpers.paths.project_root", lambda: project):
            with cluster_of(1) as address:
                seconds_of(1, address, project)  # the first cell imports papermill on the worker
                one, two_on_one = (median_of(count, address, project, arguments.repeats) for count in (1, 2))
            with cluster_of(2) as address:
                seconds_of(2, address, project)
                two_on_two = median_of(2, address, project, arguments.repeats)
    print(f"cells that sleep {arguments.seconds:g} s, whole sweep, median of {arguments.repeats}")
    print(f"  1 cell,  1 worker   {one:.2f} s")
    print(f"  2 cells, 1 worker   {two_on_one:.2f} s")
    print(f"  2 cells, 2 workers  {two_on_two:.2f} s: {two_on_two - one:+.2f} s to one cell (to reach: at most +1)")


if __name__ == "__main__":
    main()
