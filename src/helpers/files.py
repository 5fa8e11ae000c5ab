"""Files and folders that are whole or not there, also after the power was lost."""

import errno
import json
import os
import platform
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

PART = ".part"  # how the name of a file that is being written ends
WORK = ".preparing-"  # how the name of a working folder begins; its host and the number of its process follow


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Has `write` fill a temporary file beside `path` and renames it there, once it is safe on the disk.

    On return the name is safe too. A rename alone is not: it stands in the folder, which is synced apart.

    Args:
        path: the file that is to be.
        write: called with the temporary path.

    Raises:
        OSError: where the disk is full or the folder cannot be written; `path` is then as it was, or whole.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
    try:
        write(part)
        _sync(part)
        os.replace(part, path)
        _sync(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _sync(path):
    """Returns once a file's content, or the names in a folder, are safe on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that keeps no folders apart has nothing to sync
            raise
    finally:
        os.close(opened)


def make_folder(path: Path) -> None:
    """Makes a folder, and those above it, with names that are safe on the disk; one that is there stays.

    Raises:
        OSError: where it cannot be made.
    """
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        _sync(path.parent)


def write_json(path: Path, content: Any) -> None:
    """Writes JSON, whole or not at all."""
    write_whole(path, lambda part: part.write_text(json.dumps(content, indent=2) + "\n"))


def read_json(path: Path) -> Any:
    """Returns what a JSON file says.

    Raises:
        OSError: where it cannot be read.
        ValueError: where it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(path.read_text())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def own_prefix() -> str:
    """Returns how the names of this host's working folders begin: a shared disk holds other hosts' too."""
    return f"{WORK}{re.sub('[^A-Za-z0-9]', '_', platform.node())}-"


def remove_left_over(root: Path) -> None:
    """Removes the working folders that killed processes of this host left in `root`."""
    here = own_prefix()
    for left in root.glob(f"{here}*"):
        pid = left.name.removeprefix(here).partition("-")[0]
        if pid.isdigit() and not _is_alive(int(pid), left):
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def working_folder(root: Path) -> Iterator[Path]:
    """Gives an empty hidden folder in `root` that is gone afterwards; what killed processes left there goes first.

    A folder is made in it, and `move_whole` brings it to where it belongs.

    Raises:
        OSError: where `root` cannot be written.
    """
    make_folder(root)
    remove_left_over(root)
    prefix = f"{own_prefix()}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=root, ignore_cleanup_errors=True) as work:
        yield Path(work)


def _is_alive(pid, folder):
    """Whether the process that made a folder runs; one that began later has got the number of a dead one."""
    try:
        return psutil.Process(pid).create_time() <= folder.stat().st_mtime
    except (psutil.NoSuchProcess, OSError):
        return False


def move_whole(made: Path, target: Path) -> None:
    """Moves a finished folder to `target` on the same disk, at once; where another process was faster, its stays.

    All that is in it is safe on the disk before it gets its name.

    Raises:
        OSError: where the folder around it cannot be written, or a file is in its place.
    """
    with ThreadPoolExecutor(16) as pool:  # a disk that is asked for many at once writes them together
        list(pool.map(_sync, [made, *made.rglob("*")]))
    make_folder(target.parent)
    try:
        os.rename(made, target)
    except OSError:
        if not target.is_dir():
            raise
    _sync(target.parent)
