"""What does a cell of a sweep cost beyond its own work? Stock papermill, stock kernels, warm kernels, side by side.

`python benchmarks/warm_kernels.py` runs the same trivial cells each way in turn: they import what a cell of the kit
imports, and write rows. A cell's cost is its wall time less what the notebook itself says it took after its imports.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import papermill
import trivial_cells

from helpers import results
from helpers.sweep import kernels
from helpers.sweep.cell import run_cell

IMPORTS = "import helpers.machine, helpers.measurement, keras, tensorflow\nbegun = time.perf_counter()"
TARGET_S = 0.7


def plain_papermill(plan, cell, folder):
    """The cell as papermill runs it when nothing is said."""
    folder.mkdir(parents=True)
    papermill.execute_notebook(
        str(plan.notebook),
        str(folder / "executed.ipynb"),
        parameters={**cell.parameters, "out": str(folder), "launcher": "papermill"},
        kernel_name="python3",
        progress_bar=False,
    )
    return True


def cost(way, cell, folder):
    """Seconds of a run of one cell that are not its own work."""
    start = time.perf_counter()
    if not way(cell, folder):
        sys.exit((folder / "error.txt").read_text())
    return time.perf_counter() - start - results.read_cell(folder)["wall_s"][0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        plan = trivial_cells.plan(trivial_cells.write_grid(place, range(arguments.cells), code=IMPORTS))
        start = time.perf_counter()
        warm = kernels.Warm()
        server_s = time.perf_counter() - start

        def of_the_sweep(starter):
            return lambda cell, folder: run_cell(plan.notebook, cell, folder, 600, starter=starter)

        ways = {
            "stock papermill": lambda cell, folder: plain_papermill(plan, cell, folder),
            "the sweep, stock kernels": of_the_sweep(kernels.STOCK),
            "the sweep, warm kernels": of_the_sweep(warm),
        }
        costs = {name: [] for name in ways}
        for number, cell in enumerate(plan.cells):
            for name, way in ways.items():
                costs[name].append(cost(way, cell, place / name / f"{number}"))
        warm.close()
    middle = {name: statistics.median(taken) for name, taken in costs.items()}
    print(f"seconds of a cell beyond its own work, {arguments.cells} cells each way, in turn: median (least to most)")
    for name, taken in costs.items():
        print(f"  {name:26} {middle[name]:5.2f} ({min(taken):.2f} to {max(taken):.2f})")
    stock, warm_s = middle["stock papermill"], middle["the sweep, warm kernels"]
    print(
        f"warm kernels cost 1/{stock / warm_s:.1f} of stock papermill; the server took {server_s:.1f} s, once a sweep"
    )
    print(f"at most {TARGET_S} s a cell with warm kernels: {'yes' if warm_s <= TARGET_S else 'no'}")


if __name__ == "__main__":
    main()
