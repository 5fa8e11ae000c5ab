"""Files and folders that are whole or not there, also after the power was lost; and pages filled from templates."""

import base64
import errno
import functools
import hashlib
import json
import os
import platform
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows: as on a disk without locks
    fcntl = None  # type: ignore[assignment]

HAS_LOCKS = fcntl is not None
TEMPLATES = Path(__file__).parent / "templates"
PART = ".part"  # how the name of a file that is being written ends
WORK, SCRATCH = ".preparing-", "study-"  # how the names of working folders begin, in a data and the temporary folder
OWNER = ".owner"  # in each of them: locked while its process lives, and says on what system that runs
ORPHAN_S = 7 * 86400
NAMELESS_S = 600  # after which a folder has lost its process, where that has not said what system it runs on


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
    if os.name == "nt" and path.is_dir():  # Windows opens no folders, and keeps their names by itself
        return
    opened = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that keeps no folders apart has nothing to sync
            raise
    finally:
        os.close(opened)


def lock(opened: IO) -> None:
    """Takes the lock of an open file, which the system frees when the file is closed or the process ends.

    Raises:
        BlockingIOError: where another process holds it.
        OSError: where the disk, or the system, has no locks.
    """
    if fcntl is None:
        raise OSError(errno.ENOLCK, f"{sys.platform} has no flock")
    fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)


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


def sha256(path: Path) -> str:
    """Returns a file's hash, 64 hex digits."""
    with open(path, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def scratch(kind: str) -> AbstractContextManager[Path]:
    """Gives a folder of this user's alone in the temporary folder, as `working_folder` does.

    Args:
        kind: for people who look there, such as "cell".
    """
    return working_folder(Path(tempfile.gettempdir()), f"{SCRATCH}{kind}-")


def read_json(path: Path) -> Any:
    """Returns what a JSON file says.

    Raises:
        OSError: where it cannot be read.
        ValueError: where it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


@contextmanager
def working_folder(root: Path, prefix: str = WORK) -> Iterator[Path]:
    """Gives a folder in `root` that is gone afterwards; what killed processes left there goes first.

    A folder is made in it, and `move_whole` brings it to where it belongs.

    Raises:
        OSError: where `root` cannot be written.
    """
    make_folder(root)
    remove_orphans(root)
    with (
        tempfile.TemporaryDirectory(prefix=prefix, dir=root, ignore_cleanup_errors=True) as work,
        open(Path(work, OWNER), "w") as owner,
    ):
        with suppress(OSError):  # a disk without locks
            lock(owner)
        owner.write(_running_system())  # after the lock: until it is there, nobody else judges by the lock
        owner.flush()
        yield Path(work)


def remove_orphans(root: Path) -> None:
    """Removes the working folders in `root` whose process is gone: those of this user that the kit made.

    The system frees a lock when its owner dies, however that was. Where another host, or none, keeps the lock, a
    folder is an orphan when nothing in it was written for a week; for ten minutes where no host is named, since a
    process names its own right after it has made the folder. A power cut may take the owner's file alone.
    """
    for left in (*root.glob(f"{WORK}*"), *root.glob(f"{SCRATCH}*")):
        with suppress(OSError):  # not the kit's, or gone meanwhile
            state = left.lstat()
            if stat.S_ISDIR(state.st_mode) and state.st_uid == _user() and _is_orphan(left):
                shutil.rmtree(left, ignore_errors=True)


def _user():
    """Returns this user's number; on Windows, which has none, 0, as `stat` tells there for every file."""
    return os.geteuid() if hasattr(os, "geteuid") else 0


def _is_orphan(folder):
    unused_s = time.time() - max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))
    try:
        opened = os.open(folder / OWNER, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:  # in the temporary folder it may be of somebody else's making
        return folder.name.startswith(WORK) and unused_s > ORPHAN_S
    with open(opened, "r+") as owner:
        named = owner.read()
        try:
            lock(owner)
            if named == _running_system():
                return True
        except BlockingIOError:
            return False
        except OSError:  # a disk without locks
            pass
    return unused_s > (ORPHAN_S if named else NAMELESS_S)


@functools.cache
def _running_system() -> str:
    """Returns what names this host's running kernel, which alone knows who holds a lock of its own."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return platform.node()


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


def filled(template: Path, **values: Any) -> str:
    """Returns a template filled with values; what is not `markupsafe.Markup` is escaped.

    Args:
        template: the file; it may include those beside it and those in `helpers/templates`.
        **values: what the template names.
    """
    return str(_templates(template.parent).get_template(template.name).render(values))


def page(body: str, *, title: str, style: str = "", script: str = "") -> str:
    """Returns a whole HTML page that needs no other file, and may load none and run no other script.

    Args:
        body: HTML.
        title: of the page.
        style: CSS of its own.
        script: JavaScript of its own, which the page's policy names by its hash.
    """
    from markupsafe import Markup

    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return filled(
        TEMPLATES / "page.html",
        title=title,
        body=Markup(body),
        style=Markup(style),
        script=Markup(script),
        script_hash=Markup(f"sha256-{digest}") if script else "",
    )


@functools.cache
def _templates(folder):
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
