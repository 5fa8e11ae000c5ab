"""The task as a Keras Sequence: `keras.utils.PyDataset`, whole batches, NumPy or OpenCV."""

import math

import keras
import numpy as np

from helpers.errors import StudyError
from helpers.pipelines import examples
from helpers.pipelines.feeds import Feed
from helpers.pipelines.pools import OneImage, Pool
from helpers.tasks import Task, transforms


class TaskPyDataset(keras.utils.PyDataset):
    """Batches of a task, drawn with NumPy and transformed with NumPy or OpenCV.

    The draws of a batch depend on the seed, the epoch and the batch's number alone, with a pool those of an image on
    seed, epoch and image. So any number of workers gives the same batches.
    """

    def __init__(self, task, read, apply, pool=None, **workers):
        """Takes the `examples.Examples` to read, what applies the transform, (images, draws) -> float32, and a pool."""
        super().__init__(**workers)
        self.task, self.transform = task, transforms.get(task.transform)
        self.read, self.apply, self.pool = read, apply, pool
        self.epoch = 0
        self._order()

    def _order(self):
        self.order = np.arange(len(self.read))
        if self.task.shuffle:
            np.random.default_rng((self.task.seed, self.epoch)).shuffle(self.order)

    def __len__(self):
        """Returns the number of batches per epoch, the partial one included."""
        return math.ceil(len(self.read) / self.task.batch_size)

    def __getitem__(self, batch):
        """Returns batch number `batch`: (images float32, labels int64)."""
        chosen = self.order[batch * self.task.batch_size :][: self.task.batch_size]
        if self.pool:
            return self.pool([(self.task.seed, self.epoch, index) for index in chosen.tolist()])
        images, labels = self.read.many(chosen)
        generator = np.random.default_rng((self.task.seed, self.epoch, batch))
        draws = self.transform.draw_numpy(generator, len(images), images.shape[1:])
        return self.apply(images, draws), labels

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
    pool: str = "none",
    pool_size: int = 0,
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
        pool: "threads" or "processes" that share the images of each batch, one at a time; "none": the batch at once.
        pool_size: how many; 0: one for each core.

    Raises:
        StudyError: for OpenCV where it has nothing to do, for a pool within processes, and for data that is not there.
    """
    if pool != "none" and use_multiprocessing:
        raise StudyError(
            f"a pool starts its {pool} in this process (got pool={pool} with use_multiprocessing); leave one out"
        )
    read, apply = examples.of(task, backend), examples.apply_of(task, backend)
    shared = Pool(pool, pool_size, OneImage(read, task.transform, apply)) if pool != "none" else None
    queue = {"workers": workers, "use_multiprocessing": use_multiprocessing, "max_queue_size": max_queue_size}
    batches = TaskPyDataset(task, read, apply, shared, **queue)
    return batches if task.shuffle else Feed(batches, shuffle=False)
