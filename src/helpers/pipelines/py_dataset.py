"""The task as a Keras Sequence: `keras.utils.PyDataset`, whole batches, NumPy."""

import math

import keras
import numpy as np

from helpers import datasets
from helpers.tasks import Task, transforms


class TaskPyDataset(keras.utils.PyDataset):
    """Batches of a task, drawn and transformed with NumPy.

    The draws of a batch depend on the seed, the epoch and the batch's place alone, so that any number of
    workers gives the same batches.
    """

    def __init__(self, read, labels, transform, *, batch_size, shuffle, seed, **workers):
        """Takes the labels, int64 (n,), and `read`: indices -> uint8 images (m, height, width, channels)."""
        super().__init__(**workers)
        self.read = read
        self.labels = labels
        self.transform = transform
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0
        self._order()

    def _order(self):
        self.order = np.arange(len(self.labels))
        if self.shuffle:
            np.random.default_rng((self.seed, self.epoch)).shuffle(self.order)

    def __len__(self):
        """Returns the number of batches an epoch, the partial one included."""
        return math.ceil(len(self.labels) / self.batch_size)

    def __getitem__(self, batch):
        """Returns batch number `batch`: (images float32, labels int64)."""
        chosen = self.order[batch * self.batch_size : (batch + 1) * self.batch_size]
        images = self.read(chosen)
        generator = np.random.default_rng((self.seed, self.epoch, batch))
        draws = self.transform.draw_numpy(generator, len(images), images.shape[1:])
        return self.transform.apply_numpy(images, draws), self.labels[chosen]

    def on_epoch_end(self):
        """Gives the next epoch its own order and draws."""
        self.epoch += 1
        self._order()


class Transformed(keras.utils.PyDataset):
    """Another PyDataset's batches, each changed by a function of (images, labels)."""

    def __init__(self, batches, change, **workers):
        """Takes a PyDataset and the function."""
        super().__init__(**workers)
        self.batches = batches
        self.change = change

    def __len__(self):
        """Returns the number of batches an epoch."""
        return len(self.batches)

    def __getitem__(self, batch):
        """Returns batch number `batch`, changed."""
        return self.change(*self.batches[batch])

    def on_epoch_end(self):
        """Passes the end of the epoch on."""
        self.batches.on_epoch_end()


def read_pictures(paths, image_size=None):
    """Returns a function from indices to decoded pictures, uint8 (m, height, width, 3), read with Pillow."""
    from PIL import Image

    def read_one(path):
        with Image.open(path) as picture:
            picture = picture.convert("RGB")
            if image_size is not None and picture.size != image_size[::-1]:
                picture = picture.resize(image_size[::-1], Image.Resampling.NEAREST)
            return np.asarray(picture)

    return lambda chosen: np.stack([read_one(paths[index]) for index in chosen])


def build(task: Task, *, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10):
    """Returns the task as a PyDataset.

    A folder's pictures are decoded in every epoch; records of TensorFlow Datasets, which have no random
    access, are decoded once into memory.
    """
    if task.source == "folder":
        paths, labels, _ = datasets.folder_files(task.dataset, examples=task.examples)
        read = read_pictures(paths, task.image_size or task.describe().image_shape[:2])
    else:
        data = task.arrays()
        read, labels = data.images.__getitem__, data.labels
    return TaskPyDataset(
        read,
        labels,
        transforms.get(task.transform),
        batch_size=task.batch_size,
        shuffle=task.shuffle,
        seed=task.seed,
        workers=workers,
        use_multiprocessing=use_multiprocessing,
        max_queue_size=max_queue_size,
    )
