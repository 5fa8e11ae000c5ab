"""Kills a running sweep, its kernels and its kernel server with `kill -9` at random moments, and resumes it each time.

`python benchmarks/torture.py --kills 200 --limit-s 1500` ends with what was lost: 0 finished cells and 0 wrong rows,
or exit code 1. A cell counts as finished when its rows are whole at a moment when no sweep runs.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil
import trivial_cells

from helpers import machine, results

CELLS = 40
VICTIMS = ("sweep", "sweep", "kernel", "server")  # the sweep as often as its kernels and server together


class Torture:
    """One folder after another, each with a sweep that is killed until it is done all the same."""

    def __init__(self, place: Path, *, cells: int = CELLS, within_s: float = 4, seed: int = 0, launcher: str = "warm"):
        self.place, self.cells_a_sweep, self.within_s = place, cells, within_s
        self.options = ("--resume", "--launcher", launcher)
        self.random = random.Random(seed)
        self.kills, self.faults, self.finished = Counter(), [], 0
        self.machine_id = machine.describe().id

    def run(self, *, kills: int, limit_s: float) -> None:
        """Kills so often, or until the time is up, and finishes the last sweep in peace."""
        end = time.monotonic() + limit_s
        rounds = 0
        while self.kills.total() < kills and time.monotonic() < end:
            rounds += 1
            self._one_sweep(self.place / f"{rounds}", kills, end)

    def _one_sweep(self, place, kills, end):
        place.mkdir()
        (place / "tmp").mkdir()
        self.out = place / "run"
        pause = "import random; time.sleep(random.random() * 0.2)"
        self.grid = trivial_cells.write_grid(place, range(self.cells_a_sweep), code=pause)
        self.plan = trivial_cells.plan(self.grid, machine_id=self.machine_id)
        finished, code = {}, None
        while code != 0:
            at_peace = self.kills.total() >= kills or time.monotonic() > end
            code = self._run_once(place, at_peace)
            finished = self._check_finished(finished)
            if at_peace and code != 0:
                self.faults.append(f"a sweep left in peace ended with {code}")
                break
        self.finished += len(finished)
        self.faults += trivial_cells.wrong(self.out, {c.id: c.parameters["seed"] for c in self.plan.cells})
        left = [str(one.relative_to(place)) for pattern in ("tmp/*", "run/.*.part") for one in place.glob(pattern)]
        self.faults += [f"left behind: {name}" for name in left]

    def _run_once(self, place, at_peace):
        """Starts the sweep, kills until it ends; returns its exit code."""
        sweep = subprocess.Popen(
            [sys.executable, trivial_cells.__file__, self.grid, self.out, *self.options],
            env={**os.environ, "TMPDIR": str(place / "tmp")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        seen = {}
        while not at_peace and sweep.poll() is None:
            victim = self.random.choice(VICTIMS)
            deadline = time.monotonic() + 10
            while victim != "sweep" and victim not in family(sweep.pid).values() and sweep.poll() is None:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.02)
            try:
                sweep.wait(self.random.uniform(0, self.within_s if victim == "sweep" else 0.5))
            except subprocess.TimeoutExpired:
                for pid in family(sweep.pid):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        seen[pid] = psutil.Process(pid)  # not its number alone, which another may get later
                self._kill(victim, sweep)
        sweep.wait()
        self._check_gone(seen)
        return sweep.returncode

    def _kill(self, victim, sweep):
        """Kills the sweep, its server or its kernel, if that is alive just now."""
        alive = [sweep.pid] if victim == "sweep" else [p for p, name in family(sweep.pid).items() if name == victim]
        with contextlib.suppress(ProcessLookupError):  # it may end by itself, just now
            for pid in alive[:1]:
                os.kill(pid, signal.SIGKILL)
                self.kills[victim] += 1
        if victim == "sweep":
            sweep.wait()

    def _check_gone(self, seen):
        """Nothing that the sweep started may outlive it for long."""
        end = time.monotonic() + 10
        while (alive := [process for process in seen.values() if runs(process)]) and time.monotonic() < end:
            time.sleep(0.05)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                self.faults.append(f"a process outlived its sweep: {' '.join(process.cmdline())[:200]}")

    def _check_finished(self, finished):
        """Returns cell -> hash of its rows of all cells that are finished now; notes those that were before."""
        now = {}
        for cell in self.plan.cells:
            folder = self.out / "cells" / cell.id
            if results.read_cell(folder) is not None:
                now[cell.id] = hashlib.sha256((folder / results.ROWS).read_bytes()).hexdigest()
        for cell, digest in finished.items():
            if now.get(cell) != digest:
                self.faults.append(f"finished cell {cell} was {'changed' if cell in now else 'lost'}")
        return now

    def summary(self) -> str:
        """What was done and what was found."""
        killed = ", ".join(f"{count} of a {name}" for name, count in self.kills.most_common())
        faults = Counter(json.dumps(fault) for fault in self.faults)
        found = "; ".join(f"{fault} ({count})" for fault, count in faults.items()) or "0 lost, 0 wrong, 0 left over"
        return f"{self.kills.total()} kills ({killed}), {self.finished} cells finished: {found}"


def runs(process: psutil.Process) -> bool:
    """Whether a process has not ended: one without a parent stays listed until the system's first process looks."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def family(pid: int) -> dict[int, str]:
    """Returns process id -> "server" or "kernel" of what a sweep has started."""
    found = {}
    for child in psutil.Process(pid).children(recursive=True) if psutil.pid_exists(pid) else ():
        try:
            command = " ".join(child.cmdline())
            if "kernel_server" in command:
                found[child.pid] = "server" if child.ppid() == pid else "kernel"
            elif "ipykernel" in command:
                found[child.pid] = "kernel"
        except psutil.NoSuchProcess:
            continue
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--limit-s", type=float, default=1500, help="stop killing after that long")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and victims")
    parser.add_argument("--launcher", choices=("warm", "stock"), default="warm")
    arguments = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        torture = Torture(Path(place), seed=arguments.seed, launcher=arguments.launcher)
        torture.run(kills=arguments.kills, limit_s=arguments.limit_s)
    print(f"{torture.summary()}; {time.monotonic() - start:.0f} s")
    sys.exit(1 if torture.faults else 0)


if __name__ == "__main__":
    main()
