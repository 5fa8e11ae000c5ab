"""What the machine is, what makes its id, and the set-up check."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib import metadata

import pytest

from helpers import machine, setup_check
from helpers.machine import limits, memory, noise


@pytest.fixture
def one():
    return machine.Machine(
        cpu="Some CPU",
        cores=2.0,
        cores_in_machine=4,
        memory_bytes=8 * machine.GIB,
        system="Linux x86_64",
        versions={"python": "3.11.7", "tensorflow": "2.21.0"},
        settings={"KERAS_BACKEND": "tensorflow"},
    )


def test_describing_imports_no_tensorflow():
    code = "import sys; from helpers import machine; machine.describe(); sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_this_machine_can_be_described_and_written():
    here = machine.describe()
    assert here.cores > 0 and here.memory_bytes > 0
    (wheel,) = {"tensorflow", "tensorflow-cpu"} & set(here.versions)
    assert here.versions[wheel] == metadata.version(wheel)
    assert json.loads(json.dumps(here.to_dict()))["id"] == here.id
    assert here.id in here.summary()
    assert here.id in here._repr_html_()


def test_what_is_shown_is_escaped(one):
    shown = replace(one, cpu="Some <b>CPU</b> & more")._repr_html_()
    assert "Some &lt;b&gt;CPU&lt;/b&gt; &amp; more" in shown
    assert shown.count("<tr>") == shown.count("</tr>") == 11


def test_describing_twice_gives_the_same_id():
    assert machine.describe().id == machine.describe().id


@pytest.fixture
def control_groups(tmp_path, monkeypatch):
    """Lays this process into the nested control group /a/b, whose files are those given: path -> text."""
    (tmp_path / "membership").write_text("3:memory:/a/b\n2:cpu,cpuacct:/a/b\n0::/a/b\n")
    monkeypatch.setattr(limits, "MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(limits, "core_numbers", lambda: list(range(64)))

    def lay(files):
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        root.mkdir()
        monkeypatch.setattr(limits, "CONTROL_GROUPS", root)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text + "\n")

    return lay


@pytest.mark.parametrize(
    "change",
    [
        {"cpu": "Another CPU"},
        {"cores": 1.0},
        {"memory_bytes": 16 * machine.GIB},
        {"gpus": ("H200, 570, 141 GiB",)},
        {"system": "Darwin arm64"},
        {"versions": {"python": "3.11.7", "tensorflow": "2.22.0"}},
        {"settings": {"KERAS_BACKEND": "jax"}},
    ],
)
def test_what_changes_a_measurement_changes_the_id(one, change):
    assert replace(one, **change).id != one.id


@pytest.mark.parametrize(
    "change", [{"git_commit": "abc"}, {"kernel": "6.1"}, {"memory_bytes": 8 * machine.GIB - 2**20}]
)
def test_what_does_not_change_a_measurement_keeps_the_id(one, change):
    assert replace(one, **change).id == one.id


def test_an_environment_variable_that_matters_changes_the_id(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = machine.describe()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    after = machine.describe()
    assert after.settings["OMP_NUM_THREADS"] == "1"
    assert after.id != before.id


def test_a_default_backend_is_the_same_machine_as_one_named(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    unnamed = machine.describe().id
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert machine.describe().id == unnamed


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu.max": "max 100000"}, 64),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ({"a/b/cpu.max": "300000 100000", "a/cpu.max": "200000 100000"}, 2),  # the group above is tighter
        ({"a/b/cpu.max": "100000 100000", "a/cpu.max": "max 100000"}, 1),
        ({}, 64),
    ],
)
def test_a_containers_quota_counts_as_cores(control_groups, files, cores):
    control_groups(files)
    assert machine.cpu_quota() == cores


def test_the_tightest_memory_limit_of_nested_groups_holds(control_groups):
    control_groups({"a/b/memory.max": "max", "a/memory.max": "1000", "memory.max": "5000"})
    assert limits.memory_limit_bytes() == 1000
    control_groups({"a/b/memory.max": "max", "a/memory.max": "max", "memory.max": "max"})
    assert limits.memory_limit_bytes() == sys.maxsize


@pytest.mark.parametrize(
    ("files", "limit", "available"),
    [
        ({"a/b/memory.max": "9000", "a/b/memory.current": "1000"}, 9000, 8000),
        ({"a/b/memory.max": "9000", "a/memory.max": "5000", "a/memory.current": "4500"}, 5000, 500),
        ({"a/b/memory.max": "max", "a/memory.max": "5000", "a/memory.current": "4500",
          "a/memory.stat": "anon 1\ninactive_file 400"}, 5000, 900),
        ({"memory/a/memory.limit_in_bytes": "7000", "memory/a/memory.usage_in_bytes": "6000",
          "memory/a/memory.stat": "inactive_file 1\ntotal_inactive_file 50"}, 7000, 1050),
        ({"a/b/memory.max": "9000", "a/b/memory.current": "9500"}, 9000, 0),
    ],
)  # fmt: skip
def test_what_memory_is_left_follows_the_same_limits_as_what_memory_there_is(control_groups, files, limit, available):
    control_groups(files)
    assert limits.memory_limit_bytes() == limit
    assert memory.available_bytes() == available


@pytest.mark.parametrize(
    ("files", "stopped_s"),
    [
        ({"a/b/cpu.stat": "usage_usec 9\nthrottled_usec 2500000", "cpu.stat": "throttled_usec 0"}, 2.5),
        ({"a/b/cpu.stat": "throttled_usec 0", "a/cpu.stat": "throttled_usec 1500000"}, 1.5),
        ({"cpu/a/b/cpu.stat": "throttled_time 0", "cpu/a/cpu.stat": "throttled_time 500000000"}, 0.5),
        ({"a/b/cpu.stat": "usage_usec 9"}, None),
    ],
)
def test_throttling_by_every_group_that_holds_the_process_counts(control_groups, files, stopped_s):
    control_groups(files)
    assert noise.read_counters().quota_s == stopped_s
    control_groups({"cpu/a/b/cpu.stat": "throttled_time 3000000000"})
    assert noise.read_counters().quota_s == 3
    control_groups({})
    assert noise.read_counters().quota_s is None


def test_missing_and_wrong_packages_are_named():
    versions = {"numpy": "2.1.0", "keras": "2.15.0"}

    def installed(name):
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    declared = ["numpy", "keras>=3.15,<3.16", "scipy", "pytest; extra == 'dev'"]
    failed = setup_check.failed_requirements(declared, installed=installed)
    assert len(failed) == 2
    assert "keras 2.15.0 is not" in failed[0]
    assert failed[1] == "scipy is missing"


def test_the_set_up_is_checked_point_by_point_with_remedies():
    points = setup_check.check(noise_s=0.05)
    names = [point.name for point in points]
    listed = "Python, packages, cores, memory, disk, mnist, cifar10, power, quiet, Jupyter, browser"
    assert ", ".join(name for name in names if name != "kinds of cores") == listed
    for point in points:
        assert point.detail
        assert point.ok or point.remedy
