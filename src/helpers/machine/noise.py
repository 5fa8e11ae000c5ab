"""What else the machine did before and during a run: others' work, steal, frequency, throttling, drift.

Others' CPU use is the busy time of the cores that this process may use, less the CPU seconds of this process
and its children. It tells noisy rounds from quiet ones, where steal alone hardly does.
"""

import math
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import psutil

from helpers.errors import StudyError
from helpers.machine import limits, processes

OTHERS_LIMIT = 0.10  # share of the usable cores
STEAL_LIMIT = 0.05
SLOWED_LIMIT = 0.10  # share of the frequency lost between the beginning and the end
REMEDY = "Stop other work, or wait."
SYSTEM_CPU = Path("/sys/devices/system/cpu")
OF_THIS_THREAD = Path("/proc/thread-self/schedstat")


@dataclass(frozen=True, kw_only=True)
class Counters:
    """Counts since the machine started; the difference of two of them is a `Noise`.

    Attributes:
        at_s: the clock, seconds.
        cores: cores that this process may use.
        busy_s: CPU seconds that anyone used on them.
        steal_s: CPU seconds that the host gave to other guests.
        own_s: CPU seconds of this process and its children, ended ones included.
        frequency_hz: mean frequency of the cores; NaN where the system does not tell.
        thermal_events: times that a core was slowed for its heat; None where the system does not tell.
        quota_s: seconds that a control group's quota stopped this process; None where there is no quota.
    """

    at_s: float
    cores: int
    busy_s: float
    steal_s: float
    own_s: float
    frequency_hz: float = math.nan
    thermal_events: int | None = None
    quota_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What disturbed one stretch of time.

    Attributes:
        seconds: its length.
        cores: cores that this process may use.
        others_share: CPU use of other processes, 0 … 1 of the usable cores.
        steal_share: what the host took for other guests, 0 … 1 of the usable cores.
        frequency_change: the cores' frequency at its end over that at its beginning, less 1; NaN where unknown.
        thermal_events: slow-downs for heat in it; None where the system does not tell.
        quota_share: share of the time that a control group's quota stopped this process; None without quota.
    """

    seconds: float
    cores: int
    others_share: float
    steal_share: float
    frequency_change: float = math.nan
    thermal_events: int | None = None
    quota_share: float | None = None

    @property
    def causes(self) -> list[str]:
        """Each disturbance that is large enough to matter, in words with its figure; empty: quiet."""
        causes = []
        if self.others_share > OTHERS_LIMIT:
            causes.append(f"other processes used {self.others_share:.0%} of {self.cores} cores")
        if self.steal_share > STEAL_LIMIT:
            causes.append(f"the host took {self.steal_share:.0%} for other guests (steal)")
        if abs(self.frequency_change) > SLOWED_LIMIT:
            causes.append(f"the CPU's frequency changed by {self.frequency_change:+.0%}")
        if self.thermal_events:
            causes.append(f"the CPU was slowed for its heat {self.thermal_events} times")
        if self.quota_share is not None and self.quota_share > STEAL_LIMIT:
            causes.append(f"the container's CPU quota stopped this process {self.quota_share:.0%} of the time")
        return causes

    @property
    def is_quiet(self) -> bool:
        """Whether nothing disturbed enough to matter."""
        return not self.causes

    def __str__(self):
        """One line for people."""
        if self.causes:
            return f"Noisy: {'; '.join(self.causes)}."
        return f"Quiet: other processes used {self.others_share:.0%} of {self.cores} cores."


def read_counters(*, clock: Callable[[], int] = time.perf_counter_ns) -> Counters:
    """Reads the machine's counters now, in about a millisecond."""
    cores = limits.core_numbers()
    per_core = psutil.cpu_times(percpu=True)
    chosen = [per_core[core] for core in cores if core < len(per_core)] or per_core
    slowed = _of_each(cores, "thermal_throttle/core_throttle_count")
    idle = ("idle", "iowait", "steal", "guest", "guest_nice")  # guests' time is in user's already
    return Counters(
        at_s=clock() / 1e9,
        cores=len(chosen),
        busy_s=sum(sum(getattr(core, name) for name in core._fields if name not in idle) for core in chosen),
        steal_s=sum(getattr(core, "steal", 0.0) for core in chosen),
        own_s=processes.cpu_seconds(),
        frequency_hz=fmean(_of_each(cores, "cpufreq/scaling_cur_freq") or [math.nan]) * 1e3,
        thermal_events=int(sum(slowed)) if slowed else None,
        quota_s=_quota_s(),
    )


def between(before: Counters, after: Counters) -> Noise:
    """What disturbed the time between two readings.

    Raises:
        StudyError: where no time lies between them.
    """
    seconds = after.at_s - before.at_s
    if not seconds > 0:
        raise StudyError(f"the second reading must be later than the first (got {seconds} s between them)")
    capacity = seconds * after.cores
    others = after.busy_s - before.busy_s - (after.own_s - before.own_s)
    stopped_s = _change(before.quota_s, after.quota_s)
    return Noise(
        seconds=seconds,
        cores=after.cores,
        others_share=min(1.0, max(0.0, others / capacity)),
        steal_share=min(1.0, max(0.0, (after.steal_s - before.steal_s) / capacity)),
        frequency_change=after.frequency_hz / before.frequency_hz - 1,
        thermal_events=_change(before.thermal_events, after.thermal_events),
        quota_share=None if stopped_s is None else stopped_s / seconds,
    )


def _change(before, after):
    return None if before is None or after is None else after - before


def had_no_core_s() -> float:
    """Returns the seconds that this thread has been ready to run and had no core; 0.0 where the system does not tell.

    Source: the second figure of Linux' `/proc/thread-self/schedstat`, nanoseconds.
    """
    try:
        return int(OF_THIS_THREAD.read_text().split()[1]) * 1e-9
    except (OSError, IndexError, ValueError):
        return 0.0


def sample(seconds: float = 0.5) -> Noise:
    """Watches the machine for a moment without doing anything: the noise before a run."""
    before = read_counters()
    time.sleep(seconds)
    return between(before, read_counters())


def _of_each(cores, name):
    """Returns the number in a file of each core that has it."""
    numbers = []
    for core in cores:
        with suppress(OSError, ValueError):
            numbers.append(float((SYSTEM_CPU / f"cpu{core}" / name).read_text()))
    return numbers


def _quota_s():
    """Returns the seconds that quotas stopped this process: each control group, from its own upward, has one."""
    stopped_s = [
        int(told[1]) * unit
        for key, unit, controller in (("throttled_usec", 1e-6, ""), ("throttled_time", 1e-9, "cpu"))
        for text in limits.control_group_files("cpu.stat", controller=controller)
        if (told := re.search(rf"^{key} (\d+)$", text, re.MULTILINE))
    ]
    return sum(stopped_s) if stopped_s else None
