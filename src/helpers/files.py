"""Files and folders that are whole or not there."""

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

PART = ".part"  # how the name of a file that is being written ends
WORK = ".preparing-"  # how the name of a working folder begins; the number of its process follows


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


@contextmanager
def working_folder(root: Path) -> Iterator[Path]:
    """Gives an empty hidden folder in `root` that is gone afterwards; what killed processes left there goes first.

    A folder is made in it, and `move_whole` brings it to where it belongs.

    Raises:
        OSError: where `root` cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True)
    for left in root.glob(f"{WORK}*"):
        pid = left.name.removeprefix(WORK).partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    prefix = f"{WORK}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=root, ignore_cleanup_errors=True) as work:
        yield Path(work)


def move_whole(made: Path, target: Path) -> None:
    """Moves a finished folder to `target` on the same disk, at once.

    Raises:
        OSError: where something is there already, or the folder around it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    os.rename(made, target)
