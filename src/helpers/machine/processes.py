"""A process with all its children: the CPU seconds that they spent, and their end."""

import multiprocessing
import sys
import time
from contextlib import suppress

import psutil

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
    for child in multiprocessing.active_children():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            process = psutil.Process(child.pid)
            total += sum(_seconds_of(member) for member in [process, *process.children(recursive=True)])
    return total


def _seconds_of(process):
    """The CPU seconds of another process and its ended children; Linux tells the former in nanoseconds."""
    spent = process.cpu_times()
    own = spent.user + spent.system
    if sys.platform == "linux":
        own = time.clock_gettime(~process.pid << 3 | 2)  # as clock_getcpuclockid(3) names another process's clock
    return own + getattr(spent, "children_user", 0.0) + getattr(spent, "children_system", 0.0)


def end_tree(pid: int) -> None:
    """Kills a process that we started, and its children: those that hang listen to nothing gentler."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                member.kill()
