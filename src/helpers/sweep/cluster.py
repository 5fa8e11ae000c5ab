"""Runs a sweep's cells on a Dask cluster: one at a time on a host, and only by workers with this very software.

Dask exchanges pickles and asks nobody for a password: use a scheduler that you trust, on a network that you trust.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import tempfile
import time
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from helpers import results
from helpers.errors import StudyError
from helpers.sweep import grid as grids, identity

KEPT = ("executed.ipynb", "kernel.log", "error.txt", results.ROWS)
ATTEMPTS = 3
CONNECT_S = 10.0
NO_WORKER_S = 60.0
POLL_S = 0.05
# Two kernels that start at the same moment may have picked the same port; neither has run anything then.
_NEVER_BEGAN = "Kernel died before replying to kernel_info"


@dataclass(frozen=True)
class Worker:
    """One that may run cells: its address, and the host on which it shares a machine with others."""

    address: str
    host: str


def software() -> dict[str, str]:
    """Returns what must be alike wherever cells of one sweep run: what runs a cell, of the kit and of packages."""
    from helpers import machine

    return {"helpers": identity.hash_of(__name__)[:16], **machine.installed_versions()}


def host() -> str:
    """Returns the name of this host; STUDY_HOST overrides it, for workers that share a machine but no cores."""
    return os.environ.get("STUDY_HOST") or platform.node()


def introduce() -> dict:
    """Returns, on a worker, what the sweep must know of it."""
    return {"software": software(), "host": host()}


def run_cell(notebook: bytes, cell: grids.Cell, cell_timeout_s: float) -> tuple[bool, dict[str, bytes], dict]:
    """Runs one cell, on a worker, when no other cell runs on this host.

    Returns:
        Whether its rows are there, the files it left by name, and who ran it.
    """
    from helpers import datasets, machine
    from helpers.datasets import preparing
    from helpers.sweep.cell import run_cell as run_here

    folder = Path(tempfile.mkdtemp(prefix="study-worker-"))
    try:
        source = datasets.named(cell.parameters["dataset"])
        if source.stands_for and not source.is_ready:
            preparing.prepare(source.name, progress=lambda line: None)
        place = folder / "cell.ipynb"
        place.write_bytes(notebook)
        with _alone_on_host():
            done = run_here(place, cell, folder / "out", cell_timeout_s)
            if not done and _NEVER_BEGAN in (folder / "out" / "error.txt").read_text():
                done = run_here(place, cell, folder / "out", cell_timeout_s)
        left = {file: (folder / "out" / file).read_bytes() for file in KEPT if (folder / "out" / file).is_file()}
        return done, left, {"host": host(), "pid": os.getpid(), "machine": machine.describe().to_dict()}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone_on_host():
    """Waits until no other cell runs here, of whatever sweep; the system frees the lock of one that died."""
    name = hashlib.sha256(host().encode()).hexdigest()[:8]
    with open(Path(tempfile.gettempdir()) / f"study-host-{os.getuid()}-{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run_cells(
    plan: grids.Grid,
    cells,
    out: Path,
    cell_timeout_s: float,
    progress: bool,
    *,
    scheduler: str,
    no_worker_s: float = NO_WORKER_S,
) -> list[str]:
    """Sends cells to a cluster and writes what comes back; this process alone writes.

    A worker's death sends its cell to another, three times at most.

    Args:
        plan: the grid.
        cells: those to run.
        out: the run's folder.
        cell_timeout_s: a cell that takes longer is ended and counts as failed.
        progress: show a progress bar.
        scheduler: the address of Dask's scheduler, such as tcp://host:8786.
        no_worker_s: seconds to wait while no worker can be used.

    Returns:
        The ids of the cells that failed.

    Raises:
        StudyError: where Dask is not installed, no scheduler answers, or no worker can be used.
    """
    from tqdm.auto import tqdm

    with _client(scheduler) as client, tqdm(total=len(cells), unit="cell", disable=not progress) as bar:
        return _Sweep(client, scheduler, plan, out, cell_timeout_s, no_worker_s).run(cells, bar)


@contextmanager
def _client(scheduler):
    try:
        import distributed
    except ImportError as error:
        raise StudyError(
            "--scheduler needs Dask, which is not installed; install it: pip install -e '.[scale]'"
        ) from error
    try:
        client = distributed.Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise StudyError(
            f"a Dask scheduler must answer at {scheduler} (got {' '.join(str(error).split())[:120]}); "
            "start one: dask scheduler"
        ) from error
    with client, client.as_current():
        yield client


class _Sweep:
    """The cells on their way: which wait, which run where, which failed."""

    def __init__(self, client, scheduler, plan, out, cell_timeout_s, no_worker_s):
        self.client = client
        self.scheduler = scheduler
        self.notebook = plan.notebook.read_bytes()
        self.out = out
        self.cell_timeout_s = cell_timeout_s
        self.no_worker_s = no_worker_s
        self.software = software()
        self.workers = {}  # address -> Worker, or why it is refused
        self.running = {}  # future -> (cell, Worker)
        self.attempts = Counter()
        self.failed = []

    def run(self, cells, bar):
        self.waiting = deque(cells)
        idle_since = time.monotonic()
        while self.waiting or self.running:
            present = self._present()
            self._collect(present, bar)
            self._send(present)
            if self.running:
                idle_since = time.monotonic()
            elif self.waiting and time.monotonic() - idle_since > self.no_worker_s:
                raise StudyError(self._why_none())
            time.sleep(POLL_S)
        return self.failed

    def _present(self):
        """Returns the addresses of the workers that are there now, new ones looked at."""
        try:
            if self.client.status != "running":
                raise ConnectionError(f"the connection is {self.client.status}")
            present = set(self.client.scheduler_info(n_workers=-1)["workers"])
        except (OSError, TimeoutError) as error:
            raise StudyError(
                f"the Dask scheduler at {self.scheduler} must stay up (it is gone); the cells that are done stay: "
                "start it, then go on with --resume"
            ) from error
        new = [address for address in present if address not in self.workers]
        if new:
            for address, told in self.client.run(introduce, workers=new, on_error="return").items():
                self.workers[address] = self._judge(address, told)
                if isinstance(self.workers[address], str):
                    print(f"worker {address} is refused: {self.workers[address]}")
        return present

    def _judge(self, address, told):
        if not isinstance(told, dict):
            return f"the kit must be installed there ({type(told).__name__}: {told})"
        unlike = {
            name: (told["software"].get(name, "none"), self.software.get(name, "none"))
            for name in {*told["software"], *self.software}
            if told["software"].get(name) != self.software.get(name)
        }
        if unlike:
            return "its software must be ours: " + ", ".join(
                f"{name} {theirs} there, {ours} here" for name, (theirs, ours) in sorted(unlike.items())
            )
        return Worker(address, told["host"])

    def _collect(self, present, bar):
        for future, (cell, worker) in list(self.running.items()):
            if future.done() and future.status == "finished":
                done, files, by = future.result()
                self._write(cell, files, {**by, "worker": worker.address, "attempt": self.attempts[cell.id]})
                self._end(future, bar, failed=not done)
            elif future.status == "error" and worker.address in present:
                self._write(cell, {"error.txt": f"{future.exception()}\n".encode()}, {"worker": worker.address})
                self._end(future, bar, failed=True)
            elif worker.address not in present:
                future.cancel()
                if self.attempts[cell.id] < ATTEMPTS:
                    print(f"worker {worker.address} is gone; its cell runs again: {cell.id}")
                    del self.running[future]
                    self.waiting.appendleft(cell)
                else:
                    reason = f"its worker died, {ATTEMPTS} times\n"
                    self._write(cell, {"error.txt": reason.encode()}, {"worker": worker.address})
                    self._end(future, bar, failed=True)

    def _end(self, future, bar, *, failed):
        cell, _ = self.running.pop(future)
        if failed:
            self.failed.append(cell.id)
        bar.update()

    def _send(self, present):
        busy = {worker.host for _, worker in self.running.values()}
        for address in sorted(present):
            worker = self.workers.get(address)
            if not self.waiting or not isinstance(worker, Worker) or worker.host in busy:
                continue
            cell = self.waiting.popleft()
            self.attempts[cell.id] += 1
            future = self.client.submit(
                run_cell, self.notebook, cell, self.cell_timeout_s, workers=[address], pure=False, retries=0
            )
            self.running[future] = (cell, worker)
            busy.add(worker.host)

    def _write(self, cell, files, by):
        """Writes a cell's folder, its rows last, each file whole or not at all."""
        folder = self.out / "cells" / cell.id
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        files.write_json(folder / "worker.json", by)
        for name in KEPT:
            if name in files:
                files.write_whole(folder / name, lambda place, name=name: place.write_bytes(files[name]))

    def _why_none(self):
        refused = [f"{address}: {why}" for address, why in self.workers.items() if isinstance(why, str)]
        return (
            f"a sweep on a cluster needs a worker with this software ({'; '.join(refused) or 'none is there'}); "
            "start one a host from this checkout: dask worker ADDRESS --nthreads 1"
        )
