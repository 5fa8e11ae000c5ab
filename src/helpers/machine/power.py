"""Whether the machine runs at its full speed: on a battery, saving power, on efficiency cores; where it tells."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

SYSTEM = Path("/sys")
SAVING_PROFILES = ("low-power", "quiet", "cool", "balanced-power")  # of the firmware, sysfs-platform_profile
SAVING_PREFERENCES = ("power", "balance_power")  # of Intel's and AMD's drivers, energy_performance_preference


def on_battery() -> float | None:
    """Returns the battery's charge in percent while the machine runs on it; None on mains, or where nothing tells."""
    with suppress(OSError, RuntimeError, AttributeError):  # no such function, or a battery that does not answer
        battery = psutil.sensors_battery()
        if battery is not None and battery.power_plugged is False:
            return float(battery.percent)
    return None


def saving() -> list[str]:
    """Returns what saves power at the cost of speed, in words; [] where nothing does, or nothing tells."""
    told = []
    profile = _text(SYSTEM / "firmware/acpi/platform_profile")
    if profile in SAVING_PROFILES:
        told.append(f"the platform profile is {profile}")
    policies = sorted((SYSTEM / "devices/system/cpu/cpufreq").glob("policy*"))
    preferences = {_text(policy / "energy_performance_preference") for policy in policies}
    told += [f"the CPU prefers {preference}" for preference in sorted(preferences & set(SAVING_PREFERENCES))]
    # Under intel_pstate and amd-pstate-epp "powersave" is the usual governor, and the preference decides.
    if not preferences - {""} and any(_text(policy / "scaling_governor") == "powersave" for policy in policies):
        told.append("the CPU's governor is powersave")
    return told


def efficiency_cores(usable: list[int]) -> list[int]:
    """Returns which of the cores are slower than others of this machine by design; [] where all are alike.

    Intel names them in /sys/devices/cpu_atom, Arm gives each core's capacity.

    Args:
        usable: numbers of the cores that this process may run on.
    """
    slow = set(_numbers(_text(SYSTEM / "devices/cpu_atom/cpus")))
    capacities = {}
    for path in (SYSTEM / "devices/system/cpu").glob("cpu[0-9]*/cpu_capacity"):
        if (told := _text(path)).isdigit():
            capacities[int(path.parent.name.removeprefix("cpu"))] = int(told)
    slow |= {core for core, capacity in capacities.items() if capacity < max(capacities.values())}
    return [core for core in usable if core in slow]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _numbers(ranges: str) -> Iterator[int]:
    """Yields the numbers in a list as the kernel writes it: "8-11,14"."""
    for part in filter(None, ranges.split(",")):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            yield from range(int(first), int(last or first) + 1)
