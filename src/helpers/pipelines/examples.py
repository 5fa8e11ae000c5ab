"""The task's examples by position, for pipelines in Python: in memory, or decoded each time that they are asked for."""

import io
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from helpers.datasets.folders import read_picture
from helpers.errors import StudyError
from helpers.tasks import EVERY_EPOCH, Task, opencv, transforms

Pair = tuple[np.ndarray, Any]


class Examples(Protocol):
    """Pairs of an image, uint8 (height, width, channels), and a label, int64."""

    def __len__(self) -> int:
        """Returns how many there are."""

    def __getitem__(self, index: int) -> Pair:
        """Returns one example."""

    def many(self, indices: np.ndarray) -> Pair:
        """Returns images, uint8 (n, height, width, channels), and labels, int64 (n,)."""


class InMemory:
    """Examples that lie decoded in arrays."""

    def __init__(self, images: np.ndarray, labels: np.ndarray):
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Pair:
        return self.images[index], self.labels[index]

    def many(self, indices: np.ndarray) -> Pair:
        """Returns images, uint8 (n, height, width, channels), and labels, int64 (n,)."""
        return self.images[indices], self.labels[indices]


class Coded:
    """Pictures that are read from files or records, and decoded, whenever they are asked for."""

    def __init__(self, load: Callable, labels: np.ndarray, decode: Callable, form: dict[str, Any]):
        """Takes `load`: indices -> paths, or coded pictures; `decode`: one of these, image_size, channels -> image."""
        self.load, self.labels, self.decode, self.form = load, labels, decode, form

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Pair:
        (file,) = self.load([index])
        return self.decode(file, **self.form), self.labels[index]

    def many(self, indices: np.ndarray) -> Pair:
        """Returns images, uint8 (n, height, width, channels), and labels, int64 (n,)."""
        return np.stack([self.decode(file, **self.form) for file in self.load(indices)]), self.labels[indices]


class Records:
    """Records of a `tfds.data_source`, which decodes them itself."""

    def __init__(self, source: Sequence):
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Pair:
        record = self.source[index]
        return record["image"], np.int64(record["label"])

    def many(self, indices: np.ndarray) -> Pair:
        """Returns images, uint8 (n, height, width, channels), and labels, int64 (n,)."""
        images, labels = zip(*(self[int(index)] for index in indices), strict=True)
        return np.stack(images), np.array(labels)


def of(task: Task, backend: str) -> Examples:
    """Returns the task's examples: in memory where it decodes them once, else as they lie in their files or records.

    Args:
        task: what to deliver.
        backend: "numpy" decodes with Pillow, "opencv" with OpenCV.

    Raises:
        StudyError: for OpenCV where it has nothing to do, and for data that is not there.
    """
    reads = task.decoding == EVERY_EPOCH
    if backend == "opencv" and not reads and task.transform not in opencv.APPLY:
        raise StudyError(
            f"backend opencv decodes, and does {' and '.join(opencv.APPLY)} (got {task.transform} on decoded images); "
            "use backend numpy"
        )
    if not reads:
        data = task.arrays()
        return InMemory(data.images, data.labels)
    height, width, channels = task.describe().image_shape
    form = {"image_size": (height, width), "channels": channels}
    decode = opencv.decode if backend == "opencv" else _decode_by_pillow
    if task.source == "tfds":
        records = task.data.coded(examples=task.examples)
        return Coded(records.pictures, records.labels, decode, form)
    paths, labels, _ = task.data.files(examples=task.examples)
    return Coded(np.array(paths).__getitem__, labels, decode, form)


def apply_of(task: Task, backend: str) -> Callable:
    """Returns what applies the task's transform: (images uint8 (n, h, w, c), draws) -> float32 images.

    Args:
        task: what to deliver.
        backend: "numpy", or "opencv" where that does the transform.

    Raises:
        StudyError: where the OpenCV that is installed is too old for the transform.
    """
    if backend == "opencv":
        opencv.require_exact(task.transform)
    by_numpy = transforms.get(task.transform).apply_numpy
    return opencv.APPLY.get(task.transform, by_numpy) if backend == "opencv" else by_numpy


def _decode_by_pillow(file, **form):
    return read_picture(io.BytesIO(file) if isinstance(file, bytes) else file, **form)
