"""A flow: a tf.data.Dataset of batches that also has what scripts ask of ImageDataGenerator's iterators."""

import functools
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from .batches import Batches
from .listings import Listing


class Flow(tf.data.Dataset):
    """Batches as a tf.data.Dataset, with the attributes of the original's iterator: `n`, `class_indices`, …

    Read in Python (`for`, `next(flow)`, `flow[i]`) it gives NumPy arrays that may be written to; within `fit`, `map`
    and a `tf.function` tensors. What is derived from it by `map`, `prefetch`, … is a plain Dataset.

    A flow that a generator returns is finite: a `for` loop, `map`, `predict` and `fit(flow, epochs=5)` take an epoch
    at a time. `endless()` returns one that never runs out, for `fit(flow.endless(), steps_per_epoch=…)` and for loops
    that break by themselves. `next(flow)` goes on from epoch to epoch with both.
    """

    def __init__(self, batches: Batches, listing: Listing, *, endless: bool = False) -> None:
        """Makes the dataset.

        Args:
            batches: what it delivers.
            listing: what the images are, for its attributes.
            endless: whether it never runs out.
        """
        self.batches, self.listing, self._endless = batches, listing, endless
        self._dataset = batches.dataset(endless=endless)
        self._reader: Iterator | None = None
        self.batch_index = self.total_batches_seen = 0
        super().__init__(tf.data.experimental.to_variant(self._dataset))

    def _inputs(self):
        return [self._dataset]

    @property
    def element_spec(self) -> Any:
        """Shapes and dtypes of a batch."""
        return self._dataset.element_spec

    def __getattr__(self, name):
        """Returns what the original's iterator has."""
        if name.startswith("_") or name == "listing":
            raise AttributeError(name)
        if name == "index_array":
            raise AttributeError("a flow keeps no index_array; give np.arange(n) as y, or take shuffle=False")
        if name == "next":
            raise AttributeError("a flow has no method next, as in Keras 3; write next(flow)")
        if not hasattr(self.listing, name):
            raise AttributeError(f"a flow of this kind has no attribute {name!r}")
        return getattr(self.listing, name)

    def __setattr__(self, name, value):
        """Sets what is the flow's own; what it was made with is settled.

        Raises:
            AttributeError: for an attribute that would have to change batches which are made already.
        """
        if name == "shuffle" or name in vars(vars(self).get("listing", self)).keys() - vars(self).keys():
            raise AttributeError(f"{name} is settled when a flow is made; make another with {name}={value!r}")
        super().__setattr__(name, value)

    @property
    def x(self) -> Any:
        """The images of a flow of arrays, in its dtype; a copy."""
        source = getattr(self.batches.maker, "source", None)
        if source is None or not source.in_memory:
            raise AttributeError("x")
        images = source.read(tf.range(self.n)).numpy().astype(self.dtype)
        return images.transpose(0, 3, 1, 2) if self.data_format == "channels_first" else images

    def __len__(self):
        """Batches of an epoch, of an endless flow too."""
        return -(-self.n // self.batch_size)

    def __iter__(self):
        """Begins an epoch; an endless flow begins its first and goes on."""
        iterator = super().__iter__()
        if tf.executing_eagerly():
            kind: Any = type(iterator)
            iterator.__class__ = _reading_arrays(kind)
        return iterator

    def as_numpy_iterator(self) -> Iterator:
        """Yields the batches as NumPy arrays, as a `for` loop does."""
        return iter(self)

    def __next__(self):
        """The next batch as NumPy arrays, from epoch to epoch without end."""
        if self._reader is None:
            source = self if self._endless else Flow(self.batches, self.listing, endless=True)
            self._reader = iter(source)
        self.batch_index = (self.batch_index + 1) % len(self)
        self.total_batches_seen += 1
        return next(self._reader)

    def __getitem__(self, index):
        """Batch `index` of an epoch as NumPy arrays: all of them together hold every row once.

        The order stands until `on_epoch_end()`; who asks for a batch again gets its images drawn anew.

        Raises:
            ValueError: for an index that the epoch does not have, as the original.
        """
        if not 0 <= index < len(self):
            raise ValueError(f"Asked to retrieve element {index}, but the Sequence has length {len(self)}")
        return tf.nest.map_structure(_as_array, self.batches.batch(index))

    def reset(self) -> None:
        """Lets `next(flow)` begin a new epoch."""
        self._reader, self.batch_index = None, 0

    def on_epoch_end(self) -> None:
        """Gives `flow[i]` a new order."""
        self.batches.plan.shuffle_batches()

    def endless(self) -> "Flow":
        """Returns the same flow from its first epoch on, one epoch after the other without end.

        `fit(flow.endless(), steps_per_epoch=flow.n // flow.batch_size, epochs=…)` makes a single iterator for all
        epochs, as the Keras for which old scripts were written did: no epoch waits for its start.
        """
        return Flow(self.batches.again(), self.listing, endless=True)


def _as_array(tensor):
    return tensor.__array__()  # of the tensor's own memory, which nobody else reads


@functools.cache
def _reading_arrays(kind: Any) -> Any:
    """Returns a subclass of TensorFlow's iterator that gives NumPy arrays where it runs eagerly.

    In a `tf.function`, and so in `fit`, it stays TensorFlow's own: the type there is that of its resource.
    """

    def read(self):
        element = kind.__next__(self)
        return tf.nest.map_structure(_as_array, element) if tf.executing_eagerly() else element

    return type("ArrayIterator", (kind,), {"__next__": read})
