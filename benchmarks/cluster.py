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

import trivial_cells

from helpers import sweep


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


def seconds_of(cells, address, seconds):
    with tempfile.TemporaryDirectory() as place, contextlib.redirect_stdout(None):
        grid = trivial_cells.write_grid(Path(place), range(cells), code=f"time.sleep({seconds})")
        notebook = trivial_cells.notebook_of(grid)
        start = time.perf_counter()
        outcome = sweep.run(grid, Path(place) / "run", scheduler=address, progress=False, notebook=notebook)
        took = time.perf_counter() - start
    if outcome.failed:
        raise SystemExit(f"{len(outcome.failed)} of {cells} cells failed")
    return took


def median_of(cells, address, seconds, repeats):
    return statistics.median(seconds_of(cells, address, seconds) for _ in range(repeats))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10, help="that a cell sleeps")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    seconds, repeats = arguments.seconds, arguments.repeats
    with cluster_of(1) as address:
        seconds_of(1, address, 0)  # the first cell imports papermill on the worker
        one, two_on_one = (median_of(count, address, seconds, repeats) for count in (1, 2))
    with cluster_of(2) as address:
        seconds_of(2, address, 0)
        two_on_two = median_of(2, address, seconds, repeats)
    print(f"cells that sleep {arguments.seconds:g} s, whole sweep, median of {arguments.repeats}")
    print(f"  1 cell,  1 worker   {one:.2f} s")
    print(f"  2 cells, 1 worker   {two_on_one:.2f} s")
    print(f"  2 cells, 2 workers  {two_on_two:.2f} s: {two_on_two - one:+.2f} s to one cell (to reach: at most +1)")


if __name__ == "__main__":
    main()
