"""Decoded images kept as .npy files, so that a dataset is decoded once and not once per process."""

import hashlib
import shutil
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from helpers import files
from helpers.paths import data_dir


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
    if kept := _read(folder, examples):
        return kept
    images, labels = decode()
    _write(folder, images, labels)
    return np.ascontiguousarray(images[:examples]), labels[:examples].copy()


def _read(folder, examples):
    try:
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(folder / "labels.npy", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if len(images) != len(labels) or len(images) < examples or images.dtype != np.uint8:
        return None
    return np.array(images[:examples]), labels[:examples]


def _write(folder, images, labels):
    """Keeps both files, or none where the disk is small or cannot be written."""
    with suppress(OSError), files.working_folder(folder.parent) as work:
        (folder.parent / ".gitignore").write_text("*\n")
        if shutil.disk_usage(work).free < images.nbytes + (256 << 20):
            return
        made = work / "made"
        made.mkdir()
        np.save(made / "images.npy", images, allow_pickle=False)
        np.save(made / "labels.npy", labels, allow_pickle=False)
        shutil.rmtree(folder, ignore_errors=True)  # a damaged one, or another process was faster
        files.move_whole(made, folder)
