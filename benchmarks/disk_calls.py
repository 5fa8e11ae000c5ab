"""Stands between Python and the disk: the calls that change a folder are counted, recorded, or made to fail.

Every write, fsync, rename and removal that Python code asks for goes through `Watched`, those that pyarrow and NumPy
make too, since they get files that are not the interpreter's own.
"""

import builtins
import contextlib
import errno
import io
import os
import signal
import stat
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pyarrow
import pyarrow.parquet

FAULTS = {
    "no space, once": (errno.ENOSPC, False),
    "no space from then on": (errno.ENOSPC, True),
    "an I/O error": (errno.EIO, False),
    "kill -9": (None, False),
}
GROWS = ("create", "write", "fsync", "mkdir")  # what a full disk refuses; it renames and removes as before


class Watched:
    """The calls that change a folder, from `with` on.

    Args:
        folder: where; calls elsewhere pass unseen.
        nth: the call that fails, from 1 on; 0: none.
        fault: how, a key of `FAULTS`.
    """

    def __init__(self, folder: Path, *, nth: int = 0, fault: str = "an I/O error"):
        self.folder, self.nth = os.path.realpath(folder), nth
        self.errno, self.lasting = FAULTS[fault]
        self.count, self._lock = 0, threading.Lock()
        self.record: list[tuple] = []  # (kind, path, …), of the calls that succeeded

    def mark(self, name: str) -> None:
        """Records that something is finished; what is, must outlive everything."""
        self.record.append(("mark", name))

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        for module in (builtins, io):
            self._stack.enter_context(mock.patch.object(module, "open", self._open))
        calls = {"fsync": self._fsync, "mkdir": self._mkdir}
        calls |= {name: self._removing(name, getattr(os, name)) for name in ("unlink", "remove", "rmdir")}
        calls |= {name: self._renaming(getattr(os, name)) for name in ("rename", "replace")}
        self._real_fsync, self._real_mkdir = os.fsync, os.mkdir
        self._stack.enter_context(mock.patch.object(pyarrow, "OSFile", _opened_in_python))
        self._stack.enter_context(mock.patch.object(pyarrow.parquet, "write_table", _write_table))
        for name, call in calls.items():
            self._stack.enter_context(mock.patch.object(os, name, call))
        return self

    def __exit__(self, *raised):
        self._stack.close()

    def _inside(self, path, dir_fd=None):
        """Returns the path from the folder on, or None where it is elsewhere."""
        path = os.fsdecode(path)
        if dir_fd is not None:
            path = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), path)
        folder, name = os.path.split(os.path.abspath(path))
        path = os.path.join(os.path.realpath(folder), name)
        return os.path.relpath(path, self.folder) if path.startswith(self.folder + os.sep) else None

    def _called(self, kind, path, *, half=None):
        """Counts a call; fails where it is the one. `half` does what a failing write has done by then."""
        with self._lock:
            self.count += 1
            number = self.count
        after = self.lasting and number > self.nth > 0 and kind in GROWS
        if number != self.nth and not after:
            return
        if half:
            half()
        if self.errno is None:
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(self.errno, os.strerror(self.errno), path)

    def _open(self, file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
        inside = None if isinstance(file, int) else self._inside(file)
        if inside is None or not set(mode) & set("wax+"):
            return _OPEN(file, mode, buffering, encoding, errors, newline, closefd, opener)
        is_new = not os.path.exists(file)
        if is_new:
            self._called("create", inside)
        raw = _File(self, inside, file, mode.replace("b", "").replace("t", ""), opener)
        if is_new:
            self.record.append(("create", inside))
        return raw if "b" in mode else io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, newline)

    def _fsync(self, opened):
        opened = opened if isinstance(opened, int) else opened.fileno()
        inside = self._inside(os.readlink(f"/proc/self/fd/{opened}"))
        is_folder = stat.S_ISDIR(os.fstat(opened).st_mode)
        if inside is None and os.readlink(f"/proc/self/fd/{opened}") != self.folder:
            return self._real_fsync(opened)
        inside = inside or "."
        self._called("fsync", inside)
        self._real_fsync(opened)
        content = None if is_folder else Path(f"/proc/self/fd/{opened}").read_bytes()
        self.record.append(("fsync", inside, content))
        return None

    def _mkdir(self, path, mode=0o777, *, dir_fd=None):
        inside = self._inside(path, dir_fd)
        if inside is not None and not os.path.exists(path):
            self._called("mkdir", inside)
        self._real_mkdir(path, mode, dir_fd=dir_fd)
        if inside is not None:
            self.record.append(("mkdir", inside))

    def _removing(self, kind, real):
        def remove(path, *, dir_fd=None):
            inside = self._inside(path, dir_fd)
            if inside is not None and os.path.lexists(os.path.join(self.folder, inside)):
                self._called(kind, inside)
            real(path, dir_fd=dir_fd)
            if inside is not None:
                self.record.append(("remove", inside))

        return remove

    def _renaming(self, real):
        def rename(source, target, *, src_dir_fd=None, dst_dir_fd=None):
            first, second = self._inside(source, src_dir_fd), self._inside(target, dst_dir_fd)
            if first is not None:
                self._called("rename", first)
            real(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            if first is not None:
                self.record.append(("rename", first, second))

        return rename


_OPEN, _OS_FILE, _WRITE_TABLE = open, pyarrow.OSFile, pyarrow.parquet.write_table


def _opened_in_python(path, mode="r", **options):
    """What pyarrow would open past Python; buffered, since it writes in hundreds of small pieces."""
    if "w" not in mode:
        return _OS_FILE(path, mode, **options)
    opened = open(path, "wb")  # noqa: SIM115 (the caller closes it)
    return io.BufferedWriter(opened) if isinstance(opened, _File) else opened


def _write_table(table, where, **options):
    """What pyarrow would write past Python."""
    if not isinstance(where, str | os.PathLike):
        return _WRITE_TABLE(table, where, **options)
    with _opened_in_python(where, "wb") as opened:
        return _WRITE_TABLE(table, opened, **options)


class _File(io.RawIOBase):
    """A file whose every write is a call; no FileIO, so that nobody writes to it past Python."""

    def __init__(self, calls, inside, path, mode, opener):
        self._calls, self._inside, self._file = calls, inside, io.FileIO(path, mode, opener=opener)
        self.name, self.mode = self._file.name, self._file.mode

    def write(self, data):
        data = bytes(data)
        self._calls._called("write", self._inside, half=lambda: self._file.write(data[: len(data) // 2]))
        return self._file.write(data)

    def readinto(self, buffer):
        return self._file.readinto(buffer)

    def seek(self, offset, whence=0):
        return self._file.seek(offset, whence)

    def tell(self):
        return self._file.tell()

    def truncate(self, size=None):
        return self._file.truncate(size)

    def fileno(self):
        return self._file.fileno()

    def readable(self):
        return self._file.readable()

    def writable(self):
        return self._file.writable()

    def seekable(self):
        return True

    def close(self):
        self._file.close()
        super().close()


def in_child(run, *, log: Path, limit_s: float = 120) -> int:
    """Runs `run` in a fork of this process; returns its exit code, or minus the signal that ended it.

    Args:
        run: returns the exit code.
        log: gets what it prints.
        limit_s: after so long it is killed, by SIGALRM.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 99
    try:
        signal.alarm(int(limit_s))
        with open(log, "w") as opened:
            os.dup2(opened.fileno(), 1)
            os.dup2(opened.fileno(), 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        code = run()
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)


class Disk:
    """What a disk holds by a recording, and what is left of it when the power goes.

    A file's content is safe from its fsync on, a name from the fsync of its folder on. What else was done may be there
    or not.
    """

    def __init__(self, folder: Path):
        """Begins with what is in the folder, all of it safe."""
        self.root = _Folder.read(folder)
        self.step = 0

    def do(self, kind: str, path: str, *more) -> None:
        """Does one recorded call."""
        self.step += 1
        if kind == "mark":
            return
        if kind == "fsync":
            node = self.root if path == "." else self._at(path)
            if isinstance(node, _Folder):
                node.safe, node.waiting = dict(node.names), []
            elif node is not None:  # else it was removed while it was open
                node.content = more[0]
            return
        folder, name = self._split(path)
        if kind == "rename":
            node = folder.change(self.step, name, None)
            target, new_name = self._split(more[0])
            target.change(self.step, new_name, node)
        elif kind == "remove":
            folder.change(self.step, name, None)
        else:
            folder.change(self.step, name, _Folder() if kind == "mkdir" else _Content())

    def _split(self, path):
        parent, name = os.path.split(path)
        return (self._at(parent) if parent else self.root), name

    def _at(self, path):
        node = self.root
        for part in Path(path).parts:
            node = node.names[part]
        return node

    def left(self, what: str, chance=None) -> "Iterator[tuple[str, bytes | None]]":
        """Yields (path, content, or None for a folder) of all that is there after the power was lost.

        Args:
            what: "safe": what was synced, and nothing else; "names": and all names, as on a disk that keeps names in
                order and content not; "some": and each change of a name or not.
            chance: for "some": takes the number of a step, says whether it was kept.
        """
        yield from self.root.left("", what, chance)


class _Content:
    def __init__(self, content=b""):
        self.content = content


class _Folder:
    def __init__(self):
        self.names: dict = {}
        self.safe: dict = {}
        self.waiting: list[tuple] = []

    @classmethod
    def read(cls, path):
        folder = cls()
        for entry in Path(path).iterdir():
            folder.names[entry.name] = cls.read(entry) if entry.is_dir() else _Content(entry.read_bytes())
        folder.safe = dict(folder.names)
        return folder

    def change(self, step, name, node):
        """Puts `node` under a name, or takes away what is there for None; returns what was there."""
        before = self.names.pop(name, None)
        if node is not None:
            self.names[name] = node
        self.waiting.append((step, name, node))
        return before

    def left(self, path, what, chance):
        names = dict(self.safe)
        if what == "names":
            names = self.names
        elif what == "some":
            for step, name, node in self.waiting:
                if chance(step):
                    names.pop(name, None)
                    names |= {name: node} if node is not None else {}
        for name, node in names.items():
            here = os.path.join(path, name)
            if isinstance(node, _Folder):
                yield here, None
                yield from node.left(here, what, chance)
            else:
                yield here, node.content
