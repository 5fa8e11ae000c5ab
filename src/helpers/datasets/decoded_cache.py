"""Decoded images kept as .npy files, so that a dataset is decoded once and not once per process.

All that is kept takes at most `MOST_BYTES` together, and leaves `SPARED_BYTES` of the disk free; what was unused for
longest goes first. A file is used only where its hash is the one that was written with it.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from helpers import files
from helpers.paths import data_dir

MOST_BYTES = 8 << 30
SPARED_BYTES = 256 << 20
IMAGES, LABELS = "images.npy", "labels.npy"
MARK = "whole.json"  # the hashes of both; its time is when they were last used


def load_or_decode(
    name: str, state: str, examples: int, decode: Callable[[], tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first `examples` images and labels, from the cache if it holds this state of the data.

    Where the data folder cannot be written, nothing is kept, and the data is decoded every time.

    Args:
        name: for people who look into the cache.
        state: a text that changes when the data does.
        examples: how many to return.
        decode: decodes all: images uint8 (n, h, w, c), labels int64 (n,).
    """
    folder = data_dir() / "decoded" / f"{name}-{hashlib.sha256(state.encode()).hexdigest()[:16]}"
    files.remove_orphans(folder.parent)  # here, since what is kept may never be written again
    if kept := _read(folder, examples):
        return kept
    images, labels = decode()
    with suppress(OSError):
        _write(folder, images, labels)
    return np.ascontiguousarray(images[:examples]), labels[:examples].copy()


def _read(folder, examples):
    try:
        # Before anything reads the files: a damaged header could ask for more memory than there is.
        if files.read_json(folder / MARK) != _hashes(folder):
            return None
        images = np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False)
        labels = np.load(folder / LABELS, allow_pickle=False)
    except (OSError, ValueError):
        return None
    with suppress(OSError):  # another user's
        os.utime(folder / MARK)
    return (np.array(images[:examples]), labels[:examples]) if len(images) >= examples else None


def _hashes(folder):
    return {name: files.sha256(folder / name) for name in (IMAGES, LABELS)}


def _write(folder, images, labels):
    """Keeps both files, or none where they are larger than the limit or the disk."""
    with files.working_folder(folder.parent) as work:
        (folder.parent / ".gitignore").write_text("*\n")
        _make_room(images.nbytes + labels.nbytes, work)
        if images.nbytes + labels.nbytes > min(MOST_BYTES, shutil.disk_usage(work).free - SPARED_BYTES):
            return
        made = work / "made"
        made.mkdir()
        np.save(made / IMAGES, images, allow_pickle=False)
        np.save(made / LABELS, labels, allow_pickle=False)
        files.write_json(made / MARK, _hashes(made))
        with suppress(OSError):  # a damaged one, or another process was faster
            os.rename(folder, work / "former")
        files.move_whole(made, folder)


def _make_room(needed, work):
    """Moves what was unused for longest into `work`, to be removed, until `needed` bytes more are within the limit."""
    kept = []
    for images in work.parent.glob(f"*/{IMAGES}"):
        with suppress(OSError):  # gone meanwhile
            mark = images.with_name(MARK)
            used_at = mark.stat().st_mtime if mark.exists() else 0  # of an earlier version of the kit
            kept.append((used_at, images.stat().st_size, images.parent))
    total = sum(size for _, size, _ in kept)
    for _, size, folder in sorted(kept):
        if total + needed <= MOST_BYTES:
            break
        with suppress(OSError):
            os.rename(folder, work / folder.name)
            total -= size
