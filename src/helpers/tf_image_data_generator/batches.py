"""The batches of a flow as a tf.data.Dataset: planned, made in parallel, labelled, saved where that is asked for."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from . import plans
from .draws import Ranges

SPAN_IMAGES = 256
SPAN_BYTES = 4 << 20


@dataclass(frozen=True, kw_only=True)
class Source:
    """The images of a flow, and what goes with them.

    Attributes:
        read: a function of indices, int64 tensor (n,), that gives images (n, height, width, channels).
        shape: (height, width, channels) of an image.
        white: the brightest value of the data.
        in_memory: many small batches are then made at once; files are read batch by batch.
        labels: array(s) with one row per image, in any nest, or None.
        more: arrays to hand through beside the images.
        weights: (n,), or None.
        images_are_labels: the finished images are their own labels.
    """

    read: Callable
    shape: tuple[int, int, int]
    white: float = 255.0
    in_memory: bool = False
    labels: Any = None
    more: tuple = ()
    weights: Any = None
    images_are_labels: bool = False


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


def batches(source: Source, listing: Any, finish: Callable, *, ranges: Ranges, dtype: str, stream: bool) -> Any:
    """Returns the dataset.

    Args:
        source: the images, and what goes with them.
        listing: the original's own iterator of this flow, for its settings: how many images, batch size, shuffle,
            seed, data format, where to save pictures.
        finish: a function of images and draws, see `pixels.make`.
        ranges: what to draw.
        dtype: of the finished images.
        stream: whether to draw as the original does.

    Raises:
        ValueError: for a batch size below 1.
    """
    count, batch_size = listing.n, listing.batch_size
    if batch_size < 1:
        raise ValueError(f"batch_size must be >= 1 (got {batch_size}); give a positive whole number")
    with tf.device("CPU"):
        labels, more, weights = (
            None if part is None else tf.nest.map_structure(tf.constant, part)
            for part in (source.labels, source.more, source.weights)
        )
    save = _saver(listing) if listing.save_to_dir else None
    if stream:  # its draws are seeded batch by batch
        span = batch_size
        planned, draw = plans.stream_plan(
            count, span, shuffle=listing.shuffle, seed=listing.seed, ranges=ranges, size=source.shape[:2]
        )
    else:
        span = span_of(batch_size, 4 * int(np.prod(source.shape))) if source.in_memory else batch_size
        planned, draw = plans.stateless_plan(count, span, shuffle=listing.shuffle, seed=listing.seed, ranges=ranges)

    def prepare(indices, drawn_from):
        images = tf.cast(finish(source.read(indices), *draw(indices, drawn_from)), dtype)
        if save:
            images = save(images, indices)
        gather = functools.partial(tf.gather, indices=indices)
        inputs = (images, *map(gather, more)) if more else images
        if labels is None and not source.images_are_labels:
            return inputs
        outputs = images if source.images_are_labels else tf.nest.map_structure(gather, labels)
        return (inputs, outputs) if weights is None else (inputs, outputs, gather(weights))

    dataset = planned.map(prepare, num_parallel_calls=2 * usable_cores())
    if span > batch_size:
        dataset = dataset.rebatch(batch_size)
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread sleeps when an epoch's iterator is deleted: up to 0.6 s
    dataset = dataset.prefetch(2).apply(tf.data.experimental.assert_cardinality(-(-count // batch_size)))
    return dataset.with_options(options)


def _saver(listing):
    """Returns a function that writes finished images as pictures; it holds none of the listing's own images."""
    folder, prefix, suffix = listing.save_to_dir, listing.save_prefix, listing.save_format
    data_format = listing.data_format

    def write(images, indices):
        for image, index in zip(images, indices, strict=True):
            name = f"{prefix}_{index}_{np.random.default_rng().integers(10**7)}.{suffix}"
            keras.utils.array_to_img(image, data_format, scale=True).save(os.path.join(folder, name))
        return images

    return lambda images, indices: tf.ensure_shape(
        tf.numpy_function(write, [images, indices], images.dtype), images.shape
    )
