"""A process with all its children: the CPU seconds that they spent, and their end."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import psutil

LIBRARIES = "libraries.log"  # in a run's folder: what TensorFlow and others wrote to stderr beside the cells

try:
    import resource
except ImportError:  # Windows, which does not count the children that ended
    resource = None  # type: ignore[assignment]


def cpu_seconds() -> float:
    """Returns the CPU seconds of this process, of its ended children, and of those that `multiprocessing` started.

    Without such children it takes a few microseconds, and counts in nanoseconds.
    """
    total = time.process_time_ns() * 1e-9
    if resource:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        total += ended.ru_utime + ended.ru_stime
    return total + sum(tree_seconds(child.pid) for child in multiprocessing.active_children() if child.pid)


def tree_seconds(pid: int) -> float:
    """Returns the CPU seconds of another process and of its children; 0 where it has ended.

    Args:
        pid: its number.
    """
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied, OSError):
        process = psutil.Process(pid)
        return sum(_seconds_of(member) for member in [process, *process.children(recursive=True)])
    return 0.0


def _seconds_of(process):
    """The CPU seconds of another process and its ended children; Linux tells the former in nanoseconds."""
    spent = process.cpu_times()
    own = spent.user + spent.system
    if sys.platform == "linux":
        own = time.clock_gettime(~process.pid << 3 | 2)  # as clock_getcpuclockid(3) names another process's clock
    return own + getattr(spent, "children_user", 0.0) + getattr(spent, "children_system", 0.0)


def run(
    command: Sequence[str], *, deadline_s: float, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command and returns how it ended and what it said; ends it, and its children, at a deadline.

    What it says goes into files: the end of a pipe would come only with that of the last process that holds it.

    Args:
        command: the program and its arguments.
        deadline_s: seconds that it may take.
        env: its environment; None: this process's.

    Raises:
        subprocess.TimeoutExpired: at the deadline, with what it had said, as text.
    """
    with (
        tempfile.TemporaryFile() as said,
        tempfile.TemporaryFile() as told,
        subprocess.Popen(command, stdout=said, stderr=told, env=env) as process,
    ):
        try:
            process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            end_tree(process.pid)
            raise subprocess.TimeoutExpired(command, deadline_s, _text_in(said), _text_in(told)) from None
        except BaseException:  # interrupted
            end_tree(process.pid)
            raise
        return subprocess.CompletedProcess(command, process.returncode, _text_in(said), _text_in(told))


@contextmanager
def libraries_into(file: Path) -> Iterator[None]:
    """Sends what C++ libraries and children write to stderr into a file; what Python writes goes where it went.

    TensorFlow tells on its start what no setting of it silences. The file is written at the end, where something was
    said and its folder is there by then; what cannot be written is dropped.

    Args:
        file: gets what they said, after what it holds.
    """
    sys.stderr.flush()
    kept, stream = os.dup(2), sys.stderr
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        if _is_descriptor(stream, 2):
            sys.stderr = _stderr_of_its_own(kept)
        try:
            yield
        finally:
            sys.stderr.flush()
            sys.stderr = stream
            os.dup2(kept, 2)
            os.close(kept)
            said.seek(0)
            if told := said.read():
                with suppress(OSError), open(file, "ab") as log:
                    log.write(told)


def without_libraries() -> AbstractContextManager[None]:
    """Drops what C++ libraries write to stderr, as `libraries_into` keeps it; what Python writes goes where it went."""
    return libraries_into(Path(os.devnull))


def _is_descriptor(stream, descriptor):
    try:
        return stream.fileno() == descriptor
    except (OSError, ValueError):  # it is none: a test, or a notebook, has put something else there
        return False


def _stderr_of_its_own(descriptor):
    """Returns a stream to where a descriptor leads; it is never closed, since loggers keep what they find."""
    stream = sys.stderr
    return open(os.dup(descriptor), "w", buffering=1, encoding=stream.encoding, errors=stream.errors)


def _text_in(file):
    file.seek(0)
    return file.read().decode(errors="replace")


def end_tree(pid: int) -> None:
    """Kills a process that we started, and its children: those that hang listen to nothing gentler."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                member.kill()
