"""Resident memory of this process; its peak from Linux's /proc, NaN where the system does not tell.

`getrusage` is no help: a child's peak carries its parent's.
"""

import math
import re
from contextlib import suppress
from pathlib import Path

import psutil

from helpers.machine import limits

try:
    import resource
except ImportError:  # Windows, which sets a process no such limits
    resource = None  # type: ignore[assignment]

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def _field_bytes(name):
    with suppress(OSError):
        if told := re.search(rf"^{name}:\s*(\d+) kB$", _STATUS.read_text(), re.MULTILINE):
            return float(told[1]) * 1024
    return math.nan


def resident_bytes() -> float:
    """Returns the resident memory now, bytes."""
    told = _field_bytes("VmRSS")
    return float(psutil.Process().memory_info().rss) if math.isnan(told) else told


def tree_bytes() -> float:
    """Returns the resident memory now of this process and its children together, bytes; shared pages count twice."""
    total = resident_bytes()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            total += child.memory_info().rss
    return total


def peak_bytes() -> float:
    """Returns the highest resident memory since the process began or `reset_peak` was called, bytes."""
    return _field_bytes("VmHWM")


def reset_peak() -> bool:
    """Starts a new peak from here; returns whether the system let us."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def available_bytes() -> float:
    """Returns how much more memory this process may take: the machine's, its control group's or its own limit."""
    free = [float(psutil.virtual_memory().available)]
    free += [limit - used for limit, used in limits.memory_groups()]
    for kind, field in ((resource.RLIMIT_DATA, "VmData"), (resource.RLIMIT_AS, "VmSize")) if resource else ():
        soft, _ = resource.getrlimit(kind)
        used = _field_bytes(field)
        if soft != resource.RLIM_INFINITY and not math.isnan(used):
            free.append(soft - used)
    return max(0.0, min(free))
