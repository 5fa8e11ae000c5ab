"""Files and folders that are whole or not there."""

import json
import os
import platform
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

PART = ".part"  # how the name of a file that is being written ends
WORK = ".preparing-"  # how the name of a working folder begins; its host and the number of its process follow


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Has `write` fill a temporary file beside `path` and renames it there, once it is safe on the disk.

    Args:
        path: the file that is to be.
        write: called with the temporary path.

    Raises:
        OSError: where the disk is full or the folder cannot be written; `path` is then as it was.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
    try:
        write(part)
        with open(part, "rb") as written:
            os.fsync(written.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Any) -> None:
    """Writes JSON, whole or not at all."""
    write_whole(path, lambda part: part.write_text(json.dumps(content, indent=2) + "\n"))


def own_prefix() -> str:
    """Returns how the names of this host's working folders begin: a shared disk holds other hosts' too."""
    return f"{WORK}{re.sub('[^A-Za-z0-9]', '_', platform.node())}-"


@contextmanager
def working_folder(root: Path) -> Iterator[Path]:
    """Gives an empty hidden folder in `root` that is gone afterwards; what killed processes left there goes first.

    A folder is made in it, and `move_whole` brings it to where it belongs.

    Raises:
        OSError: where `root` cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True)
    here = own_prefix()
    for left in root.glob(f"{here}*"):
        pid = left.name.removeprefix(here).partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    prefix = f"{here}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=root, ignore_cleanup_errors=True) as work:
        yield Path(work)


def move_whole(made: Path, target: Path) -> None:
    """Moves a finished folder to `target` on the same disk, at once; where another process was faster, its stays.

    Raises:
        OSError: where the folder around it cannot be written, or a file is in its place.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(made, target)
    except OSError:
        if not target.is_dir():
            raise
