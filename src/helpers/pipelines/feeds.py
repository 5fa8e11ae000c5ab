"""Any feed that `fit` takes, seen alike: a Dataset, a PyDataset, an ImageDataGenerator's iterator."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers import service
from helpers.errors import StudyError

Batch = tuple[np.ndarray, np.ndarray]  # images (batch, height, width, channels) and labels (batch, …)


@dataclass(frozen=True)
class Feed:
    """Data that goes with an argument of `fit`, such as a dataset that never ends.

    Attributes:
        data: what `fit` takes: a tf.data.Dataset, a PyDataset or an ImageDataGenerator's iterator.
        steps_per_epoch: batches of an epoch; None: the data ends by itself.
        shuffle: whether `fit` shuffles the order of a PyDataset's batches; None: as it does unless told.
    """

    data: Any
    steps_per_epoch: int | None = None
    shuffle: bool | None = None


def opened(feed: Any) -> Feed:
    """Returns what was given as a `Feed`."""
    return feed if isinstance(feed, Feed) else Feed(feed)


def kind(feed: Any) -> str:
    """Returns "tf.data" or "PyDataset" (which ImageDataGenerator's iterators are too).

    Raises:
        StudyError: for anything else.
    """
    import keras
    import tensorflow as tf

    if isinstance(feed, tf.data.Dataset):
        return "tf.data"
    if isinstance(feed, keras.utils.PyDataset):
        return "PyDataset"
    raise StudyError(
        f"a feed must be a tf.data.Dataset, a PyDataset or an ImageDataGenerator iterator "
        f"(got {type(feed).__name__}); wrap it in one of them"
    )


def batches_of(feed: Any) -> Iterator[Batch]:
    """Yields one epoch of (images, labels) as NumPy arrays, and ends the epoch as `fit` does.

    It is for looking at what a feed delivers, never for timing it: a loop uses none of a PyDataset's workers.

    Raises:
        StudyError: if the feed is no feed, never ends, or does not give pairs.
    """
    feed, steps = opened(feed).data, opened(feed).steps_per_epoch
    if kind(feed) == "tf.data":
        if steps:
            yield from (_pair(element) for element in itertools.islice(feed.as_numpy_iterator(), steps))
            return
        if feed.cardinality() == -1:  # tf.data.INFINITE_CARDINALITY
            raise StudyError("a feed must end by itself (got one that repeats without end); leave repeat() out")
        # A watchdog can end the one, the other is faster.
        for element in service.read(feed) if service.is_watched() else feed.as_numpy_iterator():
            yield _pair(element)
        return
    if feed.num_batches is None:
        raise StudyError("a feed must end by itself (got a PyDataset without a length); give it __len__")
    feed.on_epoch_begin()
    for index in range(feed.num_batches):
        yield _pair(feed[index])
    feed.on_epoch_end()


def first_as_it_comes(feed: Any) -> Any:
    """Opens a feed anew and returns its first batch, as Keras would get it; for timing the opening."""
    data = opened(feed).data
    return next(iter(data)) if kind(data) == "tf.data" else data[0]


def _pair(element):
    if not isinstance(element, tuple | list) or len(element) != 2:
        raise StudyError(f"a feed must give pairs (images, labels) (got {type(element).__name__})")
    return np.asarray(element[0]), np.asarray(element[1])
