"""The task in Grain, which Keras' `fit` takes as it is: NumPy or OpenCV, in this process, its threads or others.

A Grain dataset can be asked for the element of any index, also beyond its length: these are the elements of later
epochs, with another order and other draws. An iterator begins at index 0 again. So `fit`, which makes one for each
epoch, would get the first epoch every time; `_FreshEpochs` gives each iterator the next one.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import grain
import numpy as np
from absl import flags

from helpers.errors import StudyError
from helpers.machine.limits import core_numbers
from helpers.pipelines import Feed, examples
from helpers.pipelines.examples import Examples, Records
from helpers.pipelines.forecast import GRAIN_BUFFER
from helpers.tasks import EVERY_EPOCH, Task, transforms

TUNED_MB = 1024  # what its autotuning is told that the batches may take
THREADS = 16  # Grain's own, where nothing is asked for


def build(
    task: Task,
    *,
    map: str = "element",
    backend: str = "numpy",
    threads: int = THREADS,
    buffer: int = GRAIN_BUFFER,
    processes: int = 0,
    autotune: bool = False,
    repeat: bool = False,
) -> Any:
    """Returns the task as a Grain dataset, or as a `Feed` where it repeats.

    Every element of a map has a random generator of its own, which depends on the seed, the epoch and the element
    alone: threads and processes change nothing that is drawn.

    Args:
        task: what to deliver.
        map: "element": one example per call, then batched; "batch": batched, then one batch per call; "gather": one
            call reads and transforms a batch, so that Grain itself handles batches only, and NumPy shuffles.
        backend: "numpy" (with SciPy and Pillow), or "opencv", which decodes, resizes and warps.
        threads: of `ReadOptions`, which prepare batches; 0: none.
        buffer: batches that they prepare ahead; in each process.
        processes: of `mp_prefetch`, each with these threads; 0: none.
        autotune: whether Grain chooses buffer and processes (`pick_performance_config`).
        repeat: whether it repeats without end, so that one iterator serves all epochs of a `fit`.

    Raises:
        StudyError: for OpenCV where it has nothing to do, for autotuning beside a choice of one's own, and for data
            that is not there.
    """
    if autotune and (processes, buffer) != (0, GRAIN_BUFFER):
        raise StudyError(
            f"autotune chooses buffer and processes itself (got buffer {buffer}, processes {processes}); leave them out"
        )
    batches = _batches(task, _read(task, backend), examples.apply_of(task, backend), map)
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=buffer)
    if autotune:
        tuned = grain.experimental.pick_performance_config(
            batches.to_iter_dataset(options),
            ram_budget_mb=TUNED_MB,
            max_workers=len(core_numbers()),
            max_buffer_size=None,
        )
        processes, options.prefetch_buffer_size = (
            tuned.multiprocessing_options.num_workers,
            tuned.read_options.prefetch_buffer_size,
        )

    if processes and not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()  # Grain reads absl's flags before it starts a process, and asks for this

    def ahead(dataset):
        return dataset.to_iter_dataset(options).mp_prefetch(grain.MultiprocessingOptions(num_workers=processes))

    return Feed(ahead(batches.repeat()), steps_per_epoch=len(batches)) if repeat else _FreshEpochs(batches, ahead)


class _FreshEpochs(grain.IterDataset):
    """A dataset whose every iterator gives the next epoch: another order, and other draws."""

    def __init__(self, batches: grain.MapDataset, ahead: Callable):
        """Takes the batches of an epoch, and what makes an IterDataset of batches."""
        super().__init__()
        self._batches, self._ahead, self._epochs = batches, ahead, itertools.count()

    def __iter__(self) -> Iterator:
        first, count = next(self._epochs) * len(self._batches), len(self._batches)
        return iter(self._ahead(self._batches.repeat().slice(slice(first, first + count))))


def _read(task: Task, backend: str) -> Examples:
    if task.source == "tfds" and task.decoding == EVERY_EPOCH and backend == "numpy":
        return Records(task.data.data_source(examples=task.examples))
    return examples.of(task, backend)


def _batches(task, read, apply, map):
    """Returns a MapDataset of (images float32, labels int64), one epoch long."""
    work = _Work(task.transform, apply)
    if map == "gather":
        gather = _Gather(read, task)
        return _mapped(grain.MapDataset.range(len(gather)).map_with_index(gather), work.of_batch, task)
    dataset = grain.MapDataset.source(read)
    if task.shuffle:
        dataset = dataset.shuffle(seed=task.seed)
    if map == "batch":
        return _mapped(dataset.batch(task.batch_size), work.of_batch, task)
    return _mapped(dataset, work.of_element, task).batch(task.batch_size)


def _mapped(dataset, work, task):
    if transforms.get(task.transform).random:
        return dataset.random_map(work, seed=task.seed)
    return dataset.map(work)


class _Work:
    """The task's transform, for an example or for a batch, with a generator of its own."""

    def __init__(self, name: str, apply: Callable):
        self.name, self.apply = name, apply  # a name, because a transform's functions do not pickle

    def of_batch(self, batch: tuple, generator: np.random.Generator | None = None) -> tuple:
        """Returns a batch's images, float32 (n, height, width, channels), and its labels."""
        images, labels = batch
        draws = transforms.get(self.name).draw_numpy(generator, len(images), images.shape[1:])
        return self.apply(images, draws), labels

    def of_element(self, example: tuple, generator: np.random.Generator | None = None) -> tuple:
        """Returns an example's image, float32 (height, width, channels), and its label."""
        image, label = example
        images, _ = self.of_batch((image[None], label), generator)
        return images[0], label


class _Gather:
    """The examples of batch number `index`, counted over all epochs, taken at once."""

    def __init__(self, read: Examples, task: Task):
        self.read, self.size, self.shuffle, self.seed = read, task.batch_size, task.shuffle, task.seed
        self.known = (-1, np.arange(len(read)))  # an epoch and its order; replaced as one, since threads share it

    def __len__(self) -> int:
        return -(-len(self.read) // self.size)

    def __call__(self, index: int, _: int) -> tuple:
        epoch, batch = divmod(index, len(self))
        return self.read.many(self.order(epoch)[batch * self.size :][: self.size])

    def order(self, epoch: int) -> np.ndarray:
        """Returns the order of an epoch's examples, (n,)."""
        known, order = self.known
        if self.shuffle and known != epoch:
            order = np.random.default_rng((self.seed, epoch)).permutation(len(self.read))
            self.known = (epoch, order)
        return order
