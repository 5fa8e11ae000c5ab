"""Whether this machine is ready for the kit: one line per point, each with its remedy. Imports no TensorFlow."""

import platform
import shutil
import webbrowser
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import NamedTuple

import psutil
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from helpers import datasets, machine, paths
from helpers.machine import limits, noise, power

LEAST_CORES = 2
LEAST_MEMORY_BYTES = 4 * machine.GIB
LEAST_DISK_BYTES = 5 * machine.GIB
DATASETS = ("mnist", "cifar10")
ALIKE = {"tensorflow": "tensorflow-cpu"}  # the same without CUDA, which set_up.py takes where no driver is


class Check(NamedTuple):
    """One point of the set-up.

    Attributes:
        name: what was checked.
        ok: whether the kit works with it as it is.
        detail: what was found.
        remedy: what to do; may be there although it is ok, for something the reader may want. "" if nothing.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def check(*, noise_s: float = 0.5) -> list[Check]:
    """Checks Python, packages, cores, memory, disk, data, power, quiet, Jupyter and the browser.

    Args:
        noise_s: how long to watch the machine for others' work, seconds; the rest takes well under a second.
    """
    return [
        *_software(),
        *_hardware(),
        *(_dataset(name) for name in DATASETS),
        _power(),
        *_core_kinds(),
        _quiet(noise_s),
        _jupyter(),
        _browser(),
    ]


def failed_requirements(
    requirements: Iterable[str], *, installed: Callable[[str], str] = metadata.version
) -> list[str]:
    """Returns which declared requirements the installed packages do not meet, in words.

    Args:
        requirements: lines as in pyproject.toml; those that only an extra asks for are left out.
        installed: package name -> version; raises `importlib.metadata.PackageNotFoundError` if absent.
    """
    failed = []
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = _version(requirement.name, installed)
            if not requirement.specifier.contains(version, prereleases=True):
                failed.append(f"{requirement.name} {version} is not {requirement.specifier}")
        except metadata.PackageNotFoundError:
            failed.append(f"{requirement.name} is missing")
    return failed


def _version(name, installed):
    try:
        return installed(name)
    except metadata.PackageNotFoundError:
        if name not in ALIKE:
            raise
        return installed(ALIKE[name])


def _software():
    python = platform.python_version()
    try:
        asked = metadata.metadata(machine.KIT)["Requires-Python"] or ""
    except metadata.PackageNotFoundError:
        return [
            Check("Python", True, python),
            Check("packages", False, "the kit is not installed here", "run `make study`"),
        ]
    failed = failed_requirements(metadata.requires(machine.KIT) or [])
    python_ok = SpecifierSet(asked).contains(python)
    return [
        Check("Python", python_ok, python, "" if python_ok else f"install a Python {asked}, then `make study`"),
        Check(
            "packages",
            not failed,
            "; ".join(failed) or "all there, in the declared versions",
            "run `make setup`, or `pip install -e .` in your environment" if failed else "",
        ),
    ]


def _hardware():
    cores = machine.cpu_quota()
    memory = psutil.virtual_memory().available
    folder = paths.data_dir()
    disk = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free
    return [
        _at_least("cores", cores, LEAST_CORES, f"{cores:g} usable", "parallel pipelines gain nothing; use more"),
        _at_least("memory", memory, LEAST_MEMORY_BYTES, _gib(memory), "close other programs, or use fewer examples"),
        _at_least("disk", disk, LEAST_DISK_BYTES, _gib(disk), "free space, or set STUDY_DATA_DIR to another disk"),
    ]


def _at_least(name, value, least, detail, remedy):
    return Check(name, value >= least, detail, "" if value >= least else remedy)


def _gib(count):
    return f"{count / machine.GIB:.1f} GiB free"


def _dataset(name):
    if datasets.is_prepared(name):
        return Check(name, True, "prepared")
    available = datasets.best_available(name)
    if datasets.is_prepared(available):
        return Check(name, True, f"the stand-in {available} is prepared", f"`study prepare {name}` for the real one")
    remedy = f"`study prepare {name}`, or offline `study prepare {name}-standin`"
    return Check(name, True, "not prepared (synthetic data needs no preparation)", remedy)


def _power():
    charge, saving = power.on_battery(), power.saving()
    if charge is not None:
        return Check("power", False, f"on battery, {charge:.0f}%", "plug it in: a battery changes the CPU's speed")
    if saving:
        return Check("power", False, "; ".join(saving), "switch power saving off while it measures")
    return Check("power", True, "no battery in use, no power saving that the system tells of")


def _core_kinds():
    usable = limits.core_numbers()
    slow = power.efficiency_cores(usable)
    if not slow or len(slow) == len(usable):
        return []
    fast = ",".join(str(core) for core in usable if core not in slow)
    detail = f"{len(slow)} of {len(usable)} are efficiency cores, slower by design"
    remedy = f"taskset -c {fast} study …"
    return [Check("kinds of cores", True, f"{detail}; `{remedy}` leaves them out", remedy)]


def _quiet(seconds):
    seen = noise.sample(seconds)
    return Check("quiet", seen.is_quiet, str(seen), "" if seen.is_quiet else noise.REMEDY)


def _jupyter():
    if failed_requirements(["jupyterlab"]):
        return Check("Jupyter", False, "missing", "run `make study`, or `pip install jupyter`")
    return Check("Jupyter", True, f"JupyterLab {metadata.version('jupyterlab')}")


def _browser():
    try:
        webbrowser.get()
    except webbrowser.Error:
        remedy = "run `make lab` and open the address it prints in a browser that reaches this machine"
        return Check("browser", True, "none on this machine (needed for the lab only)", remedy)
    return Check("browser", True, "found")
