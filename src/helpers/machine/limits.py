"""What this process may use of the machine: cores, CPU time and memory, as affinity and control groups limit them."""

import math
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers import checks
from helpers.errors import StudyError

MEMBERSHIP = Path("/proc/self/cgroup")
CONTROL_GROUPS = Path("/sys/fs/cgroup")


def core_numbers() -> list[int]:
    """Returns the numbers of the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def check_restriction(cores: int) -> None:
    """Raises StudyError where this process cannot be held to so many cores."""
    if not hasattr(os, "sched_setaffinity"):
        raise StudyError(f"cores needs sched_setaffinity (this is {sys.platform}, which has none); leave cores out")
    checks.whole("cores", cores, least=1)
    if cores > len(core_numbers()):
        raise StudyError(f"cores must be <= {len(core_numbers())}, what this process may use (got {cores}); give fewer")


@contextmanager
def restricted_to(cores: int) -> Iterator[None]:
    """Holds this thread, and the processes that it starts meanwhile, to the first so many cores.

    A process that starts so keeps to them for good, and sizes its thread pools by them. One that runs already has its
    pools: TensorFlow's, OpenCV's and OpenBLAS' would be too large for the cores that are left.

    Raises:
        StudyError: where the system cannot do it, or there are fewer.
    """
    check_restriction(cores)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, core_numbers()[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_quota() -> float:
    """Returns how many cores' worth of CPU time this process may use: its affinity, or less by a container's quota."""
    return min([float(len(core_numbers())), *_quotas()])


def memory_limit_bytes() -> int:
    """Returns the memory that control groups leave this process, bytes; `sys.maxsize` where they set no limit."""
    return min((limit for limit, _ in memory_groups()), default=sys.maxsize)


def memory_groups() -> Iterator[tuple[int, int]]:
    """Yields, of each control group that limits this process's memory, the limit and what is in use of it, bytes.

    Cached files count as used there, but give way: they are left out.
    """
    for controller, limit_file, used_file, cached in (
        ("", "memory.max", "memory.current", "inactive_file"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        for group in _groups(controller):
            limit, used = _text(group / limit_file), _text(group / used_file)
            if limit.isdigit():
                gives_way = re.search(rf"^{cached} (\d+)$", _text(group / "memory.stat"), re.MULTILINE)
                yield int(limit), int(used or 0) - int(gives_way[1] if gives_way else 0)


def control_group_files(name: str, *, controller: str = "") -> Iterator[str]:
    """Yields the text of a file of this process's control group, then of each group above it: all their limits hold.

    Args:
        name: of the file.
        controller: of version 1's hierarchy; "": version 2.
    """
    for group in _groups(controller):
        if text := _text(group / name):
            yield text


def _groups(controller: str) -> Iterator[Path]:
    """Yields the folder of this process's control group, then that of each group above it; not all exist."""
    for line in MEMBERSHIP.read_text().splitlines() if MEMBERSHIP.is_file() else ():
        _, controllers, group = line.split(":", 2)
        if controller in controllers.split(","):
            base = CONTROL_GROUPS / controller
            own = base / group.lstrip("/")
            # Inside a container the group's own path is often not there, and its files lie at the root.
            yield from (own, *(above for above in own.parents if above.is_relative_to(base)))


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _quotas() -> Iterator[float]:
    for text in control_group_files("cpu.max"):
        yield _cores(*text.split(" ", 1))
    quotas = control_group_files("cpu.cfs_quota_us", controller="cpu")
    periods = control_group_files("cpu.cfs_period_us", controller="cpu")
    for quota, period in zip(quotas, periods, strict=False):
        yield _cores(quota, period)


def _cores(quota: str, period: str = "") -> float:
    """Returns quota over period; infinite where one is not a number ("max", "-1")."""
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else math.inf
