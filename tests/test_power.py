"""Battery, power saving and kinds of cores, on machines as their files and psutil tell of them."""

from types import SimpleNamespace

import psutil
import pytest

from helpers import setup_check
from helpers.machine import limits, power


@pytest.fixture
def machine_with(tmp_path, monkeypatch):
    """`machine_with({path below /sys: text}, battery)` is the machine from now on."""

    def make(files, battery=None):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(f"{text}\n")
        monkeypatch.setattr(power, "SYSTEM", tmp_path)
        monkeypatch.setattr(psutil, "sensors_battery", lambda: battery, raising=False)
        monkeypatch.setattr(limits, "core_numbers", lambda: list(range(8)))
        return {check.name: check for check in [setup_check._power(), *setup_check._core_kinds()]}

    return make


def test_a_machine_that_tells_nothing_is_ok(machine_with):
    assert list(machine_with({})) == ["power"] and machine_with({})["power"].ok


@pytest.mark.parametrize(("plugged", "ok"), [(True, True), (None, True), (False, False)])
def test_a_battery_in_use_is_told_with_its_remedy(machine_with, plugged, ok):
    told = machine_with({}, SimpleNamespace(percent=41.3, power_plugged=plugged))["power"]
    assert told.ok == ok
    if not ok:
        assert "on battery, 41%" in told.detail and "plug it in" in told.remedy


CPU = "devices/system/cpu/cpufreq/policy0"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"firmware/acpi/platform_profile": "low-power"}, "the platform profile is low-power"),
        ({"firmware/acpi/platform_profile": "balanced"}, ""),
        ({f"{CPU}/scaling_governor": "powersave"}, "the CPU's governor is powersave"),
        ({f"{CPU}/scaling_governor": "schedutil"}, ""),
        ({f"{CPU}/scaling_governor": "powersave", f"{CPU}/energy_performance_preference": "balance_performance"}, ""),
        ({f"{CPU}/scaling_governor": "powersave", f"{CPU}/energy_performance_preference": "power"}, "prefers power"),
    ],
)
def test_power_saving_is_told(machine_with, files, said):
    told = machine_with(files)["power"]
    assert told.ok == (not said) and said in told.detail


@pytest.mark.parametrize(
    "files",
    [
        {"devices/cpu_atom/cpus": "4-5,7"},
        {f"devices/system/cpu/cpu{core}/cpu_capacity": "512" if core in (4, 5, 7) else "1024" for core in range(8)},
    ],
)
def test_efficiency_cores_are_told_with_how_to_leave_them_out(machine_with, files):
    told = machine_with(files)["kinds of cores"]
    assert told.ok and "3 of 8 are efficiency cores" in told.detail and "taskset -c 0,1,2,3,6 " in told.detail


def test_cores_that_are_all_alike_are_no_remark(machine_with):
    alike = {f"devices/system/cpu/cpu{core}/cpu_capacity": "1024" for core in range(8)}
    assert "kinds of cores" not in machine_with(alike)
