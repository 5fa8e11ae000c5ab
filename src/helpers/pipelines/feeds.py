"""Whatever `fit` takes, seen alike: opened into a `Feed`, and read epoch by epoch as `fit` reads it."""

import collections
import inspect
import itertools
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from helpers import checks, internals, service
from helpers.errors import StudyError


class RanOut(StudyError):
    """An epoch ended before its steps were done."""


# What `fit` takes as one batch: x, (x, y) or (x, y, sample weights), each an array or a structure of arrays.
Batch = Any

# Feeds of other libraries that Keras takes: (top-level package, class), as Keras itself tells them.
OTHERS = {("grain", "MapDataset"), ("grain", "IterDataset"), ("grain", "DataLoader"), ("torch", "DataLoader")}
REMEDY = (
    "give a function without arguments that makes one, or wrap arrays as "
    "tf.data.Dataset.from_tensor_slices((x, y)).batch(32)"
)


@dataclass(frozen=True)
class Feed:
    """Data that goes with arguments of `fit`, such as a dataset that never ends.

    Attributes:
        data: what `fit` takes: a tf.data.Dataset, a PyDataset, an ImageDataGenerator's iterator, a Grain dataset or a
            PyTorch DataLoader; or a function without arguments that makes one, or a generator.
        steps_per_epoch: batches of an epoch; None: the data ends by itself.
        shuffle: whether `fit` shuffles the order of a PyDataset's batches; None: as `fit` does by default, which is to
            shuffle them. All other data has its own order.
        layers: a Keras model that does a part of the work on what `data` gives, within the model that is trained and
            before its own layers; None: `data` does all of the work. `delivered` reads through it.

    Raises:
        StudyError: for a number of steps or a switch that is none.
    """

    data: Any
    steps_per_epoch: int | None = None
    shuffle: bool | None = None
    layers: Any = None

    def __post_init__(self) -> None:
        """Checks the two arguments of `fit`."""
        if self.steps_per_epoch is not None:
            checks.whole("steps_per_epoch", self.steps_per_epoch, least=1)
        checks.one_of("shuffle", self.shuffle, (None, True, False))


def kind(data: Any) -> str:
    """Returns "tf.data", "PyDataset" (which ImageDataGenerator's iterators are too), "generator", or "other".

    Raises:
        StudyError: for anything that `fit` does not take as a feed.
    """
    import keras
    import tensorflow as tf

    if isinstance(data, tf.data.Dataset):
        return "tf.data"
    if isinstance(data, keras.utils.PyDataset):
        return "PyDataset"
    if isinstance(data, types.GeneratorType):
        return "generator"
    if any((base.__module__.partition(".")[0], base.__name__) in OTHERS for base in type(data).__mro__):
        return "other"
    raise StudyError(
        "a feed must be a tf.data.Dataset, a PyDataset, an ImageDataGenerator iterator, a Grain dataset or a PyTorch "
        f"DataLoader (got {type(data).__name__}); {REMEDY}"
    )


def may_end_early(data: Any) -> bool:
    """Tells whether `fit` may leave an epoch unread, so that nothing works on, or waits for the rest.

    Keras stops the workers of a PyDataset at the end of an epoch only; jobs of a tf.data service, and the threads and
    processes of other libraries, may wait for a reader.

    Args:
        data: what `fit` takes.
    """
    found = kind(data)
    if found == "PyDataset":
        return data.workers == 0 or (data.workers == 1 and not data.use_multiprocessing)
    return found == "tf.data" and not any(
        "DataService" in type(stage).__name__ for stage in internals.dataset_stages(data)
    )


def opened(given: Any) -> Feed:
    """Makes a `Feed` of whatever was given, without reading it.

    Args:
        given: what `fit` takes, a `Feed`, or a function without arguments that makes either.

    Returns:
        A feed whose `data` goes into `fit` as it is, and whose `shuffle` is True or False.

    Raises:
        StudyError: for what is no feed, never ends without a number of steps, or can be read only once.
    """
    feed = given if isinstance(given, Feed) else Feed(given)
    made = _is_function(feed.data)
    if made:
        inner = feed.data()
        inner = inner if isinstance(inner, Feed) else Feed(inner)
        said = {name: value for name, value in vars(inner).items() if value is not None}
        feed = replace(feed, **said)
    _require_readable(feed, made)
    by_fit = kind(feed.data) == "PyDataset" and feed.shuffle is not False and _length(feed.data) is not None
    return replace(feed, shuffle=by_fit)


def settled(given: Any) -> Any:
    """Returns what to open for each of many calls of `fit`, checked.

    It is what was given, or what a function makes, made once, so that caches stay filled. A function stays where it
    makes what can be read only once.

    Raises:
        StudyError: as `opened`.
    """
    feed = opened(given)
    made = _is_function(given.data if isinstance(given, Feed) else given)
    return feed if made and kind(feed.data) != "generator" else given


def epochs_of(given: Any, epochs: int) -> Iterator[Iterator[Batch]]:
    """Yields epochs, each an iterator of batches as NumPy arrays, read from one opening of the feed.

    A feed with `steps_per_epoch` is read through one iterator that goes on from epoch to epoch, as `fit` does. An
    epoch that is left early is read to its end before the next one begins: a cache that was read in part may be taken
    for a whole one. It is for looking at what a feed delivers, never for timing it: a loop uses none of a PyDataset's
    workers.

    Args:
        given: as for `opened`.
        epochs: how many to read.

    Raises:
        StudyError: as `opened`, and if an epoch ends before its steps are done.
    """
    feed = opened(given)
    length, steps, read = _length(feed.data), feed.steps_per_epoch, 0
    batches: Iterator[Batch] = iter(())
    for number in range(epochs):
        if number == 0 or steps is None or (length is not None and read >= length):
            batches, read = _one_pass(feed.data), 0
        epoch = _one_epoch(feed, batches)
        yield epoch
        collections.deque(epoch, maxlen=0)
        read += steps or 0


def delivered(given: Any, epochs: int) -> Iterator[Iterator[Batch]]:
    """Yields epochs as `epochs_of`, but of what the model's own layers get: what the feed's `layers` make of it.

    Args:
        given: as for `opened`.
        epochs: how many to read.

    Raises:
        StudyError: as `epochs_of`.
    """
    feed = opened(given)
    for epoch in epochs_of(feed, epochs):
        yield epoch if feed.layers is None else (through(feed.layers, batch) for batch in epoch)


def through(layers: Any, batch: Batch) -> Batch:
    """Returns a batch (x, …) whose x is what a `Feed`'s layers make of it in training, as NumPy arrays."""
    import keras

    x, *others = batch
    return (keras.ops.convert_to_numpy(layers(x, training=True)), *others)


def batches_of(given: Any) -> Iterator[Batch]:
    """Yields the batches of one epoch as NumPy arrays; see `epochs_of`.

    Raises:
        StudyError: as `epochs_of`.
    """
    yield from next(epochs_of(given, 1))


def parts_of(batch: Batch) -> tuple[Any, Any, Any]:
    """Returns (x, y, sample weights) of a batch, as `fit` takes it apart; None for what it has not.

    Raises:
        StudyError: for a tuple of more parts.
    """
    import keras

    if isinstance(batch, tuple) and not 1 <= len(batch) <= 3:
        raise StudyError(
            f"a batch must be x, (x, y) or (x, y, sample weights) (got a tuple of {len(batch)}); put several inputs "
            "into a tuple or a dictionary of their own"
        )
    return keras.utils.unpack_x_y_sample_weight(batch)


def first_as_it_comes(given: Any) -> Any:
    """Opens a feed anew and returns its first batch, as Keras would get it; for timing the opening."""
    data = opened(given).data
    return data[0] if kind(data) == "PyDataset" else next(iter(data))


def _is_function(data):
    """Whether it makes a feed when it is called; a function that asks for arguments is refused."""
    if not callable(data) or hasattr(data, "element_spec"):
        return False
    try:
        inspect.signature(data).bind()
    except TypeError as error:
        raise StudyError(f"a function that makes a feed must need no argument (got one with {error})") from None
    except ValueError:  # it does not tell
        pass
    return True


def _require_readable(feed, made):
    """Refuses what cannot be read epoch by epoch."""
    data, steps = feed.data, feed.steps_per_epoch
    if (sort := kind(data)) == "generator":
        if not made:
            raise StudyError(
                "a feed must be readable more than once (got a generator, which is not); "
                "give a function without arguments that makes it"
            )
        if steps is None:
            raise StudyError(
                "a generator has no second epoch (got one without steps_per_epoch); wrap one that never ends as "
                "Feed(function, steps_per_epoch=…), or one that ends with tf.data.Dataset.from_generator"
            )
    if sort == "tf.data":
        _require_dense(data.element_spec)
        if data.cardinality() == -1 and steps is None:  # tf.data.INFINITE_CARDINALITY
            raise StudyError(
                "a feed must end by itself (got one that repeats without end); leave repeat() out, or wrap it as "
                "Feed(dataset, steps_per_epoch=…)"
            )
    length = _length(data)
    if sort == "PyDataset" and length is None and steps is None:
        raise StudyError(
            "a feed must end by itself (got a PyDataset without a length); give it __len__, or wrap it as "
            "Feed(data, steps_per_epoch=…)"
        )
    if steps is not None and length is not None and (length % steps or not length):
        raise StudyError(
            f"steps_per_epoch must divide the number of batches (got {steps} for {length}): `fit` runs out of data "
            "otherwise; let the data repeat, or leave steps_per_epoch out"
        )


def _require_dense(spec):
    import tensorflow as tf

    for part in tf.nest.flatten(spec):
        if not isinstance(part, tf.TensorSpec):
            raise StudyError(
                f"a feed must give plain tensors (got {type(part).__name__.removesuffix('Spec')}); use padded_batch, "
                "or to_tensor() or tf.sparse.to_dense() in a map"
            )


def _length(data):
    """The number of batches of one pass; None where it is not known, or there is no end."""
    sort = kind(data)
    if sort == "tf.data":
        cardinality = int(data.cardinality())
        return cardinality if cardinality >= 0 else None
    try:
        return data.num_batches if sort == "PyDataset" else None
    except NotImplementedError:
        return None


def _one_pass(data):
    """Yields the batches of a new iterator."""
    sort = kind(data)
    if sort == "tf.data":
        # A watchdog can end the one, the other is faster.
        yield from service.read(data) if service.is_watched() else data.as_numpy_iterator()
    elif sort == "PyDataset":
        length = _length(data)
        for index in itertools.count() if length is None else range(length):
            yield as_fit_sees(data[index])
    else:
        yield from map(as_fit_sees, data)


def _one_epoch(feed, batches):
    """Yields one epoch of a pass, between the calls that a PyDataset gets from `fit`."""
    has_hooks, steps, read = kind(feed.data) == "PyDataset", feed.steps_per_epoch, 0
    if has_hooks:
        internals.begin_epoch(feed.data)
    for batch in itertools.islice(batches, steps):
        read += 1
        yield batch
    if steps is not None and read < steps:
        raise RanOut(
            f"an epoch must have steps_per_epoch batches (got {read} of {steps}, then the data ended); "
            "let the data repeat, or give fewer steps"
        )
    if has_hooks:
        feed.data.on_epoch_end()


def as_fit_sees(batch: Any) -> Batch:
    """Returns a Python object's batch in NumPy, a list of parts as a tuple.

    Args:
        batch: as a PyDataset or a generator gives it.
    """
    return _in_numpy(tuple(batch) if isinstance(batch, list) else batch)


def _in_numpy(value):
    if isinstance(value, Mapping):
        return {name: _in_numpy(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return tuple(map(_in_numpy, value))
    return None if value is None else np.asarray(value)
