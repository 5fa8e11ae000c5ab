"""Files that are whole or not there."""

import json
import os
import tempfile
from pathlib import Path

PART = ".part"  # how the name of a file that is being written ends


def write_whole(path: Path, write) -> None:
    """Has `write` fill a temporary file beside `path` and renames it there, once it is safe on the disk.

    Args:
        path: the file that is to be.
        write: called with the temporary path.

    Raises:
        OSError: where the disk is full or the folder cannot be written; `path` is then as it was.
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=PART, dir=path.parent)
    os.close(handle)
    try:
        write(Path(name))
        with open(name, "rb") as written:
            os.fsync(written.fileno())
        os.chmod(name, 0o666 & ~_umask())  # mkstemp's files are for their owner alone
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: Path, content) -> None:
    """Writes JSON, whole or not at all."""
    write_whole(Path(path), lambda place: place.write_text(json.dumps(content, indent=2) + "\n"))
