"""Runs a sweep's cells on a Dask cluster: one at a time on a host, and only by workers with this very software.

Dask exchanges pickles and asks nobody for a password: use a scheduler that you trust, on a network that you trust.
"""

import hashlib
import os
import platform
import queue
import shutil
import stat
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from helpers import datasets, files, machine, results
from helpers.datasets import preparing
from helpers.errors import StudyError, first_line
from helpers.sweep import cell as cells, grid as grids, identity

KEPT = ("executed.ipynb", "kernel.log", "error.txt", results.ROWS, results.DONE)
ATTEMPTS = 3
CONNECT_S = 10.0
NO_WORKER_S = 60.0
POLL_S = 0.05
# What is stopped, not dead, keeps its connections: after so long without a sign it counts as gone, and with its next
# sign it is back.
SILENT_S = 30.0


def software() -> dict[str, str]:
    """Returns what must be alike wherever cells of one sweep run: what runs a cell, of the kit and of packages."""
    return {"helpers": identity.hash_of(__name__)[:16], **machine.installed_versions()}


def host() -> str:
    """Returns the name of this host; STUDY_HOST overrides it, for workers that share a machine but no cores."""
    return os.environ.get("STUDY_HOST") or platform.node()


def introduce() -> dict[str, Any]:
    """Returns, on a worker, what the sweep must know of it."""
    return {"software": software(), "host": host()}


def run_cell(notebook: bytes, cell: grids.Cell, cell_timeout_s: float) -> tuple[bool, dict[str, bytes], dict[str, Any]]:
    """Runs one cell, on a worker, when no other cell runs on this host.

    Returns:
        Whether its rows are there, the files it left by name, and who ran it.
    """
    source = datasets.named(cell.parameters["dataset"])
    if source.makes_itself and not source.is_ready:
        preparing.prepare(source.name, progress=lambda line: None)
    with files.scratch("worker") as folder:
        code, out = folder / "cell.ipynb", folder / "out"
        code.write_bytes(notebook)
        with alone_on_host(deadline_s=2 * cell_timeout_s):
            done = cells.run_cell(code, cell, out, cell_timeout_s)
        left = {file: (out / file).read_bytes() for file in KEPT if (out / file).is_file()}
    return done, left, {"host": host(), "pid": os.getpid(), "machine": machine.describe().to_dict()}


@contextmanager
def alone_on_host(*, deadline_s: float) -> Iterator[None]:
    """Waits until no other cell runs here, of whatever sweep; the system frees the lock of one that died.

    The lock is in a folder of the user's own in the shared temporary folder, and no link is followed to it.

    Args:
        deadline_s: seconds to wait; another sweep's cell may be stopped and never end.

    Raises:
        StudyError: where that folder is not the user's alone, the lock is no plain file, or nobody frees it in time.
    """
    folder = Path(tempfile.gettempdir()) / f"study-{os.getuid()}"
    lock = folder / f"{hashlib.sha256(host().encode()).hexdigest()[:8]}.lock"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or stat.S_IMODE(state.st_mode) & 0o077:
        raise StudyError(f"{folder} must be a folder that you alone can use (it is not); remove it, or set TMPDIR")
    try:
        opened = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StudyError(f"{lock} must be a plain file (got {error.strerror}); remove it") from error
    with open(opened, "rb+", buffering=0) as held:
        wait_until = time.monotonic() + deadline_s
        while not _taken(held):
            if time.monotonic() > wait_until:
                raise StudyError(f"another cell must leave {host()} within {deadline_s:g} s (it runs on); end it")
            time.sleep(POLL_S)
        yield


def _taken(lock):
    try:
        files.lock(lock)
    except BlockingIOError:
        return False
    return True


def run_cells(
    plan: grids.Grid,
    wanted: Iterable[grids.Cell],
    out: Path,
    cell_timeout_s: float,
    progress: bool,
    *,
    scheduler: str,
    after: Callable[[grids.Cell, bool], None] = lambda cell, done: None,
) -> list[str]:
    """Sends cells to a cluster and writes what comes back; this process alone writes.

    A worker's death sends its cell to another, three times at most.

    Args:
        plan: the grid.
        wanted: the cells to run.
        out: the run's folder.
        cell_timeout_s: a cell that takes longer is ended and counts as failed.
        progress: show a progress bar.
        scheduler: the address of Dask's scheduler, such as tcp://host:8786.
        after: called here with each cell that has come to its end, and whether its rows are there.

    Returns:
        The ids of the cells that failed.

    Raises:
        StudyError: where Dask is not installed, no scheduler answers, or no worker can be used for a minute.
    """
    from tqdm.auto import tqdm

    waiting = deque(wanted)
    with _client(scheduler) as client, tqdm(total=len(waiting), unit="cell", disable=not progress) as bar:
        return _Sweep(client, scheduler, plan, out, cell_timeout_s, after).run(waiting, bar)


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
            f"a Dask scheduler must answer at {scheduler} (got {first_line(error)}); start one: dask scheduler"
        ) from error
    with client, client.as_current():
        yield client


def _within(deadline_s, ask):
    """Returns what `ask` does; raises TimeoutError where that is not in time. Dask's own calls wait without end."""
    answers: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_answer, args=(ask, "", answers), daemon=True).start()
    try:
        _, told = answers.get(timeout=deadline_s)
    except queue.Empty:
        raise TimeoutError(f"no answer in {deadline_s:g} s") from None
    if isinstance(told, Exception):
        raise told
    return told


def _answer(ask, asked, answers):
    try:
        told = ask()
    except Exception as error:
        told = error
    answers.put((asked, told))


class _Sweep:
    """The cells on their way: which wait, which run where, which failed."""

    def __init__(self, client, scheduler, plan, out, cell_timeout_s, after):
        self.client = client
        self.scheduler = scheduler
        self.software = software()
        self.notebook = plan.notebook.read_bytes()
        self.out = out
        self.cell_timeout_s = cell_timeout_s
        self.after = after
        self.hosts: dict[str, str] = {}  # a worker's address -> the host that it shares with others
        self.refused: dict[str, str] = {}  # a worker's address -> why it is refused
        self.asked: set[str] = set()  # workers' addresses
        self.answers: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()  # of workers, in what they told
        self.signs: dict[str, tuple[float, float]] = {}  # a worker's address -> its last sign, when that was new here
        self.running: dict[Any, tuple[grids.Cell, str]] = {}  # future -> the cell, its worker's address
        self.attempts: Counter[str] = Counter()
        self.failed: list[str] = []

    def run(self, waiting: deque[grids.Cell], bar: Any) -> list[str]:
        self.waiting = waiting
        idle_since = time.monotonic()
        while self.waiting or self.running:
            present = self._present()
            self._collect(present, bar)
            self._send(present)
            if self.running:
                idle_since = time.monotonic()
            elif self.waiting and time.monotonic() - idle_since > NO_WORKER_S:
                raise StudyError(self._why_none())
            time.sleep(POLL_S)
        return self.failed

    def _present(self):
        """Returns the addresses of the workers that give signs of life, new ones looked at."""
        try:
            if self.client.status != "running":
                raise ConnectionError(f"the connection is {self.client.status}")
            workers = _within(SILENT_S, partial(self.client.scheduler_info, n_workers=-1))["workers"]
        except (OSError, TimeoutError) as error:
            raise StudyError(
                f"the Dask scheduler at {self.scheduler} must stay up (it is gone); the cells that are done stay: "
                "start it, then go on with --resume"
            ) from error
        for address in workers.keys() - self.asked:
            self.asked.add(address)
            ask = partial(self.client.run, introduce, workers=[address], on_error="return")
            threading.Thread(target=_answer, args=(ask, address, self.answers), daemon=True).start()
        while not self.answers.empty():
            address, answer = self.answers.get()
            told: Any = answer[address] if isinstance(answer, dict) else answer
            if reason := self._refusal(told):
                self.refused[address] = reason
                print(f"worker {address} is refused: {reason}")
            else:
                self.hosts[address] = told["host"]
        now = time.monotonic()
        for address, known in workers.items():
            if address not in self.signs or self.signs[address][0] != known["last_seen"]:
                self.signs[address] = (known["last_seen"], now)
        return {address for address in workers if now - self.signs[address][1] < SILENT_S}

    def _refusal(self, told):
        """Returns why a worker that told this of itself is refused; "" where it is not."""
        if not isinstance(told, dict):
            return f"the kit must be installed there ({type(told).__name__}: {told})"
        theirs, ours = told["software"], self.software
        unlike = [
            f"{name} {theirs.get(name, 'none')} there, {ours.get(name, 'none')} here"
            for name in sorted({*theirs, *ours})
            if theirs.get(name) != ours.get(name)
        ]
        return f"its software must be ours: {', '.join(unlike)}" if unlike else ""

    def _collect(self, present, bar):
        for future, (cell, address) in list(self.running.items()):
            if future.done() and future.status == "finished":
                try:
                    done, left, by = future.result(timeout=SILENT_S)
                except TimeoutError:  # its worker was stopped before it handed them over
                    continue
                self._write(cell, left, {**by, "worker": address, "attempt": self.attempts[cell.id]})
                self._end(future, bar, failed=not done)
            elif future.status == "error" and address in present:
                self._write(cell, {"error.txt": f"{future.exception()}\n".encode()}, {"worker": address})
                self._end(future, bar, failed=True)
            elif address not in present:
                future.cancel()
                if self.attempts[cell.id] < ATTEMPTS:
                    print(f"worker {address} is gone, or stopped; its cell runs again: {cell.id}")
                    del self.running[future]
                    self.waiting.appendleft(cell)
                else:
                    reason = f"its worker died or stopped, {ATTEMPTS} times\n"
                    self._write(cell, {"error.txt": reason.encode()}, {"worker": address})
                    self._end(future, bar, failed=True)

    def _end(self, future, bar, *, failed):
        cell, _ = self.running.pop(future)
        if failed:
            self.failed.append(cell.id)
        bar.update()
        self.after(cell, not failed)

    def _send(self, present):
        busy = {self.hosts[address] for _, address in self.running.values()}
        for address in sorted(present & set(self.hosts)):
            if not self.waiting or self.hosts[address] in busy:
                continue
            cell = self.waiting.popleft()
            self.attempts[cell.id] += 1
            future = self.client.submit(
                run_cell, self.notebook, cell, self.cell_timeout_s, workers=[address], pure=False, retries=0
            )
            self.running[future] = (cell, address)
            busy.add(self.hosts[address])

    def _write(self, cell, left, by):
        """Writes a cell's folder of what it left, its rows last, each file whole or not at all."""
        folder = self.out / "cells" / cell.id
        shutil.rmtree(folder, ignore_errors=True)
        files.make_folder(folder)
        files.write_json(folder / "worker.json", by)
        for name in KEPT:
            if name in left:
                files.write_whole(folder / name, partial(Path.write_bytes, data=left[name]))

    def _why_none(self):
        refused = "; ".join(f"{address}: {reason}" for address, reason in self.refused.items())
        return (
            f"a sweep on a cluster needs a worker with this software ({refused or 'none is there'}); "
            "start one per host from this checkout: dask worker ADDRESS --nthreads 1"
        )
