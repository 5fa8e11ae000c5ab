"""Times one pipeline through `fit`: first batch, steady state, whole epoch, the step alone, the wait.

Keras' batch callbacks do not see the input stalls, because the batch is fetched inside the train function;
the parts are therefore told apart by timing `fit` on the pipeline and `fit` on one batch held ready.
"""

import collections
import gc
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from helpers.errors import StudyError
from helpers.machine import allocator
from helpers.machine.gpu_monitor import Monitor
from helpers.pipelines import feeds
from helpers.pipelines.feeds import Batch

NO_BATCH = "a feed must give at least one batch (got none); look at its length and its source"


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One timed epoch through `fit`; the three parts sum to `epoch_s`.

    Attributes:
        epoch_s: from the beginning of the epoch to its end.
        first_batch_s: until the first training step has ended: opening the pipeline, its first batch, a step.
        steady_s: from there until the last step has ended.
        end_s: from there to the end of the epoch: noticing that the data is over.
        set_up_s: what `fit` did before the epoch began; not part of `epoch_s`.
        cpu_s: CPU seconds of this process and its children during the epoch.
        batches: steps taken.
    """

    epoch_s: float
    first_batch_s: float
    steady_s: float
    end_s: float
    set_up_s: float
    cpu_s: float
    batches: int

    @property
    def steady_batch_s(self) -> float:
        """Seconds per batch after the first; NaN where there was only one."""
        return self.steady_s / (self.batches - 1) if self.batches > 1 else float("nan")


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training epoch taken apart.

    Attributes:
        epoch_s: the epoch through `fit`, seconds.
        step_s: one step on a batch held ready, seconds.
        batches: steps per epoch.
        device_busy_share: share of the epochs in which the GPU ran anything, by its own driver; NaN without one.
    """

    epoch_s: float
    step_s: float
    batches: int
    device_busy_share: float = float("nan")

    @property
    def waiting_share(self) -> float:
        """Share of the epoch that the steps do not explain, 0 to 1: the model waits for its data."""
        return max(0.0, 1 - self.step_s * self.batches / self.epoch_s)


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """Keeps Python's collector from running inside a timed region; collects before it."""
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def garbage_set_aside() -> Iterator[None]:
    """Collects once and sets what lives aside, so that the collections between epochs cost next to nothing."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def time_epoch(model: Any, feed: Any, *, clock: Callable[[], int] = time.perf_counter_ns) -> Epoch:
    """Runs one epoch of `fit` and times it, with memory freed as in a process that reads no other feed.

    A Dataset made by `from_generator` is not told from another there.

    Args:
        model: a compiled Keras model.
        feed: whatever `feeds.opened` takes.
        clock: gives nanoseconds; another one for tests.

    Raises:
        StudyError: if the feed gave no batch.
    """
    import keras

    from helpers.timing.keras_parts import EpochClock

    watch = EpochClock(clock)
    opened = feeds.opened(feed)
    arguments = {"steps_per_epoch": opened.steps_per_epoch, "shuffle": opened.shuffle}
    # On TensorFlow, fit reads all else through a generator dataset.
    through_a_generator = feeds.kind(opened.data) != "tf.data" and keras.backend.backend() == "tensorflow"
    allocator.keep_freed_memory(of_a_generator=through_a_generator)
    with garbage_collection_paused():
        start = clock()
        model.fit(opened.data, epochs=1, verbose=0, callbacks=[watch], **arguments)
    if watch.batches == 0:
        raise StudyError(NO_BATCH)
    return Epoch(
        epoch_s=(watch.end - watch.begin) * 1e-9,
        first_batch_s=(watch.first - watch.begin) * 1e-9,
        steady_s=(watch.last - watch.first) * 1e-9,
        end_s=(watch.end - watch.last) * 1e-9,
        set_up_s=(watch.begin - start) * 1e-9,
        cpu_s=watch.end_cpu - watch.begin_cpu,
        batches=watch.batches,
    )


def first_batch(feed: Any) -> Batch:
    """Returns the first batch of any feed, as NumPy arrays, after reading all of an epoch.

    Reading a part of a dataset that caches may cut all its later epochs short, without an error (TensorFlow 2.21).

    Raises:
        StudyError: as `feeds.opened`, and if there is no batch.
    """
    batches = feeds.batches_of(feed)
    first = next(batches, None)
    if first is None:
        raise StudyError(NO_BATCH)
    collections.deque(batches, maxlen=0)
    return first


def held(batch: Batch, batches: int) -> Any:
    """Returns a dataset that hands out one batch, held ready, `batches` times."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensors(batch).repeat(batches).prefetch(tf.data.AUTOTUNE)


def step_seconds(model: Any, batch: Batch, *, batches: int = 32) -> float:
    """Returns the seconds of one training step on a batch held ready: the median of three short epochs.

    Args:
        model: a compiled Keras model.
        batch: (images, labels) as NumPy arrays.
        batches: steps in each of the three epochs, at least 2.
    """
    feed = held(batch, batches)
    time_epoch(model, held(batch, 2))
    return statistics.median(time_epoch(model, feed).steady_batch_s for _ in range(3))


def take_training_apart(model: Any, feed: Any, *, epochs: int = 3) -> Training:
    """Times training epochs and the step alone, side by side, and tells the share of waiting.

    Args:
        model: the model to train; its weights change.
        feed: what `fit` takes.
        epochs: timed epochs, one warm-up apart; the median counts.
    """
    feed = feeds.settled(feed)
    batch = first_batch(feed)
    batches = time_epoch(model, feed).batches
    alone, through, monitor = [], [], Monitor()
    time_epoch(model, held(batch, 2))
    for _ in range(epochs):
        with monitor:
            through.append(time_epoch(model, feed).epoch_s)
        alone.append(time_epoch(model, held(batch, max(2, min(32, batches)))).steady_batch_s)
    return Training(
        epoch_s=statistics.median(through),
        step_s=statistics.median(alone),
        batches=batches,
        device_busy_share=monitor.busy_share,
    )


@dataclass(frozen=True)
class Fitted:
    """A feed with a model of its own, for comparisons in which the models differ.

    Attributes:
        model: a compiled Keras model.
        feed: what `fit` takes.
    """

    model: Any
    feed: Any

    def time_epoch(self) -> Epoch:
        """Runs and times one epoch."""
        return time_epoch(self.model, self.feed)
