"""Does `study report A B` find a pipeline that became 10% slower, and does it leave alone one that did not?

Runs of the same two cells, each in a process of its own, half of them with a Sequence whose batches take longer by
10% of an epoch. Every pair of unchanged runs may raise an alarm, which is false; every pair of an unchanged and a
slower run should.
"""

import argparse
import itertools
import math
import multiprocessing
import os
import tempfile
import time
from pathlib import Path

import pandas as pd

from helpers import measurement, results
from helpers.pipelines import py_dataset
from helpers.results import changes
from helpers.tasks import Task

SLOWED = "py_dataset"
SPECS = {
    "tf_data": {"builder": "tf_data", "repeat": True, "autotune": False, "num_parallel_calls": 2, "prefetch": 2},
    SLOWED: {"builder": "py_dataset"},
    "tf_data, batch map": {
        "builder": "tf_data", "map": "batch", "repeat": True, "autotune": False, "num_parallel_calls": 2, "prefetch": 2,
    },
}  # fmt: skip
CELLS = {"noise": 5000, "flip_brightness": 4000}  # transform -> examples


def run(path, budget_s, busy_s):
    """Measures both cells and writes their rows; each batch of the Sequence takes `busy_s[transform]` longer."""
    honest = py_dataset.TaskPyDataset.__getitem__
    tables = []
    for transform, examples in CELLS.items():
        task = Task(dataset="synthetic", transform=transform, examples=examples, batch_size=32, image_size=(32, 32))
        longer_s = busy_s.get(transform, 0.0)

        def slower(self, batch, longer_s=longer_s):
            made = honest(self, batch)
            end = time.perf_counter() + longer_s
            while time.perf_counter() < end:
                pass
            return made

        py_dataset.TaskPyDataset.__getitem__ = slower
        measured = measurement.measure(task, SPECS, budget_s=budget_s)
        told = {"grid": "two_runs", "cell_id": transform, "launcher": "benchmark", "server": 1, "started_at": ""}
        tables.append(measured.rows(**told, machine_id="this machine"))
    results.write_table(path, pd.concat(tables))


def in_a_process(path, budget_s, busy_s):
    """Makes one run in a fresh process, unless its file is there; returns its table."""
    if not path.exists():
        process = multiprocessing.get_context("spawn").Process(target=run, args=(path, budget_s, busy_s))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"a run must end well (got exit code {process.exitcode})")
        print(f"  {path.stem}", flush=True)
    return pd.read_parquet(path)


def all_runs(folder, arguments):
    """Makes what is not there yet, in turns; returns the tables of unchanged and of slower runs."""
    started = time.perf_counter()
    in_a_process(folder / "warm-up.parquet", 3.0, {})
    first = in_a_process(folder / "unchanged-1.parquet", arguments.budget_s, {})
    epochs = first[first["pipeline"] == SLOWED]
    per_batch = epochs["epoch_s"] / epochs["batches"] * arguments.slower
    changes_of = {"unchanged": {}, "slower": dict(zip(epochs["transform"], per_batch, strict=True))}
    tables = {kind: [] for kind in changes_of}
    for number in range(1, arguments.runs + 1):
        for kind, busy_s in changes_of.items():
            path = folder / f"{kind}-{number}.parquet"
            if path.exists() or time.perf_counter() - started < arguments.limit_s:
                tables[kind].append(in_a_process(path, arguments.budget_s, busy_s))
    return tables["unchanged"], tables["slower"]


def verdict(before, after):
    """Of the Sequence over all cells, with the ratio of ratios and its interval."""
    table = changes.changes(before, after)
    row = table[(table["pipeline"] == SLOWED) & (table["where"] == "all cells")].iloc[0]
    return row["verdict"], f"{row['ratio']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def alarms(pairs):
    """Prints each pair's change; returns how many are told as slower, how many as faster."""
    found = [verdict(*pair) for pair in pairs]
    print("  " + "; ".join(f"{told} {change}" for told, change in found))
    return [sum(told == name for told, _ in found) for name in ("slower", "faster")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="unchanged ones; as many again are made slower")
    parser.add_argument("--slower", type=float, default=0.10, help="share of an epoch")
    parser.add_argument("--budget-s", type=float, default=30.0, help="per cell")
    parser.add_argument("--limit-s", type=float, default=math.inf, help="begin no run after that")
    parser.add_argument("--folder", type=Path, help="keep runs here, so that they may be made in slices")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        unchanged, slower = all_runs(folder, arguments)
    same = list(itertools.combinations(unchanged, 2))
    false = sum(alarms(same))
    changed = list(itertools.product(unchanged, slower))
    found, turned = alarms(changed)
    print(f"\nunchanged: {false} of {len(same)} pairs raise an alarm")
    print(f"{arguments.slower:.0%} slower: found in {found} of {len(changed)} pairs, told as faster in {turned}")


if __name__ == "__main__":
    main()
