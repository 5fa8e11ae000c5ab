"""The limit that no pipeline passes: the work itself, done without any pipeline."""

import operator
import time
import timeit
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers import checks
from helpers.machine import limits
from helpers.tasks import Task, transforms

PASS_BYTES = 16 * 2**20  # float32 bytes written in one timed pass, or those of four batches


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """The most images per second that a way of doing the work reaches.

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
        """The share of this ceiling that a feed reaches: 0.1 leaves room for ten times."""
        return images_per_s / self.images_per_s

    def __str__(self):
        """One line for people."""
        return f"{self.images_per_s:,.0f} images/s at most ({self.method}, batches of {self.batch_size})"


def of_task(task: Task, *, passes: int = 3, seed: int = 0, clock: Callable[[], int] = time.perf_counter_ns) -> Ceiling:
    """Measures how fast this machine does a task's work without any pipeline.

    A batch is gathered from decoded images in memory, its draws are made, the transform is applied: by NumPy on one
    thread and on one per core, and by a TensorFlow graph, on one thread and on one per core. The best pass of the best
    method counts, because a limit is asked for and noise only slows. The decoding of files and records is left out.

    Args:
        task: whose work it is.
        passes: timed passes per method, >= 1, after one that is not timed.
        seed: of the random order and the draws.
        clock: gives nanoseconds.

    Raises:
        StudyError: where a number is below 1, or the data is not there.
    """
    checks.whole("passes", passes, least=1)
    images = task.arrays().images
    batches = _index_batches(task, images, seed)
    count = sum(len(batch) for batch in batches)
    by_method = {}
    threads = min(len(limits.core_numbers()), len(batches))
    with ThreadPoolExecutor(threads) as pool:
        for method, work in _methods(task, images, seed):
            for name, one_pass in (
                (f"{method}, one thread", lambda work=work: [work(batch) for batch in batches]),
                (f"{method}, one thread per core", lambda work=work: list(pool.map(work, batches))),
            ):
                one_pass()
                best_ns = min(timeit.repeat(one_pass, timer=clock, repeat=passes, number=1))
                by_method[name] = count / max(best_ns, 1) * 1e9
    method, images_per_s = max(by_method.items(), key=operator.itemgetter(1))
    return Ceiling(images_per_s=images_per_s, method=method, by_method=by_method, batch_size=task.batch_size)


def _index_batches(task, images, seed):
    """Index arrays, int64, that name images in a random order, each at most once."""
    result = transforms.get(task.transform).output_shape(images.shape[1:])
    most = max(4 * task.batch_size, PASS_BYTES // (4 * int(np.prod(result))))
    order = np.random.default_rng(seed).permutation(len(images))[:most]
    return [order[start : start + task.batch_size] for start in range(0, len(order), task.batch_size)]


def _methods(task, images, seed) -> Iterator[tuple[str, Callable[[np.ndarray], Any]]]:
    """Yields each method's name and a function from a batch's indices to its transformed images."""
    transform = transforms.get(task.transform)

    def numpy_batch(chosen):
        draws = transform.draw_numpy(np.random.default_rng((seed, chosen[0])), len(chosen), images.shape[1:])
        return transform.apply_numpy(images[chosen], draws)

    yield "NumPy", numpy_batch

    import tensorflow as tf

    with tf.device("/CPU:0"):
        source = tf.constant(images)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)])
    def graph_batch(chosen):
        draws = transform.draw_tf(tf.stack([chosen[0], seed]), (tf.shape(chosen)[0],), images.shape[1:])
        return transform.apply_tf(tf.gather(source, chosen), draws)

    yield "TensorFlow graph", lambda chosen: graph_batch(tf.constant(chosen))
