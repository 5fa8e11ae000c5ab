"""A folder for a class without network: the kit, every package as a wheel, and the data or what stands for it."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.markers import Marker

from helpers import checks, files, paths
from helpers.datasets import preparing
from helpers.errors import StudyError, first_line

PATCHES = (0, 99)  # of a Python version: the first, and one beyond the last
STAND_INS = ("mnist-standin", "cifar10-standin", "photographs")
KIT, WHEELS, ARCHIVES, START = "study-kit", "wheels", "archives", "START.md"


@dataclass(frozen=True)
class Platform:
    """What wheels are for.

    Attributes:
        tags: of the wheels, as pip takes them.
        markers: what distinguishes requirements there.
        tensorflow: which wheel of it.
    """

    tags: tuple[str, ...]
    markers: dict[str, str]
    tensorflow: str = "tensorflow"


def _markers(sys_platform, platform_system, os_name, machine):
    return {
        "sys_platform": sys_platform,
        "platform_system": platform_system,
        "os_name": os_name,
        "platform_machine": machine,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


# pip matches a manylinux tag to the letter, so the older ones are named too.
_MANYLINUX = tuple(f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 26, 24, 17, 12, 5))
PLATFORMS = {
    "linux": Platform(
        (*_MANYLINUX, "manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"),
        _markers("linux", "Linux", "posix", "x86_64"),
        "tensorflow-cpu",
    ),
    "windows": Platform(("win_amd64",), _markers("win32", "Windows", "nt", "AMD64")),
    "mac": Platform(("macosx_14_0_arm64", "macosx_12_0_arm64"), _markers("darwin", "Darwin", "posix", "arm64")),
}

HOW = """\
# Set-up from this folder, without network

Python {python} must be there (`python3 --version`), on {platforms}.

On Linux and macOS, in a terminal in this folder:

    cd {kit}
    make lab WHEELS=../{wheels}

On Windows:

    cd {kit}
    py -{python} set_up.py --wheels ..\\{wheels}
    .venv\\Scripts\\jupyter lab notebooks\\workshop\\learner

The lessons are in `notebooks/workshop/learner`. {data} Then `study machine --check` in `.venv/bin` (on Windows
`.venv\\Scripts`) tells whether all is ready; what else can go wrong stands in `{kit}/notebooks/workshop/setup.md`.
"""


def write(
    folder: Path,
    *,
    platforms: Iterable[str] = (),
    python: str = "",
    archives: Path | None = None,
    progress: Callable[[str], None] = print,
) -> list[str]:
    """Writes the folder; needs the network, for the wheels alone.

    Args:
        folder: a new or empty one.
        platforms: names of `PLATFORMS`; none: all.
        python: the version of those machines, such as "3.11"; "": this one's.
        archives: a folder with official archives, which go along; None: stand-ins are made in the kit's copy.
        progress: takes lines of text.

    Returns:
        The platforms for which the index had all wheels.

    Raises:
        StudyError: where the folder is not empty, the kit is no checkout, or no platform has all its wheels.
    """
    wanted = list(platforms) or list(PLATFORMS)
    for name in wanted:
        checks.one_of("--platform", name, PLATFORMS)
    python = python or f"{sys.version_info[0]}.{sys.version_info[1]}"
    checks.one_of("--python", python, ("3.11", "3.12", "3.13"))
    root = paths.project_root()
    if not (root / "requirements.lock").is_file():
        raise StudyError(f"a handout is made of a checkout (got {root}, which has no requirements.lock); run it there")
    given = [] if archives is None else _official(archives)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StudyError(f"a handout goes into a new or empty folder (got {folder}); name another")
    try:
        with files.working_folder(folder.resolve().parent) as work:
            made = work / folder.resolve().name
            complete = _fill(made, root, wanted, python, given, progress)
            size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
            if folder.is_dir():
                folder.rmdir()
            files.move_whole(made, folder)
    except OSError as error:
        raise StudyError(f"{folder} must be on a disk with room ({first_line(error)}); give another") from error
    progress(f"{folder} is ready, {size / 1e9:.1f} GB, for {', '.join(complete)}, Python {python}; see {START} there")
    return complete


def _fill(made, root, wanted, python, given, progress):
    """Makes what is in the folder; returns the platforms that are complete."""
    complete = [name for name in wanted if _download(made / WHEELS, root, name, python, progress)]
    if not complete:
        raise StudyError("the index must have the wheels of one platform (got none, see above); is a network there?")
    for path in _sources(root):
        (made / KIT / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, made / KIT / path)
    data = "Real data: `.venv/bin/study prepare mnist cifar10 --archives ../archives`."
    for path in given:
        (made / ARCHIVES).mkdir(exist_ok=True)
        shutil.copy2(path, made / ARCHIVES / path.name)
    if not given:
        data = "They read stand-ins, which are in the folder and called so."
        for name in STAND_INS:
            preparing.prepare(name, data_dir=made / KIT / "data", progress=progress)
    told = HOW.format(python=python, platforms=", ".join(complete), kit=KIT, wheels=WHEELS, data=data)
    (made / START).write_text(told, encoding="utf-8")
    return complete


def _official(folder):
    names = [name for listed in preparing.ARCHIVES.values() for name in listed]
    given = [folder / name for name in names if (folder / name).is_file()]
    if not given:
        raise StudyError(f"--archives must be a folder with official archives (got {folder}): {', '.join(names)}")
    return given


def _sources(root):
    """Returns the paths of the kit's files below the checkout: what git knows, or all that is not made there."""
    listed = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [path for path in listed.stdout.split("\0") if path and (root / path).is_file()]
    made = {".venv", "__pycache__", "tfds", "standin", "folders", "decoded", "runs"}
    relative = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return [path for path in relative if not made & set(path.parts)]


def _download(wheels, root, name, python, progress):
    """Downloads what the lock names for one platform; returns whether the index had all of it."""
    platform = PLATFORMS[name]
    progress(f"{name}: downloading the wheels for Python {python} …")
    # The lock may name another version of a package for early patches of Python than for late ones: both go along.
    asked: set[str] = set()
    for full in (f"{python}.{patch}" for patch in PATCHES):
        blocks = [block for block in requirements_for(root, platform, full) if block not in asked]
        if blocks and not _download_listed(wheels, "".join(blocks), name, full, progress):
            return False
        asked.update(blocks)
    return True


def _download_listed(wheels, requirements, name, python, progress):
    """Downloads these; returns whether the index had all of them."""
    platform = PLATFORMS[name]
    with files.working_folder(wheels) as work:
        lock = work / "requirements.txt"
        lock.write_text(requirements, encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--require-hashes", "--dest", str(work / "got"), "-r", str(lock), "--implementation", "cp"]
        command += ["--python-version", python, *(word for tag in platform.tags for word in ("--platform", tag))]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            errors = [line for line in ended.stderr.splitlines() if line.startswith("ERROR:")]
            progress(f"{name} is left out: {first_line(errors[-1] if errors else ended.stderr)}")
            return False
        for path in (work / "got").iterdir():
            path.replace(wheels / path.name)
    return True


def requirements_for(root: Path, platform: Platform, python: str) -> list[str]:
    """Returns the lock's requirements that hold on a platform, with their hashes and without markers.

    Args:
        root: of the checkout.
        platform: of `PLATFORMS`.
        python: version there, such as "3.11.7".
    """
    set_up = _set_up(root)
    texts = [(root / name).read_text(encoding="utf-8") for name in (set_up.LOCK, set_up.CPU_LOCK)]
    minor = python.rpartition(".")[0]
    here = {**platform.markers, "python_version": minor, "python_full_version": python, "extra": ""}
    kept = []
    for _, block in set_up.requirements(set_up.chosen(*texts, platform.tensorflow)):
        first, _, hashes = block.partition("\n")
        name, _, marker = first.removesuffix("\\").partition(";")
        if not marker.strip() or Marker(marker.strip()).evaluate(here):
            kept.append(f"{name.strip()} \\\n{hashes}")
    return kept


def _set_up(root) -> Any:
    """Returns the module set_up.py, which stands beside the package, since it must run without it."""
    spec = importlib.util.spec_from_file_location("set_up", root / "set_up.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
