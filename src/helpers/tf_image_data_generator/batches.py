"""The batches of a flow: read, made by eager TensorFlow in tf.data's threads, labelled, saved where asked for."""

import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from . import pixels
from .listings import Listing
from .plans import HashedPlan, StreamPlan

SPAN_IMAGES = 256
SPAN_BYTES = 4 << 20
Element = Any  # images, (inputs, labels) or (inputs, labels, weights), inputs being images or (images, …)


@dataclass(frozen=True, kw_only=True)
class Source:
    """The images of a flow, and what goes with them.

    Attributes:
        read: a function of indices, int64 tensor (n,), that gives images (n, height, width, channels), eagerly; or,
            in a graph, a function of one index that gives one image.
        in_graph: which of the two: files that TensorFlow decodes are read one by one, in the pipeline's graph.
        shape: (height, width, channels) of an image.
        dtype: of the images as they are read.
        white: the brightest value of the data.
        in_memory: many small batches are then made at once; files are read batch by batch.
        labels: array(s) with one row per image, in any nest, or None.
        more: arrays to hand through beside the images.
        weights: (n,), or None.
        images_are_labels: the finished images are their own labels.
    """

    read: Callable
    in_graph: bool = False
    shape: tuple[int, int, int]
    dtype: Any = np.uint8
    white: float = 255.0
    in_memory: bool = False
    labels: Any = None
    more: tuple = ()
    weights: Any = None
    images_are_labels: bool = False


class Maker:
    """Makes batches of one source: planned rows in, the finished element out; in any thread."""

    def __init__(self, source: Source, recipe: pixels.Recipe, plan: HashedPlan | StreamPlan) -> None:
        """Keeps what goes with the images on the CPU.

        Args:
            source: the images, and what goes with them.
            recipe: of the finished pixels.
            plan: knows what is drawn for a planned row.
        """
        self.source, self.recipe, self.plan = source, recipe, plan
        self.labels: Any
        self.more: Any
        self.weights: Any
        self.finish = pixels.make(recipe)
        self.in_graph = source.in_graph
        with tf.device("CPU"):
            self.labels, self.more, self.weights = (
                None if part is None else tf.nest.map_structure(tf.constant, part)
                for part in (source.labels, source.more, source.weights)
            )
        height, width, channels = source.shape
        shape = (channels, height, width) if recipe.given.data_format == "channels_first" else source.shape
        self.image = tf.TensorSpec([None, *shape], recipe.given.dtype)
        self.spec = self.element(self.image, lambda part: tf.TensorSpec([None, *part.shape[1:]], part.dtype))

    def element(self, images: Any, rows_of: Callable) -> Element:
        """Returns finished images with what goes with them; `rows_of` makes the rows of an array."""
        inputs = (images, *map(rows_of, self.more)) if self.more else images
        if self.labels is None and not self.source.images_are_labels:
            return inputs
        outputs = images if self.source.images_are_labels else tf.nest.map_structure(rows_of, self.labels)
        return (inputs, outputs) if self.weights is None else (inputs, outputs, rows_of(self.weights))

    def read_ahead(self, index: Any) -> tuple:
        """Returns the image of this index where it is to be read in the pipeline's graph, for `complete`."""
        return (self.source.read(index),) if self.source.in_graph else ()

    def images(self, indices: Any, draws: np.ndarray, ahead: tuple) -> Any:
        """Returns finished images (n, …).

        Args:
            indices: int64 tensor (n,).
            draws: float64 (n, 10).
            ahead: what `read_ahead` gave, in a batch.
        """
        images = ahead[0] if ahead else self.source.read(indices)
        return tf.cast(self.finish(images, draws), self.recipe.given.dtype)

    def complete(self, indices: Any, drawn_from: Any, *ahead: Any) -> Element:
        """Returns the element of planned rows; all arguments are eager tensors."""
        draws = self.plan.draws(indices.numpy(), drawn_from.numpy())
        images = self.images(indices, draws, ahead)
        return self.element(images, lambda part: tf.gather(part, indices))


def span_of(batch_size: int, image_bytes: int) -> int:
    """Returns how many images to make at once: whole batches, and more than one where batches are small.

    A call of a map costs tf.data and XLA the same for one image as for a hundred.

    Args:
        batch_size: images per batch.
        image_bytes: of one finished image.
    """
    images = min(SPAN_IMAGES, SPAN_BYTES // max(image_bytes, 1))
    return batch_size * max(1, images // batch_size)


def usable_cores() -> int:
    """Returns how many cores this process may use; all of them where the system does not tell, as on macOS."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class Batches:
    """All that a flow delivers, as a dataset or batch by batch.

    Attributes:
        maker: of the elements: a `Maker`, or what `pairs` joins.
        plan: of orders and draws.
        in_memory: whether many small batches may be made at once.
        savers: functions of finished images and their indices that write pictures, by the place of the images in the
            flattened element.
    """

    maker: Any
    plan: HashedPlan | StreamPlan
    in_memory: bool
    savers: dict[int, Callable] = field(default_factory=dict)

    def again(self) -> "Batches":
        """Returns the same, at its first epoch."""
        return replace(self, plan=self.plan.again())

    def dataset(self, *, endless: bool) -> tf.data.Dataset:
        """Returns them as a tf.data.Dataset, each pass a new epoch; its cardinality is known.

        Args:
            endless: whether one epoch follows the other; False: a pass is an epoch.
        """
        count, batch_size = self.plan.count, self.plan.batch_size
        span = batch_size
        if self.in_memory and not self.savers and isinstance(self.plan, HashedPlan):  # a stream is drawn by the batch
            widths = [spec.dtype.size * int(np.prod(spec.shape[1:])) for spec in tf.nest.flatten(self.maker.spec)]
            span = span_of(batch_size, sum(widths))
        dataset = self.plan.dataset(endless=endless, sizes=_sizes(count, span))
        if self.maker.in_graph:
            dataset = dataset.unbatch().map(self._read_one, num_parallel_calls=usable_cores())
            dataset = dataset.rebatch(_sizes(count, batch_size))
        dataset = dataset.map(self._make, num_parallel_calls=2 * usable_cores())
        if self.savers:  # the last stage, with nothing behind it that asks ahead
            dataset = dataset.map(self._write)
        else:
            dataset = (dataset.rebatch(_sizes(count, batch_size)) if span > batch_size else dataset).prefetch(2)
        length = tf.data.INFINITE_CARDINALITY if endless else -(-count // batch_size)
        options = tf.data.Options()
        options.autotune.enabled = False  # its thread sleeps when an epoch's iterator is deleted: up to 0.6 s
        return dataset.apply(tf.data.experimental.assert_cardinality(length)).with_options(options)

    def batch(self, number: int) -> Element:
        """Returns the batch of this number, see `plan.batch`, as eager tensors."""
        indices, drawn_from = map(tf.constant, self.plan.batch(number))
        with tf.device("CPU"):
            ahead = zip(*map(self.maker.read_ahead, indices), strict=True) if self.maker.in_graph else ()
            element = self.maker.complete(indices, drawn_from, *map(tf.stack, ahead))
        for place, save in self.savers.items():
            save(tf.nest.flatten(element)[place].numpy(), indices.numpy())
        return element

    def _read_one(self, index, drawn_from):
        return tuple(part[None] for part in (index, drawn_from, *self.maker.read_ahead(index)))

    def _make(self, *planned):
        specs = tf.nest.flatten(self.maker.spec)

        held = weakref.ref(self)  # TensorFlow keeps a Python function for ever: it must not keep the images too

        def complete(*planned):
            batches = held()
            if batches is None:
                raise RuntimeError("the flow behind this dataset is gone; keep a name for it")
            with tf.device("CPU"):
                return tf.nest.flatten(batches.maker.complete(*planned))

        made = tf.py_function(complete, planned, [spec.dtype for spec in specs])
        made = [tf.ensure_shape(part, spec.shape) for part, spec in zip(made, specs, strict=True)]
        element = tf.nest.pack_sequence_as(self.maker.spec, made)
        return ((element,), planned[0]) if self.savers else element

    def _write(self, element, indices):
        (element,) = element
        flat = tf.nest.flatten(element)
        written = [tf.numpy_function(save, [flat[place], indices], []) for place, save in self.savers.items()]
        with tf.control_dependencies(written):
            return tf.nest.map_structure(tf.identity, element)


def _sizes(count, batch_size):
    return [batch_size] * (count // batch_size) + [count % batch_size] * bool(count % batch_size)


def saver(listing: Listing) -> Callable:
    """Returns a function of finished images and indices that writes pictures; it holds none of the listing's images.

    Args:
        listing: of this flow, for its folder, prefix, format and layout.
    """
    folder, prefix, suffix = listing.save_to_dir, listing.save_prefix, listing.save_format
    data_format = listing.data_format

    def write(images, indices):
        for image, index in zip(images, indices, strict=True):
            name = f"{prefix}_{index}_{np.random.default_rng().integers(10**7)}.{suffix}"
            keras.utils.array_to_img(image, data_format, scale=True).save(os.path.join(folder, name))

    return write
