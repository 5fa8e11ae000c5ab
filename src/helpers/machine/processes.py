"""A process with all its children: the CPU seconds that they spent, and their end."""

from contextlib import suppress

import psutil


def cpu_seconds() -> float:
    """Returns the CPU seconds of this process and of its living and ended children so far."""
    process = psutil.Process()
    total = 0.0
    for member in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            spent = member.cpu_times()
            total += spent.user + spent.system + spent.children_user + spent.children_system
    return total


def end_tree(pid: int) -> None:
    """Kills a process that we started, and its children: those that hang listen to nothing gentler."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                member.kill()
