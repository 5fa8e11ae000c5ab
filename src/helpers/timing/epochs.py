"""Times the epochs of one pipeline within a longer `fit`, each as its start and its rate; the step alone; the wait.

Keras' batch callbacks do not see the input stalls, because the batch is fetched inside the train function
[fact: callbacks-miss-waiting]; the parts are therefore told apart by timing `fit` on the pipeline and `fit` on one
batch held ready.
"""

import collections
import gc
import itertools
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from helpers.errors import StudyError
from helpers.machine import allocator
from helpers.machine.gpu_monitor import Monitor
from helpers.pipelines import feeds
from helpers.pipelines.feeds import Batch

LEAD_S = 0.5  # seconds
MOST_EPOCHS = 1_000_000
NO_BATCH = "a feed must give at least one batch (got none); look at its length and its source"


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One epoch of several within one `fit`; the three parts sum to `epoch_s`.

    It lasts from the end of its first step to the end of the next epoch's first step. So making and ending iterators,
    and all that Keras does between two epochs, count once, as they do in a training run.

    Attributes:
        epoch_s: seconds of all of it.
        steady_s: until its last step has ended.
        end_s: from there to the end of the epoch: noticing that the data is over, ending workers.
        first_batch_s: from there until the next epoch's first step has ended: iterators, a first batch, a step.
        iterator_s: of that, until the next epoch's iterator is there and the former one gone.
        cpu_s: CPU seconds of this process and its children meanwhile.
        batches: steps taken.
    """

    epoch_s: float
    steady_s: float
    end_s: float
    first_batch_s: float
    iterator_s: float
    cpu_s: float
    batches: int

    @property
    def batch_s(self) -> float:
        """The rate: seconds per batch after the first; NaN where there was only one."""
        return self.steady_s / (self.batches - 1) if self.batches > 1 else float("nan")

    @property
    def start_s(self) -> float:
        """What an epoch takes beside its batches: `epoch_s` is `start_s` and `batches` times `batch_s`."""
        return self.epoch_s - self.batches * self.batch_s if self.batches > 1 else self.epoch_s


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


def time_epochs(
    model: Any, feed: Any, epochs: int = 1, *, clock: Callable[[], int] = time.perf_counter_ns
) -> list[Epoch]:
    """Runs one `fit` of one epoch more and times these, with memory freed as where no other feed is read.

    Of the epoch more only the first step counts. `fit` ends there, on TensorFlow, where nothing of a feed's own would
    stay behind. (On JAX the next `fit` of a model that was stopped so finds a buffer gone: Keras 3.15.)

    A Dataset made by `from_generator` is not told from another there. A feed with `steps_per_epoch` keeps its iterator,
    which AUTOTUNE settles only once, in its first moments: what is timed begins after `LEAD_S` seconds of such epochs.

    Args:
        model: a compiled Keras model.
        feed: whatever `feeds.opened` takes.
        epochs: how many to time, at least 1.
        clock: gives nanoseconds; another one for tests.

    Returns:
        The epochs in their order.

    Raises:
        StudyError: if the feed gave no batch.
    """
    import keras

    from helpers.timing.keras_parts import EpochClock

    feed = feeds.opened(feed)
    on_tensorflow = keras.backend.backend() == "tensorflow"
    # On TensorFlow, fit reads all else through a generator dataset.
    through_a_generator = feeds.kind(feed.data) != "tf.data" and on_tensorflow
    watch = EpochClock(
        clock,
        epochs=epochs,
        lead_s=LEAD_S if feed.steps_per_epoch else 0.0,
        cut_last_epoch=on_tensorflow and feeds.may_end_early(feed.data),
    )
    allocator.keep_freed_memory(of_a_generator=through_a_generator)
    with garbage_collection_paused(), warnings.catch_warnings():
        if feed.steps_per_epoch is None:  # the end of data whose length Keras is not told, such as Grain's
            warnings.filterwarnings("ignore", "Your input ran out of data")
        model.fit(
            feed.data,
            epochs=MOST_EPOCHS,  # the clock ends it
            steps_per_epoch=feed.steps_per_epoch,
            verbose=0,
            shuffle=feed.shuffle,
            callbacks=[watch],
        )
    if not watch.timed or not watch.timed[-1].batches:
        raise StudyError(NO_BATCH)
    return [
        Epoch(
            epoch_s=(following.first - mark.first) * 1e-9,
            steady_s=(mark.last - mark.first) * 1e-9,
            end_s=(mark.end - mark.last) * 1e-9,
            first_batch_s=(following.first - mark.end) * 1e-9,
            iterator_s=max(0, following.ready - mark.end) * 1e-9,
            cpu_s=following.cpu_s - mark.cpu_s,
            batches=mark.batches,
        )
        for mark, following in itertools.pairwise(watch.timed)
    ]


def time_epoch(model: Any, feed: Any, *, clock: Callable[[], int] = time.perf_counter_ns) -> Epoch:
    """Runs one `fit` of two epochs and times the first; see `time_epochs`."""
    return time_epochs(model, feed, clock=clock)[0]


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


def floor_batch_s(feed: Any, batches: int) -> float:
    """Returns the seconds that `fit` takes for each batch of a feed's kind, held ready: no feed has a better rate.

    Args:
        feed: what `fit` takes, or a `Feed`; one of its batches is held.
        batches: of an epoch; at least 32 are taken.
    """
    from helpers.timing import models

    batch = first_batch(feed)
    return min(epoch.batch_s for epoch in time_epochs(models.smallest(batch), held(batch, max(32, batches)), 3))


def opening_s(feed: Any) -> float:
    """Returns the seconds from opening a feed to its first batch, without `fit`: what may grow with the examples."""
    start = time.perf_counter()
    feeds.first_as_it_comes(feed)
    return time.perf_counter() - start


def step_seconds(model: Any, batch: Batch, *, batches: int = 32) -> float:
    """Returns the seconds of one training step on a batch held ready: the median of three short epochs.

    Args:
        model: a compiled Keras model.
        batch: (images, labels) as NumPy arrays.
        batches: steps in each of the three epochs, at least 2.
    """
    feed = held(batch, batches)
    return statistics.median(epoch.batch_s for epoch in time_epochs(model, feed, 3))


def take_training_apart(model: Any, feed: Any, *, epochs: int = 3) -> Training:
    """Times training epochs and the step alone, side by side, and tells the share of waiting.

    Args:
        model: the model to train; its weights change.
        feed: what `fit` takes.
        epochs: timed epochs, one warm-up apart; the median counts.
    """
    feed = feeds.settled(feed)
    batch, monitor = first_batch(feed), Monitor()
    with monitor:
        through = time_epochs(model, feed, epochs)
    batches = through[0].batches
    alone = time_epochs(model, held(batch, max(2, min(32, batches))), epochs)
    return Training(
        epoch_s=statistics.median(epoch.epoch_s for epoch in through),
        step_s=statistics.median(epoch.batch_s for epoch in alone),
        batches=batches,
        device_busy_share=monitor.busy_share,
    )


@dataclass(frozen=True)
class Fitted:
    """A feed with a model of its own, for comparisons in which the models differ.

    Attributes:
        model: a compiled Keras model.
        feed: what `fit` takes, or a `Feed`.
    """

    model: Any
    feed: Any

    def time_epochs(self, epochs: int) -> list[Epoch]:
        """Runs and times so many epochs in one `fit`."""
        return time_epochs(self.model, self.feed, epochs)
