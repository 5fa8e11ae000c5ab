"""A process with all its children: the CPU seconds that they spent, and their end."""

import subprocess
from collections.abc import Mapping, Sequence
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


def run(
    command: Sequence[str], *, deadline_s: float, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command and returns how it ended and what it said; ends it, and what it started, at a deadline.

    Args:
        command: the program and its arguments.
        deadline_s: seconds that it may take.
        env: its environment; None: this process's.

    Raises:
        subprocess.TimeoutExpired: at the deadline, with what it had said, as text.
    """
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        try:
            said, told = process.communicate(timeout=deadline_s)
        except subprocess.TimeoutExpired:
            end_tree(process.pid)
            raise subprocess.TimeoutExpired(command, deadline_s, *process.communicate()) from None
        except BaseException:  # interrupted
            end_tree(process.pid)
            raise
    return subprocess.CompletedProcess(command, process.returncode, said, told)


def end_tree(pid: int) -> None:
    """Kills a process that we started, and its children: those that hang listen to nothing gentler."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                member.kill()
