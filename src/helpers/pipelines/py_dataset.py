"""The task as a Keras Sequence: `keras.utils.PyDataset`, whole batches, NumPy or OpenCV."""

import io
import math
from collections.abc import Callable

import keras
import numpy as np

from helpers.datasets.folders import read_picture
from helpers.errors import StudyError
from helpers.pipelines.feeds import Feed
from helpers.tasks import EVERY_EPOCH, Task, opencv, transforms


class TaskPyDataset(keras.utils.PyDataset):
    """Batches of a task, drawn with NumPy and transformed with NumPy or OpenCV.

    The draws of a batch depend on the seed, the epoch and the batch's number alone, so that any number of
    workers gives the same batches.
    """

    def __init__(self, task, read, labels, apply=None, **workers):
        """Takes the labels, int64 (n,), and `read`: indices -> uint8 images (m, height, width, channels).

        `apply`: (images, draws) -> float32 images; None: the transform's own, in NumPy.
        """
        super().__init__(**workers)
        self.task, self.transform = task, transforms.get(task.transform)
        self.apply = apply or self.transform.apply_numpy
        self.read, self.labels = read, labels
        self.epoch = 0
        self._order()

    def _order(self):
        self.order = np.arange(len(self.labels))
        if self.task.shuffle:
            np.random.default_rng((self.task.seed, self.epoch)).shuffle(self.order)

    def __len__(self):
        """Returns the number of batches per epoch, the partial one included."""
        return math.ceil(len(self.labels) / self.task.batch_size)

    def __getitem__(self, batch):
        """Returns batch number `batch`: (images float32, labels int64)."""
        chosen = self.order[batch * self.task.batch_size :][: self.task.batch_size]
        images = self.read(chosen)
        generator = np.random.default_rng((self.task.seed, self.epoch, batch))
        draws = self.transform.draw_numpy(generator, len(images), images.shape[1:])
        return self.apply(images, draws), self.labels[chosen]

    def on_epoch_end(self) -> None:
        """Gives the next epoch its own order and draws."""
        self.epoch += 1
        self._order()


class Transformed(keras.utils.PyDataset):
    """Another PyDataset's batches, each changed by a function of (images, labels)."""

    def __init__(self, batches, change, **workers):
        """Takes a PyDataset and the function."""
        super().__init__(**workers)
        self.batches, self.change = batches, change

    def __len__(self):
        """Returns the number of batches per epoch."""
        return len(self.batches)

    def __getitem__(self, batch):
        """Returns batch number `batch`, changed."""
        return self.change(*self.batches[batch])

    def on_epoch_end(self) -> None:
        """Passes the end of the epoch on."""
        self.batches.on_epoch_end()


def build(
    task: Task,
    *,
    backend: str = "numpy",
    workers: int = 1,
    use_multiprocessing: bool = False,
    max_queue_size: int = 10,
) -> TaskPyDataset | Feed:
    """Returns the task as a PyDataset; for an unshuffled one in a `Feed`, because `fit` would shuffle its batches.

    Where the task decodes every epoch, pictures are read from their files or records batch by batch; else they are
    decoded once, into memory.

    Args:
        task: what to deliver.
        backend: "numpy" (with SciPy and Pillow), or "opencv", which decodes, resizes and warps.
        workers: threads (or processes) that prepare batches.
        use_multiprocessing: processes instead of threads.
        max_queue_size: batches that may wait in the queue.

    Raises:
        StudyError: for OpenCV where it has nothing to do, and for data that is not there.
    """
    reads = task.decoding == EVERY_EPOCH
    read: Callable
    if backend == "opencv" and not reads and task.transform not in opencv.APPLY:
        raise StudyError(
            f"backend opencv decodes, and does {' and '.join(opencv.APPLY)} (got {task.transform} on decoded images); "
            "use backend numpy"
        )
    if backend == "opencv":
        opencv.require_exact(task.transform)
    if reads:
        load, labels = _coded(task)
        read = _Decoder(load, opencv.decode if backend == "opencv" else _decode_by_pillow, *_form(task))
    else:
        data = task.arrays()
        read, labels = data.images.__getitem__, data.labels
    apply = opencv.APPLY.get(task.transform) if backend == "opencv" else None
    queue = {"workers": workers, "use_multiprocessing": use_multiprocessing, "max_queue_size": max_queue_size}
    batches = TaskPyDataset(task, read, labels, apply, **queue)
    return batches if task.shuffle else Feed(batches, shuffle=False)


class _Decoder:
    """Reads pictures, from files or records, and decodes them: indices -> uint8 (m, height, width, channels)."""

    def __init__(self, load: Callable, decode: Callable, image_size: tuple[int, int], channels: int):
        self.load, self.decode = load, decode
        self.form = {"image_size": image_size, "channels": channels}

    def __call__(self, chosen: np.ndarray) -> np.ndarray:
        return np.stack([self.decode(file, **self.form) for file in self.load(chosen)])


def _coded(task):
    """Returns (indices -> paths, or the coded pictures themselves as bytes; labels)."""
    if task.source == "tfds":
        records = task.data.coded(examples=task.examples)
        return records.pictures, records.labels
    paths, labels, _ = task.data.files(examples=task.examples)
    return np.array(paths).__getitem__, labels


def _form(task):
    height, width, channels = task.describe().image_shape
    return (height, width), channels


def _decode_by_pillow(file, **form):
    return read_picture(io.BytesIO(file) if isinstance(file, bytes) else file, **form)
