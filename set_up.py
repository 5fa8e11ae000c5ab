#!/usr/bin/env python3
"""Sets up `.venv` from the locks, every file's hash checked. `make` calls it; `python3 set_up.py` needs no make.

It needs nothing but Python itself. What is missing is said in one line, with its remedy.
"""

import argparse
import glob
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
OLDEST, NEWEST = (3, 11), (3, 13)
LOCK, DEV_LOCK, CPU_LOCK = "requirements.lock", "requirements-dev.lock", "requirements-cpu.lock"
READY, DEV_READY = ".ready", ".ready-for-tests"  # what `make` looks at
FULL, CPU = "tensorflow", "tensorflow-cpu"
# What it takes on Linux x86-64 with Python 3.11, in GB: to fetch, on the disk.
SIZES = {CPU: (0.6, 2.4), FULL: (0.9, 3.0)}
BROUGHT = (FULL, "keras", "jupyter", "nbval")  # what Colab has in its own way, and what only the tests need
NVIDIA = ("/dev/nvidia[0-9]*", "/proc/driver/nvidia/version", "/dev/dxg")  # a driver's; the last one is WSL's


def problem(version, has_venv):
    """Returns why this Python cannot be used, in one line with the remedy; "" where it can.

    Args:
        version: (major, minor).
        has_venv: whether it can make virtual environments with pip.
    """
    if not OLDEST <= tuple(version) <= NEWEST:
        return (
            f"Python must be 3.11 to 3.13, as TensorFlow asks (got {version[0]}.{version[1]}); install one "
            "from python.org or by your system, then name it: make PYTHON=python3.12, or python3.12 set_up.py"
        )
    if not has_venv:
        return (
            f"Python must have its modules venv and ensurepip ({sys.executable} lacks one); on Debian and Ubuntu: "
            f"sudo apt install python{version[0]}.{version[1]}-venv"
        )
    return ""


def has_venv():
    """Returns whether this Python can make virtual environments with pip."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return False
    return True


def requirements(text):
    """Returns the requirements of a lock, as (name, its lines with version, marker and hashes).

    A name comes several times where Pythons or systems need different versions.
    """
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", text)
    return [(re.match(r"[A-Za-z0-9._-]+", block).group(), block) for block in blocks if block[:1].isalnum()]


def tensorflow_of(installed, asked, sees_driver, system, machine):
    """Returns which TensorFlow is installed, tensorflow or tensorflow-cpu, and why, in one line; "" if no word is due.

    Args:
        installed: the one that is there already, in the lock's version, or "".
        asked: "full", "cpu" or "auto".
        sees_driver: whether an NVIDIA driver is here.
        system: as `platform.system` names it.
        machine: as `platform.machine` does.
    """
    if asked == "cpu" or (asked == "auto" and installed == CPU):
        return CPU, ""
    if asked == "full" or installed == FULL or sees_driver or (system, machine) != ("Linux", "x86_64"):
        return FULL, ""
    return CPU, (
        "No NVIDIA driver is here: tensorflow-cpu, the same version without CUDA, takes TensorFlow's place "
        "(0.3 GB less to fetch, 0.6 GB less on the disk); make TENSORFLOW=full takes the other."
    )


def chosen(lock, cpu_lock, which):
    """Returns the text of a lock with the TensorFlow that was chosen."""
    parts = requirements(lock)
    if which == CPU:
        parts = [part for part in parts if part[0] != FULL] + requirements(cpu_lock)
    return "".join(block for _, block in parts)


class Environment:
    """The virtual environment that is set up."""

    def __init__(self, folder):
        self.folder = folder
        self.programs = os.path.join(folder, "Scripts" if os.name == "nt" else "bin")
        self.python = os.path.join(self.programs, "python.exe" if os.name == "nt" else "python")

    def packages(self):
        """Returns the installed packages: name, as its folder spells it -> version."""
        names = os.path.join("Lib", "site-packages") if os.name == "nt" else os.path.join("lib", "*", "site-packages")
        listed = glob.glob(os.path.join(self.folder, names, "*.dist-info"))
        return dict(os.path.basename(path)[: -len(".dist-info")].rsplit("-", 1) for path in listed)

    def pip(self, *words):
        """Runs pip quietly; raises CalledProcessError where it fails."""
        command = [self.python, "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
        subprocess.run(command, check=True, cwd=HERE)

    def size_gb(self):
        """Returns what it takes on the disk, GB."""
        files = (os.path.join(at, name) for at, _, names in os.walk(self.folder) for name in names)
        return sum(os.lstat(path).st_size for path in files) / 1e9


class Progress:
    """What pip has done, read from what it says, and told as it goes on."""

    def __init__(self, environment, total):
        self.environment, self.total = environment, total
        self.fetched, self.megabytes, self.installing, self.last = 0, 0.0, False, []
        self.begun = time.monotonic()

    def read(self, stream):
        """Reads pip's lines until it ends."""
        for line in stream:
            self.last = [*self.last[-4:], line.strip()]
            self.total -= line.startswith("Ignoring ")
            self.fetched += line.startswith(("Collecting ", "Processing ", "Requirement already satisfied"))
            size = re.search(r"^\s+(?:Downloading|Using cached) .*\(([\d.]+) (kB|MB|GB)\)", line)
            self.megabytes += float(size[1]) * {"kB": 1e-3, "MB": 1, "GB": 1e3}[size[2]] if size else 0
            self.installing |= line.startswith("Installing collected")

    def __str__(self):
        seconds = time.monotonic() - self.begun
        installed = f", {len(self.environment.packages())} are installed" if self.installing else ""
        return (
            f"{seconds:3.0f} s: {self.fetched} of {self.total} packages, {self.megabytes:.0f} MB, are here{installed}"
        )


def install(environment, text, wheels):
    """Installs the requirements, and tells how far it is.

    Args:
        environment: where.
        text: of the lock.
        wheels: a folder that has all of them, or None: from the index.
    """
    progress = Progress(environment, len(requirements(text)))
    offline = ["--no-index", "--find-links", os.path.abspath(wheels)] if wheels else []
    with tempfile.TemporaryDirectory() as folder:
        lock = os.path.join(folder, LOCK)
        with open(lock, "w", encoding="utf-8") as opened:
            opened.write(text)
        # The lock has all that is needed, so nothing is resolved. Bytecode is written when a module is first imported:
        # that of modules which nobody imports would take a tenth of the disk and a third of the time.
        command = [environment.python, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar=off"]
        command += ["--no-deps", "--no-compile", "--require-hashes", *offline, "-r", lock]
        pip = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        reader = threading.Thread(target=progress.read, args=(pip.stdout,), daemon=True)
        reader.start()
        is_terminal = sys.stdout.isatty()
        while reader.is_alive():
            reader.join(1 if is_terminal else 15)
            print("\r" * is_terminal + str(progress), end="" if is_terminal else "\n", flush=True)
        print(end="\n" * is_terminal)
        if pip.wait():
            raise subprocess.CalledProcessError(pip.returncode, command, "\n".join(progress.last))


def beside():
    """Installs the kit into this very Python, and what it lacks; what is there stays in its version.

    For Google Colab, and others who bring their own TensorFlow, Keras and Jupyter.
    """
    import importlib.metadata
    import tomllib

    from packaging.requirements import Requirement

    found = ((each.metadata["Name"], each.version) for each in importlib.metadata.distributions())
    there = {name.lower().replace("_", "-"): version for name, version in found if name}
    with open(os.path.join(HERE, "pyproject.toml"), "rb") as opened:
        declared = [Requirement(line) for line in tomllib.load(opened)["project"]["dependencies"]]
    lacking = [
        line
        for line in declared
        if line.name not in BROUGHT
        and not (
            (version := there.get(line.name.replace("_", "-"))) and line.specifier.contains(version, prereleases=True)
        )
    ]
    names = {line.name.replace("_", "-") for line in lacking}
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as folder:
        constraints = os.path.join(folder, "constraints.txt")
        with open(constraints, "w", encoding="utf-8") as opened:
            opened.writelines(f"{name}=={version}\n" for name, version in sorted(there.items()) if name not in names)
        if lacking:
            subprocess.run([*pip, "--constraint", constraints, *map(str, lacking)], check=True)
    subprocess.run([*pip, "--no-deps", "--editable", HERE], check=True)
    kept = {name: version for name, version in there.items() if name in (FULL, CPU, "keras")}
    print(
        f"The kit is installed beside {', '.join(f'{name} {version}' for name, version in kept.items())}; it added "
        f"{', '.join(sorted(names)) or 'nothing else'}."
    )


def set_up(folder, dev, wheels, tensorflow):
    """Sets the environment up, or completes it.

    Args:
        folder: of the environment.
        dev: whether what the tests need comes too.
        wheels: a folder with all packages, or None.
        tensorflow: "full", "cpu" or "auto".
    """
    begun = time.monotonic()
    environment = Environment(folder)
    texts = {}
    for name in (DEV_LOCK if dev else LOCK, CPU_LOCK):
        with open(os.path.join(HERE, name), encoding="utf-8") as opened:
            texts[name] = opened.read()
    lock = texts.pop(DEV_LOCK if dev else LOCK)
    pinned = re.search(r"(?m)^tensorflow==(\S+)", lock)[1]
    there = environment.packages()
    installed = next((name for name in (CPU, FULL) if there.get(name.replace("-", "_")) == pinned), "")
    sees_driver = any(glob.glob(path) for path in NVIDIA)
    if wheels and tensorflow == "auto" and glob.glob(os.path.join(wheels, "tensorflow_cpu-*")):
        sees_driver = False  # a handout has this one
    which, why = tensorflow_of(installed, tensorflow, sees_driver, platform.system(), platform.machine())
    text = chosen(lock, texts[CPU_LOCK], which)
    fetch, disk = SIZES[which]
    print(f"Setting up {os.path.relpath(folder)}: {len(requirements(text))} packages from the lock.", end=" ")
    print(f"From nothing it is some {fetch} GB to fetch, {disk} GB on the disk.", flush=True)
    if why:
        print(why, flush=True)
    if not os.path.exists(environment.python):
        import venv

        venv.create(folder, with_pip=True)
    for other in {CPU, FULL} - {which}:  # both have one and the same folder
        if other.replace("-", "_") in there:
            environment.pip("uninstall", "--yes", other, *([which] if which.replace("-", "_") in there else []))
    install(environment, text, wheels)
    environment.pip("install", "--no-index", "--no-deps", "--no-build-isolation", "-e", ".")
    for name in (READY, DEV_READY)[: 1 + dev]:
        with open(os.path.join(folder, name), "w"):
            pass
    print(f"Ready after {time.monotonic() - begun:.0f} s, {environment.size_gb():.1f} GB. Try: make taste, make lab")


def main():
    """Reads the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Sets up .venv from the locks.")
    parser.add_argument("--dev", action="store_true", help="also what the tests need")
    parser.add_argument("--beside", action="store_true", help="into this Python, and leave what is there as it is")
    parser.add_argument("--wheels", metavar="FOLDER", help="take the packages from here, and ask no network")
    parser.add_argument("--tensorflow", choices=("auto", "full", "cpu"), default="auto", help="which wheel of it")
    given = parser.parse_args()
    said = problem(sys.version_info[:2], given.beside or has_venv())
    if said:
        print(said, file=sys.stderr)
        return 2
    try:
        if given.beside:
            beside()
            return 0
        set_up(os.path.join(HERE, ".venv"), given.dev, given.wheels, given.tensorflow)
    except subprocess.CalledProcessError as error:
        print(error.stdout or "", file=sys.stderr)
        print("pip failed, see above: it needs a network, or --wheels FOLDER; then run it again", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
