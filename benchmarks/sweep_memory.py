"""Does a sweep's memory grow with its cells? And how long does it take to plan a large grid?

`python benchmarks/sweep_memory.py` plans a grid of 10,000 points, then runs 10, 200 and 2,000 trivial cells, each
number in a sweep of its own, and prints the sweep process's highest resident memory. 20 minutes; fewer: --cells 200.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import trivial_cells
import yaml

from helpers.sweep import grid

SWEEP = """
import sys
from pathlib import Path
from helpers import sweep
from helpers.machine import memory
from helpers.sweep import kernels
kernels.MODULES = ("helpers.results", "pyarrow.parquet")
outcome = sweep.run(sys.argv[1], sys.argv[2], progress=False, notebook=Path(sys.argv[3]))
print(outcome.done, int(memory.peak_bytes()))
"""
POINTS = {
    "dataset": "synthetic",
    "transform": ["noise", "rescale", "brightness", "flip_brightness"],
    "batch_size": [2**power for power in range(1, 11)],
    "examples": list(range(1000, 26000, 1000)),
    "seed": list(range(10)),
    "pipelines": {"py_dataset": {}, "tf_data": {}, "tf_data, batch map": {"builder": "tf_data", "map": "batch"}},
}
TARGET_S = 2.0


def peak_bytes(cells):
    """Highest resident memory of a sweep of so many cells, bytes."""
    with tempfile.TemporaryDirectory() as place:
        written = trivial_cells.write_grid(Path(place), range(cells))
        arguments = [written, Path(place) / "run", trivial_cells.notebook_of(written)]
        ran = subprocess.run([sys.executable, "-c", SWEEP, *arguments], check=True, stdout=subprocess.PIPE, text=True)
        done, peak = map(int, ran.stdout.split()[-2:])
        if done != cells:
            sys.exit(f"only {done} of {cells} cells were done")
    return peak


def planning_s():
    """Seconds to plan a grid of 10,000 points, and how many there were."""
    with tempfile.TemporaryDirectory() as place:
        written = Path(place) / "large.yml"
        written.write_text(yaml.safe_dump({"cells": [POINTS]}))
        start = time.perf_counter()
        points = len(grid.load(written).cells)
        return time.perf_counter() - start, points


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=2000)
    arguments = parser.parse_args()
    if arguments.cells <= 10:
        parser.error(f"--cells must be above 10, which are always run (got {arguments.cells})")
    taken, points = planning_s()
    print(f"planning {points:,} points took {taken:.2f} s; under {TARGET_S:g} s: {'yes' if taken < TARGET_S else 'no'}")
    peaks = {cells: peak_bytes(cells) for cells in sorted({10, max(10, arguments.cells // 10), arguments.cells})}
    print("peak memory of the sweep:", ", ".join(f"{cells} cells {peak / 1e6:.0f} MB" for cells, peak in peaks.items()))
    *_, (some, lower), (many, higher) = peaks.items()
    print(f"from {some} to {many} cells that is {(higher - lower) / (many - some) / 1e3:.1f} kB per cell")


if __name__ == "__main__":
    main()
