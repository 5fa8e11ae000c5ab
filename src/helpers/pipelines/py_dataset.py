"""The task as a Keras Sequence: `keras.utils.PyDataset`, whole batches, NumPy."""

import math

import keras
import numpy as np

from helpers.datasets.folders import read_picture
from helpers.pipelines.feeds import Feed
from helpers.tasks import Task, transforms


class TaskPyDataset(keras.utils.PyDataset):
    """Batches of a task, drawn and transformed with NumPy.

    The draws of a batch depend on the seed, the epoch and the batch's number alone, so that any number of
    workers gives the same batches.
    """

    def __init__(self, task, read, labels, **workers):
        """Takes the labels, int64 (n,), and `read`: indices -> uint8 images (m, height, width, channels)."""
        super().__init__(**workers)
        self.task, self.transform = task, transforms.get(task.transform)
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
        return self.transform.apply_numpy(images, draws), self.labels[chosen]

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
    task: Task, *, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
) -> TaskPyDataset | Feed:
    """Returns the task as a PyDataset; for an unshuffled one in a `Feed`, because `fit` would shuffle its batches.

    A folder's pictures are decoded in every epoch; records of TensorFlow Datasets, which have no random
    access, are decoded once into memory.
    """
    if task.source == "folder":
        paths, labels, _ = task.data.files(examples=task.examples)
        size = task.image_size or task.describe().image_shape[:2]
        read = lambda chosen: np.stack([read_picture(paths[index], image_size=size) for index in chosen])  # noqa: E731
    else:
        data = task.arrays()
        read, labels = data.images.__getitem__, data.labels
    queue = {"workers": workers, "use_multiprocessing": use_multiprocessing, "max_queue_size": max_queue_size}
    batches = TaskPyDataset(task, read, labels, **queue)
    return batches if task.shuffle else Feed(batches, shuffle=False)
