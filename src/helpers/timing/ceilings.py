"""The limit that no pipeline passes: what memory and conversion allow."""

import operator
import time
import timeit
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from helpers import checks
from helpers.errors import StudyError
from helpers.machine import limits
from helpers.tasks import Task
from helpers.tasks.transforms import SCALE

PASS_BYTES = 64 * 2**20  # float32 bytes written in one timed pass


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """The most images per second that a way of measuring found.

    Attributes:
        images_per_s: of the best method.
        method: its name.
        by_method: method -> images/s of its best pass.
        batch_size: images per batch.
    """

    images_per_s: float
    method: str
    by_method: dict[str, float]
    batch_size: int

    def share(self, images_per_s: float) -> float:
        """The share of this ceiling that a feed rate reaches: 0.1 leaves room for ten times."""
        return images_per_s / self.images_per_s

    def __str__(self):
        """One line for people."""
        return f"{self.images_per_s:,.0f} images/s at most ({self.method}, batches of {self.batch_size})"


def gather_ceiling(
    images: np.ndarray,
    *,
    batch_size: int,
    passes: int = 5,
    seed: int = 0,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Ceiling:
    """Measures how fast this machine can gather random images from memory and make them float32, 0 to 1.

    It is the least that any pipeline over an array in memory must do, done without any pipeline: by NumPy into
    buffers that are used again, by NumPy on one thread per core, and by one TensorFlow graph. The best pass of the
    best method counts, because a limit is asked for and noise only slows.

    Args:
        images: uint8 (n, height, width, channels).
        batch_size: images per batch, >= 1.
        passes: timed passes per method, after one that is not timed; each writes 64 MiB, or four batches.
        seed: of the random order.
        clock: gives nanoseconds.

    Returns:
        The ceiling, about half a second later.

    Raises:
        StudyError: where there are no images, they are not uint8, or a number is below 1.
    """
    if images.ndim != 4 or not len(images) or images.dtype != np.uint8:
        raise StudyError(
            f"images must be uint8 of shape (n, height, width, channels), n >= 1 "
            f"(got {images.dtype} of shape {images.shape})"
        )
    checks.whole("batch_size", batch_size, least=1)
    checks.whole("passes", passes, least=1)
    batches = _index_batches(images, batch_size, seed)
    count = sum(len(batch) for batch in batches)
    by_method = {}
    with ThreadPoolExecutor() as pool:
        for method, one_pass in _methods(images, batches, pool):
            one_pass()
            best_ns = min(timeit.repeat(one_pass, timer=clock, repeat=passes, number=1))
            by_method[method] = count / max(best_ns, 1) * 1e9
    method = max(by_method, key=by_method.__getitem__)
    return Ceiling(images_per_s=by_method[method], method=method, by_method=by_method, batch_size=batch_size)


def of_task(task: Task, *, passes: int = 5, seed: int = 0) -> Ceiling:
    """The gather ceiling for a task's own images and batch size.

    Args:
        task: a task; files and records count as their decoded images in memory.
        passes: timed passes per method.
        seed: of the random order.
    """
    return gather_ceiling(task.arrays().images, batch_size=task.batch_size, passes=passes, seed=seed)


def _index_batches(images, batch_size, seed):
    most = max(4 * batch_size, PASS_BYTES // (4 * images[0].size))
    order = np.random.default_rng(seed).permutation(len(images))[:most]
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def _methods(images, batches, pool) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yields each method's name and a function that gathers and converts every batch once."""

    def numpy_share(share):
        gathered = np.empty((max(map(len, share)), *images.shape[1:]), np.uint8)
        converted = np.empty(gathered.shape, np.float32)

        def one_pass():
            for batch in share:
                size = len(batch)
                np.take(images, batch, axis=0, out=gathered[:size], mode="clip")
                np.multiply(gathered[:size], SCALE, out=converted[:size])

        return one_pass

    yield "NumPy, one thread", numpy_share(batches)

    workers = min(len(limits.core_numbers()), len(batches))
    shares = [numpy_share(batches[worker::workers]) for worker in range(workers)]

    def threaded():
        list(pool.map(operator.call, shares))

    yield f"NumPy, {len(shares)} threads", threaded
    yield "TensorFlow graph", _tensorflow_pass(images, batches)


def _tensorflow_pass(images, batches):
    import tensorflow as tf

    with tf.device("/CPU:0"):
        source = tf.constant(images)
        indices = [tf.constant(batch) for batch in batches]

        @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)])
        def gather(batch):
            return tf.cast(tf.gather(source, batch), tf.float32) * SCALE

    def one_pass():
        for batch in indices:
            gather(batch)

    return one_pass
